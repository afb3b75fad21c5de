//! copies.rs - files copied from one root into another, by a few threads.
//!
//! A directory that was filled before and is not needed any more may give what it has: a file with
//! the bytes that are wanted is moved from it.  To make files costs far more than to look at them,
//! above all where many were removed lately.
//!
//! Law: nothing is moved that has another name, lies behind a symbolic link or is somebody else's;
//! the copy is its own file, as one that was made.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use image_tree::Tree;

use super::{Result, Rooted, Ways, io_at};
use crate::parallel;

const THREADS: usize = 2;

/// Bytes that are compared at once.
const PIECE: usize = 128 << 10;

/// A directory that was filled before and that nobody needs any more.
#[derive(Clone, Copy)]
pub struct Given<'d> {
    /// The directory.
    pub dir: &'d Path,
    /// Of whom it is known already that both have the same bytes: the path, and what the given file
    /// and the wanted one look like.  Others are compared.
    pub is_same: &'d (dyn Fn(&str, &Metadata, &Metadata) -> bool + Sync),
}

/// Bytes and further names that are still to be made.
pub(super) struct Copies<'d> {
    donor: Option<Given<'d>>,
    files: Vec<Copy>,
    links: Vec<(PathBuf, PathBuf)>,
}

struct Copy {
    path: String,
    from: PathBuf,
    to: PathBuf,
}

impl<'d> Copies<'d> {
    /// None yet; `donor`: what may be moved.
    pub fn of(donor: Option<Given<'d>>) -> Self {
        Self { donor, files: Vec::new(), links: Vec::new() }
    }

    /// A file is to be copied; `path`: where it lies in either root.
    pub fn file(&mut self, path: &str, from: PathBuf, to: PathBuf) {
        self.files.push(Copy { path: path.to_owned(), from, to });
    }

    /// A file that is there then is to have a further name.
    pub fn link(&mut self, first: PathBuf, to: PathBuf) {
        self.links.push((first, to));
    }

    /// Makes them.
    pub fn make(self) -> Result<()> {
        let given = self.donor.map(|given| Rooted::of(given.dir, given.dir, Tree::new(), 0));
        let ways = given.as_ref().map(Ways::new);
        let ways = ways.as_ref().zip(self.donor);
        let room = || [vec![0; PIECE], vec![0; PIECE]];
        parallel::each(&self.files, THREADS, room, |copy, room| -> Result<()> {
            let moved = match ways {
                Some((ways, given)) => copy.moved(ways, given.is_same, room)?,
                None => false,
            };
            if moved { Ok(()) } else { copy.copy() }
        })?;
        // What they are names of is there now.
        for (first, to) in &self.links {
            fs::hard_link(first, to).map_err(io_at(to))?;
        }
        Ok(())
    }
}

impl Copy {
    /// Copies the bytes; the copy can be read and replaced by whoever builds.
    fn copy(&self) -> Result<()> {
        match fs::remove_file(&self.to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_at(&self.to)(error));
            }
            Ok(()) | Err(_) => {}
        }
        fs::copy(&self.from, &self.to).map_err(io_at(&self.from))?;
        Ok(())
    }

    /// Moves what the donor has, if that is the same; whether it was.
    fn moved(
        &self,
        donor: &Ways<'_>,
        known: &dyn Fn(&str, &Metadata, &Metadata) -> bool,
        room: &mut [Vec<u8>; 2],
    ) -> Result<bool> {
        // A way that leads elsewhere leads to nothing that is given.
        let Ok(there) = donor.on_disk(&self.path) else { return Ok(false) };
        let Ok(given) = fs::symlink_metadata(&there) else { return Ok(false) };
        let wanted = fs::symlink_metadata(&self.from).map_err(io_at(&self.from))?;
        if !is_own(&given) || given.len() != wanted.len() {
            return Ok(false);
        }
        // What cannot be read is as good as another.
        if !known(&self.path, &given, &wanted)
            && !is_same(&there, &self.from, room).unwrap_or(false)
        {
            return Ok(false);
        }
        if given.mode() != wanted.mode() {
            fs::set_permissions(&there, wanted.permissions()).map_err(io_at(&there))?;
        }
        match fs::rename(&there, &self.to) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(false),
            moved => moved.map(|()| true).map_err(io_at(&self.to)),
        }
    }
}

