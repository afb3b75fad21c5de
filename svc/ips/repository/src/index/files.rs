//! files.rs - an index as files, written in one pass over its entries.
//!
//! Law: the bytes are pkg5's for the same entries and packages.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use ips_model::quote::quote_path;
use rayon::prelude::*;

use crate::durable;
use crate::error::{PathError, at};
use crate::index::dictionary::{Entry, places_of, read_key, token_of};

pub(crate) const MAIN: &str = "main_dict.ascii.v2";
pub(crate) const MANIFESTS: &str = "manf_list.v1";
pub(crate) const FMRIS: &str = "full_fmri_list";
const TOKENS: &str = "token_byte_offset.v1";
const OFFSETS: &str = "fmri_offsets.v1";
const OF_IMAGES: [&str; 2] = ["fast_add.v1", "fast_remove.v1"];
/// Every file that must be there, with the same version.
pub(crate) const ALL: [&str; 7] =
    [MAIN, MANIFESTS, FMRIS, TOKENS, OFFSETS, OF_IMAGES[0], OF_IMAGES[1]];

/// The first line of a file.
pub(crate) fn version_line(version: u64) -> String {
    format!("VERSION: {version}\n")
}

/// What goes into the files beside the dictionary, collected while that is written.
pub(crate) struct Writer<W: Write> {
    main: W,
    position: u64,
    version: u64,
    tokens: String,
    actions: BTreeMap<String, Vec<u64>>,
    keys: BTreeMap<String, Vec<u64>>,
    /// By package, in the order packages are first met.
    packages: Vec<(u32, Vec<u64>)>,
    /// Where in `packages` each package is, or nowhere yet.
    places: Vec<Option<u32>>,
}

impl<W: Write> Writer<W> {
    /// Begins a dictionary of so many packages; entries of others count as of none.
    pub(crate) fn new(mut main: W, version: u64, count: usize) -> std::io::Result<Writer<W>> {
        let first = version_line(version);
        main.write_all(first.as_bytes())?;
        Ok(Writer {
            main,
            position: first.len() as u64,
            version,
            tokens: first,
            actions: BTreeMap::new(),
            keys: BTreeMap::new(),
            packages: Vec::new(),
            places: vec![None; count],
        })
    }

    /// Writes the line of the next token.
    pub(crate) fn entry(&mut self, token: &str, entry: &Entry<'_>) -> std::io::Result<()> {
        let position = self.line(token, entry.line(token))?;
        for (action, keys) in entry.actions.iter() {
            note(&mut self.actions, action, position);
            // Once for each type that has the key, as pkg5 does.
            keys.iter().for_each(|(key, _)| note(&mut self.keys, key, position));
        }
        for (.., package, _) in entry.places() {
            self.note_package(package, position);
        }
        Ok(())
    }

    /// Writes the line of the next token, which stands in one place: most do.
    pub(crate) fn single(&mut self, token: &str, parts: [&str; 4]) -> std::io::Result<()> {
        let [action, key, value, place] = parts;
        let mut line = quote_path(token).into_owned();
        line.extend([" ", action, "!", key, "@", value, "#", place]);
        let position = self.line(token, line)?;
        note(&mut self.actions, action, position);
        note(&mut self.keys, key, position);
        if let Some(package) = place.split_once(',').and_then(|(number, _)| number.parse().ok()) {
            self.note_package(package, position);
        }
        Ok(())
    }

    /// Writes the line of the next token as it stands in another dictionary, without its end;
    /// nothing where it is no entry.
    pub(crate) fn copied(&mut self, token: &str, line: &str) -> std::io::Result<Option<()>> {
        let position = self.position;
        let (mut action, mut key) = (None, None);
        let read = places_of(token_of(line).1, |of_action, of_key, package| {
            // What is below one action or key comes in one piece of the line.
            if action != Some(of_action.as_ptr()) {
                action = Some(of_action.as_ptr());
                note(&mut self.actions, of_action, position);
            }
            if key != Some(of_key.as_ptr()) {
                key = Some(of_key.as_ptr());
                note(&mut self.keys, of_key, position);
            }
            self.note_package(package, position);
        });
        if read.is_none() {
            return Ok(None);
        }
        self.main.write_all(line.as_bytes())?;
        self.main.write_all(b"\n")?;
        self.note_line(token, line.len() + 1);
        Ok(Some(()))
    }

    /// Writes a line and where it is; its position.
    fn line(&mut self, token: &str, mut line: String) -> std::io::Result<u64> {
        line.push('\n');
        self.main.write_all(line.as_bytes())?;
        let position = self.position;
        self.note_line(token, line.len());
        Ok(position)
    }

    /// Tells where the line of a token is that was just written.
    fn note_line(&mut self, token: &str, length: usize) {
        // A line break cannot come from a manifest's line, but would end this one.
        let quoted = token.contains([' ', '\n']);
        let (mark, token) =
            if quoted { ('1', quote_path(token)) } else { ('0', Cow::Borrowed(token)) };
        self.tokens.push(mark);
        self.tokens.push_str(&token);
        self.tokens.push(' ');
        self.tokens.push_str(itoa::Buffer::new().format(self.position));
        self.tokens.push('\n');
        self.position += length as u64;
    }

