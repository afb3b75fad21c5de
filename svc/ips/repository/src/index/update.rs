//! update.rs - a publisher's index is made, or brought up to its catalog.
//!
//! The new files are written beside, flushed, and put in the place of the old ones by one
//! exchange of folders; a crash leaves the old index whole.  `index/lock` is held meanwhile, so
//! that indexers of pkg5 and ours come one after the other.
//!
//! What was added is merged into the old dictionary; an index that knows packages the catalog
//! does not, or that is damaged or much too small, is made anew.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use ips_model::Fmri;
use ips_model::catalog::{BASE, PartText, lines};
use ips_model::json::SignedError;
use ips_model::quote::unquote;
use rayon::prelude::*;

use crate::durable;
use crate::error::{PathError, ReadError, WriteError, at};
use crate::index::dictionary::{Entry, token_of};
use crate::index::files::{ALL, FMRIS, MAIN, MANIFESTS, Writer, create};
use crate::index::gather::{Gathered, gather};
use crate::index::index::{name_of, version_of};
use crate::lock::{FileLock, Wait};
use crate::repository::Repository;
use crate::staging::remove_leftovers;

/// The version of an index made anew.
const FIRST: u64 = 2;

/// What became of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexed {
    /// It knew every package.
    Current,
    /// So many packages were added.
    Added(usize),
    /// It was made anew, of so many packages.
    Rebuilt(usize),
}

/// An index on disk that can be added to.
struct Old {
    version: u64,
    packages: Vec<String>,
    known: HashSet<String>,
}

impl Repository {
    /// Brings a publisher's index up to its catalog.
    pub fn refresh_index(&self, publisher: &str) -> Result<Indexed, WriteError> {
        self.indexed(publisher, Old::read)
    }

    /// Makes a publisher's index anew.
    pub fn rebuild_index(&self, publisher: &str) -> Result<Indexed, WriteError> {
        self.indexed(publisher, |_| Ok(None))
    }

    fn indexed(
        &self,
        publisher: &str,
        old: impl FnOnce(&Path) -> Result<Option<Old>, PathError>,
    ) -> Result<Indexed, WriteError> {
        let folder = self.changed_index(publisher)?;
        let index = folder.join("index");
        durable::make_folder(&folder.join("tmp"))?;
        durable::make_folder(&index)?;
        let _lock = FileLock::take(&index.join("lock"), Wait::Block)?;
        remove_leftovers(&folder)?;
        let base = self.catalog_part(publisher, BASE)?;
        let part = self.known_publisher(publisher)?.join("catalog").join(BASE);
        let damaged = |source| ReadError::Catalog { path: part.clone(), source };
        let names = names_of(&base).map_err(damaged)?;
        // Most of it is new: then it is faster made anew, and merges stay short.
        let old = old(&index)?.filter(|old| old.known.len() * 2 >= names.len());
        let is_new = |name: &&String| !old.as_ref().is_some_and(|old| old.known.contains(*name));
        let mut new: Vec<&String> = names.iter().filter(is_new).collect();
        // What it knows and the catalog does not is gone.
        let old = old.as_ref().filter(|old| old.known.len() + new.len() == names.len());
        if old.is_none() {
            new = names.iter().collect();
        }
        let fmri = |name: &&String| Fmri::parse(&format!("pkg://{publisher}/{name}"));
        let new: Vec<Fmri> = new
            .iter()
            .map(fmri)
            .collect::<Result<_, _>>()
            .map_err(|error| damaged(SignedError::Shape(error.to_string())))?;
        if old.is_some() && new.is_empty() {
            return Ok(Indexed::Current);
        }
        let texts = self.texts(&new)?;
        let place = tempfile::Builder::new()
            .prefix(&format!("batch.{}.", std::process::id()))
            .tempdir_in(folder.join("tmp"))
            .map_err(at(&folder))?;
        let written = place.path().join("index");
        durable::make_folder(&written)?;
        let added = new.iter().map(name_of);
        match old {
            None => {
                let names: Vec<String> = added.collect();
                let mut writer = create(&written, FIRST, names.len())?;
                let main = written.join(MAIN);
                write_gathered(&mut writer, &gather(&texts, 0).sorted()).map_err(at(&main))?;
                writer.end().map_err(at(&main))?.write(&written, &names)?;
            }
            Some(old) => {
                let names: Vec<String> = old.packages.iter().cloned().chain(added).collect();
                let first = u32::try_from(old.packages.len()).unwrap_or(u32::MAX);
                merge(&index, &written, old.version + 1, &gather(&texts, first).sorted(), &names)?;
            }
        }
        durable::sync_filesystem(&written)?;
        durable::swap_folder(&written, &index)?;
        durable::sync_folder(&folder)?;
        Ok(match old {
            None => Indexed::Rebuilt(new.len()),
            Some(_) => Indexed::Added(new.len()),
        })
    }

