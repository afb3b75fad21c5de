//! svcs(1): what runs, what does not, and why.
//!
//! Reading order: `options`, `columns` (rows and sorting), `processes` (-p), `long` (-l),
//! `depend` (-d, -D), `explain` and `reasons` (-x).

mod columns;
mod depend;
mod explain;
mod long;
mod options;
mod processes;
mod reasons;

use std::io::Write;
use std::process::ExitCode;

use jiff::tz::TimeZone;
use smf_cmd::instance::Instance;
use smf_cmd::operand::{self, Entities, Wanted};
use smf_cmd::repository::{Repository, RepositoryError};

use options::{Mode, Options};

/// What every mode needs.
struct World {
    repository: Repository,
    entities: Entities,
    zone: TimeZone,
    now: i64,
    failed: bool,
}

fn main() -> ExitCode {
    let options = match options::parse() {
        Ok(options) => options,
        Err(options::Refusal::Help) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(options::Refusal::Usage(message)) => {
            if let Some(message) = message {
                eprintln!("svcs: {message}");
            }
            eprint!("{}", options::USAGE);
            return ExitCode::from(2);
        }
        Err(options::Refusal::Fatal(message)) => {
            eprintln!("svcs: {message}");
            return ExitCode::from(2);
        }
    };
    let mut out = std::io::stdout().lock();
    match run(&options, &mut out) {
        Ok(failed) => ExitCode::from(u8::from(failed)),
        // Whoever reads has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("svcs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Whether anything failed.
fn run(options: &Options, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut repository = Repository::open()?;
    let entities = repository.entities()?;
    let (zone, now) = (TimeZone::system(), smf_cmd::clock::now());
    let mut world = World { repository, entities, zone, now, failed: false };
    match options.mode {
        Mode::List => list(&mut world, options, out)?,
        Mode::Dependencies => {
            let chosen = world.chosen(&options.operands, Wanted::Instances)?;
            let found = depend::dependencies(&mut world, &chosen)?;
            print(&mut world, options, &found, out)?;
        }
        Mode::Dependents => {
            let found = depend::dependents(&mut world, &options.operands)?;
            print(&mut world, options, &found, out)?;
        }
        Mode::Long => {
            let chosen = world.chosen(&options.operands, Wanted::Instances)?;
            long::print(&mut world, &chosen, options.processes, options.verbose, out)?;
        }
        Mode::LogFiles => {
            for instance in world.chosen(&options.operands, Wanted::Instances)? {
                if let Some(file) = instance.live("restarter", "logfile") {
                    writeln!(out, "{file}")?;
                }
            }
        }
        Mode::Explain => explain::print(&mut world, &options.operands, options.verbose, out)?,
    }
    Ok(world.failed)
}

/// The plain form.
fn list(world: &mut World, options: &Options, out: &mut dyn Write) -> anyhow::Result<()> {
    if options.all && !options.operands.is_empty() {
        eprintln!("svcs: -a ignored when used with arguments.");
    }
    let mut chosen = if options.operands.is_empty() {
        let every = world.every()?;
        let shown = |instance: &Instance| {
            options.all
                || options.restarter.is_some()
                || instance.enabled() == Some(true)
                || instance.enabled_temporarily() == Some(true)
        };
        every.into_iter().filter(shown).collect()
    } else {
        world.chosen(&options.operands, Wanted::Instances)?
    };
    if let Some(restarter) = &options.restarter {
        chosen.retain(|instance| instance.restarter() == restarter);
    }
    print(world, options, &chosen, out)
}

fn print(
    world: &mut World,
    options: &Options,
    instances: &[Instance],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let table = columns::Table { columns: &options.columns, zone: &world.zone, now: world.now };
    if !options.no_header {
        writeln!(out, "{}", table.header())?;
    }
    let mut sorted: Vec<&Instance> = instances.iter().collect();
    columns::sort(&mut sorted, &options.sort);
    for instance in sorted {
        writeln!(out, "{}", table.row(instance))?;
        if options.processes {
            for process in processes::of(instance) {
                let start = smf_cmd::clock::stime(process.start, world.now, &world.zone);
                writeln!(out, "{:15}{start:<8}   {:6} {}", "", process.pid, process.name)?;
            }
        }
    }
    Ok(())
}

impl World {
    /// Every instance.
    fn every(&mut self) -> Result<Vec<Instance>, RepositoryError> {
        let fmris: Vec<String> = self.entities.values().flatten().cloned().collect();
        self.read(fmris.iter())
    }

    /// The instances of this list that are still there.
    fn read<'a>(
        &mut self,
        fmris: impl Iterator<Item = &'a String>,
    ) -> Result<Vec<Instance>, RepositoryError> {
        let mut instances = Vec::new();
        for fmri in fmris {
            match Instance::read(&mut self.repository, fmri) {
                Ok(instance) => instances.push(instance),
                // Deleted since it was listed.
                Err(RepositoryError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(instances)
    }

    /// What the operands name, each once; the others are complained about.
    fn chosen_fmris(&mut self, operands: &[String], wanted: Wanted) -> Vec<String> {
        let mut chosen: Vec<String> = Vec::new();
        for operand in operands {
            match operand::find(operand, wanted, &self.entities) {
                Ok(matched) => {
                    for fmri in matched.fmris {
                        if !chosen.contains(&fmri) {
                            chosen.push(fmri);
                        }
                    }
                }
                Err(message) => {
                    eprintln!("svcs: {message}");
                    self.failed = true;
                }
            }
        }
        chosen
    }

    fn chosen(
        &mut self,
        operands: &[String],
        wanted: Wanted,
    ) -> Result<Vec<Instance>, RepositoryError> {
        if operands.is_empty() {
            return self.every();
        }
        let fmris = self.chosen_fmris(operands, wanted);
        self.read(fmris.iter())
    }
}
