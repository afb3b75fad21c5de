//! opening.rs - files of the repository, opened so that no link leads out of it.
//!
//! The repository itself may lie behind links; below it a link may only lead to what is below it
//! too.  Linux checks this while it walks the path; elsewhere the folder is resolved first and
//! the last part may be no link at all.  A pipe in the place of a file does not hold up anybody.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens the regular file at `path`, which begins with `root`.
pub fn open(root: &Path, path: &Path) -> io::Result<File> {
    let below = path.strip_prefix(root).map_err(|_| io::ErrorKind::NotFound)?;
    let file = match below_root(root, below) {
        // A kernel, or a sandbox, that does not know the call.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => resolved(root, below),
        opened => opened,
    }?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(file)
}

#[cfg(target_os = "linux")]
fn below_root(root: &Path, below: &Path) -> io::Result<File> {
    use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
    let folder =
        OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(root)?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
        .resolve(ResolveFlag::RESOLVE_BENEATH);
    Ok(File::from(openat2(&folder, below, how)?))
}

#[cfg(not(target_os = "linux"))]
fn below_root(_: &Path, _: &Path) -> io::Result<File> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

fn resolved(root: &Path, below: &Path) -> io::Result<File> {
    let path = root.join(below);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let parent = parent.canonicalize()?;
    if !parent.starts_with(root.canonicalize()?) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags).open(parent.join(name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().join("real");
        fs::create_dir_all(real.join("file/ab")).unwrap();
        fs::write(real.join("file/ab/x"), "inside").unwrap();
        fs::write(place.path().join("secret"), "outside").unwrap();
        let root = place.path().join("root");
        symlink("real", &root).unwrap();
        symlink("../../../secret", real.join("file/ab/out")).unwrap();
        symlink(place.path().join("secret"), real.join("file/ab/absolute")).unwrap();
        symlink("../..", real.join("file/up")).unwrap();
        nix::unistd::mkfifo(&real.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        for (below, opens) in [
            ("file/ab/x", true),
            ("file/ab/out", false),
            ("file/ab/absolute", false),
            ("file/up/secret", false),
            ("file/ab", false),
            ("pipe", false),
            ("none", false),
            ("../secret", false),
        ] {
            assert_eq!(open(&root, &root.join(below)).is_ok(), opens, "{below}");
            let other = resolved(&root, Path::new(below)).and_then(|file| file.metadata());
            let other = other.is_ok_and(|about| about.is_file());
            assert_eq!(other, opens, "{below}, the other way");
        }
        assert!(open(&root, &place.path().join("secret")).is_err());
    }
}
