//! durable.rs - files that are whole or not there, and calls that differ between systems.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{PathError, at};

/// Writes a new file, mode 0644 whatever the mask; not synced.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), PathError> {
    let mut file = File::options().write(true).create_new(true).open(path).map_err(at(path))?;
    file.write_all(bytes).map_err(at(path))?;
    file.set_permissions(Permissions::from_mode(0o644)).map_err(at(path))
}

/// Makes many files below one folder of this process alone.  What the mask, or a default list of
/// that folder, makes of their mode is seen at the first.
#[derive(Debug, Default)]
pub(crate) struct Maker {
    /// Whether a file has the mode that it is made with.
    exact: OnceLock<bool>,
}

impl Maker {
    /// As [`write_new`].
    pub(crate) fn write_new(&self, path: &Path, bytes: &[u8]) -> Result<(), PathError> {
        const MODE: u32 = 0o644;
        let mut new = File::options();
        let mut file = new.write(true).create_new(true).mode(MODE).open(path).map_err(at(path))?;
        file.write_all(bytes).map_err(at(path))?;
        let exact = match self.exact.get() {
            Some(exact) => *exact,
            None => {
                let mode = file.metadata().map_err(at(path))?.permissions().mode();
                *self.exact.get_or_init(|| mode & 0o7777 == MODE)
            }
        };
        match exact {
            true => Ok(()),
            false => file.set_permissions(Permissions::from_mode(MODE)).map_err(at(path)),
        }
    }
}

/// Reads a file of about `size` bytes without a trace, to the end of `onto`.  Linking a file makes
/// its time of access older than its last change, so that every reading after it would be written
/// down.
pub fn read_unseen(path: &Path, size: Option<usize>, onto: &mut Vec<u8>) -> io::Result<()> {
    let mut file = open_unseen(path)?;
    // A claim that is much too large is not believed.
    let size = match size.filter(|size| *size <= BELIEVED) {
        Some(size) => size,
        None => usize::try_from(file.metadata()?.len()).unwrap_or(0),
    };
    let (begin, mut end) = (onto.len(), onto.len());
    // Room for one byte more: a read that leaves it empty has met the end.
    onto.resize(begin + size + 1, 0);
    loop {
        match file.read(&mut onto[end..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(0) => break,
            Ok(read) => end += read,
        }
        if end == begin + size {
            break;
        }
        if end == onto.len() {
            onto.resize(end + size.max(1 << 16), 0);
        }
    }
    onto.truncate(end);
    Ok(())
}

/// What a manifest may claim of a payload's length without anybody looking.
const BELIEVED: usize = 4 << 20;

#[cfg(target_os = "linux")]
fn open_unseen(path: &Path) -> io::Result<File> {
    let unseen = File::options().read(true).custom_flags(libc::O_NOATIME).open(path);
    match unseen {
        // Only its owner may do that.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        opened => opened,
    }
}

#[cfg(not(target_os = "linux"))]
fn open_unseen(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Replaces a file: written beside it, synced, renamed.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), PathError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(at(folder))?;
    beside.write_all(bytes).map_err(at(path))?;
    beside.as_file().set_permissions(Permissions::from_mode(0o644)).map_err(at(path))?;
    beside.as_file().sync_all().map_err(at(path))?;
    beside.persist(path).map_err(|error| error.error).map_err(at(path))?;
    sync_folder(folder)
}

/// Puts the file `old` also at `new`: a hard link; where there can be none, a copy of the same
/// age.  `old` must never be changed in place.
pub fn link(old: &Path, new: &Path) -> Result<(), PathError> {
    if fs::hard_link(old, new).is_ok() {
        return Ok(());
    }
    let modified = fs::metadata(old).and_then(|about| about.modified()).map_err(at(old))?;
    write_new(new, &fs::read(old).map_err(at(old))?)?;
    let file = File::options().write(true).open(new).map_err(at(new))?;
    file.set_modified(modified).map_err(at(new))
}

/// Whether a file was linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linked {
    /// It was, or something of that name is there.
    Yes,
    /// Another file system, a file one may not link, or one that not everybody may read.
    Cannot,
}

/// A folder that files are linked into; keeps the folder open that the last one came from.
pub(crate) struct LinkFolder {
    path: PathBuf,
    folder: File,
    from: Option<(PathBuf, File)>,
}

impl LinkFolder {
    pub(crate) fn open(path: &Path) -> Result<LinkFolder, PathError> {
        let folder = File::open(path).map_err(at(path))?;
        Ok(LinkFolder { path: path.to_path_buf(), folder, from: None })
    }

    /// Links `source` here as `name`.  A link shares the mode, and what is stored has to be
    /// readable by everybody.
    pub(crate) fn link(&mut self, source: &Path, name: &str) -> Result<Linked, PathError> {
        use nix::errno::Errno;
        use nix::fcntl::AtFlags;
        use nix::sys::stat::{SFlag, fstatat};
        let (Some(parent), Some(file)) = (source.parent(), source.file_name()) else {
            return Ok(Linked::Cannot);
        };
        let from = match self.from.take() {
            Some((path, folder)) if path == parent => folder,
            Some(_) | None => File::open(parent).map_err(at(parent))?,
        };
        let failed = |error: Errno| at(source)(error.into());
        let about = fstatat(&from, file, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed)?;
        let regular = SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
        let linked = if regular && about.st_mode & 0o444 == 0o444 {
            match nix::unistd::linkat(&from, file, &self.folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::EEXIST) => Linked::Yes,
                Err(Errno::ENOENT | Errno::ENOSPC | Errno::EIO) => {
                    let path = self.path.join(name);
                    return Err(at(&path)(io::Error::last_os_error()));
                }
                Err(_) => Linked::Cannot,
            }
        } else {
            Linked::Cannot
        };
        self.from = Some((parent.to_path_buf(), from));
        Ok(linked)
    }
}