    /// The manifests, in order; empty where one went meanwhile.
    fn texts(&self, packages: &[Fmri]) -> Result<Vec<String>, WriteError> {
        let text = |fmri: &Fmri| match self.manifest_text(fmri) {
            Err(ReadError::NoPackage(_)) => Ok(String::new()),
            text => text.map_err(WriteError::from),
        };
        packages.par_iter().map(text).collect()
    }
}

/// `NAME@VERSION` of all that a base part has, by name and ascending version.
fn names_of(base: &PartText) -> Result<Vec<String>, SignedError> {
    let mut names = Vec::new();
    for (_, stem, list) in base.stems() {
        names.extend(lines(list)?.iter().map(|line| format!("{stem}@{}", line.version)));
    }
    Ok(names)
}

impl Old {
    fn read(index: &Path) -> Result<Option<Old>, PathError> {
        let versions: Vec<Option<u64>> =
            ALL.iter().map(|name| version_of(&index.join(name))).collect::<Result<_, _>>()?;
        let Some(version) = versions[0].filter(|_| versions.iter().all(|v| *v == versions[0]))
        else {
            return Ok(None);
        };
        let read = |name: &str| {
            let path = index.join(name);
            fs::read_to_string(&path).map_err(at(&path))
        };
        let packages = read(MANIFESTS)?.lines().skip(1).map(str::to_string).collect();
        let known = read(FMRIS)?;
        let known = known.lines().skip(1).map(|line| line.strip_prefix("pkg:/").unwrap_or(line));
        Ok(Some(Old { version, packages, known: known.map(str::to_string).collect() }))
    }
}

