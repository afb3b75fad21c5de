//! table.rs - a few properties of very many instances, as text: one row an instance.
//!
//! ```text
//! svc:/a/b:c|online|none|1265947111.5|4711,4712||true
//! FMRI      | one cell for each property that was asked for
//! ```
//!
//! In a cell, values are parted by commas; `\` stands before each `\`, `|` and `,` of a value.  A
//! property that is not there and one without values are both an empty cell.

use std::borrow::Cow;

/// Adds a cell to a row.
pub fn add_cell<'v>(row: &mut String, values: impl Iterator<Item = &'v str>) {
    row.push('|');
    for (number, value) in values.enumerate() {
        if number > 0 {
            row.push(',');
        }
        if !value.contains(['\\', '|', ',']) {
            row.push_str(value);
            continue;
        }
        for letter in value.chars() {
            if matches!(letter, '\\' | '|' | ',') {
                row.push('\\');
            }
            row.push(letter);
        }
    }
}

/// A cell of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell<'r>(&'r str);

/// The FMRI and the cells of a row.
pub fn cells(row: &str) -> (&str, impl Iterator<Item = Cell<'_>>) {
    let mut parts = split(row, '|');
    (parts.next().unwrap_or_default(), parts.map(Cell))
}

impl<'r> Cell<'r> {
    /// The values.
    pub fn values(self) -> impl Iterator<Item = Cow<'r, str>> {
        let parts = (!self.0.is_empty()).then(|| split(self.0, ','));
        parts.into_iter().flatten().map(plain)
    }

    /// The first value.
    #[must_use]
    pub fn first(self) -> Option<Cow<'r, str>> {
        self.values().next()
    }
}

/// Parts at a separator that no backslash stands before.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    let is_plain = !text.contains('\\');
    std::iter::from_fn(move || {
        let whole = rest?;
        let end = if is_plain { whole.find(separator) } else { unescaped(whole, separator) };
        rest = end.map(|at| &whole[at + separator.len_utf8()..]);
        Some(end.map_or(whole, |at| &whole[..at]))
    })
}

fn unescaped(text: &str, separator: char) -> Option<usize> {
    let mut escaped = false;
    text.find(|letter| {
        let is_end = letter == separator && !escaped;
        escaped = letter == '\\' && !escaped;
        is_end
    })
}

fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut letters = text.chars();
    let mut value = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        // A backslash is never the last: the next one stands for itself.
        value.push(if letter == '\\' { letters.next().unwrap_or(letter) } else { letter });
    }
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_back() {
        for (all, text) in [
            (&[][..], "svc:/a:b"),
            (&[&[][..]], "svc:/a:b|"),
            (&[&["online"], &[], &["1", "2"]], "svc:/a:b|online||1,2"),
            (&[&["a|b,c\\", "d"], &["\\"]], "svc:/a:b|a\\|b\\,c\\\\,d|\\\\"),
            (&[&["\n\té"]], "svc:/a:b|\n\té"),
        ] {
            let mut row = "svc:/a:b".to_owned();
            all.iter().for_each(|values| add_cell(&mut row, values.iter().copied()));
            assert_eq!(row, text);
            let (fmri, cells) = cells(&row);
            assert_eq!(fmri, "svc:/a:b");
            let back: Vec<Vec<String>> =
                cells.map(|cell| cell.values().map(Cow::into_owned).collect()).collect();
            assert_eq!(back, all, "{text}");
        }
    }

    #[test]
    fn an_empty_value_is_none() {
        let mut row = String::new();
        add_cell(&mut row, [""].into_iter());
        let (_, mut cells) = cells(&row);
        assert_eq!(cells.next().map(|cell| cell.first()), Some(None));
    }
}
