//! media.rs - the imager's media, and live's platform, beside the release repository.
//!
//! A medium is written beside and renamed: whoever downloads the former one reads it to its end.
//! One that is there already, byte for byte, is left alone.  What is said of media lies beside them
//! as they were made; a signature that was not made again goes, for it is of others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stage::tree::TreeError;
use stage::{Failure, Files, Input, StatCache};

use crate::fatal;

/// What media are called, and a platform, and what is said of media.
const ENDS: [&str; 11] = [
    ".iso",
    ".usb",
    ".img",
    ".tgz",
    ".raw",
    ".qcow2",
    ".vmdk",
    ".spdx.json",
    ".facts.json",
    STATEMENT,
    SIGNED,
];
const STATEMENT: &str = ".provenance.json";
const SIGNED: &str = ".intoto.jsonl";

fn at(path: &Path) -> impl FnOnce(io::Error) -> Failure + '_ {
    |source| fatal(TreeError { path: path.to_owned(), source })
}

/// The media of these outputs, in the order of their paths.
fn media(made: &[&Input]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for output in made {
        let path = output.path();
        let entries =
            fs::read_dir(path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        all.extend(entries.map_err(at(path))?);
    }
    let mut found = Vec::new();
    for entry in all {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if ENDS.iter().any(|end| name.ends_with(end)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn same(one: &Path, other: &Path, cache: &mut StatCache) -> Result<bool, Failure> {
    if !other.is_file() {
        return Ok(false);
    }
    let one = cache.scan(one, Files::All)?;
    let other = cache.scan(other, Files::All)?;
    let content = |tree: &stage::Tree| tree.entries.first().map(|entry| entry.kind.clone());
    Ok(content(&one) == content(&other))
}

/// Whether all of them are there.
pub fn are_there(made: &[&Input], to: &Path, cache: &mut StatCache) -> Result<bool, Failure> {
    for medium in media(made)? {
        if !same(&medium, &to.join(medium.file_name().unwrap_or_default()), cache)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Publishes them with what is said of them; the names of the media.
pub fn publish(made: &[&Input], to: &Path, cache: &mut StatCache) -> Result<Vec<String>, Failure> {
    fs::create_dir_all(to).map_err(at(to))?;
    let mut names = Vec::new();
    for medium in media(made)? {
        let name = medium.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = to.join(&name);
        if !same(&medium, &target, cache)? {
            let beside = to.join(format!(".{name}.new"));
            fs::copy(&medium, &beside).map_err(at(&beside))?;
            let durable = fs::File::open(&beside).and_then(|file| file.sync_all());
            durable.and_then(|()| fs::rename(&beside, &target)).map_err(at(&target))?;
        }
        names.push(name);
    }
    for name in names.iter().filter_map(|name| name.strip_suffix(STATEMENT)) {
        let signed = format!("{name}{SIGNED}");
        if !names.contains(&signed) {
            remove(&to.join(signed))?;
        }
    }
    fs::File::open(to).and_then(|folder| folder.sync_all()).map_err(at(to))?;
    names.retain(|name| !name.ends_with(".json") && !name.ends_with(SIGNED));
    Ok(names)
}
