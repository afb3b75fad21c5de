//! svcadm(8): orders for instances.
//!
//! Reading order: `options` (the command line), `order` (what each verb writes), `enable` (the
//! walk of -r), `wait` (-s).  An order is stored, and that is success; only -s waits for what
//! becomes of it.

mod enable;
mod options;
mod order;
mod wait;

use std::process::ExitCode;

use smf_cmd::operand::{self, Entities, Kind, Wanted};
use smf_cmd::repository::{Repository, RepositoryError};

use options::{Options, Verb};

/// What every verb needs.
struct World {
    repository: Repository,
    entities: Entities,
    verbose: bool,
    /// Something was said on standard error that makes the status 1.
    failed: bool,
}

fn main() -> ExitCode {
    let options = match options::parse(lexopt::Parser::from_env()) {
        Ok(options) => options,
        Err(message) => {
            if let Some(message) = message {
                eprintln!("svcadm: {message}");
            }
            eprint!("{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("svcadm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<u8> {
    let mut repository = Repository::open_live()?;
    let entities = repository.entities()?;
    let mut world = World { repository, entities, verbose: options.verbose, failed: false };
    let chosen = match &options.state {
        Some(state) => world.in_state(state)?,
        None => world.chosen(&options.operands),
    };
    let missed = world.failed;
    let mut waiting = Vec::new();
    for fmri in &chosen {
        let done = match &options.verb {
            Verb::Enable { recursive, temporary, .. } => {
                enable::enable(&mut world, fmri, *recursive, *temporary)
            }
            Verb::Disable { temporary, .. } => order::disable(&mut world, fmri, *temporary),
            Verb::Restart { dump } => order::restart(&mut world, fmri, *dump),
            Verb::Refresh => order::action(&mut world, fmri, "refresh"),
            Verb::Clear => order::clear(&mut world, fmri),
            Verb::Mark { state } => order::mark(&mut world, fmri, *state),
        };
        match done {
            Ok(()) => waiting.push(fmri.clone()),
            Err(order::OrderError::Repository(error)) => world.denied(fmri, error)?,
            Err(error) => world.complain(&error.to_string()),
        }
    }
    let outcome = match options.verb {
        Verb::Enable { wait: true, .. } => wait::enabled(&mut world, &waiting)?,
        // The orders are stored; nobody waits when an operand matched nothing.
        Verb::Disable { wait: true, .. } if !missed => wait::disabled(&mut world, &waiting)?,
        _ => 0,
    };
    Ok(if world.failed { 1 } else { outcome })
}

impl World {
    fn complain(&mut self, message: &str) {
        eprintln!("svcadm: {message}");
        self.failed = true;
    }

    /// What one instance may not be told does not stop the others.
    fn denied(&mut self, fmri: &str, error: RepositoryError) -> Result<(), RepositoryError> {
        match error {
            RepositoryError::Denied => self.complain(&format!("{fmri}: Permission denied.")),
            RepositoryError::ReadOnly => self.complain(&format!("{fmri}: Repository read-only.")),
            // Deleted since it was found.
            RepositoryError::NotFound(_) => {
                self.complain(&operand::no_match(fmri, Wanted::Instances));
            }
            other => return Err(other),
        }
        Ok(())
    }

    /// What the operands name, each once; a partial FMRI must be unique.
    fn chosen(&mut self, operands: &[String]) -> Vec<String> {
        let mut chosen: Vec<String> = Vec::new();
        for operand in operands {
            match operand::find(operand, Wanted::Instances, &self.entities) {
                Ok(matched) if matched.kind == Kind::Partial && matched.fmris.len() > 1 => {
                    let text = operand::several("Partial FMRI", operand, &matched.fmris);
                    self.complain(&text);
                }
                Ok(matched) => {
                    for fmri in matched.fmris {
                        if !chosen.contains(&fmri) {
                            chosen.push(fmri);
                        }
                    }
                }
                Err(message) => self.complain(&message),
            }
        }
        chosen
    }

    /// Every instance in a state (-S).
    fn in_state(&mut self, state: &str) -> Result<Vec<String>, RepositoryError> {
        let every: Vec<String> = self.entities.values().flatten().cloned().collect();
        let mut chosen = Vec::new();
        for fmri in every {
            let groups = self.repository.groups(&fmri)?;
            let restarter = groups.get("restarter").and_then(|group| group.properties.get("state"));
            if restarter.is_some_and(|property| property.values.first().is_some_and(|v| v == state))
            {
                chosen.push(fmri);
            }
        }
        Ok(chosen)
    }
}