/// Whether a file is one that whoever builds would have made, under one name.
fn is_own(about: &Metadata) -> bool {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    about.is_file() && about.nlink() == 1 && (about.uid(), about.gid()) == (uid, gid)
}

/// Whether two files of one length have the same bytes.
fn is_same(one: &Path, other: &Path, room: &mut [Vec<u8>; 2]) -> io::Result<bool> {
    let [left, right] = room;
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    loop {
        let count = one.read(left)?;
        if count == 0 {
            return Ok(other.read(right)? == 0);
        }
        match other.read_exact(&mut right[..count]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::Owned;
    use super::*;

    #[test]
    fn what_has_the_same_bytes_is_moved_and_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        let place = |name: &str| scratch.path().join(name);
        let rooted =
            |name: &str| Rooted::create(&place(name), &place(&format!("{name}.table")), 9).unwrap();
        let large = vec![7; 3 * PIECE + 1];
        let (mut root, mut donor) = (rooted("root"), rooted("donor"));
        let mut put = |path: &str, wanted: &[u8], given: &[u8]| {
            root.put(path, wanted, Owned::root(0o644)).unwrap();
            donor.put(path, given, Owned::root(0o644)).unwrap();
        };
        let mut other = large.clone();
        other[3 * PIECE] = 8;
        for (path, wanted, given) in [
            ("a/same", &b"x"[..], &b"x"[..]),
            ("a/mode", b"x", b"x"),
            ("a/large", &large, &large),
            ("a/other", &large, &other),
            ("a/short", b"xx", b"x"),
            ("a/names", b"x", b"x"),
            ("b/outside", b"x", b"x"),
        ] {
            put(path, wanted, given);
        }
        root.put("a/none", b"x", Owned::root(0o644)).unwrap();
        // Nobody looks into it.
        root.put("known", b"one", Owned::root(0o644)).unwrap();
        donor.put("known", b"ONE", Owned::root(0o644)).unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&place("root/a/mode"), 0o755);
        mode(&place("donor/a/mode"), 0o600);
        fs::hard_link(place("donor/a/names"), place("another-name")).unwrap();
        fs::rename(place("donor/b"), place("outside")).unwrap();
        symlink("../outside", place("donor/b")).unwrap();
        let inode = |path: &Path| fs::symlink_metadata(path).unwrap().ino();
        let paths: Vec<String> =
            root.tree.iter().map(|(path, _)| path.to_owned()).filter(|p| !p.is_empty()).collect();
        let before: Vec<u64> =
            ["same", "mode", "large"].map(|name| inode(&place("donor/a").join(name))).to_vec();
        let mut copy = rooted("copy");
        let is_same = |path: &str, given: &Metadata, wanted: &Metadata| {
            path == "known" && given.len() == 3 && wanted.len() == 3
        };
        let given = Given { dir: &place("donor"), is_same: &is_same };
        copy.copy_all(&root, paths.iter().map(String::as_str), Some(given)).unwrap();
        assert_eq!(fs::read(place("copy/known")).unwrap(), b"ONE");
        for path in paths.iter().filter(|path| *path != "known") {
            let [was, is] = ["root", "copy"].map(|name| place(name).join(path));
            assert_eq!(copy.tree.get(path), root.tree.get(path), "{path}");
            if was.is_file() {
                assert!(fs::read(&was).unwrap() == fs::read(&is).unwrap(), "{path}");
                assert_eq!(fs::metadata(&was).unwrap().mode(), fs::metadata(&is).unwrap().mode());
                assert_eq!(fs::metadata(&is).unwrap().nlink(), 1, "{path}");
            }
        }
        let after: Vec<u64> =
            ["same", "mode", "large"].map(|name| inode(&place("copy/a").join(name))).to_vec();
        assert_eq!(after, before);
        let left = |name: &str| place(name).exists();
        assert!(left("outside/outside") && left("another-name") && left("donor/a/names"));
        assert!(left("donor/a/other") && left("donor/a/short") && !left("donor/a/same"));
    }
}
