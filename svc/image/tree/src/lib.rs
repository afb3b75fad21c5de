//! image-tree - the metadata table of an image root.
//!
//! Owns the map path → type, mode, owner, device, link target, size.  The files themselves lie
//! on disk beside the table, owned by whoever builds; the writers (UFS, cpio, ISO) take owner
//! and mode from here, so no chown and no root is needed.  The table wins over the disk.
//!
//! Law: a path is relative, without `.`, `..`, empty components or NUL; `""` is the root itself.
//! A parent sorts before its children (byte order of paths), so one pass builds a tree.
//!
//! Not here: reading a disk, hashing, choosing owners.
//!
//! The text form is one entry a line, in path order, fields parted by one blank:
//!
//! ```text
//! TYPE MODE UID GID MTIME DETAIL PATH
//! d    0755 0   3   1700000000 -       usr
//! f    0644 0   0   1700000000 SIZE    usr/file
//! l    0777 0   0   1700000000 TARGET  usr/link
//! h    -    -   -   -          TARGET  usr/hard      (TARGET: the path of the first name)
//! c    0666 0   3   1700000000 13,2    dev/null
//! b, p likewise (p: DETAIL is -)
//! ```
//!
//! PATH and TARGET are percent-encoded for blank, `%`, and control bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// What an entry is, with what only its type has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file; its bytes lie at the same path under the root on disk.
    File {
        /// Length in bytes.
        size: u64,
    },
    /// A symbolic link and its target, verbatim.
    Symlink {
        /// The text of the link.
        target: String,
    },
    /// A further name of a file that the table holds under `target` (a table path).
    HardLink {
        /// The path of the first name, as the table spells paths.
        target: String,
    },
    /// A character device.
    CharacterDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Type and type-specific fields.
    pub kind: Kind,
    /// Permission bits, 0 to 07777.
    pub mode: u32,
    /// Numeric owner in the image.
    pub uid: u32,
    /// Numeric group in the image.
    pub gid: u32,
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
}

/// Why a table or a path was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TableError {
    /// A path that could leave the root or cannot be named.
    #[error("path \"{path}\" is not a plain relative path")]
    Path {
        /// The path as given.
        path: String,
    },
    /// A line of the text form that does not parse.
    #[error("line {line}: {reason}")]
    Line {
        /// 1-based line number.
        line: usize,
        /// What was wrong with it.
        reason: String,
    },
}

/// The metadata table: every path of an image root, in byte order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

/// Checks that a path stays inside the root: relative, no `.`, `..`, empty component or NUL.
pub fn check_path(path: &str) -> Result<(), TableError> {
    let plain = path.is_empty()
        || path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'));
    if plain { Ok(()) } else { Err(TableError::Path { path: path.to_string() }) }
}

impl Tree {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an entry at `path`, replacing one that is there.
    pub fn insert(&mut self, path: &str, entry: Entry) -> Result<(), TableError> {
        check_path(path)?;
        self.entries.insert(path.to_string(), entry);
        Ok(())
    }

    /// The entry at `path`.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The entry at `path`, to be changed.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Entry> {
        self.entries.get_mut(path)
    }

    /// Takes out the entry at `path`; what lies below it stays.
    pub fn remove(&mut self, path: &str) -> Option<Entry> {
        self.entries.remove(path)
    }

    /// All rows in byte order of their paths; a parent comes before its children.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Every entry below a directory, parents before children; the directory itself is not among them.
    pub fn below(&self, path: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let from = if path.is_empty() { String::new() } else { format!("{path}/") };
        let prefix = from.clone();
        let all = self.entries.range(from..).map(|(path, entry)| (path.as_str(), entry));
        let all = all.take_while(move |(path, _)| path.starts_with(&prefix));
        all.filter(|(path, _)| !path.is_empty())
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the table has no row.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let read = |(index, line)| {
            let failed = |reason: String| TableError::Line { line: index + 1, reason };
            let (path, entry) = parse_line(line).map_err(failed)?;
            check_path(&path).map_err(|error| failed(error.to_string()))?;
            Ok((path, entry))
        };
        // All at once: a map is made of sorted rows without a search for each.
        let rows = text.lines().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Tree { entries: rows.into_iter().collect() })
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|(path, entry)| write_line(out, path, entry))
    }
}

