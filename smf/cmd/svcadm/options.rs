//! options.rs - the command line of svcadm.

use std::time::Duration;

use lexopt::prelude::{Short, Value};
use smf_cmd::getopt;

/// Printed on standard error.
pub const USAGE: &str = "\
Usage: svcadm [-S <state>] [-v] [-Z | -z zone] [cmd [args ... ]]

\tsvcadm enable [-rst] [<service> ...]\t- enable and online service(s)
\tsvcadm disable [-c comment] [-st] [<service> ...] - disable service(s)
\tsvcadm restart [-d] [<service> ...]\t- restart specified service(s)
\tsvcadm refresh [<service> ...]\t\t- re-read service configuration
\tsvcadm mark [-It] <state> [<service> ...] - set maintenance state
\tsvcadm clear [<service> ...]\t\t- clear maintenance state
\tsvcadm milestone [-d] <milestone>\t- advance to a service milestone

\tServices can be specified using an FMRI, abbreviation, or fnmatch(7)
\tpattern, as shown in these examples for svc:/network/smtp:sendmail

\tsvcadm <cmd> svc:/network/smtp:sendmail
\tsvcadm <cmd> network/smtp:sendmail
\tsvcadm <cmd> network/*mail
\tsvcadm <cmd> network/smtp
\tsvcadm <cmd> smtp:sendmail
\tsvcadm <cmd> smtp
\tsvcadm <cmd> sendmail
";

/// Printed on standard error for `milestone`; the milestones follow.
pub const MILESTONE_USAGE: &str = "\
Usage: svcadm milestone [-d] <milestone>

\t-d\tmake the specified milestone the default for system boot

\tMilestones can be specified using an FMRI or abbreviation.
\tThe major milestones are as follows:

\tall
\tnone
";

/// The longest comment, in bytes.
const COMMENT_MAX: usize = 1023;

/// What -S may say.
const STATES: &str =
    "'uninitialized', 'disabled', 'offline', 'online', 'degraded' or 'maintenance'";

/// What `mark` marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Maintenance,
    Degraded,
}

/// Whether anybody waits for what becomes of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wait {
    /// -s.
    pub wait: bool,
    /// -T: for so long at most.
    pub longest: Option<Duration>,
}

/// The order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Enable {
        recursive: bool,
        temporary: bool,
        wait: Wait,
    },
    Disable {
        temporary: bool,
        comment: Option<String>,
        wait: Wait,
    },
    Restart {
        dump: bool,
    },
    Refresh,
    Clear,
    Mark {
        state: Mark,
        immediate: bool,
        temporary: bool,
    },
    Milestone {
        name: String,
        default: bool,
    },
    Backup {
        name: String,
    },
    /// The repository has one place, so there is nothing to switch.
    Switch,
}

/// The command line, checked.
#[derive(Debug)]
pub struct Options {
    pub verbose: bool,
    /// -Z: messages name the zone.
    pub every_zone: bool,
    /// -S: the instances in this state are meant.
    pub state: Option<String>,
    pub verb: Verb,
    pub operands: Vec<String>,
}

/// Why nothing is done: what is said, whether a usage follows, the exit status.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    Usage(Option<String>),
    MilestoneUsage(Option<String>),
    /// A usage error that is said in a word.
    Wrong(String),
    Fatal(String),
    /// Nothing is said.
    Silent(u8),
}

#[derive(Default)]
struct Raw {
    flags: String,
    comment: Option<String>,
    longest: Option<Duration>,
    words: Vec<String>,
}

fn usage(error: &lexopt::Error) -> Refusal {
    Refusal::Usage(Some(getopt::said(error)))
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Options, Refusal> {
    let (mut verbose, mut state, mut zone, mut every_zone) = (false, None, None, false);
    let word = loop {
        match parser.next().map_err(|error| usage(&error))? {
            Some(Short('v')) => verbose = true,
            Some(Short('Z')) => every_zone = true,
            Some(Short(letter @ ('S' | 'z'))) => {
                let value = parser.value().map_err(|error| usage(&error))?;
                let value = value.to_string_lossy().into_owned();
                *(if letter == 'S' { &mut state } else { &mut zone }) = Some(value);
            }
            Some(Value(word)) => break word.to_string_lossy().into_owned(),
            Some(Short('?')) | None => return Err(Refusal::Usage(None)),
            Some(other) => return Err(usage(&other.unexpected())),
        }
    };
    match zone {
        Some(_) if every_zone => return Err(Refusal::Usage(None)),
        Some(name) if name != "global" => {
            return Err(Refusal::Fatal(format!("invalid zone '{name}'")));
        }
        Some(_) | None => {}
    }
    let letters = match word.as_str() {
        "enable" => "rstT",
        "disable" => "cstT",
        "restart" | "milestone" => "d",
        "mark" => "It",
        "refresh" | "clear" | "_smf_backup" | "_smf_repository_switch" => "",
        _ => return Err(Refusal::Usage(None)),
    };
    let raw = arguments(&mut parser, letters).map_err(|refusal| match refusal {
        Refusal::Usage(text) if word == "milestone" => Refusal::MilestoneUsage(text),
        other => other,
    })?;
    let (verb, operands) = verb(&word, raw)?;
    let chooses = !matches!(verb, Verb::Milestone { .. } | Verb::Backup { .. } | Verb::Switch);
    if chooses && operands.is_empty() == state.is_none() {
        return Err(Refusal::Usage(None));
    }
    if let Some(state) = state.as_deref().filter(|_| chooses) {
        known(state, &verb)?;
    }
    Ok(Options { verbose, every_zone, state, verb, operands })
}

/// Nothing is ever in a state that there is not: whoever names one has mistyped it.
fn known(state: &str, verb: &Verb) -> Result<(), Refusal> {
    let must = |names: &str| Err(Refusal::Fatal(format!("State must be {names}")));
    match state {
        "maintenance" | "degraded" => Ok(()),
        _ if *verb == Verb::Clear => must("'maintenance' or 'degraded'"),
        "uninitialized" | "disabled" | "offline" | "online" => Ok(()),
        _ => must(STATES),
    }
}

fn arguments(parser: &mut lexopt::Parser, letters: &str) -> Result<Raw, Refusal> {
    let mut raw = Raw::default();
    while let Some(argument) = parser.next().map_err(|error| usage(&error))? {
        match argument {
            Short(letter @ ('c' | 'T')) if letters.contains(letter) => {
                let value = parser.value().map_err(|error| usage(&error))?;
                let value = value.to_string_lossy().into_owned();
                match letter {
                    'c' if value.len() > COMMENT_MAX => {
                        return Err(Refusal::Fatal("disable -c comment too long.".into()));
                    }
                    'c' => raw.comment = Some(value),
                    _ => {
                        let seconds = value.parse().map_err(|_| Refusal::Usage(None))?;
                        raw.longest = Some(Duration::from_secs(seconds));
                    }
                }
            }
            Short(letter) if letters.contains(letter) => raw.flags.push(letter),
            Short('?') => return Err(Refusal::Usage(None)),
            Value(first) => {
                raw.words = getopt::operands(first, parser).map_err(|error| usage(&error))?;
            }
            other => return Err(usage(&other.unexpected())),
        }
    }
    Ok(raw)
}

fn verb(word: &str, raw: Raw) -> Result<(Verb, Vec<String>), Refusal> {
    let has = |letter| raw.flags.contains(letter);
    let wait = Wait { wait: has('s'), longest: raw.longest };
    if raw.longest.is_some() && !wait.wait {
        return Err(Refusal::Usage(None));
    }
    let mut words = raw.words;
    let verb = match word {
        "enable" => Verb::Enable { recursive: has('r'), temporary: has('t'), wait },
        "disable" => Verb::Disable { temporary: has('t'), comment: raw.comment, wait },
        "restart" => Verb::Restart { dump: has('d') },
        "refresh" => Verb::Refresh,
        "clear" => Verb::Clear,
        "mark" => {
            if words.is_empty() {
                return Err(Refusal::Usage(None));
            }
            let state = match words.remove(0).as_str() {
                "degraded" if has('t') => {
                    return Err(Refusal::Wrong("-t may not be used with degraded.".into()));
                }
                "degraded" => Mark::Degraded,
                "maintenance" => Mark::Maintenance,
                _ => return Err(Refusal::Usage(None)),
            };
            Verb::Mark { state, immediate: has('I'), temporary: has('t') }
        }
        "milestone" => {
            let name = words.into_iter().next().ok_or(Refusal::MilestoneUsage(None))?;
            return Ok((Verb::Milestone { name, default: has('d') }, Vec::new()));
        }
        "_smf_backup" => match <[String; 1]>::try_from(words) {
            Ok([name]) => return Ok((Verb::Backup { name }, Vec::new())),
            Err(_) => return Err(Refusal::Usage(None)),
        },
        _ => match words.as_slice() {
            [way] if matches!(way.as_str(), "fast" | "perm") => {
                return Ok((Verb::Switch, Vec::new()));
            }
            [_] => return Err(Refusal::Silent(2)),
            [] | [_, ..] => return Err(Refusal::Silent(1)),
        },
    };
    Ok((verb, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &str) -> Result<Options, Refusal> {
        parse(lexopt::Parser::from_args(arguments.split_whitespace()))
    }

    #[test]
    fn verbs_and_their_letters() {
        let now = Wait::default();
        let synchronous = Wait { wait: true, longest: None };
        let ten = Wait { wait: true, longest: Some(Duration::from_secs(10)) };
        let mark = |state, immediate, temporary| Verb::Mark { state, immediate, temporary };
        let disable = |comment: Option<&str>, wait| Verb::Disable {
            temporary: false,
            comment: comment.map(str::to_owned),
            wait,
        };
        for (arguments, expected) in [
            ("enable x", Verb::Enable { recursive: false, temporary: false, wait: now }),
            (
                "-v enable -rs x",
                Verb::Enable { recursive: true, temporary: false, wait: synchronous },
            ),
            ("enable -t -s -T 10 x", Verb::Enable { recursive: false, temporary: true, wait: ten }),
            ("disable x", disable(None, now)),
            ("disable -c why -s x", disable(Some("why"), synchronous)),
            ("restart -d x", Verb::Restart { dump: true }),
            ("refresh x", Verb::Refresh),
            ("mark maintenance x", mark(Mark::Maintenance, false, false)),
            ("mark -It maintenance x", mark(Mark::Maintenance, true, true)),
            ("mark -I degraded x", mark(Mark::Degraded, true, false)),
            ("-S online mark maintenance", mark(Mark::Maintenance, false, false)),
            ("-S maintenance clear", Verb::Clear),
            ("-Z clear x", Verb::Clear),
            ("-z global clear x", Verb::Clear),
            ("milestone -d all", Verb::Milestone { name: "all".into(), default: true }),
            ("_smf_backup boot", Verb::Backup { name: "boot".into() }),
            ("_smf_repository_switch fast", Verb::Switch),
        ] {
            assert_eq!(parsed(arguments).map(|options| options.verb), Ok(expected), "{arguments}");
        }
    }

    #[test]
    fn what_is_refused() {
        let usage = || Refusal::Usage(None);
        let said = |text: &str| Refusal::Usage(Some(text.into()));
        for (arguments, expected) in [
            ("", usage()),
            ("-v", usage()),
            ("start x", usage()),
            ("enable", usage()),
            ("enable -T 5 x", usage()),
            ("enable -s -T soon x", usage()),
            ("enable -c why x", said("illegal option -- c")),
            ("disable -r x", said("illegal option -- r")),
            ("disable -c", said("option requires an argument -- c")),
            ("refresh", usage()),
            ("-S maintenance clear x", usage()),
            ("-S online clear", Refusal::Fatal("State must be 'maintenance' or 'degraded'".into())),
            ("-S onlin disable", Refusal::Fatal(format!("State must be {STATES}"))),
            (
                "-S legacy_run clear",
                Refusal::Fatal("State must be 'maintenance' or 'degraded'".into()),
            ),
            ("mark x", usage()),
            ("mark maintenance", usage()),
            ("mark online x", usage()),
            ("mark -t degraded x", Refusal::Wrong("-t may not be used with degraded.".into())),
            ("-z other enable x", Refusal::Fatal("invalid zone 'other'".into())),
            ("-z global -Z enable x", usage()),
            ("milestone", Refusal::MilestoneUsage(None)),
            ("milestone -q x", Refusal::MilestoneUsage(Some("illegal option -- q".into()))),
            ("_smf_backup", usage()),
            ("_smf_backup a b", usage()),
            ("_smf_repository_switch", Refusal::Silent(1)),
            ("_smf_repository_switch slow", Refusal::Silent(2)),
        ] {
            assert_eq!(parsed(arguments).map(|o| o.verb), Err(expected), "{arguments}");
        }
    }

    #[test]
    fn a_comment_has_an_end() {
        for (length, good) in [(COMMENT_MAX, true), (COMMENT_MAX + 1, false)] {
            let comment = "x".repeat(length);
            let parsed = parse(lexopt::Parser::from_args(["disable", "-c", &comment, "x"]));
            assert_eq!(parsed.is_ok(), good, "{length}");
        }
    }
}
