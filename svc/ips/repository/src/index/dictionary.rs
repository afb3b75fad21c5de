//! dictionary.rs - a line of the main dictionary, read and written.
//!
//! ```text
//! pear dir!basename@basename#10,882,937#2,5 set!pkg.fmri@p/pear#10,0!pkg.summary@A%20pear#2,85
//! │    │   │        │        │  └ offsets of the action's line in the manifest
//! │    │   │        │        └ number of the package
//! │    │   │        └ value, quoted
//! │    │   └ key
//! │    └ type of action
//! └ token, quoted
//! ```
//!
//! Law: what is new comes after what is there, level by level, as pkg5 joins lines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;

use ips_model::quote::{quote, quote_path, unquote};

/// From so many names on, a level knows where each is: a token such as `set` may have a hundred
/// thousand values.
const MANY: usize = 16;

/// A level of a line: names and what is below each, in the order they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Level<'a, T> {
    names: Vec<(&'a str, T)>,
    places: HashMap<&'a str, usize>,
}

impl<T> Default for Level<'_, T> {
    fn default() -> Self {
        Level { names: Vec::new(), places: HashMap::new() }
    }
}

impl<'a, T> FromIterator<(&'a str, T)> for Level<'a, T> {
    fn from_iter<I: IntoIterator<Item = (&'a str, T)>>(names: I) -> Self {
        Level { names: names.into_iter().collect(), places: HashMap::new() }
    }
}

impl<'a, T: Default> Level<'a, T> {
    /// The names and what is below them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(&'a str, T)> {
        self.names.iter()
    }

    /// What is below a name, which comes last where it is new.
    fn below(&mut self, name: &'a str) -> &mut T {
        // What was added last is asked for again most often.
        let last = self.names.len().checked_sub(1).filter(|at| self.names[*at].0 == name);
        let at = match last.or_else(|| self.find(name)) {
            Some(at) => at,
            None => {
                self.names.push((name, T::default()));
                self.names.len() - 1
            }
        };
        &mut self.names[at].1
    }

    fn find(&mut self, name: &str) -> Option<usize> {
        if self.names.len() <= MANY {
            return self.names.iter().position(|(own, _)| *own == name);
        }
        let known = self.places.len();
        for (at, (own, _)) in self.names.iter().enumerate().skip(known) {
            self.places.insert(own, at);
        }
        self.places.get(name).copied()
    }
}

/// Package number and offsets, as they stand.
type Places<'a> = Vec<(u32, &'a str)>;

/// A line, taken apart.  Names are as written: values are quoted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) actions: Level<'a, Level<'a, Level<'a, Places<'a>>>>,
}

/// A line's token, still quoted, and the rest.
pub(crate) fn token_of(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap_or((line, ""))
}

impl<'a> Entry<'a> {
    /// Reads what follows the token.  Nothing where it is no entry.
    pub(crate) fn parse(rest: &'a str) -> Option<Entry<'a>> {
        let actions = rest.split(' ').map(|action| {
            let (action, keys) = action.split_once('!')?;
            let keys = keys.split('!').map(|key| {
                let (key, values) = key.split_once('@')?;
                let values = values.split('@').map(|value| {
                    let (value, places) = value.split_once('#')?;
                    Some((value, places.split('#').map(place).collect::<Option<_>>()?))
                });
                Some((key, values.collect::<Option<_>>()?))
            });
            Some((action, keys.collect::<Option<_>>()?))
        });
        Some(Entry { actions: actions.collect::<Option<_>>()? })
    }

    /// Adds a place at the end of its levels.
    pub(crate) fn push(&mut self, action: &'a str, key: &'a str, value: &'a str, at: &'a str) {
        let Some(place) = place(at) else { return };
        self.actions.below(action).below(key).below(value).push(place);
    }

    /// Every place: type, key, value as written, package, offsets.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a str, u32, &'a str)> {
        self.actions.iter().flat_map(|(action, keys)| {
            keys.iter().flat_map(move |(key, values)| {
                values.iter().flat_map(move |(value, places)| {
                    places.iter().map(move |(package, at)| (*action, *key, *value, *package, *at))
                })
            })
        })
    }