fn write_line(out: &mut fmt::Formatter<'_>, path: &str, entry: &Entry) -> fmt::Result {
    let Entry { kind, mode, uid, gid, mtime } = entry;
    let letter = match kind {
        Kind::Directory => 'd',
        Kind::File { .. } => 'f',
        Kind::Symlink { .. } => 'l',
        Kind::HardLink { target } => {
            return writeln!(out, "h - - - - {} {}", encode(target), encode(path));
        }
        Kind::CharacterDevice { .. } => 'c',
        Kind::BlockDevice { .. } => 'b',
        Kind::Fifo => 'p',
    };
    write!(out, "{letter} {mode:04o} {uid} {gid} {mtime} ")?;
    match kind {
        Kind::Directory | Kind::Fifo | Kind::HardLink { .. } => out.write_char('-')?,
        Kind::File { size } => write!(out, "{size}")?,
        Kind::Symlink { target } => out.write_str(&encode(target))?,
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            write!(out, "{major},{minor}")?;
        }
    }
    out.write_char(' ')?;
    out.write_str(&encode(path))?;
    out.write_char('\n')
}

fn parse_line(line: &str) -> Result<(String, Entry), String> {
    let mut fields = [""; 7];
    let mut found = 0;
    for field in line.split(' ') {
        if let Some(place) = fields.get_mut(found) {
            *place = field;
        }
        found += 1;
    }
    if found != fields.len() {
        return Err(format!("7 fields expected, {found} found"));
    }
    let [letter, mode, uid, gid, mtime, detail, path] = fields;
    let path = decode(path)?;
    if letter == "h" {
        let kind = Kind::HardLink { target: decode(detail)? };
        return Ok((path, Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 }));
    }
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("\"{text}\" is no number"));
    let kind = match letter {
        "d" => Kind::Directory,
        "f" => Kind::File { size: detail.parse().map_err(|_| format!("\"{detail}\" is no size"))? },
        "l" => Kind::Symlink { target: decode(detail)? },
        "c" | "b" => {
            let (major, minor) = detail.split_once(',').ok_or("MAJOR,MINOR expected")?;
            let (major, minor) = (number(major)?, number(minor)?);
            if letter == "c" {
                Kind::CharacterDevice { major, minor }
            } else {
                Kind::BlockDevice { major, minor }
            }
        }
        "p" => Kind::Fifo,
        _ => return Err(format!("unknown type \"{letter}\"")),
    };
    let mode = u32::from_str_radix(mode, 8).map_err(|_| format!("\"{mode}\" is no mode"))?;
    let mtime = mtime.parse().map_err(|_| format!("\"{mtime}\" is no time"))?;
    Ok((path, Entry { kind, mode, uid: number(uid)?, gid: number(gid)?, mtime }))
}

fn encode(text: &str) -> Cow<'_, str> {
    if text.is_empty() {
        return Cow::Borrowed("%");
    }
    let special = |byte: u8| matches!(byte, b' ' | b'%' | 0..=0x1f | 0x7f);
    if !text.bytes().any(special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match u8::try_from(character).ok().filter(|byte| special(*byte)) {
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None => out.push(character),
        }
    }
    Cow::Owned(out)
}

fn decode(text: &str) -> Result<String, String> {
    if text == "%" {
        return Ok(String::new());
    }
    if !text.contains('%') {
        return Ok(text.to_string());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| digit.unwrap_or(b'?'));
        let value = std::str::from_utf8(&digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok());
        bytes.push(value.ok_or_else(|| format!("bad escape in \"{text}\""))?);
    }
    String::from_utf8(bytes).map_err(|_| format!("\"{text}\" is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind) -> Entry {
        Entry { kind, mode: 0o4755, uid: 0, gid: 2, mtime: 1_700_000_000 }
    }

    #[test]
    fn the_text_form_round_trips() {
        let mut tree = Tree::new();
        for (path, kind) in [
            ("", Kind::Directory),
            ("a b%", Kind::File { size: 7 }),
            ("dev", Kind::Directory),
            ("dev/null", Kind::CharacterDevice { major: 13, minor: 2 }),
            ("dev/sd", Kind::BlockDevice { major: 8, minor: 1 }),
            ("link", Kind::Symlink { target: "../x y\n".to_string() }),
            ("pipe", Kind::Fifo),
        ] {
            tree.insert(path, entry(kind)).unwrap();
        }
        let hard = Kind::HardLink { target: "a b%".to_string() };
        tree.insert("zz", Entry { kind: hard, mode: 0, uid: 0, gid: 0, mtime: 0 }).unwrap();
        assert_eq!(Tree::parse(&tree.to_string()), Ok(tree));
    }

    #[test]
    fn paths_that_leave_the_root_are_refused() {
        for path in ["/etc", "a/../b", "..", "a//b", "a/", "./a", "a\0b"] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        for path in ["", "a", "a/b.c/..d"] {
            assert!(check_path(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn bad_lines_name_their_number() {
        for text in ["d 0755 0 0 0 -", "x 0755 0 0 0 - a", "d 9 0 0 0 - a", "d 0755 0 0 0 - ../a"] {
            let lines = format!("d 0755 0 0 0 - %\n{text}\n");
            let Err(TableError::Line { line, .. }) = Tree::parse(&lines) else {
                panic!("{text} parsed");
            };
            assert_eq!(line, 2);
        }
    }
}
