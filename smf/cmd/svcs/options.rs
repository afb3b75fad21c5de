//! options.rs - the command line of svcs.
//!
//! The modes exclude each other; which option goes with which mode, `checked` says.

use lexopt::prelude::{Short, Value};
use smf_cmd::{getopt, operand};

use crate::columns::{COLUMNS, Column};
use crate::sort::{self, Direction, Key};

/// Printed on standard error.
pub const USAGE: &str = "\
Usage: svcs [-aHpv] [-o col[,col ... ]] [-R restarter] [-sS col] [-Z | -z zone ]
            [<service> ...]
       svcs -d | -D [-Hpv] [-o col[,col ... ]] [-sS col] [-Z | -z zone ]
            [<service> ...]
       svcs [-l | -L] [-Z | -z zone] <service> ...
       svcs -x [-v] [-Z | -z zone] [<service> ...]
       svcs -?
";

/// What follows the usage on standard output with `-?`; the columns come behind it.
const HELP: &str = "
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
\t-z  from global zone, show services in a specified zone
\t-Z  from global zone, show services in all zones

\tServices can be specified using an FMRI, abbreviation, or fnmatch(5)
\tpattern, as shown in these examples for svc:/network/smtp:sendmail

\tsvcs [opts] svc:/network/smtp:sendmail
\tsvcs [opts] network/smtp:sendmail
\tsvcs [opts] network/*mail
\tsvcs [opts] network/smtp
\tsvcs [opts] smtp:sendmail
\tsvcs [opts] smtp
\tsvcs [opts] sendmail

\tColumns for output or sorting can be specified using these names:

";

/// What `-?` prints.
pub fn help() -> String {
    let columns = COLUMNS.iter().map(|(name, _, _, text)| format!("\t{name:<6}  {text}\n"));
    [USAGE.to_owned(), HELP.to_owned()].into_iter().chain(columns).collect()
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    List,
    Dependencies,
    Dependents,
    Long,
    LogFiles,
    Notifications,
    Explain,
}

/// Which zones are asked about; there is but one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zones {
    /// Nobody asked.
    Own,
    /// -z global.
    Named,
    /// -Z: what is found nowhere is not complained about.
    Every,
}

/// The command line, checked.
#[derive(Debug)]
pub struct Options {
    pub mode: Mode,
    pub all: bool,
    pub no_header: bool,
    pub processes: bool,
    pub verbose: bool,
    pub zones: Zones,
    pub restarters: Vec<String>,
    pub columns: Vec<Column>,
    pub sort: Vec<Key>,
    pub operands: Vec<String>,
}

/// Why nothing is listed.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    Help,
    Usage(Option<String>),
    Fatal(String),
}

#[derive(Default)]
struct Raw {
    mode: Option<Mode>,
    all: bool,
    no_header: bool,
    processes: bool,
    verbose: bool,
    zone: Option<String>,
    every_zone: bool,
    restarters: Vec<String>,
    columns: Option<String>,
    sort: Vec<(String, Direction)>,
    operands: Vec<String>,
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Options, Refusal> {
    let mut raw = Raw::default();
    let usage = |error: lexopt::Error| Refusal::Usage(Some(getopt::said(&error)));
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('?') => return Err(Refusal::Help),
            Short('a') => raw.all = true,
            Short('H') => raw.no_header = true,
            Short('p') => raw.processes = true,
            Short('v') => raw.verbose = true,
            Short('Z') => raw.every_zone = true,
            Short(letter @ ('d' | 'D' | 'l' | 'L' | 'n' | 'x')) => {
                if raw.mode.replace(mode(letter)).is_some() {
                    return Err(Refusal::Usage(None));
                }
            }
            Short(letter @ ('o' | 'R' | 's' | 'S' | 'z')) => {
                let value = parser.value().map_err(usage)?.to_string_lossy().into_owned();
                match letter {
                    // The last one counts.
                    'o' => raw.columns = Some(value),
                    'R' => raw.restarters.push(value),
                    's' => raw.sort.push((value, Direction::Ascending)),
                    'S' => raw.sort.push((value, Direction::Descending)),
                    _ => raw.zone = Some(value),
                }
            }
            Value(first) => raw.operands = getopt::operands(first, &mut parser).map_err(usage)?,
            other => return Err(usage(other.unexpected())),
        }
    }
    checked(raw)
}

fn mode(letter: char) -> Mode {
    match letter {
        'd' => Mode::Dependencies,
        'D' => Mode::Dependents,
        'l' => Mode::Long,
        'L' => Mode::LogFiles,
        'n' => Mode::Notifications,
        _ => Mode::Explain,
    }
}

fn checked(raw: Raw) -> Result<Options, Refusal> {
    let mode = raw.mode.unwrap_or(Mode::List);
    let plain_only = raw.all || !raw.restarters.is_empty() || !raw.sort.is_empty();
    let table_only = raw.no_header || raw.columns.is_some();
    let bad = (mode != Mode::List && plain_only)
        || (matches!(mode, Mode::Long | Mode::Explain) && table_only)
        || (mode == Mode::Explain && raw.processes)
        || (raw.zone.is_some() && raw.every_zone)
        || (raw.operands.is_empty()
            && matches!(mode, Mode::Long | Mode::Dependencies | Mode::Dependents));
    if bad {
        return Err(Refusal::Usage(None));
    }
    let zones = match (&raw.zone, raw.every_zone) {
        (Some(name), _) if name != "global" => {
            return Err(Refusal::Fatal(format!("invalid zone '{name}'")));
        }
        (Some(_), _) => Zones::Named,
        (None, true) => Zones::Every,
        (None, false) => Zones::Own,
    };
    Ok(Options {
        mode,
        all: raw.all,
        no_header: raw.no_header,
        processes: raw.processes,
        verbose: raw.verbose,
        zones,
        restarters: raw.restarters.iter().map(|fmri| restarter(fmri)).collect::<Result<_, _>>()?,
        sort: keys(&raw.sort, raw.columns.is_none(), zones)?,
        columns: columns(raw.columns.as_deref(), raw.verbose, zones)?,
        operands: raw.operands,
    })
}

fn restarter(text: &str) -> Result<String, Refusal> {
    let fmri = operand::valid(text)
        .ok_or_else(|| Refusal::Fatal(format!("Restarter FMRI \"{text}\" is invalid.")))?;
    if operand::is_instance(&fmri) {
        return Ok(fmri);
    }
    Err(Refusal::Fatal(format!("Restarter FMRI \"{text}\" does not designate an instance.")))
}

fn keys(
    given: &[(String, Direction)],
    by_default: bool,
    zones: Zones,
) -> Result<Vec<Key>, Refusal> {
    if given.is_empty() && by_default {
        let zone = (zones == Zones::Every).then_some(Column::Zone);
        let all = zone.into_iter().chain(sort::DEFAULT);
        return Ok(all.map(|column| Key { column, direction: Direction::Ascending }).collect());
    }
    let key = |(name, direction): &(String, Direction)| {
        let column = Column::from_name(name)
            .ok_or_else(|| Refusal::Fatal(format!("Unrecognized sort column \"{name}\".")))?;
        Ok(Key { column, direction: *direction })
    };
    given.iter().map(key).collect()
}

fn columns(given: Option<&str>, verbose: bool, zones: Zones) -> Result<Vec<Column>, Refusal> {
    match given {
        Some("") => Err(Refusal::Fatal("No columns specified.".into())),
        Some(list) => {
            let column = |name: &str| {
                Column::from_name(name)
                    .ok_or_else(|| Refusal::Fatal(format!("Unknown column \"{name}\".")))
            };
            list.split(',').map(column).collect()
        }
        None => {
            let zone = (zones == Zones::Every).then_some(Column::Zone);
            let shown = if verbose { Column::VERBOSE } else { Column::DEFAULT };
            Ok(zone.into_iter().chain(shown.iter().copied()).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(arguments: &str) -> String {
        match parse(lexopt::Parser::from_args(arguments.split_whitespace())) {
            Ok(options) => format!("{:?}", options.mode),
            Err(Refusal::Help) => "help".into(),
            Err(Refusal::Usage(_)) => "usage".into(),
            Err(Refusal::Fatal(message)) => message,
        }
    }

    #[test]
    fn what_goes_with_what() {
        for (arguments, expected) in [
            ("", "List"),
            ("-a -H -p -v -o fmri -s state -S stime -R a:b x", "List"),
            ("-?", "help"),
            ("-d -?", "help"),
            ("-d -D -?", "usage"),
            ("-d -d x", "usage"),
            ("-l -x x", "usage"),
            ("-n -L", "usage"),
            ("-d x", "Dependencies"),
            ("-D -Hpv -o state x", "Dependents"),
            ("-d", "usage"),
            ("-D", "usage"),
            ("-l", "usage"),
            ("-l -p -v x", "Long"),
            ("-L", "LogFiles"),
            ("-L -H x", "LogFiles"),
            ("-n", "Notifications"),
            ("-x", "Explain"),
            ("-x -v x", "Explain"),
            ("-xp", "usage"),
            ("-x -H", "usage"),
            ("-l -H x", "usage"),
            ("-l -o state x", "usage"),
            ("-d -a x", "usage"),
            ("-d -s state x", "usage"),
            ("-x -R a:b", "usage"),
            ("-L -S state", "usage"),
            ("-Z", "List"),
            ("-z global", "List"),
            ("-z global -Z", "usage"),
            ("-z other", "invalid zone 'other'"),
            ("-A", "usage"),
            ("-o", "usage"),
            ("-o nonsense", "Unknown column \"nonsense\"."),
            ("-o state,what,fmri", "Unknown column \"what\"."),
            ("-o nonsense -o fmri", "List"),
            ("-s nonsense", "Unrecognized sort column \"nonsense\"."),
            ("-R ::", "Restarter FMRI \"::\" is invalid."),
            (
                "-R network/inetd",
                "Restarter FMRI \"network/inetd\" does not designate an instance.",
            ),
        ] {
            assert_eq!(said(arguments), expected, "{arguments}");
        }
    }

    #[test]
    fn columns_and_keys_by_default() {
        for (arguments, columns, keys) in [
            ("", "STATE,STIME,FMRI", 3),
            ("-v", "STATE,NSTATE,STIME,CTID,FMRI", 3),
            ("-Z", "ZONE,STATE,STIME,FMRI", 4),
            ("-o fmri,State", "FMRI,STATE", 0),
            ("-o fmri -s state", "FMRI", 1),
            ("-S state", "STATE,STIME,FMRI", 1),
        ] {
            let parsed = parse(lexopt::Parser::from_args(arguments.split_whitespace())).unwrap();
            let names = parsed.columns.iter().map(|column| {
                let found = COLUMNS.iter().find(|(_, own, ..)| own == column);
                found.unwrap().0
            });
            assert_eq!(names.collect::<Vec<_>>().join(","), columns, "{arguments}");
            assert_eq!(parsed.sort.len(), keys, "{arguments}");
        }
    }
}
