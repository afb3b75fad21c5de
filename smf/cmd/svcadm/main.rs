//! svcadm(8): orders for instances.
//!
//! Reading order: `options` (the command line), `order` (what each verb writes), `enable` (the
//! walk of -r; `misconfigured` is what it cannot follow), `milestone`, `wait` (-s) and `potential` (whether waiting makes sense).  An order
//! is stored, and that is success; only -s waits for what becomes of it.

mod enable;
mod milestone;
mod misconfigured;
mod options;
mod order;
mod potential;
mod wait;

use std::collections::HashSet;
use std::process::ExitCode;

use smf_cmd::operand::{self, Entities, Kind, Pattern, Wanted};
use smf_cmd::repository::{Repository, RepositoryError};
use smf_cmd::say;
use smf_cmd::states;

use options::{Options, Refusal, Verb, Wait};
use order::{Order, Told, Wish};

/// What every verb needs.
struct World {
    repository: Repository,
    entities: Entities,
    verbose: bool,
    every_zone: bool,
    /// Something was said on standard error that makes the status 1.
    failed: bool,
}

fn main() -> ExitCode {
    let options = match options::parse(lexopt::Parser::from_env()) {
        Ok(options) => options,
        Err(refusal) => return refused(refusal),
    };
    match run(&options) {
        Ok(status) => ExitCode::from(status),
        Err(RepositoryError::NoServer) => {
            let why = "repository server unavailable";
            say!("svcadm: Couldn't bind to configuration repository: {why}.");
            ExitCode::FAILURE
        }
        Err(error) => {
            say!("svcadm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn refused(refusal: Refusal) -> ExitCode {
    let say = |text: Option<String>| text.iter().for_each(|text| say!("svcadm: {text}"));
    match refusal {
        Refusal::Usage(text) => {
            say(text);
            say::error(format_args!("{}", options::USAGE));
        }
        Refusal::MilestoneUsage(text) => {
            say(text);
            milestone::print_usage();
        }
        Refusal::Wrong(text) => say(Some(text)),
        Refusal::Fatal(text) => {
            say(Some(text));
            return ExitCode::FAILURE;
        }
        Refusal::Silent(status) => return ExitCode::from(status),
    }
    ExitCode::from(2)
}

fn run(options: &Options) -> Result<u8, RepositoryError> {
    if options.verb == Verb::Switch {
        return Ok(0);
    }
    let mut repository = Repository::open_live()?;
    match &options.verb {
        Verb::Milestone { name, default } => {
            return milestone::set(&mut repository, name, *default, options.verbose);
        }
        Verb::Backup { name } => return backup(&mut repository, name),
        _ => {}
    }
    let entities = repository.entities()?;
    let (verbose, every_zone) = (options.verbose, options.every_zone);
    let mut world = World { repository, entities, verbose, every_zone, failed: false };
    let chosen = match &options.state {
        Some(state) => world.in_state(state)?,
        None => world.chosen(&options.operands)?,
    };
    let missed = std::mem::take(&mut world.failed);
    carry_out(&mut world, &chosen, &options.verb)?;
    // Nobody waits when an order was not stored.
    let outcome = match &options.verb {
        Verb::Enable { wait: Wait { wait: true, longest }, .. } if !world.failed => {
            wait::enabled(&mut world, &chosen, *longest)?
        }
        Verb::Disable { wait: Wait { wait: true, longest }, .. } if !world.failed && !missed => {
            wait::disabled(&mut world, &chosen, *longest)?
        }
        _ => 0,
    };
    Ok(if world.failed || missed { 1 } else { outcome })
}

fn carry_out(world: &mut World, fmris: &[String], verb: &Verb) -> Result<(), RepositoryError> {
    match verb {
        Verb::Enable { recursive, temporary, .. } => {
            let wish = Wish { enabled: true, temporary: *temporary, comment: None };
            match recursive {
                true => enable::recursively(world, fmris, &wish),
                false => order::tell(world, fmris, Told::Wish(&wish)),
            }
        }
        Verb::Disable { temporary, comment, .. } => {
            let comment = comment.clone();
            let wish = Wish { enabled: false, temporary: *temporary, comment };
            order::tell(world, fmris, Told::Wish(&wish))
        }
        Verb::Restart { dump: true } => {
            order::tell(world, fmris, Told::Orders(&[Order::Dump, Order::Restart]))
        }
        Verb::Restart { dump: false } => order::tell(world, fmris, Told::Orders(&[Order::Restart])),
        Verb::Refresh => order::tell(world, fmris, Told::Orders(&[Order::Refresh])),
        Verb::Clear => order::clear(world, fmris),
        Verb::Mark { state, immediate, temporary } => {
            order::mark(world, fmris, *state, *immediate, *temporary)
        }
        Verb::Milestone { .. } | Verb::Backup { .. } | Verb::Switch => Ok(()),
    }
}

fn backup(repository: &mut Repository, name: &str) -> Result<u8, RepositoryError> {
    match repository.back_up(name) {
        // None was made when nothing had changed since the last one.
        Ok(_path) => Ok(0),
        Err(error @ RepositoryError::NoServer) => Err(error),
        Err(error) => {
            say!("svcadm: failed to backup repository: {error}");
            Ok(1)
        }
    }
}

impl World {
    fn complain(&mut self, message: &str) {
        say!("svcadm: {message}");
        self.failed = true;
    }

    /// Complains about an operand; where every zone is told, the zone is named.
    fn complain_of_operand(&mut self, message: &str) {
        let zone = if self.every_zone { " (global)" } else { "" };
        say!("svcadm{zone}: {message}");
        self.failed = true;
    }

    /// What the operands name, each once; a partial FMRI must be unique.
    fn chosen(&mut self, operands: &[String]) -> Result<Vec<String>, RepositoryError> {
        let (mut chosen, mut seen) = (Vec::new(), HashSet::new());
        for operand in operands {
            match operand::find(operand, Wanted::Instances, &self.entities) {
                Ok(matched) if matched.kind == Kind::Partial && matched.fmris.len() > 1 => {
                    let text = operand::several("Partial FMRI", operand, &matched.fmris);
                    self.complain_of_operand(&text);
                }
                Ok(matched) => {
                    let new = matched.fmris.into_iter().filter(|fmri| seen.insert(fmri.clone()));
                    chosen.extend(new);
                }
                Err(_) if self.names_script(operand)? => {
                    self.complain_of_operand(&operand::legacy(operand));
                }
                Err(message) => self.complain_of_operand(&message),
            }
        }
        Ok(chosen)
    }

    /// Whether an operand names a legacy script.
    fn names_script(&mut self, operand: &str) -> Result<bool, RepositoryError> {
        let groups = match self.repository.groups("svc:/smf/legacy_run") {
            Ok(groups) => groups,
            Err(RepositoryError::NotFound(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let pattern = Pattern::new(operand);
        let names = groups.values().filter_map(|group| group.properties.get("name"));
        let mut names = names.filter_map(|name| name.values.first());
        Ok(names.any(|name| pattern.names(&format!("lrc:{name}"))))
    }

    /// Every instance in a state (-S).
    fn in_state(&mut self, state: &str) -> Result<Vec<String>, RepositoryError> {
        let every = states::read(&mut self.repository, None, None)?;
        let wanted = every.into_iter().filter(|one| one.state == state);
        Ok(wanted.map(|one| one.fmri).collect())
    }
}
