//! manifest.rs - a live manifest as a whole.

use std::fmt;

use thiserror::Error;

use crate::entry::{self, Entry};

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}:{line}: {text}")]
pub struct Problem {
    /// The file's name, as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub text: String,
}

/// Entries of one or more files, in the order of their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The files' names.
    pub files: Vec<String>,
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// Reads a manifest; lines that cannot be read are told and left out.
    pub fn parse(file: &str, text: &str) -> (Manifest, Vec<Problem>) {
        let mut manifest = Manifest { files: vec![file.to_owned()], entries: Vec::new() };
        let mut problems = Vec::new();
        for (line, text) in (1..).zip(text.split('\n')) {
            match entry::parse(text) {
                None => {}
                Some(Ok((path, kind))) => {
                    manifest.entries.push(Entry { path, kind, file: 0, line });
                }
                Some(Err(text)) => problems.push(Problem { file: file.to_owned(), line, text }),
            }
        }
        (manifest, problems)
    }

    /// Adds the entries of another one after those that are there.
    pub fn append(&mut self, other: Manifest) {
        let before = self.files.len();
        self.files.extend(other.files);
        self.entries.extend(other.entries.into_iter().map(|mut entry| {
            entry.file += before;
            entry
        }));
    }

    /// A problem with an entry.
    pub(crate) fn problem(&self, entry: &Entry, text: String) -> Problem {
        let file = self.files.get(entry.file).cloned().unwrap_or_default();
        Problem { file, line: entry.line, text }
    }

    /// Where an entry stands, for messages about another one.
    pub(crate) fn place(&self, entry: &Entry, from: &Entry) -> String {
        match self.files.get(entry.file) {
            Some(file) if entry.file != from.file => format!("{file}:{}", entry.line),
            _ => format!("line {}", entry.line),
        }
    }

    /// Puts the entries in the order of their paths, byte by byte: a directory before what is in it.
    /// Entries of the same path stay as they stand.
    pub fn sort(&mut self) {
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_that_is_wrong_is_told() {
        let (manifest, problems) = Manifest::parse("m", "d a 0755 root sys\nx\n\nf a/b\ns c=d");
        assert_eq!(manifest.to_string(), "d a 0755 root sys\ns c=d\n");
        let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with("m:2: unknown type x") && told[1].starts_with("m:4: "),
            "{told:?}"
        );
    }

    #[test]
    fn the_order_of_paths() {
        let text = "f dev/icmp6 0444 r b\nf dev/icmp 0444 r b\nd dev 0755 r b\nf dev-x 0444 r b\n";
        let (mut manifest, _) = Manifest::parse("m", text);
        manifest.sort();
        let paths: Vec<&str> = manifest.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["dev", "dev-x", "dev/icmp", "dev/icmp6"]);
    }
}
