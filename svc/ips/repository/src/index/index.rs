//! index.rs - a publisher's index, open for questions.
//!
//! The tokens are in memory and so are, for each action type, key and package, the lines of the
//! dictionary they are in.  The lines themselves stay in the file, which is kept open: a writer
//! puts another folder in its place and this one can still be read.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use ips_model::Fmri;
use ips_model::query::Glob;

use crate::error::{PathError, ReadError, at};
use crate::index::dictionary::{Entry, read_key, token_of};
use crate::index::files::{MAIN, MANIFESTS, Writer};
use crate::index::gather::gather;
use crate::index::lines::Manifests;
use crate::index::update::write_gathered;
use crate::index::words::Words;
use crate::repository::Repository;

/// How often two files of different versions are opened again: a writer came between.
const TRIES: u32 = 10;

/// The lines of a dictionary.
#[derive(Debug)]
enum Main {
    Stored(File),
    Given(Vec<u8>),
}

/// What tells one dictionary file from another at the same place.
type Stamp = (u64, i64, i64, u64);

/// An index that answers queries.
#[derive(Debug)]
pub struct Index {
    main: Main,
    /// Where each line begins, and where the last one ends.
    starts: Vec<u64>,
    pub(crate) words: Words,
    pub(crate) actions: HashMap<String, Vec<u32>>,
    pub(crate) keys: HashMap<String, Vec<u32>>,
    pub(crate) packages: Vec<Package>,
    pub(crate) manifests: Manifests,
    place: Option<(PathBuf, Stamp)>,
}

/// A package of an index.
#[derive(Debug)]
pub(crate) struct Package {
    /// `NAME@VERSION`.
    pub(crate) name: String,
    /// The same, read; none where a removed one left its number free.
    pub(crate) fmri: Option<Fmri>,
    /// The lines it is in.
    pub(crate) lines: Vec<u32>,
}

impl Package {
    fn of(name: &str) -> Package {
        Package { name: name.to_string(), fmri: Fmri::parse(name).ok(), lines: Vec::new() }
    }
}

impl Repository {
    /// A publisher's index; none where it has none.
    pub fn index(&self, publisher: &str) -> Result<Option<Index>, ReadError> {
        let folder = self.known_index(publisher)?.join("index");
        let packages = self.known_publisher(publisher)?.join("pkg");
        for _ in 0..TRIES {
            match Index::open(&folder, &packages)? {
                Opened::Whole(index) => return Ok(Some(*index)),
                Opened::Absent => return Ok(None),
                Opened::Torn => {}
            }
        }
        Err(ReadError::Index(folder))
    }
}

enum Opened {
    Whole(Box<Index>),
    Absent,
    /// The files are not of one version.
    Torn,
}

impl Index {
    /// An index of manifests that are given, each with its package; there is no file of it.
    pub fn of(manifests: Vec<(Fmri, String)>) -> Index {
        let (fmris, texts): (Vec<Fmri>, Vec<String>) = manifests.into_iter().unzip();
        let names = fmris.iter().map(name_of).collect::<Vec<_>>();
        let written = Writer::new(Vec::new(), 1, names.len()).and_then(|mut writer| {
            write_gathered(&mut writer, &gather(&texts, 0).sorted())?;
            writer.end()
        });
        let bytes = written.map(super::files::Rest::into_inner);
        let bytes = bytes.expect("writing to memory does not fail");
        let mut index = Index::empty(Main::Given(Vec::new()), Manifests::Given(texts));
        index.packages = names.iter().map(|name| Package::of(name)).collect();
        let read = index.read(&mut bytes.as_slice());
        read.expect("memory can be read and has just been written");
        index.main = Main::Given(bytes);
        index
    }

    fn empty(main: Main, manifests: Manifests) -> Index {
        Index {
            main,
            starts: Vec::new(),
            words: Words::default(),
            actions: HashMap::new(),
            keys: HashMap::new(),
            packages: Vec::new(),
            manifests,
            place: None,
        }
    }

