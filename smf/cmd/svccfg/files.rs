//! files.rs - the bundles that a path stands for, and how one is read.
//!
//! `SVCCFG_DTD` names another place of the document type; it has to be there.  The one document
//! type that is known is built in, so what the file holds changes nothing.

use std::path::{Path, PathBuf};

use smf_model::bundle::{self, Bundle};

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

/// Reads and checks a bundle, with what it includes.
pub fn read(path: &Path) -> Result<Bundle, Complaint> {
    let named = |text: String| Complaint::Refused(format!("{}: {text}", path.display()));
    let text = std::fs::read(path).map_err(|error| named(reason(&error)))?;
    let text = String::from_utf8(text).map_err(|_| named("not UTF-8".into()))?;
    parse(&text).map_err(|complaint| match complaint {
        Complaint::Refused(text) => named(text),
        other => other,
    })
}

fn parse(text: &str) -> Result<Bundle, Complaint> {
    if let Some(dtd) = std::env::var_os("SVCCFG_DTD").filter(|value| !value.is_empty()) {
        if std::fs::File::open(&dtd).is_err() {
            let dtd = dtd.to_string_lossy();
            return Err(Complaint::Fatal(format!("Could not parse DTD \"{dtd}\".")));
        }
    }
    bundle::parse(text).map_err(|error| Complaint::Refused(error.to_string()))
}
