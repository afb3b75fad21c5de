//! gather.rs - the words of manifests, sorted as they stand in the dictionary.
//!
//! A gathered entry is one text, so that sorting texts sorts entries as pkg5 does: by token, then
//! by the line it makes.
//!
//! ```text
//! TOKEN NUL ACTION!KEY@VALUE#PACKAGE,OFFSET…
//! ```

use ips_model::Action;
use ips_model::quote::quote_path;
use ips_model::tokens::each_token;
use rayon::prelude::*;

use crate::index::dictionary::written_key;

/// What parts the token from the rest; it sorts before every character.
const BREAK: char = '\0';

/// A gathered entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gathered<'t> {
    /// The first bytes of the text that are not known to be equal; they mostly decide which of two
    /// comes first.
    head: u64,
    text: &'t str,
    /// How long the token is.
    token: usize,
    /// Where its action begins in the manifest.
    start: usize,
}

/// Fewer than these are compared as they are.
const FEW: usize = 16;

/// Sorts entries by their texts.  A third of them begins as many others do (`/usr/lib/`,
/// `gzip:sha512t_256:`), so what those have in common is looked at once, not at each comparison.
/// The heads are of the text from `known` on, up to which all are equal.
fn sort(entries: &mut [Gathered<'_>], known: usize) {
    entries.sort_unstable_by_key(|entry| entry.head);
    for same in entries.chunk_by_mut(|one, other| one.head == other.head) {
        let common = if same.len() < FEW { 0 } else { common(same, known) };
        // Where one ends, its head is filled up and tells no more.
        if common < known + size_of::<u64>() {
            same.sort_unstable_by(|one, other| one.text.cmp(other.text));
            continue;
        }
        same.iter_mut().for_each(|entry| entry.head = head(entry.text, common));
        sort(same, common);
    }
}

/// How many bytes all have in common, who have `known`.
fn common(entries: &[Gathered<'_>], known: usize) -> usize {
    let Some((first, rest)) = entries.split_first() else { return known };
    let first = first.text.as_bytes();
    rest.iter().fold(first.len(), |common, entry| {
        let pairs = first[known..common].iter().zip(&entry.text.as_bytes()[known..]);
        known + pairs.take_while(|(one, other)| one == other).count()
    })
}

/// Eight bytes of a text, those that come first being worth most.
fn head(text: &str, from: usize) -> u64 {
    let mut head = [0; 8];
    let rest = &text.as_bytes()[from..];
    let length = rest.len().min(head.len());
    head[..length].copy_from_slice(&rest[..length]);
    u64::from_be_bytes(head)
}

impl<'t> Gathered<'t> {
    fn new(text: &'t str, token: usize, start: usize) -> Self {
        Self { head: head(text, 0), text, token, start }
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

/// Entries behind one another in one text, each with where it ends, how long its token is and
/// where its action begins: a text of its own for each would cost more than all else here.
#[derive(Default)]
struct Page {
    text: String,
    ends: Vec<(usize, usize, usize)>,
}

impl Page {
    /// Ends the entry whose text is all that came after the last one.
    fn end(&mut self, token: usize, start: usize) {
        self.ends.push((self.text.len(), token, start));
    }

    fn entries(&self) -> impl Iterator<Item = Gathered<'_>> {
        let mut begin = 0;
        self.ends.iter().map(move |(end, token, start)| {
            let begin = std::mem::replace(&mut begin, *end);
            Gathered::new(&self.text[begin..*end], *token, *start)
        })
    }
}

/// The entries of manifests.
pub(crate) struct Pages(Vec<Page>);

impl Pages {
    /// All of them, sorted.
    pub(crate) fn sorted(&self) -> Vec<Gathered<'_>> {
        let mut entries: Vec<Gathered<'_>> = self.0.iter().flat_map(Page::entries).collect();
        sort(&mut entries, 0);
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
                found.end(token.len(), start);
            }
        });
    }
    let mut found: Vec<Gathered<'_>> = found.entries().collect();
    sort(&mut found, 0);
    let mut page = Page::default();
    for same in found.chunk_by_mut(|one, other| one.text == other.text) {
        same.sort_unstable_by_key(|entry| entry.start);
        let Some(first) = same.first() else { continue };
        page.text.push_str(first.text);
        for entry in &*same {
            page.text.push(',');
            page.text.push_str(itoa::Buffer::new().format(entry.start));
        }
        page.end(first.token, first.start);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_sorted_whatever_they_have_in_common() {
        let mut numbers = dice::Dice(5);
        let parts =
            ["/usr/lib/", "gzip:sha512t_256:", "a", "\0", "", "zz", "é", "\0\0\0\0\0\0\0\0"];
        let mut one = || -> String {
            let count = numbers.roll() % 6;
            (0..count).map(|_| parts[numbers.roll() as usize % parts.len()]).collect()
        };
        let mut texts: Vec<String> = (0..5_000).map(|_| one()).collect();
        let mut entries: Vec<Gathered<'_>> =
            texts.iter().map(|text| Gathered::new(text, 0, 0)).collect();
        sort(&mut entries, 0);
        let sorted: Vec<String> = entries.iter().map(|entry| entry.text.to_string()).collect();
        texts.sort();
        assert_eq!(sorted, texts);
    }

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
