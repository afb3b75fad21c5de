//! options.rs - the command line of svcs.

use lexopt::prelude::{Short, Value};
use smf_cmd::operand;

use crate::columns::{Column, SortKey};

/// Printed on standard error.
pub const USAGE: &str = "\
Usage: svcs [-aHpv] [-o col[,col ... ]] [-R restarter] [-sS col] [<service> ...]
       svcs -d | -D [-Hpv] [-o col[,col ... ]] [-sS col] [<service> ...]
       svcs [-l | -L] [-pv] [<service> ...]
       svcs -x [-v] [<service> ...]
       svcs -?
";

/// Printed on standard output by `-?`.
pub const HELP: &str = "\
Usage: svcs [-aHpv] [-o col[,col ... ]] [-R restarter] [-sS col] [<service> ...]
       svcs -d | -D [-Hpv] [-o col[,col ... ]] [-sS col] [<service> ...]
       svcs [-l | -L] [-pv] [<service> ...]
       svcs -x [-v] [<service> ...]
       svcs -?

\t-a  list all service instances rather than only those that are enabled
\t-d  list dependencies of the specified service(s)
\t-D  list dependents of the specified service(s)
\t-H  omit header line from output
\t-l  list detailed information about the specified service(s)
\t-L  list the log file associated with the specified service(s)
\t-o  list only the specified columns in the output
\t-p  list process IDs and names associated with each service
\t-R  list only those services with the specified restarter
\t-s  sort output in ascending order by the specified column(s)
\t-S  sort output in descending order by the specified column(s)
\t-v  list verbose information appropriate to the type of output
\t-x  explain the status of services that might require maintenance,
\t    or explain the status of the specified service(s)

\tServices can be specified using an FMRI, abbreviation, or fnmatch(5)
\tpattern, as shown in these examples for svc:/network/smtp:sendmail

\tsvcs [opts] svc:/network/smtp:sendmail
\tsvcs [opts] network/smtp:sendmail
\tsvcs [opts] network/*mail
\tsvcs [opts] network/smtp
\tsvcs [opts] smtp:sendmail
\tsvcs [opts] smtp
\tsvcs [opts] sendmail
";

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    List,
    Dependencies,
    Dependents,
    Long,
    LogFiles,
    Explain,
}

/// The command line, checked.
#[derive(Debug)]
pub struct Options {
    pub mode: Mode,
    pub all: bool,
    pub no_header: bool,
    pub processes: bool,
    pub verbose: bool,
    pub restarter: Option<String>,
    pub columns: Vec<Column>,
    pub sort: Vec<(SortKey, Direction)>,
    pub operands: Vec<String>,
}

/// Which way a key sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// Why nothing is listed.
#[derive(Debug)]
pub enum Refusal {
    Help,
    Usage(Option<String>),
    Fatal(String),
}

#[derive(Default)]
struct Raw {
    modes: Vec<Mode>,
    all: bool,
    no_header: bool,
    processes: bool,
    verbose: bool,
    restarter: Option<String>,
    columns: Option<Vec<Column>>,
    sort: Vec<(SortKey, Direction)>,
    operands: Vec<String>,
}

/// Reads the arguments of this process.
pub fn parse() -> Result<Options, Refusal> {
    let mut parser = lexopt::Parser::from_env();
    let mut raw = Raw::default();
    let usage = |error: lexopt::Error| Refusal::Usage(Some(error.to_string()));
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('?') => return Err(Refusal::Help),
            Short('a') => raw.all = true,
            Short('d') => raw.modes.push(Mode::Dependencies),
            Short('D') => raw.modes.push(Mode::Dependents),
            Short('H') => raw.no_header = true,
            Short('l') => raw.modes.push(Mode::Long),
            Short('L') => raw.modes.push(Mode::LogFiles),
            Short('p') => raw.processes = true,
            Short('v') => raw.verbose = true,
            Short('x') => raw.modes.push(Mode::Explain),
            Short(letter @ ('o' | 'R' | 's' | 'S')) => {
                let value = parser.value().map_err(usage)?;
                valued(&mut raw, letter, &value.to_string_lossy())?;
            }
            Value(operand) => raw.operands.push(operand.to_string_lossy().into_owned()),
            other => return Err(Refusal::Usage(Some(other.unexpected().to_string()))),
        }
    }
    checked(raw)
}

fn valued(raw: &mut Raw, letter: char, value: &str) -> Result<(), Refusal> {
    match letter {
        'o' => {
            let columns = raw.columns.get_or_insert_default();
            for name in value.split(',') {
                let column = Column::from_name(name)
                    .ok_or_else(|| Refusal::Fatal(format!("Unknown column \"{name}\".")))?;
                columns.push(column);
            }
        }
        'R' => {
            let fmri = operand::canonical(value)
                .ok_or_else(|| Refusal::Fatal(format!("Restarter FMRI \"{value}\" is invalid.")))?;
            if !operand::is_instance(&fmri) {
                let text = format!("Restarter FMRI \"{value}\" does not designate an instance.");
                return Err(Refusal::Fatal(text));
            }
            raw.restarter = Some(fmri);
        }
        letter => {
            let key = SortKey::from_name(value)
                .ok_or_else(|| Refusal::Fatal(format!("Unrecognized sort column \"{value}\".")))?;
            let direction =
                if letter == 's' { Direction::Ascending } else { Direction::Descending };
            raw.sort.push((key, direction));
        }
    }
    Ok(())
}

fn checked(raw: Raw) -> Result<Options, Refusal> {
    let mode = match raw.modes.as_slice() {
        [] => Mode::List,
        [mode] => *mode,
        [_, ..] => return Err(Refusal::Usage(None)),
    };
    let table = matches!(mode, Mode::List | Mode::Dependencies | Mode::Dependents);
    let list_only = raw.all || raw.restarter.is_some();
    let bad = (mode != Mode::List && list_only)
        || (!table && (raw.no_header || raw.columns.is_some() || !raw.sort.is_empty()))
        || (mode == Mode::Explain && raw.processes)
        || (raw.operands.is_empty()
            && matches!(mode, Mode::Long | Mode::Dependencies | Mode::Dependents));
    if bad {
        return Err(Refusal::Usage(None));
    }
    let sort = match (&raw.columns, raw.sort.is_empty()) {
        (None, true) => [SortKey::State, SortKey::Stime, SortKey::Fmri]
            .map(|key| (key, Direction::Ascending))
            .to_vec(),
        _ => raw.sort,
    };
    let default = if raw.verbose { Column::VERBOSE } else { Column::DEFAULT };
    Ok(Options {
        mode,
        all: raw.all,
        no_header: raw.no_header,
        processes: raw.processes,
        verbose: raw.verbose,
        restarter: raw.restarter,
        columns: raw.columns.unwrap_or_else(|| default.to_vec()),
        sort,
        operands: raw.operands,
    })
}