    /// The line, without its end.
    pub(crate) fn line(&self, token: &str) -> String {
        let mut line = quote_path(token).into_owned();
        for (action, keys) in self.actions.iter() {
            line.extend([" ", action]);
            for (key, values) in keys.iter() {
                line.extend(["!", key]);
                for (value, places) in values.iter() {
                    line.extend(["@", value]);
                    for (package, at) in places {
                        // Writing to a text does not fail.
                        let _ = write!(line, "#{package},{at}");
                    }
                }
            }
        }
        line
    }
}

/// Tells of every place of what follows the token: type, key, package.  Nothing where it is no
/// entry; what was told before is then to be forgotten.
pub(crate) fn places_of<'a>(
    rest: &'a str,
    mut tell: impl FnMut(&'a str, &'a str, u32),
) -> Option<()> {
    for action in rest.split(' ') {
        let (action, keys) = action.split_once('!')?;
        for key in keys.split('!') {
            let (key, values) = key.split_once('@')?;
            for value in values.split('@') {
                let (_, places) = value.split_once('#')?;
                for at in places.split('#') {
                    tell(action, key, place(at)?.0);
                }
            }
        }
    }
    Some(())
}

fn place(text: &str) -> Option<(u32, &str)> {
    let (package, at) = text.split_once(',')?;
    Some((package.parse().ok()?, at))
}

/// The offsets of a place.
pub(crate) fn offsets(at: &str) -> Option<Vec<u64>> {
    at.split(',').map(|offset| offset.parse().ok()).collect()
}

/// A key as it stands in a line.  pkg5 writes it as it is; only what would end the field, which
/// it cannot read back, is quoted.
pub(crate) fn written_key(key: &str) -> Cow<'_, str> {
    let plain = |c: char| !(c.is_control() || matches!(c, ' ' | '!' | '@' | '#' | ',' | '%'));
    if key.chars().all(plain) {
        return Cow::Borrowed(key);
    }
    let written = |c: char| {
        if plain(c) { c.to_string() } else { quote(c.encode_utf8(&mut [0; 4])) }
    };
    Cow::Owned(key.chars().map(written).collect())
}

/// The key that was written.
pub(crate) fn read_key(key: &str) -> String {
    unquote(key).unwrap_or_else(|| key.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "pear dir!basename@basename#10,882,937#2,5 set!k@p/pear#10,0!s@A%20pear#2,85";

    #[test]
    fn lines_are_printed_as_read() {
        let (token, rest) = token_of(LINE);
        let entry = Entry::parse(rest).unwrap();
        assert_eq!(entry.line(token), LINE);
        let places: Vec<_> = entry.places().collect();
        assert_eq!(places[1], ("dir", "basename", "basename", 2, "5"));
        assert_eq!(places.len(), 4);
        for broken in ["", "dir", "dir!k", "dir!k@v", "dir!k@v#", "dir!k@v#x,1", "dir!k@v#1"] {
            assert_eq!(Entry::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn what_is_new_comes_last() {
        let mut entry = Entry::parse(token_of(LINE).1).unwrap();
        entry.push("set", "k", "q/pear", "11,0");
        entry.push("dir", "basename", "basename", "11,7");
        entry.push("file", "basename", "basename", "11,9");
        assert_eq!(
            entry.line("pear"),
            "pear dir!basename@basename#10,882,937#2,5#11,7 \
             set!k@p/pear#10,0@q/pear#11,0!s@A%20pear#2,85 file!basename@basename#11,9"
        );
    }

    #[test]
    fn a_level_of_many_names_keeps_their_order() {
        let names: Vec<String> = (0..MANY * 4).map(|number| format!("v{number}")).collect();
        let mut entry = Entry::default();
        for round in ["1,0", "2,0"] {
            names.iter().for_each(|name| entry.push("set", "k", name, round));
        }
        let values: String = names.iter().map(|name| format!("@{name}#1,0#2,0")).collect();
        assert_eq!(entry.line("t"), format!("t set!k{values}"));
    }

    #[test]
    fn keys_that_would_break_the_line() {
        for (key, written) in
            [("pkg.summary:de", "pkg.summary:de"), ("a b!", "a%20b%21"), ("%", "%25")]
        {
            assert_eq!(written_key(key), written);
            assert_eq!(read_key(written), key);
        }
        assert_eq!(read_key("50%"), "50%");
    }
}
