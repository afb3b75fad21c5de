//! output.rs - a file that a command writes: whole, or as it was before.
//!
//! It is written beside its place and renamed; what is no regular file there (a device, a pipe) is
//! written to, and so is a file in a folder that takes no other.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Replaces a file; a new one gets the mode that others of the user's get.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        Err(error) if error.kind() == ErrorKind::NotFound => std::path::absolute(path)?,
        Err(error) => return Err(error),
    };
    let old = fs::metadata(&path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return fs::write(&path, text);
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let made = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder);
    let mut beside = match made {
        Ok(beside) => beside,
        Err(error) if error.kind() == ErrorKind::PermissionDenied && old.is_some() => {
            return fs::write(&path, text);
        }
        Err(error) => return Err(plain(error)),
    };
    beside.as_file_mut().write_all(text.as_bytes())?;
    beside.as_file().sync_all()?;
    if let Some(old) = old {
        beside.as_file().set_permissions(old.permissions())?;
    }
    beside.persist(&path).map_err(|failed| failed.error)?;
    Ok(())
}

/// The error of the system alone, without the temporary name.
fn plain(error: io::Error) -> io::Error {
    io::Error::from(error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old"), "before").unwrap();
        fs::set_permissions(at("old"), fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("old", at("link")).unwrap();
        for name in ["new", "old", "link"] {
            replace(&at(name), name).unwrap();
            assert_eq!(fs::read_to_string(at(name)).unwrap(), name);
        }
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert_eq!(fs::metadata(at("old")).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        replace(Path::new("/dev/null"), "x").unwrap();
        assert!(replace(&at("none/new"), "x").is_err());
        assert!(replace(folder.path(), "x").is_err());
    }
}
