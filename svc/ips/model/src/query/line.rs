//! line.rs - an answer of search/1, line by line.
//!
//! ```text
//! Return from search v1
//! 0 1 pkg:/fruit/pear@1.0,5.11-1:20240102T030405Z                         a package
//! 0 2 pkg:/fruit/pear@1.0,5.11-1:20240102T030405Z basename dir path=…     an action
//! │ │                                             └ key, or the value of a set, quoted
//! │ └ what is returned
//! └ which of several queries
//! ```

use std::fmt;

use crate::action::{Action, Kind};
use crate::fmri::Fmri;
use crate::query::request::Returns;
use crate::quote::{quote_path, unquote};

/// What an answer begins with.
pub const FIRST_LINE: &str = "Return from search v1";

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A package, without its publisher.
    Package(Fmri),
    /// An action of a package.
    Action {
        /// The package, without its publisher.
        fmri: Fmri,
        /// What was found: the key, of a `set` the value, of a file's content the hash.
        value: String,
        /// The action's line in the manifest.
        text: String,
    },
}

impl Line {
    /// Reads a line of an answer: which query it belongs to, and what was found.  Nothing where
    /// it is none.
    pub fn parse(line: &str) -> Option<(usize, Line)> {
        let mut fields = line.splitn(3, ' ');
        let query = fields.next()?.parse().ok()?;
        let kind = fields.next()?;
        let rest = fields.next()?;
        if kind == "1" {
            return Some((query, Line::Package(Fmri::parse(rest).ok()?)));
        }
        let mut fields = rest.splitn(3, ' ');
        let fmri = Fmri::parse(fields.next()?).ok()?;
        let value = unquote(fields.next()?)?;
        let text = fields.next()?.to_string();
        (kind == "2").then_some((query, Line::Action { fmri, value, text }))
    }

    /// The package.
    pub fn fmri(&self) -> &Fmri {
        match self {
            Line::Package(fmri) | Line::Action { fmri, .. } => fmri,
        }
    }

    /// What the columns INDEX, ACTION and VALUE of `pkg search` show; none of a package.
    pub fn columns(&self) -> Option<(String, Kind, String)> {
        let Line::Action { value, text, .. } = self else { return None };
        let action = Action::parse(text).ok()?;
        let key = action.key().unwrap_or("").to_string();
        // A set was found by its value, so its name is the index; all others the other way round.
        Some(if action.kind == Kind::Set {
            (key, action.kind, value.clone())
        } else {
            (value.clone(), action.kind, key)
        })
    }

    /// The line of an answer, for the query of this number.
    pub fn shown(&self, query: usize) -> impl fmt::Display {
        match self {
            Line::Package(fmri) => {
                format!("{query} {} {}", Returns::Packages.number(), fmri.without_publisher())
            }
            Line::Action { fmri, value, text } => format!(
                "{query} {} {} {} {}",
                Returns::Actions.number(),
                fmri.without_publisher(),
                quote_path(value),
                text.trim_end()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_written() {
        for text in [
            "0 1 pkg:/fruit/pear@1.0,5.11-1:20240102T030405Z",
            "3 2 pkg:/fruit/pear@1.0,5.11 basename dir path=usr/share/pear mode=0755",
            "0 2 pkg:/a@1,5.11 two%20words/x set name=k value=\"two words/x\"",
        ] {
            let (query, line) = Line::parse(text).unwrap();
            assert_eq!(line.shown(query).to_string(), text);
        }
        for broken in ["", "0", "0 1", "x 1 pkg:/a@1", "0 3 pkg:/a@1 v set a=b", "0 2 pkg:/a@1 v"] {
            assert_eq!(Line::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn columns() {
        for (line, expected) in [
            ("0 2 pkg:/a@1,5.11 basename dir path=usr/p", "basename dir usr/p"),
            ("0 2 pkg:/a@1,5.11 two%20w set name=k value=\"two w\"", "k set two w"),
            ("0 2 pkg:/a@1,5.11 require depend fmri=b type=require", "require depend b"),
        ] {
            let (key, kind, value) = Line::parse(line).unwrap().1.columns().unwrap();
            assert_eq!(format!("{key} {} {value}", kind.as_str()), expected);
        }
    }
}
