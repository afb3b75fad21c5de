//! manifest.rs - the text of a package: actions, one a line.
//!
//! A `Manifest` keeps the order of its lines, which is the order it is stored in.  Printing and
//! reading again gives the same bytes; that is what the catalog's signature stands on.

use std::borrow::Cow;
use std::fmt;

use crate::action::{Action, Kind};
use crate::digest::sha1_hex;
use crate::fmri::{Fmri, FmriError};
use crate::parse::ActionError;

/// One refused line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {source}")]
pub struct LineError {
    /// Counted from 1; of a continued action its last line, as pkg5 counts.
    pub line: usize,
    /// What is wrong with it.
    pub source: ActionError,
}

/// Every refused line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ManifestErrors(pub Vec<LineError>);

/// A manifest that names no package, or no legal one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No `set name=pkg.fmri`.
    #[error("Manifest does not set pkg.fmri")]
    Missing,
    /// Its value is refused.
    #[error(transparent)]
    Illegal(#[from] FmriError),
}

/// The actions of a package, in the order of their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The actions.
    pub actions: Vec<Action>,
}

/// An action's joined line and the number of its last line.
pub struct LogicalLine<'a> {
    /// Counted from 1.
    pub number: usize,
    /// The text, continuations joined.
    pub text: Cow<'a, str>,
}

/// The lines of `text` with continuations joined; comments and blank lines are left out.
pub fn logical_lines(text: &str) -> Vec<LogicalLine<'_>> {
    let mut lines = Vec::new();
    let mut joined = String::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if let Some(head) = line.strip_suffix('\\') {
            joined.push_str(head);
            continue;
        }
        let text = match joined.is_empty() {
            true => Cow::Borrowed(line),
            false => Cow::Owned(std::mem::take(&mut joined) + line),
        };
        if !text.is_empty() && !text.starts_with('#') {
            lines.push(LogicalLine { number: at + 1, text });
        }
    }
    if !joined.is_empty() && !joined.starts_with('#') {
        lines.push(LogicalLine { number: text.lines().count(), text: Cow::Owned(joined) });
    }
    lines
}

impl Manifest {
    /// Reads a manifest; all refused lines are reported together.
    pub fn parse(text: &str) -> Result<Manifest, ManifestErrors> {
        let mut actions = Vec::new();
        let mut errors = Vec::new();
        for line in logical_lines(text) {
            match Action::parse(&line.text) {
                Ok(action) => actions.push(action),
                Err(source) => errors.push(LineError { line: line.number, source }),
            }
        }
        if errors.is_empty() { Ok(Manifest { actions }) } else { Err(ManifestErrors(errors)) }
    }

    /// The package's FMRI, from the last `set name=pkg.fmri`.
    pub fn fmri(&self) -> Result<Fmri, NameError> {
        let text = self.property("pkg.fmri").ok_or(NameError::Missing)?;
        Ok(Fmri::parse(text)?)
    }

    /// The last value given to a `set` name without variant or facet tags considered.
    pub fn property(&self, name: &str) -> Option<&str> {
        let sets = self.of_kind(Kind::Set).filter(|action| action.key() == Some(name));
        sets.last().and_then(|action| action.get("value"))
    }

    /// The actions of one type.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter(move |action| action.kind == kind)
    }

    /// Whether `pkg.obsolete=true`.
    pub fn is_obsolete(&self) -> bool {
        self.property("pkg.obsolete") == Some("true")
    }

    /// Whether `pkg.renamed=true`.
    pub fn is_renamed(&self) -> bool {
        self.property("pkg.renamed") == Some("true")
    }

    /// The same package under another name: the first line names it, no other line does.
    /// Signatures no longer hold and are left out.
    pub fn with_fmri(&self, fmri: &Fmri) -> Manifest {
        let mut actions = vec![Action::set_of("pkg.fmri", &fmri.to_string())];
        let names = |action: &Action| {
            action.kind == Kind::Set && matches!(action.key(), Some("pkg.fmri" | "publisher"))
        };
        let kept = |action: &&Action| !names(action) && action.kind != Kind::Signature;
        actions.extend(self.actions.iter().filter(kept).cloned());
        Manifest { actions }
    }

    /// The names of all payloads, each once.
    pub fn payload_hashes(&self) -> Vec<&str> {
        let mut hashes: Vec<&str> = self.actions.iter().flat_map(Action::payload_hashes).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    /// SHA-1 of the printed bytes, the catalog's `signature-sha-1`.
    pub fn signature(&self) -> String {
        sha1_hex(self.to_string().as_bytes())
    }
}

/// The stored form: one canonical line an action.
impl fmt::Display for Manifest {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            writeln!(to, "{action}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_counted() {
        let text = "# head\nset name=a \\\n    value=b\n\n  # in\nset name=c value=d\r\n";
        let lines: Vec<(usize, String)> = logical_lines(text)
            .into_iter()
            .map(|line| (line.number, line.text.into_owned()))
            .collect();
        let expected =
            [(3, "set name=a value=b".to_string()), (6, "set name=c value=d".to_string())];
        assert_eq!(lines, expected);
        assert_eq!(logical_lines("set a=b \\")[0].text, "set a=b ");
    }

    #[test]
    fn all_errors_are_told() {
        let errors = Manifest::parse("set name=a\nfiel x=y\ndir mode=1\n").unwrap_err();
        assert_eq!(errors.0.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn the_last_name_holds() {
        let manifest =
            Manifest::parse("set name=pkg.fmri value=x@1\nset name=pkg.fmri value=y@1\n").unwrap();
        assert_eq!(manifest.fmri().unwrap().name, "y");
        assert_eq!(Manifest::default().fmri(), Err(NameError::Missing));
    }

    #[test]
    fn renaming_drops_signatures_and_other_names() {
        let text = "set name=a value=b\nset name=pkg.fmri value=pkg://p/x@1,5.11\nsignature algorithm=sha256 value=1 version=0\n";
        let renamed = Manifest::parse(text).unwrap();
        let renamed = renamed.with_fmri(&Fmri::parse("pkg://q/x@1").unwrap());
        assert_eq!(
            renamed.to_string(),
            "set name=pkg.fmri value=pkg://q/x@1,5.11\nset name=a value=b\n"
        );
    }
}
