//! files.rs - an index as files, written in one pass over its entries.
//!
//! Law: the bytes are pkg5's for the same entries and packages.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use ips_model::quote::quote_path;

use crate::durable;
use crate::error::{PathError, at};
use crate::index::dictionary::{Entry, read_key};

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
    /// Where in `packages` a package is.
    places: BTreeMap<u32, usize>,
}

impl<W: Write> Writer<W> {
    /// Begins a dictionary.
    pub(crate) fn new(mut main: W, version: u64) -> std::io::Result<Writer<W>> {
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
            places: BTreeMap::new(),
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

    /// Writes a line and where it is; its position.
    fn line(&mut self, token: &str, mut line: String) -> std::io::Result<u64> {
        line.push('\n');
        self.main.write_all(line.as_bytes())?;
        let position = self.position;
        self.position += line.len() as u64;
        // A line break cannot come from a manifest's line, but would end this one.
        let quoted = token.contains([' ', '\n']);
        let (mark, token) =
            if quoted { ('1', quote_path(token)) } else { ('0', Cow::Borrowed(token)) };
        // Writing to a text does not fail.
        let _ = writeln!(self.tokens, "{mark}{token} {position}");
        Ok(position)
    }

    fn note_package(&mut self, package: u32, position: u64) {
        let next = self.packages.len();
        let place = *self.places.entry(package).or_insert(next);
        if place == next {
            self.packages.push((package, Vec::new()));
        }
        let offsets = &mut self.packages[place].1;
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
        let put = |name: &str, text: &str| durable::write_new(&folder.join(name), text.as_bytes());
        put(TOKENS, &writer.tokens)?;
        let version = version_line(writer.version);
        let mut list = version.clone();
        let mut full = version.clone();
        for package in packages {
            list.push_str(&format!("{package}\n"));
            full.push_str(&format!("pkg:/{package}\n"));
        }
        put(MANIFESTS, &list)?;
        put(FMRIS, &full)?;
        put(OFFSETS, &(version.clone() + &self.by_package(packages)))?;
        for name in OF_IMAGES {
            put(name, &version)?;
        }
        for (prefix, lists) in [("__at_", &writer.actions), ("__st_", &writer.keys)] {
            for (name, positions) in lists {
                let name = format!("{prefix}{}", read_key(name));
                // A key comes from a manifest: one that is no file name has no list.
                if name.len() > 255 || name.contains(['/', '\0']) {
                    continue;
                }
                let lines: String = positions.iter().map(|at| format!("{at}\n")).collect();
                put(&name, &lines)?;
            }
        }
        put("lock", "")
    }

    /// Packages that are in the same lines share one.
    fn by_package(&self, packages: &[String]) -> String {
        let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for (package, positions) in &self.0.packages {
            let mut before = 0;
            let deltas: Vec<String> = positions
                .iter()
                .map(|position| (position - std::mem::replace(&mut before, *position)).to_string())
                .collect();
            let deltas = deltas.join(" ");
            let name = packages.get(*package as usize).map_or("", String::as_str);
            if let Some(at) = known.get(&deltas) {
                lines[*at].1.push(name);
            } else {
                known.insert(deltas.clone(), lines.len());
                lines.push((deltas, vec![name]));
            }
        }
        lines.iter().map(|(deltas, names)| format!("{}!{deltas}\n", names.join(" "))).collect()
    }
}

/// A new dictionary in a folder.
pub(crate) fn create(folder: &Path, version: u64) -> Result<Writer<BufWriter<File>>, PathError> {
    let path = folder.join(MAIN);
    durable::write_new(&path, b"")?;
    let file = File::options().append(true).open(&path).map_err(at(&path))?;
    Writer::new(BufWriter::with_capacity(1 << 18, file), version).map_err(at(&path))
}
