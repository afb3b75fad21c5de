//! gather.rs - the words of manifests, sorted as they stand in the dictionary.
//!
//! A gathered entry is one text, so that sorting texts sorts entries as pkg5 does: by token, then
//! by the line it makes.
//!
//! ```text
//! TOKEN NUL ACTION!KEY@VALUE#PACKAGE,OFFSET…
//! ```

use std::cmp::Ordering;

use ips_model::Action;
use ips_model::quote::quote_path;
use ips_model::tokens::each_token;
use rayon::prelude::*;

use crate::index::dictionary::written_key;

/// What parts the token from the rest; it sorts before every character.
const BREAK: char = '\0';

/// A gathered entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gathered<'t> {
    /// The first bytes of the text, which mostly decide which of two comes first.
    head: u64,
    text: &'t str,
    /// How long the token is.
    token: usize,
}

impl PartialOrd for Gathered<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Gathered<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| self.text.cmp(other.text))
    }
}

impl<'t> Gathered<'t> {
    fn new(text: &'t str, token: usize) -> Self {
        let mut head = [0; 8];
        let known = text.len().min(head.len());
        head[..known].copy_from_slice(&text.as_bytes()[..known]);
        Self { head: u64::from_be_bytes(head), text, token }
    }

    pub(crate) fn token(&self) -> &'t str {
        &self.text[..self.token]
    }

    /// Action, key, value, place.
    pub(crate) fn parts(&self) -> Option<[&'t str; 4]> {
        let (action, rest) = self.text[self.token + BREAK.len_utf8()..].split_once('!')?;
        let (key, rest) = rest.split_once('@')?;
        let (value, place) = rest.split_once('#')?;
        Some([action, key, value, place])
    }
}

/// Entries behind one another in one text, each with where it ends and how long its token is: a
/// text of its own for each would cost more than all else here.
#[derive(Default)]
struct Page {
    text: String,
    ends: Vec<(usize, usize)>,
}

impl Page {
    /// Ends the entry whose text is all that came after the last one.
    fn end(&mut self, token: usize) {
        self.ends.push((self.text.len(), token));
    }

    fn entries(&self) -> impl Iterator<Item = Gathered<'_>> {
        let mut begin = 0;
        self.ends.iter().map(move |(end, token)| {
            Gathered::new(&self.text[std::mem::replace(&mut begin, *end)..*end], *token)
        })
    }
}

/// The entries of manifests.
pub(crate) struct Pages(Vec<Page>);

impl Pages {
    /// All of them, sorted.
    pub(crate) fn sorted(&self) -> Vec<Gathered<'_>> {
        let mut entries: Vec<Gathered<'_>> = self.0.iter().flat_map(Page::entries).collect();
        // Each page is sorted already, which this sort makes use of.
        entries.par_sort();
        entries
    }
}

/// Gathers the entries of manifests, numbered from `first`.
pub(crate) fn gather<T: AsRef<str> + Sync>(manifests: &[T], first: u32) -> Pages {
    let numbered: Vec<(u32, &T)> = (first..).zip(manifests).collect();
    let page = |(number, manifest): &(u32, &T)| page_of(manifest.as_ref(), *number);
    Pages(numbered.par_iter().map(page).collect())
}

fn page_of(manifest: &str, number: u32) -> Page {
    let mut found = Page::default();
    let mut starts: Vec<usize> = Vec::new();
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
                found.text.push_str(token);
                found.text.push(BREAK);
                found.text.extend([kind, "!", &key, "@", &value, "#"]);
                found.text.push_str(itoa::Buffer::new().format(number));
                found.end(token.len());
                starts.push(start);
            }
        });
    }
    let mut found: Vec<(Gathered<'_>, usize)> = found.entries().zip(starts).collect();
    // The sort is stable, so the offsets of an entry stay in order.
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut page = Page::default();
    for same in found.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((entry, _)) = same.first() else { continue };
        page.text.push_str(entry.text);
        for (_, start) in same {
            page.text.push(',');
            page.text.push_str(itoa::Buffer::new().format(*start));
        }
        page.end(entry.token);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_and_name_their_lines() {
        let manifest = "set name=k value=b value=a value=a\n# no\n\nnonsense\ndir path=a\n";
        let pages = gather(&[manifest], 7);
        let text = |entry: &Gathered<'_>| entry.text.replace('\0', " ");
        let entries: Vec<String> = pages.sorted().iter().map(text).collect();
        assert_eq!(
            entries,
            [
                "/a dir!path@path#7,50",
                "a dir!basename@basename#7,50",
                "a set!k@a#7,0,0",
                "b set!k@b#7,0"
            ]
        );
        let pages = gather(&["set name=k value=x\0y"], 0);
        let entry = pages.sorted().pop().unwrap();
        assert_eq!(entry.token(), "x\0y");
        assert_eq!(entry.parts(), Some(["set", "k", "x%00y", "0,0"]));
    }
}