    fn open(folder: &Path, pkg: &Path) -> Result<Opened, ReadError> {
        let path = folder.join(MAIN);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Opened::Absent),
            Err(error) => return Err(at(&path)(error).into()),
        };
        let stamp = stamp(&file.metadata().map_err(at(&path))?);
        let list = folder.join(MANIFESTS);
        let list = match fs::read_to_string(&list) {
            Ok(list) => list,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Opened::Torn),
            Err(error) => return Err(at(&list)(error).into()),
        };
        let mut index = Index::empty(Main::Given(Vec::new()), Manifests::Stored(pkg.to_path_buf()));
        let mut list = list.lines();
        let version = list.next().unwrap_or("");
        index.packages = list.map(Package::of).collect();
        let mut reader = BufReader::with_capacity(1 << 18, file);
        match index.read(&mut reader) {
            Ok(Some(first)) if first == version => {}
            Ok(Some(_)) => return Ok(Opened::Torn),
            Ok(None) => return Err(ReadError::Index(folder.to_path_buf())),
            Err(error) => return Err(at(&path)(error).into()),
        }
        index.main = Main::Stored(reader.into_inner());
        index.place = Some((path, stamp));
        Ok(Opened::Whole(Box::new(index)))
    }

    /// Reads a dictionary; its first line, or nothing where the rest is none.
    fn read(&mut self, from: &mut dyn BufRead) -> std::io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut start = from.read_until(b'\n', &mut line)? as u64;
        let first = String::from_utf8_lossy(&line).trim_end().to_string();
        loop {
            line.clear();
            let length = from.read_until(b'\n', &mut line)? as u64;
            self.starts.push(start);
            if length == 0 {
                break;
            }
            start += length;
            if !std::str::from_utf8(&line).is_ok_and(|line| self.add(line.trim_end_matches('\n'))) {
                return Ok(None);
            }
        }
        self.words.sort();
        let lists = self.actions.values_mut().chain(self.keys.values_mut());
        lists.chain(self.packages.iter_mut().map(|package| &mut package.lines)).for_each(|list| {
            list.shrink_to_fit();
        });
        Ok(Some(first))
    }

    fn add(&mut self, line: &str) -> bool {
        let number = self.words.count();
        let (token, rest) = token_of(line);
        let (Some(entry), Some(token)) = (Entry::parse(rest), ips_model::quote::unquote(token))
        else {
            return false;
        };
        for (action, key, _, package, _) in entry.places() {
            note(&mut self.actions, action, number);
            note(&mut self.keys, key, number);
            if let Some(package) = self.packages.get_mut(package as usize) {
                if package.lines.last() != Some(&number) {
                    package.lines.push(number);
                }
            }
        }
        self.words.push(&token)
    }

    /// The dictionary's line of this number.
    pub(crate) fn line(&self, number: u32) -> Result<String, ReadError> {
        let number = number as usize;
        let (start, end) = (self.starts[number], self.starts[number + 1]);
        let length = usize::try_from(end - start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        match &self.main {
            Main::Stored(file) => {
                let path = self.place.as_ref().map_or(Path::new(MAIN), |(path, _)| path);
                file.read_exact_at(&mut bytes, start).map_err(at(path))?;
            }
            Main::Given(text) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                bytes.copy_from_slice(&text[start..start + length]);
            }
        }
        bytes.pop();
        String::from_utf8(bytes).map_err(|_| self.damaged())
    }

    pub(crate) fn damaged(&self) -> ReadError {
        let path = self.place.as_ref().map(|(path, _)| path.clone());
        ReadError::Index(path.unwrap_or_else(|| PathBuf::from(MAIN)))
    }

    /// Whether the index at its place is still this one.
    pub fn is_current(&self) -> bool {
        self.place
            .as_ref()
            .is_none_or(|(path, own)| fs::metadata(path).is_ok_and(|about| stamp(&about) == *own))
    }

    /// How many words it has.
    pub fn word_count(&self) -> usize {
        self.words.count() as usize
    }
}

fn stamp(about: &fs::Metadata) -> Stamp {
    (about.ino(), about.mtime(), about.mtime_nsec(), about.size())
}

fn note(lists: &mut HashMap<String, Vec<u32>>, name: &str, number: u32) {
    if !lists.contains_key(name) {
        lists.insert(name.to_string(), Vec::new());
    }
    let Some(list) = lists.get_mut(name) else { return };
    if list.last() != Some(&number) {
        list.push(number);
    }
}

/// `NAME@VERSION`, as an index names packages.
pub(crate) fn name_of(fmri: &Fmri) -> String {
    let whole = fmri.without_publisher();
    whole.strip_prefix("pkg:/").unwrap_or(&whole).to_string()
}

/// Reads the first line of an index file: its version.
pub(crate) fn version_of(path: &Path) -> Result<Option<u64>, PathError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    let mut first = Vec::new();
    let mut limited = std::io::Read::take(BufReader::new(file), 64);
    limited.read_until(b'\n', &mut first).map_err(at(path))?;
    let first = String::from_utf8_lossy(&first);
    Ok(first.strip_prefix("VERSION: ").and_then(|number| number.trim_end().parse().ok()))
}

impl Index {
    /// The lines that packages of such names are in, ascending.
    pub(crate) fn lines_of_packages(&self, names: &Glob) -> Vec<u32> {
        let mut wanted = vec![false; self.word_count()];
        for package in self.packages.iter().filter(|own| names.matches(&own.name)) {
            package.lines.iter().for_each(|line| wanted[*line as usize] = true);
        }
        (0..self.words.count()).filter(|line| wanted[*line as usize]).collect()
    }

    /// The keys of a list, as actions and keys are asked for.
    pub(crate) fn lines_of(lists: &HashMap<String, Vec<u32>>, name: &str) -> Vec<u32> {
        // A list is under the name as written, which is the name itself but for broken ones.
        let written = lists.get(name).or_else(|| {
            lists.iter().find(|(written, _)| read_key(written) == name).map(|(_, list)| list)
        });
        written.cloned().unwrap_or_default()
    }
}
