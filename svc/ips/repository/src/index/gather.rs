//! gather.rs - the words of manifests, sorted as they stand in the dictionary.
//!
//! A gathered entry is one text, so that sorting texts sorts entries as pkg5 does: by token, then
//! by the line it makes.
//!
//! ```text
//! TOKEN NUL ACTION!KEY@VALUE#PACKAGE,OFFSET…
//! ```

use std::cmp::Ordering;
use std::fmt::Write;

use ips_model::Action;
use ips_model::quote::quote_path;
use ips_model::tokens::each_token;
use rayon::prelude::*;

use crate::index::dictionary::written_key;

/// What parts the token from the rest; it sorts before every character.
const BREAK: char = '\0';

/// A gathered entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gathered {
    /// The first bytes of the text, which mostly decide which of two comes first.
    head: u64,
    text: String,
    /// How long the token is.
    token: usize,
}

impl PartialOrd for Gathered {
    fn partial_cmp(&self, other: &Gathered) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Gathered {
    fn cmp(&self, other: &Gathered) -> Ordering {
        self.head.cmp(&other.head).then_with(|| self.text.cmp(&other.text))
    }
}

impl Gathered {
    fn new(text: String, token: usize) -> Gathered {
        let mut head = [0; 8];
        let known = text.len().min(head.len());
        head[..known].copy_from_slice(&text.as_bytes()[..known]);
        Gathered { head: u64::from_be_bytes(head), text, token }
    }

    pub(crate) fn token(&self) -> &str {
        &self.text[..self.token]
    }

    /// Action, key, value, place.
    pub(crate) fn parts(&self) -> Option<[&str; 4]> {
        let (action, rest) = self.text[self.token + BREAK.len_utf8()..].split_once('!')?;
        let (key, rest) = rest.split_once('@')?;
        let (value, place) = rest.split_once('#')?;
        Some([action, key, value, place])
    }
}

/// The sorted entries of manifests, numbered from `first`.
pub(crate) fn gather<T: AsRef<str> + Sync>(manifests: &[T], first: u32) -> Vec<Gathered> {
    let numbered: Vec<(u32, &T)> = (first..).zip(manifests).collect();
    let mut entries: Vec<Gathered> = numbered
        .par_iter()
        .flat_map_iter(|(number, manifest)| entries_of(manifest.as_ref(), *number))
        .collect();
    entries.par_sort_unstable();
    entries
}

fn entries_of(manifest: &str, number: u32) -> Vec<Gathered> {
    let mut found: Vec<(Gathered, usize)> = Vec::new();
    let mut offset = 0;
    for line in manifest.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        // A line that is no action is found by nothing; `pkgrepo verify` tells of it.
        let Ok(action) = Action::parse(text) else { continue };
        each_token(&action, &mut |key, token, value| {
            if !token.is_empty() {
                let kind = action.kind.as_str();
                let (key, value) = (written_key(key), quote_path(value));
                let mut entry = String::with_capacity(token.len() + key.len() + value.len() + 32);
                entry.push_str(token);
                entry.push(BREAK);
                entry.extend([kind, "!", &key, "@", &value, "#"]);
                // Writing to a text does not fail.
                let _ = write!(entry, "{number}");
                found.push((Gathered::new(entry, token.len()), start));
            }
        });
    }
    // The sort is stable, so the offsets of an entry stay in order.
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut entries: Vec<Gathered> = Vec::with_capacity(found.len());
    let mut last = 0;
    for (mut entry, start) in found {
        match entries.last_mut().filter(|own| own.text[..last] == entry.text) {
            Some(own) => {
                let _ = write!(own.text, ",{start}");
            }
            None => {
                last = entry.text.len();
                let _ = write!(entry.text, ",{start}");
                entries.push(entry);
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_and_name_their_lines() {
        let manifest = "set name=k value=b value=a value=a\n# no\n\nnonsense\ndir path=a\n";
        let entries: Vec<String> =
            gather(&[manifest], 7).iter().map(|entry| entry.text.replace('\0', " ")).collect();
        assert_eq!(
            entries,
            [
                "/a dir!path@path#7,50",
                "a dir!basename@basename#7,50",
                "a set!k@a#7,0,0",
                "b set!k@b#7,0"
            ]
        );
        let entry = gather(&["set name=k value=x\0y"], 0).pop().unwrap();
        assert_eq!(entry.token(), "x\0y");
        assert_eq!(entry.parts(), Some(["set", "k", "x%00y", "0,0"]));
    }
}
