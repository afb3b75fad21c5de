//! source.rs - a manifest on disk: read, with what it includes, completed and checked.
//!
//! What is included lies below the manifest's folder, after symbolic links are followed; what is
//! read is bounded before it is read.  Which host this is, is asked here too: a script can be run
//! if it is built in, or an executable file.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use image_manifest::{Checked, Document, Host, Native, ParseError, Problems, Step};

/// More than any manifest has; the parser's own limit is below it.
const BYTES_MAX: u64 = (4 << 20) + 1;

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("You have specified a file ({}) that is unable to be read.", path.display())]
    Unreadable {
        /// As it was named.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no manifest.
    #[error("Error instantiating manifest tree:\nError parsing xml file {}: {source}", path.display())]
    Malformed {
        /// As it was named.
        path: PathBuf,
        /// What is wrong, and where.
        source: ParseError,
    },
    /// It is one, with faults.
    #[error(transparent)]
    Invalid(#[from] Problems),
}

/// The machine that this program runs on.
pub struct ThisHost;

impl Host for ThisHost {
    fn can_run(&self, script: &str) -> bool {
        let executable =
            |about: fs::Metadata| about.is_file() && about.permissions().mode() & 0o111 != 0;
        Native::of_script(script).is_some() || fs::metadata(script).is_ok_and(executable)
    }
}

/// Reads a manifest, fills in what it leaves out, and checks it.
///
/// `unnamed` is what a distribution without a name is called: the time, as `YYYYMMDD-HHMM`.
pub fn read(path: &Path, unnamed: &str, host: &dyn Host) -> Result<Checked, ReadError> {
    Ok(parse(path)?.with_defaults(unnamed).check(host)?)
}

/// Reads a manifest as it is, with what it includes.
pub fn parse(path: &Path) -> Result<Document, ReadError> {
    parse_text(&text(path)?, path)
}

/// The text of a manifest.
pub fn text(path: &Path) -> Result<String, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
    bounded(File::open(path).map_err(unreadable)?).map_err(unreadable)
}

/// The steps of a manifest that was at `path` once; none where it cannot be understood any more.
pub fn earlier_steps(text: &[u8], path: &Path, host: &dyn Host) -> Option<Vec<Step>> {
    let document = parse_text(std::str::from_utf8(text).ok()?, path).ok()?;
    let checked = document.with_defaults("").check(host).ok()?;
    Some(checked.image().steps)
}

/// A manifest by its text, with what it includes from beside `path`.
pub fn parse_text(text: &str, path: &Path) -> Result<Document, ReadError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    Document::parse_including(text, &mut |name| included(folder, name))
        .map_err(|source| ReadError::Malformed { path: path.to_owned(), source })
}

/// What is read of a file; one byte too many is for the parser to refuse.
fn bounded(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Opens what a manifest in `folder` includes; the name is relative and has no `..`.
fn included(folder: &Path, name: &str) -> Result<String, String> {
    let open = || -> io::Result<Option<String>> {
        let folder = folder.canonicalize()?;
        let path = folder.join(name).canonicalize()?;
        if !path.starts_with(&folder) || !fs::metadata(&path)?.is_file() {
            return Ok(None);
        }
        bounded(File::open(path)?).map(Some)
    };
    match open() {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err("no file below the manifest's folder".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_link_leads_out_of_the_folder() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("images");
        fs::create_dir_all(folder.join("parts")).unwrap();
        fs::write(folder.join("parts/a.xml"), "<a/>").unwrap();
        fs::write(scratch.path().join("secret.xml"), "<secret/>").unwrap();
        let link =
            |to: &str, name: &str| std::os::unix::fs::symlink(to, folder.join(name)).unwrap();
        link("../secret.xml", "out.xml");
        link("..", "up");
        link("parts/a.xml", "in.xml");
        assert_eq!(included(&folder, "parts/a.xml").unwrap(), "<a/>");
        assert_eq!(included(&folder, "in.xml").unwrap(), "<a/>");
        for name in ["out.xml", "up/secret.xml", "parts"] {
            let error = included(&folder, name).unwrap_err();
            assert_eq!(error, "no file below the manifest's folder", "{name}");
        }
        assert!(included(&folder, "none.xml").unwrap_err().contains("No such file"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x.xml");
        let told = |path: &Path| read(path, "", &ThisHost).unwrap_err().to_string();
        let expected =
            format!("You have specified a file ({}) that is unable to be read.", path.display());
        assert_eq!(told(&path), expected);
        fs::write(&path, b"<dc>\xff</dc>").unwrap();
        assert_eq!(told(&path), expected);
        fs::write(&path, "<dc>\n").unwrap();
        let told = told(&path);
        assert!(told.starts_with("Error instantiating manifest tree:\n"), "{told}");
        assert!(told.ends_with("x.xml: line 1, column 1: <dc> is never closed"), "{told}");
    }

    #[test]
    fn what_can_be_run() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("script");
        let name = path.to_str().unwrap();
        assert!(!ThisHost.can_run(name));
        fs::write(&path, "#!/bin/sh\n").unwrap();
        assert!(!ThisHost.can_run(name));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(ThisHost.can_run(name));
        assert!(!ThisHost.can_run(scratch.path().to_str().unwrap()));
        assert!(ThisHost.can_run("/usr/share/distro_const/create_iso"));
    }
}
