//! svcs(1): what runs, what does not, and why.
//!
//! Reading order: `options`, `world` (what is asked of the repository), `row`, `columns` and `sort`
//! (the table), `processes` (-p), `depend` (-d, -D), `long` and `template` (-l), `notify` (-n),
//! `graph`, `reasons` and `explain` (-x).

mod columns;
mod depend;
mod explain;
mod graph;
mod long;
mod notify;
mod options;
mod processes;
mod reasons;
mod row;
mod sort;
mod template;
mod world;

use std::io::Write;
use std::process::ExitCode;

use smf_cmd::instance::Depth;
use smf_cmd::repository::RepositoryError;
use smf_cmd::say;
use smf_cmd::states::{self, State};

use columns::{Column, Table};
use options::{Mode, Options, Refusal};
use processes::Processes;
use row::Row;
use world::World;

fn main() -> ExitCode {
    let options = match options::parse(lexopt::Parser::from_env()) {
        Ok(options) => options,
        Err(Refusal::Help) => {
            say::done(format_args!("{}", options::help()));
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Usage(message)) => {
            if let Some(message) = message {
                say!("svcs: {message}");
            }
            say::error(format_args!("{}", options::USAGE));
            return ExitCode::from(2);
        }
        Err(Refusal::Fatal(message)) => {
            say!("svcs: {message}");
            return ExitCode::FAILURE;
        }
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let done = run(&options, &mut out).and_then(|failed| Ok(out.flush().map(|()| failed)?));
    match done {
        Ok(failed) => ExitCode::from(u8::from(failed)),
        // Whoever reads has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say!("svcs: {error}");
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
    let mut world = World::open(options.zones)?;
    if options.all && !options.operands.is_empty() {
        say!("svcs: -a ignored when used with arguments.");
    }
    match options.mode {
        Mode::List => {
            let rows = list(&mut world, options)?;
            print(&world, options, rows, out)?;
        }
        Mode::Dependencies => {
            let rows = depend::dependencies(&mut world, options)?;
            print(&world, options, rows, out)?;
        }
        Mode::Dependents => {
            let rows = depend::dependents(&mut world, options)?;
            print(&world, options, rows, out)?;
        }
        Mode::Long => long::print(&mut world, options, out)?,
        Mode::LogFiles => {
            for instance in world.chosen(&options.operands, Depth::Everything)? {
                if let Some(file) = instance.live("restarter", "logfile") {
                    writeln!(out, "{file}")?;
                }
            }
        }
        Mode::Notifications => notify::print(&mut world, &options.operands, out)?,
        Mode::Explain => explain::print(&mut world, &options.operands, options.verbose, out)?,
    }
    Ok(world.failed)
}

/// The locale of common names, if the table needs them.
fn described<'a>(world: &'a World, options: &Options) -> Option<&'a str> {
    let described = |column: &Column| *column == Column::Desc;
    let sorted = options.sort.iter().map(|key| &key.column);
    options.columns.iter().chain(sorted).any(described).then_some(&*world.locale)
}

/// The lines of these instances, or of all.
fn rows(
    world: &mut World,
    options: &Options,
    fmris: Option<&[String]>,
) -> Result<Vec<State>, RepositoryError> {
    let locale = described(world, options).map(str::to_owned);
    states::read(&mut world.repository, fmris, locale.as_deref())
}

/// The plain form.
fn list(world: &mut World, options: &Options) -> anyhow::Result<Vec<Row>> {
    let shows_all = options.all || !options.operands.is_empty() || !options.restarters.is_empty();
    let chosen = world.chosen_or_legacy(&options.operands)?;
    let mut found = rows(world, options, chosen.as_deref())?;
    found.retain(|one| {
        let restarters = &options.restarters;
        (shows_all || one.is_wanted())
            && (restarters.is_empty() || restarters.contains(&one.restarter))
    });
    let mut rows: Vec<Row> = found.into_iter().map(Row::of).collect();
    // A legacy script has no restarter.
    if options.restarters.is_empty() {
        rows.extend(world.take_legacy());
    }
    Ok(rows)
}

fn print(
    world: &World,
    options: &Options,
    mut rows: Vec<Row>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let table = Table { columns: &options.columns, zone: &world.zone, now: world.now };
    if !options.no_header {
        writeln!(out, "{}", table.header())?;
    }
    sort::sort(&mut rows, &options.sort);
    let processes = if options.processes { Processes::read() } else { Processes::default() };
    for row in &rows {
        writeln!(out, "{}", table.line(row))?;
        for process in processes.of(row.processes.iter().map(String::as_str)) {
            let start = smf_cmd::clock::stime(process.start, world.now, &world.zone);
            writeln!(out, "{:15}{start:<8}   {:6} {}", "", process.pid, process.name)?;
        }
    }
    Ok(())
}
