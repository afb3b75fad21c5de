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

use columns::{Column, Table};
use options::{Mode, Options, Refusal};
use processes::Processes;
use row::Row;
use world::World;

fn main() -> ExitCode {
    let options = match options::parse(lexopt::Parser::from_env()) {
        Ok(options) => options,
        Err(Refusal::Help) => {
            print!("{}", options::help());
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Usage(message)) => {
            if let Some(message) = message {
                eprintln!("svcs: {message}");
            }
            eprint!("{}", options::USAGE);
            return ExitCode::from(2);
        }
        Err(Refusal::Fatal(message)) => {
            eprintln!("svcs: {message}");
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
    let mut world = World::open(options.zones)?;
    if options.all && !options.operands.is_empty() {
        eprintln!("svcs: -a ignored when used with arguments.");
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

/// How much a table needs to know.
fn depth(options: &Options) -> Depth {
    let described = |column: &Column| *column == Column::Desc;
    let sorted = options.sort.iter().map(|key| &key.column);
    if options.columns.iter().chain(sorted).any(described) { Depth::Names } else { Depth::States }
}

/// The plain form.
fn list(world: &mut World, options: &Options) -> anyhow::Result<Vec<Row>> {
    let shows_all = options.all || !options.operands.is_empty() || !options.restarters.is_empty();
    let mut instances = world.chosen_or_legacy(&options.operands, depth(options))?;
    instances.retain(|instance| {
        let enabled = instance.enabled() == Some(true);
        let restarter = instance.restarter();
        (shows_all || enabled || instance.enabled_temporarily() == Some(true))
            && (options.restarters.is_empty() || options.restarters.iter().any(|r| r == restarter))
    });
    let mut rows: Vec<Row> =
        instances.iter().map(|instance| Row::of(instance, &world.locale)).collect();
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
