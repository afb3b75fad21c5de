//! files.rs - the bundles that a path stands for, and how one is read.
//!
//! `SVCCFG_DTD` names another place of the document type; it has to be there.  The one document
//! type that is known is built in, so what the file holds changes nothing.  With
//! `SVCCFG_NOVALIDATE` a bundle is not held to it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use smf_model::bundle::{self, Bundle, Include, Included, Validation};

use crate::session::{Complaint, complain};
use crate::voice::reason;

/// What an operand is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    File(PathBuf),
    /// Every *.xml below it, in the order of their names.
    Directory(Vec<PathBuf>),
}

/// Looks at an operand.
pub fn operand(path: &Path) -> Result<Operand, Complaint> {
    let shown = path.display();
    let unseen = |error: std::io::Error| {
        Complaint::Refused(format!("Unable to stat file {shown}.  {}", reason(&error)))
    };
    let meta = path.metadata().map_err(unseen)?;
    if meta.is_dir() {
        let mut found = Vec::new();
        below(path, &mut found).map_err(|error| {
            Complaint::Refused(format!("Could not read directory {shown}: {}.", reason(&error)))
        })?;
        Ok(Operand::Directory(found))
    } else if meta.is_file() {
        Ok(Operand::File(path.to_path_buf()))
    } else {
        complain(format!("{shown} is not a directory or regular file"))
    }
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = Vec::new();
    for entry in directory.read_dir()? {
        entries.push(entry?);
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link to a directory could lead in a circle.
        if entry.file_type()?.is_dir() {
            below(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            found.push(path);
        }
    }
    Ok(())
}

/// Reads and checks bundles, on all processors.
pub fn read_all(paths: &[&Path]) -> Vec<Result<Bundle, Complaint>> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let share = paths.len().div_ceil(processors).max(1);
    std::thread::scope(|scope| {
        let read_share = |share: &[&Path]| -> Vec<_> { share.iter().map(|p| read(p)).collect() };
        let readers = paths.chunks(share).map(|share| scope.spawn(move || read_share(share)));
        let readers: Vec<_> = readers.collect();
        let read = readers.into_iter().map(|reader| reader.join());
        read.flat_map(|read| read.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Reads and checks a bundle that is a file, with what it includes.
pub fn read(path: &Path) -> Result<Bundle, Complaint> {
    regular(path).map_err(|text| named(path, &text))?;
    read_stream(path)
}

fn named(path: &Path, text: &str) -> Complaint {
    Complaint::Refused(format!("{}: {text}", path.display()))
}

/// The same of whatever was named on the command line, a pipe too.
pub fn read_stream(path: &Path) -> Result<Bundle, Complaint> {
    if let Some(dtd) = set("SVCCFG_DTD") {
        if File::open(&dtd).is_err() {
            let dtd = dtd.display();
            return Err(Complaint::Fatal(format!("Could not parse DTD \"{dtd}\".")));
        }
    }
    let validation = match set("SVCCFG_NOVALIDATE") {
        Some(_) => Validation::None,
        None => Validation::Dtd,
    };
    let text = text_of(path).map_err(|text| named(path, &text))?;
    let mut open = |include: &Include<'_>| {
        // What the bundle itself names is relative to it.
        let folder = path.parent().filter(|_| include.base.is_none()).unwrap_or(Path::new(""));
        let target = folder.join(include.path());
        regular(&target)?;
        let text = text_of(&target)?;
        Ok(Included { name: target.to_string_lossy().into_owned(), text })
    };
    bundle::parse_with(&text, validation, &mut open)
        .map_err(|error| named(path, &error.to_string()))
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Nobody waits for the writer of a pipe, or for the end of a device, that lies among bundles.
fn regular(path: &Path) -> Result<(), String> {
    let meta = path.metadata().map_err(|error| reason(&error))?;
    if meta.is_file() { Ok(()) } else { Err("not a regular file".to_owned()) }
}

/// No more is read than shows that it is too much.
fn text_of(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| {
        let limit = u64::try_from(bundle::SIZE_MAX).unwrap_or(u64::MAX);
        file.take(limit + 1).read_to_end(&mut bytes)
    });
    read.map_err(|error| reason(&error))?;
    bundle::decode(bytes).map_err(|error| error.to_string())
}
