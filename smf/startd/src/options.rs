//! options.rs - the command line of svc.startd, and `$SMF_OPTIONS`, which says the same for a boot.

use lexopt::prelude::{Long, Short, Value};
use smf_startd::sys::Logging;

/// Printed on standard output when asked for, on standard error when something is wrong.
pub const HELP: &str = "\
Usage: svc.startd [-nrs] [-m options]

Starts the restarter for the root $SMF_ROOT (default: / for root, else
$XDG_STATE_HOME/lamplighter) and returns when it serves.

  -n, -f, --foreground  no daemon: stay in the foreground
  -m options            as boot -m: debug, verbose, quiet, milestone=NAME,
                        separated by commas or blanks; $SMF_OPTIONS likewise
  -s                    single-user: -m milestone=single-user
  -r                    reconfigure: there is nothing to reconfigure here
  -h, -?, --help        this text

SIGTERM takes all services down, dependents first, and ends it.
";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub foreground: bool,
    pub help: bool,
    pub milestone: Option<String>,
    pub logging: Option<Logging>,
}

/// Reads the arguments and what the boot says; the arguments win.
pub fn parse(mut parser: lexopt::Parser, boot: &str) -> Result<Options, lexopt::Error> {
    let mut options = Options::default();
    // What init was told is not for this program to refuse.
    let _unknown = options.boot(boot);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('n' | 'f') | Long("foreground") => options.foreground = true,
            Short('s') => options.milestone = Some("single-user".to_owned()),
            Short('r') => {}
            Short('m') => {
                let text = parser.value()?;
                options.boot(&text.to_string_lossy()).map_err(lexopt::Error::from)?;
            }
            Short('h' | '?') | Long("help") => options.help = true,
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}

impl Options {
    /// Takes words as boot -m has them; an error names the first that means nothing.
    fn boot(&mut self, text: &str) -> Result<(), String> {
        let mut unknown = None;
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            match (word.strip_prefix("milestone="), Logging::parse(word)) {
                (Some(milestone), _) => self.milestone = Some(milestone.to_owned()),
                (None, Some(logging)) => self.logging = Some(logging),
                (None, None) => unknown = unknown.or(Some(word)),
            }
        }
        unknown.map_or(Ok(()), |word| Err(format!("unknown boot option '{word}'")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let read = |text: &str, boot: &str| {
            let words = text.split('|').filter(|word| !word.is_empty());
            parse(lexopt::Parser::from_args(words), boot)
        };
        for (text, boot, milestone, logging, foreground) in [
            ("", "", None, None, false),
            ("-n", "milestone=none", Some("none"), None, true),
            ("--foreground", "debug milestone=su", Some("su"), Some(Logging::Debug), true),
            ("-s", "milestone=none,quiet", Some("single-user"), Some(Logging::Quiet), false),
            ("-r|-m|verbose,milestone=all", "strange", Some("all"), Some(Logging::Debug), false),
        ] {
            let milestone = milestone.map(str::to_owned);
            let want = Options { foreground, help: false, milestone, logging };
            assert_eq!(read(text, boot).unwrap(), want, "{text} {boot}");
        }
        for text in ["-x", "word", "-m", "-m|stone", "--no"] {
            assert!(read(text, "").is_err(), "{text}");
        }
        assert!(read("-?", "").unwrap().help);
    }
}