/// Writes a dictionary of gathered entries alone.
pub(crate) fn write_gathered<W: Write>(
    writer: &mut Writer<W>,
    gathered: &[Gathered<'_>],
) -> io::Result<()> {
    let mut gathered = Rest(gathered);
    while let Some(token) = gathered.token() {
        gathered.write(token, writer)?;
    }
    Ok(())
}

/// Writes the old dictionary with what was gathered.
fn merge(
    index: &Path,
    written: &Path,
    version: u64,
    gathered: &[Gathered<'_>],
    names: &[String],
) -> Result<(), WriteError> {
    let path = index.join(MAIN);
    let file = File::open(&path).map_err(at(&path))?;
    let mut lines = BufReader::with_capacity(1 << 18, file);
    let mut writer = create(written, version, names.len())?;
    let mut gathered = Rest(gathered);
    let put = written.join(MAIN);
    let mut line = String::new();
    lines.read_line(&mut line).map_err(at(&path))?;
    loop {
        line.clear();
        if lines.read_line(&mut line).map_err(at(&path))? == 0 {
            break;
        }
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let damaged = || WriteError::from(ReadError::Index(path.clone()));
        let (quoted, rest) = token_of(line);
        let token = unquote(quoted).ok_or_else(damaged)?;
        while let Some(new) = gathered.token().filter(|new| *new < token.as_str()) {
            gathered.write(new, &mut writer).map_err(at(&put))?;
        }
        if gathered.token() != Some(&token) {
            writer.copied(&token, line).map_err(at(&put))?.ok_or_else(damaged)?;
            continue;
        }
        let mut entry = Entry::parse(rest).ok_or_else(damaged)?;
        gathered.take(&token, &mut entry);
        writer.entry(&token, &entry).map_err(at(&put))?;
    }
    write_gathered(&mut writer, gathered.0).map_err(at(&put))?;
    writer.end().map_err(at(&put))?.write(written, names)?;
    Ok(())
}

/// Gathered entries that are still to be written.
struct Rest<'a>(&'a [Gathered<'a>]);

impl<'a> Rest<'a> {
    fn token(&self) -> Option<&'a str> {
        self.0.first().map(Gathered::token)
    }

    /// Writes the line of the first token.
    fn write<W: Write>(&mut self, token: &str, writer: &mut Writer<W>) -> io::Result<()> {
        if let [first, rest @ ..] = self.0 {
            let alone = rest.first().is_none_or(|next| next.token() != token);
            if let Some(place) = first.parts().filter(|_| alone) {
                self.0 = rest;
                return writer.single(token, place);
            }
        }
        let mut entry = Entry::default();
        self.take(token, &mut entry);
        writer.entry(token, &entry)
    }

    /// Adds the entries of a token.
    fn take<'e>(&mut self, token: &str, entry: &mut Entry<'e>)
    where
        'a: 'e,
    {
        while let Some(first) = self.0.first().filter(|first| first.token() == token) {
            if let Some([action, key, value, place]) = first.parts() {
                entry.push(action, key, value, place);
            }
            self.0 = &self.0[1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// pkg5 numbers packages in the order of a set; with its numbers, every byte is the same.
    #[test]
    fn the_files_are_pkg5s_byte_for_byte() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let repository = Repository::open(&golden.join("repo")).unwrap();
        for publisher in ["harbour.example", "orchard.example"] {
            let theirs = golden.join("index").join(publisher);
            let old = Old::read(&theirs).unwrap().unwrap();
            let fmris = old.packages.iter().map(|name| format!("pkg://{publisher}/{name}"));
            let fmris: Vec<Fmri> = fmris.map(|text| Fmri::parse(&text).unwrap()).collect();
            let texts = repository.texts(&fmris).unwrap();
            let place = tempfile::tempdir().unwrap();
            let mut writer = create(place.path(), old.version, old.packages.len()).unwrap();
            write_gathered(&mut writer, &gather(&texts, 0).sorted()).unwrap();
            writer.end().unwrap().write(place.path(), &old.packages).unwrap();
            let mut count = 0;
            for entry in fs::read_dir(&theirs).unwrap() {
                let name = entry.unwrap().file_name();
                let read = |folder: &Path| fs::read_to_string(folder.join(&name)).unwrap();
                let (mut ours, mut theirs) = (read(place.path()), read(&theirs));
                if name == FMRIS {
                    // This one is printed from a set, too.
                    for text in [&mut ours, &mut theirs] {
                        let lines: BTreeSet<&str> = text.lines().collect();
                        *text = Vec::from_iter(lines).join("\n");
                    }
                }
                assert_eq!(ours, theirs, "{publisher} {name:?}");
                count += 1;
            }
            assert_eq!(fs::read_dir(place.path()).unwrap().count(), count);
        }
    }

    /// What is copied is noted as what is taken apart and written again.
    #[test]
    fn a_line_that_stays_is_as_good_as_a_new_one() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/index");
        for publisher in ["harbour.example", "orchard.example"] {
            let old = Old::read(&golden.join(publisher)).unwrap().unwrap();
            let main = fs::read_to_string(golden.join(publisher).join(MAIN)).unwrap();
            let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            for (is_copied, place) in [false, true].into_iter().zip(&places) {
                let mut writer = create(place.path(), old.version, old.packages.len()).unwrap();
                for line in main.lines().skip(1) {
                    let (quoted, rest) = token_of(line);
                    let token = unquote(quoted).unwrap();
                    match is_copied {
                        true => writer.copied(&token, line).unwrap().unwrap(),
                        false => writer.entry(&token, &Entry::parse(rest).unwrap()).unwrap(),
                    }
                }
                writer.end().unwrap().write(place.path(), &old.packages).unwrap();
            }
            let files = |place: &tempfile::TempDir| {
                let entries = fs::read_dir(place.path()).unwrap().map(Result::unwrap);
                let files =
                    entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()));
                files.collect::<std::collections::BTreeMap<_, _>>()
            };
            assert_eq!(files(&places[0]), files(&places[1]), "{publisher}");
        }
        let place = tempfile::tempdir().unwrap();
        let mut writer = create(place.path(), 1, 1).unwrap();
        for broken in ["pear", "pear dir", "pear dir!k@v", "pear dir!k@v#x,1"] {
            assert_eq!(writer.copied("pear", broken).unwrap(), None, "{broken}");
        }
    }
}