/// Moves a file where nothing is; what is there stays.
pub(crate) fn rename_new(old: &Path, new: &Path) -> Result<(), PathError> {
    if !new.exists() {
        fs::rename(old, new).map_err(at(new))?;
    }
    Ok(())
}

/// Makes a folder and its parents, mode 0755 for those it makes.
pub fn make_folder(path: &Path) -> Result<(), PathError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(at(path)),
        // Another process made it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(at(path)(error)),
    }
}

/// Flushes a folder's entries.
pub fn sync_folder(path: &Path) -> Result<(), PathError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(at(path))
}

/// Flushes everything written below `path` so far.
#[cfg(target_os = "linux")]
pub fn sync_filesystem(path: &Path) -> Result<(), PathError> {
    let folder = File::open(path).map_err(at(path))?;
    nix::unistd::syncfs(&folder).map_err(io::Error::from).map_err(at(path))
}

/// Flushes everything written below `path` so far.
#[cfg(not(target_os = "linux"))]
pub fn sync_filesystem(path: &Path) -> Result<(), PathError> {
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let entry = entry.map_err(at(&folder))?.path();
            if entry.is_dir() {
                folders.push(entry);
            } else {
                File::open(&entry).and_then(|file| file.sync_all()).map_err(at(&entry))?;
            }
        }
        sync_folder(&folder)?;
    }
    Ok(())
}

/// Puts the folder `new` where `old` is; what was there is gone afterwards.
///
/// With an exchange there is no moment without a folder.  Elsewhere there is one, as in pkg5;
/// `old.NAME` then holds the former content and a crash leaves it (see `recover`).
pub fn swap_folder(new: &Path, old: &Path) -> Result<(), PathError> {
    if old.is_dir() {
        if exchange(new, old) {
            return fs::remove_dir_all(new).map_err(at(new));
        }
        let aside = aside(old);
        fs::rename(old, &aside).map_err(at(old))?;
        fs::rename(new, old).map_err(at(new))?;
        return fs::remove_dir_all(&aside).map_err(at(&aside));
    }
    fs::rename(new, old).map_err(at(new))
}

fn aside(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("old.{name}"))
}

/// Whether a crash in `swap_folder` left something for `recover`.
pub fn is_left(folder: &Path) -> bool {
    aside(folder).is_dir()
}

/// Brings back what a crash between the two renames of `swap_folder` put aside.
pub fn recover(folder: &Path) -> Result<(), PathError> {
    let aside = aside(folder);
    if !folder.is_dir() && aside.is_dir() {
        return fs::rename(&aside, folder).map_err(at(&aside));
    }
    if aside.is_dir() {
        return fs::remove_dir_all(&aside).map_err(at(&aside));
    }
    Ok(())
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn exchange(new: &Path, old: &Path) -> bool {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    // A file system without it says EINVAL; the caller has the other way.
    renameat2(AT_FDCWD, new, AT_FDCWD, old, RenameFlags::RENAME_EXCHANGE).is_ok()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn exchange(_new: &Path, _old: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_its_size_is_said_to_be_a_file_is_read_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        for length in [0, 1, 10, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            fs::write(&path, &bytes).unwrap();
            for size in [None, Some(0), Some(9), Some(10), Some(100_000), Some(usize::MAX)] {
                let mut onto = vec![7, 7];
                read_unseen(&path, size, &mut onto).unwrap();
                assert!(onto[..2] == [7, 7] && onto[2..] == bytes, "{length} {size:?}");
            }
        }
    }

    #[test]
    fn files_that_are_made_in_a_row_have_one_mode() {
        let place = tempfile::tempdir().unwrap();
        // One that was seen to be exact, one that was seen not to be, one that has seen nothing.
        for seen in [Some(true), Some(false), None] {
            let maker = Maker { exact: seen.map_or_else(OnceLock::new, OnceLock::from) };
            for name in ["first", "second"] {
                let path = place.path().join(format!("{seen:?}.{name}"));
                maker.write_new(&path, b"x").unwrap();
                assert_eq!(fs::read(&path).unwrap(), b"x");
                if seen != Some(true) {
                    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
                }
                assert!(maker.write_new(&path, b"y").is_err());
            }
        }
    }

    #[test]
    fn a_folder_takes_the_place_of_another() {
        let place = tempfile::tempdir().unwrap();
        let (new, old) = (place.path().join("new"), place.path().join("catalog"));
        for round in ["first", "second"] {
            fs::create_dir(&new).unwrap();
            fs::write(new.join(round), "x").unwrap();
            swap_folder(&new, &old).unwrap();
            assert!(old.join(round).exists() && !new.exists(), "{round}");
        }
        assert!(!old.join("first").exists());
    }

    #[test]
    fn a_crash_between_the_renames_is_undone() {
        let place = tempfile::tempdir().unwrap();
        let catalog = place.path().join("catalog");
        fs::create_dir(place.path().join("old.catalog")).unwrap();
        assert!(is_left(&catalog));
        recover(&catalog).unwrap();
        assert!(catalog.is_dir() && !is_left(&catalog));
        fs::create_dir(place.path().join("old.catalog")).unwrap();
        recover(&catalog).unwrap();
        assert!(catalog.is_dir() && !place.path().join("old.catalog").exists());
    }
}
