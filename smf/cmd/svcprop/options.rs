//! options.rs - the command line of svcprop.

use lexopt::prelude::{Short, Value};
use smf_cmd::getopt;
use smf_model::bundle::value::valid_name;

/// Printed on standard error.
pub const USAGE: &str = "\
Usage: svcprop [-fqtv] [-C | -c | -s snapshot] [-z zone] [-p [name/]name]... 
         {FMRI | pattern}...
       svcprop -w [-fqtv] [-z zone] [-p [name/]name] {FMRI | pattern}
";

/// What -p names: a group, or a property of it; of a group's FMRI, a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    pub group: String,
    pub property: Option<String>,
}

impl Selector {
    /// From `group` or `group/property`.
    fn from_text(text: &str) -> Result<Self, Refusal> {
        let (group, property) = match text.split_once('/') {
            Some((_, rest)) if rest.contains('/') => {
                let text = format!("-p argument `{text}' has too many components.");
                return Err(Refusal::Usage(Some(text)));
            }
            Some((group, property)) => (group, Some(property)),
            None => (text, None),
        };
        for name in [Some(group), property].into_iter().flatten() {
            if !valid_name(name) {
                return Err(Refusal::Wrong(format!("Invalid component name `{name}'.")));
            }
        }
        Ok(Self { group: group.to_owned(), property: property.map(str::to_owned) })
    }
}

/// Which values are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// The running snapshot, and what is volatile.
    Default,
    /// -c: live, composed.
    Composed,
    /// -C: live, of this entity only.
    Own,
    /// -s: a snapshot.
    Snapshot(String),
}

/// The command line, checked.
#[derive(Debug)]
pub struct Options {
    pub view: View,
    pub full: bool,
    pub quiet: bool,
    pub types: bool,
    pub verbose: bool,
    pub wait: bool,
    pub selectors: Vec<Selector>,
    pub operands: Vec<String>,
}

/// Why nothing is printed.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// With the usage.
    Usage(Option<String>),
    /// A usage error that is said in a word.
    Wrong(String),
    Fatal(String),
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Options, Refusal> {
    let mut options = Options {
        view: View::Default,
        full: false,
        quiet: false,
        types: false,
        verbose: false,
        wait: false,
        selectors: Vec::new(),
        operands: Vec::new(),
    };
    let mut views = String::new();
    let usage = |error: lexopt::Error| Refusal::Usage(Some(getopt::said(&error)));
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short(letter @ ('C' | 'c' | 'w')) => {
                views.push(letter);
                match letter {
                    'C' => options.view = View::Own,
                    'c' => options.view = View::Composed,
                    _ => options.wait = true,
                }
            }
            Short('f') => options.full = true,
            Short('q') => options.quiet = true,
            Short('t') => options.types = true,
            Short('v') => options.verbose = true,
            Short(letter @ ('p' | 's' | 'z')) => {
                let value = parser.value().map_err(usage)?.to_string_lossy().into_owned();
                match letter {
                    'p' => options.selectors.push(Selector::from_text(&value)?),
                    's' => {
                        views.push('s');
                        options.view = View::Snapshot(value);
                    }
                    _ if value == "global" => {}
                    _ => return Err(Refusal::Fatal(format!("invalid zone '{value}'"))),
                }
            }
            Value(first) => {
                options.operands = getopt::operands(first, &mut parser).map_err(usage)?
            }
            Short('?') => return Err(Refusal::Usage(None)),
            other => return Err(usage(other.unexpected())),
        }
    }
    // The same one twice is no contradiction.
    let contradict = views.chars().any(|letter| !views.starts_with(letter));
    let too_many = options.wait && (options.operands.len() != 1 || options.selectors.len() > 1);
    if contradict || options.operands.is_empty() || too_many {
        return Err(Refusal::Usage(None));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_excludes_what() {
        let usage = || Err(Refusal::Usage(None));
        let said = |text: &str| Err(Refusal::Usage(Some(text.into())));
        let wrong = |text: &str| Err(Refusal::Wrong(text.into()));
        for (arguments, expected) in [
            ("-c x", Ok(())),
            ("-c -c x", Ok(())),
            ("-C -c x", usage()),
            ("-s running -c x", usage()),
            ("-s running -s start x", Ok(())),
            ("-w -c x", usage()),
            ("-w x y", usage()),
            ("-w -p a -p b x", usage()),
            ("-w -p a x", Ok(())),
            ("-p", said("option requires an argument -- p")),
            ("-qtvf x", Ok(())),
            ("-z global x", Ok(())),
            ("-z other x", Err(Refusal::Fatal("invalid zone 'other'".into()))),
            ("", usage()),
            ("-Z x", said("illegal option -- Z")),
            ("-p a/b/c x", said("-p argument `a/b/c' has too many components.")),
            ("-p 1a x", wrong("Invalid component name `1a'.")),
            ("-p a/ x", wrong("Invalid component name `'.")),
        ] {
            let parsed = parse(lexopt::Parser::from_args(arguments.split_whitespace()));
            assert_eq!(parsed.map(drop), expected, "{arguments}");
        }
    }
}
