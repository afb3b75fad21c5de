//! options.rs - the command line of svcadm.

use lexopt::prelude::{Short, Value};

/// Printed on standard error.
pub const USAGE: &str = "\
Usage: svcadm [-v] [cmd [args ... ]]

\tsvcadm enable [-rst] <service> ...\t- enable and online service(s)
\tsvcadm disable [-st] <service> ...\t- disable and offline service(s)
\tsvcadm restart [-d] <service> ...\t- restart specified service(s)
\tsvcadm refresh <service> ...\t\t- re-read service configuration
\tsvcadm mark [-It] <state> <service> ...\t- set maintenance state
\tsvcadm clear <service> ...\t\t- clear maintenance state

\tServices can be specified using an FMRI, abbreviation, or fnmatch(5)
\tpattern, as shown in these examples for svc:/network/smtp:sendmail

\tsvcadm <cmd> svc:/network/smtp:sendmail
\tsvcadm <cmd> network/smtp:sendmail
\tsvcadm <cmd> network/*mail
\tsvcadm <cmd> network/smtp
\tsvcadm <cmd> smtp:sendmail
\tsvcadm <cmd> smtp
\tsvcadm <cmd> sendmail
";

/// What `mark` marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Maintenance,
    Degraded,
}

/// The order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Enable { recursive: bool, temporary: bool, wait: bool },
    Disable { temporary: bool, wait: bool },
    Restart { dump: bool },
    Refresh,
    Clear,
    Mark { state: Mark },
}

/// The command line, checked.
#[derive(Debug)]
pub struct Options {
    pub verbose: bool,
    /// -S: the instances in this state are meant.
    pub state: Option<String>,
    pub verb: Verb,
    pub operands: Vec<String>,
}

type Usage = Option<String>;

/// Reads the arguments; an error is a usage error, with or without a message.
pub fn parse(mut parser: lexopt::Parser) -> Result<Options, Usage> {
    let usage = |error: lexopt::Error| Some(error.to_string());
    let (mut verbose, mut state) = (false, None);
    let word = loop {
        match parser.next().map_err(usage)? {
            Some(Short('v')) => verbose = true,
            Some(Short('S')) => {
                state = Some(parser.value().map_err(usage)?.to_string_lossy().into_owned());
            }
            Some(Value(word)) => break word.to_string_lossy().into_owned(),
            Some(Short('?')) | None => return Err(None),
            Some(other) => return Err(Some(other.unexpected().to_string())),
        }
    };
    let letters = match word.as_str() {
        "enable" => "rst",
        "disable" => "st",
        "restart" => "d",
        "mark" => "It",
        "refresh" | "clear" => "",
        _ => return Err(None),
    };
    let (mut flags, mut operands) = (String::new(), Vec::new());
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short(letter) if letters.contains(letter) => flags.push(letter),
            Short('?') => return Err(None),
            Value(operand) => operands.push(operand.to_string_lossy().into_owned()),
            other => return Err(Some(other.unexpected().to_string())),
        }
    }
    let has = |letter| flags.contains(letter);
    let verb = match word.as_str() {
        "enable" => Verb::Enable { recursive: has('r'), temporary: has('t'), wait: has('s') },
        "disable" => Verb::Disable { temporary: has('t'), wait: has('s') },
        "restart" => Verb::Restart { dump: has('d') },
        "refresh" => Verb::Refresh,
        "clear" => Verb::Clear,
        _ => mark(&mut operands, has('t'))?,
    };
    if operands.is_empty() == state.is_none() {
        return Err(None);
    }
    Ok(Options { verbose, state, verb, operands })
}

fn mark(operands: &mut Vec<String>, temporary: bool) -> Result<Verb, Usage> {
    if operands.is_empty() {
        return Err(None);
    }
    let state = operands.remove(0);
    match state.as_str() {
        "maintenance" => Ok(Verb::Mark { state: Mark::Maintenance }),
        "degraded" if temporary => Err(Some("-t may not be used with degraded.".into())),
        "degraded" => Ok(Verb::Mark { state: Mark::Degraded }),
        _ => Err(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_and_their_letters() {
        for (arguments, expected) in [
            (
                "-v enable -rs x",
                Some(Verb::Enable { recursive: true, temporary: false, wait: true }),
            ),
            ("disable -t x", Some(Verb::Disable { temporary: true, wait: false })),
            ("disable -r x", None),
            ("mark maintenance x", Some(Verb::Mark { state: Mark::Maintenance })),
            ("mark -t degraded x", None),
            ("mark x", None),
            ("refresh", None),
            ("-S maintenance clear", Some(Verb::Clear)),
            ("-S maintenance clear x", None),
            ("start x", None),
            ("", None),
        ] {
            let parsed = parse(lexopt::Parser::from_args(arguments.split_whitespace()));
            assert_eq!(parsed.ok().map(|options| options.verb), expected, "{arguments}");
        }
    }
}