    fn note_package(&mut self, package: u32, position: u64) {
        let Some(place) = self.places.get_mut(package as usize) else { return };
        let next = u32::try_from(self.packages.len()).unwrap_or(u32::MAX);
        let place = *place.get_or_insert(next);
        if place == next {
            self.packages.push((package, Vec::new()));
        }
        let offsets = &mut self.packages[place as usize].1;
        if offsets.last() != Some(&position) {
            offsets.push(position);
        }
    }

    /// Ends the dictionary.
    pub(crate) fn end(mut self) -> std::io::Result<Rest<W>> {
        self.main.flush()?;
        Ok(Rest(self))
    }
}

fn note(lists: &mut BTreeMap<String, Vec<u64>>, name: &str, position: u64) {
    if let Some(list) = lists.get_mut(name) {
        list.push(position);
    } else {
        lists.insert(name.to_string(), vec![position]);
    }
}

/// A dictionary that is written, and the files that go with it.
pub(crate) struct Rest<W: Write>(Writer<W>);

impl<W: Write> Rest<W> {
    /// Where the dictionary went.
    pub(crate) fn into_inner(self) -> W {
        self.0.main
    }

    /// Writes the other files; `packages` are named by their number.
    pub(crate) fn write(&self, folder: &Path, packages: &[String]) -> Result<(), PathError> {
        let writer = &self.0;
        let version = version_line(writer.version);
        let mut texts: Vec<(String, Text<'_>)> = vec![
            (TOKENS.to_string(), Text::Whole(&writer.tokens)),
            (OFFSETS.to_string(), Text::Packages(&writer.packages)),
            (MANIFESTS.to_string(), Text::Names("")),
            (FMRIS.to_string(), Text::Names("pkg:/")),
            ("lock".to_string(), Text::Whole("")),
        ];
        texts.extend(OF_IMAGES.map(|name| (name.to_string(), Text::Whole(&version))));
        for (prefix, lists) in [("__at_", &writer.actions), ("__st_", &writer.keys)] {
            for (name, positions) in lists {
                let name = format!("{prefix}{}", read_key(name));
                // A key comes from a manifest: one that is no file name has no list.
                if name.len() <= 255 && !name.contains(['/', '\0']) {
                    texts.push((name, Text::Positions(positions)));
                }
            }
        }
        texts.par_iter().try_for_each(|(name, text)| {
            durable::write_new(&folder.join(name), text.written(&version, packages).as_bytes())
        })
    }
}

/// What a file beside the dictionary holds.
enum Text<'a> {
    Whole(&'a str),
    /// The names of all packages, each after this.
    Names(&'a str),
    /// Where the lines of each package are.
    Packages(&'a [(u32, Vec<u64>)]),
    /// Where lines are.
    Positions(&'a [u64]),
}

impl Text<'_> {
    fn written(&self, version: &str, packages: &[String]) -> Cow<'_, str> {
        match self {
            Text::Whole(text) => Cow::Borrowed(text),
            Text::Names(before) => {
                let long = |name: &String| before.len() + name.len() + 1;
                let length = version.len() + packages.iter().map(long).sum::<usize>();
                let mut list = String::with_capacity(length);
                list.push_str(version);
                packages.iter().for_each(|name| list.extend([*before, name, "\n"]));
                Cow::Owned(list)
            }
            Text::Packages(places) => {
                Cow::Owned(version.to_string() + &by_package(places, packages))
            }
            Text::Positions(positions) => {
                let mut lines = String::with_capacity(positions.len() * 9);
                let mut number = itoa::Buffer::new();
                positions.iter().for_each(|at| lines.extend([number.format(*at), "\n"]));
                Cow::Owned(lines)
            }
        }
    }
}

/// Packages that are in the same lines share one.
fn by_package(places: &[(u32, Vec<u64>)], packages: &[String]) -> String {
    let mut lines: Vec<(&[u64], String)> = Vec::with_capacity(places.len());
    let mut known: HashMap<&[u64], usize> = HashMap::with_capacity(places.len());
    for (package, positions) in places {
        let name = packages.get(*package as usize).map_or("", String::as_str);
        let line = *known.entry(positions).or_insert(lines.len());
        if let Some((_, names)) = lines.get_mut(line) {
            names.extend([" ", name]);
        } else {
            lines.push((positions, name.to_string()));
        }
    }
    let line = |(positions, names): &(&[u64], String)| {
        let mut line = String::with_capacity(names.len() + positions.len() * 9 + 2);
        line.push_str(names);
        let (mut number, mut before, mut part) = (itoa::Buffer::new(), 0, '!');
        for position in *positions {
            line.push(part);
            line.push_str(number.format(position - std::mem::replace(&mut before, *position)));
            part = ' ';
        }
        line.push('\n');
        line
    };
    lines.par_chunks(1024).map(|lines| lines.iter().map(line).collect::<String>()).collect()
}

/// A new dictionary in a folder, of so many packages.
pub(crate) fn create(
    folder: &Path,
    version: u64,
    count: usize,
) -> Result<Writer<BufWriter<File>>, PathError> {
    let path = folder.join(MAIN);
    durable::write_new(&path, b"")?;
    let file = File::options().append(true).open(&path).map_err(at(&path))?;
    Writer::new(BufWriter::with_capacity(1 << 18, file), version, count).map_err(at(&path))
}
