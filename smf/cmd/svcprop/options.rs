//! options.rs - the command line of svcprop.

use lexopt::prelude::{Short, Value};

/// Printed on standard error.
pub const USAGE: &str = "\
Usage: svcprop [-fqtv] [-C | -c | -s snapshot] [-p [name/]name]... 
         {FMRI | pattern}...
       svcprop -w [-fqtv] [-p [name/]name] {FMRI | pattern}
";

/// A group, or a property of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    pub group: String,
    pub property: Option<String>,
}

impl Selector {
    /// From `group` or `group/property`.
    pub fn from_text(text: &str) -> Self {
        match text.split_once('/') {
            Some((group, property)) => {
                Self { group: group.to_owned(), property: Some(property.to_owned()) }
            }
            None => Self { group: text.to_owned(), property: None },
        }
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

/// Reads the arguments; an error is a usage error, with or without a message.
pub fn parse(mut parser: lexopt::Parser) -> Result<Options, Option<String>> {
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
    let mut views = 0;
    let usage = |error: lexopt::Error| Some(error.to_string());
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('C') => (options.view, views) = (View::Own, views + 1),
            Short('c') => (options.view, views) = (View::Composed, views + 1),
            Short('s') => {
                let name = parser.value().map_err(usage)?.to_string_lossy().into_owned();
                (options.view, views) = (View::Snapshot(name), views + 1);
            }
            Short('w') => (options.wait, views) = (true, views + 1),
            Short('f') => options.full = true,
            Short('q') => options.quiet = true,
            Short('t') => options.types = true,
            Short('v') => options.verbose = true,
            Short('p') => {
                let text = parser.value().map_err(usage)?.to_string_lossy().into_owned();
                options.selectors.push(Selector::from_text(&text));
            }
            Short('?') => return Err(None),
            Value(operand) => options.operands.push(operand.to_string_lossy().into_owned()),
            other => return Err(Some(other.unexpected().to_string())),
        }
    }
    let too_many = options.wait && (options.operands.len() != 1 || options.selectors.len() > 1);
    if views > 1 || options.operands.is_empty() || too_many {
        return Err(None);
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_excludes_what() {
        for (arguments, good) in [
            ("-c x", true),
            ("-C -c x", false),
            ("-s running -c x", false),
            ("-w -c x", false),
            ("-w x y", false),
            ("-w -p a -p b x", false),
            ("-w -p a x", true),
            ("-p", false),
            ("-qtvf x", true),
            ("", false),
            ("-Z x", false),
        ] {
            let words = arguments.split_whitespace();
            let parsed = parse(lexopt::Parser::from_args(words));
            assert_eq!(parsed.is_ok(), good, "{arguments}: {parsed:?}");
        }
    }
}
