//! reconcile.rs - what a program did to the disk, taken over into the table.
//!
//! Before a script runs the disk shows what the table says ([`Rooted::show`]) and is looked at
//! ([`Rooted::look`]); afterwards what differs becomes rows.  A file that came is root's where who
//! builds made it.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::mem::discriminant;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use image_tree::{Entry, Kind, Tree};
use process::{Claim, Device, Ledger};

use super::{Result, Rooted, RootedError, io_at};

/// What the disk said of a path before somebody else worked on it.
pub type Before = BTreeMap<String, Stamp>;

/// Mode, owner, group, time of modification and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: (i64, i64),
    inode: u64,
}

impl Stamp {
    fn of(about: &Metadata) -> Self {
        let (mode, uid, gid) = (about.mode(), about.uid(), about.gid());
        Self { mode, uid, gid, mtime: (about.mtime(), about.mtime_nsec()), inode: about.ino() }
    }
}

impl Rooted {
    /// What the disk says now.
    pub fn look(&self) -> Result<Before> {
        let mut before = Before::new();
        before.insert(String::new(), Stamp::of(&self.top()?));
        self.walk("", &mut |path, about| {
            before.insert(path.to_string(), Stamp::of(about));
            Ok(())
        })?;
        Ok(before)
    }

    fn top(&self) -> Result<Metadata> {
        fs::symlink_metadata(&self.dir).map_err(io_at(&self.dir))
    }

    fn walk(&self, path: &str, visit: &mut dyn FnMut(&str, &Metadata) -> Result<()>) -> Result<()> {
        let at = self.dir.join(path);
        for found in fs::read_dir(&at).map_err(io_at(&at))? {
            let found = found.map_err(io_at(&at))?;
            let name = found.file_name();
            let name = name.to_str().ok_or_else(|| RootedError::Name(found.path()))?;
            let below = if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
            let about = found.metadata().map_err(io_at(&found.path()))?;
            // A socket is somebody's who is gone; no image can hold one.
            if about.file_type().is_socket() {
                continue;
            }
            visit(&below, &about)?;
            if about.is_dir() {
                self.walk(&below, visit)?;
            }
        }
        Ok(())
    }

    /// Makes the disk's modes (and as root its owners) those of the table, for who looks at them.
    pub fn show(&self) -> Result<()> {
        let root = nix::unistd::Uid::effective().is_root();
        for (path, entry) in self.tree.iter() {
            let real = matches!(entry.kind, Kind::Directory | Kind::File { .. });
            if !real || path.is_empty() {
                continue;
            }
            let at = self.on_disk(path)?;
            let about = fs::symlink_metadata(&at).map_err(io_at(&at))?;
            if root && (about.uid(), about.gid()) != (entry.uid, entry.gid) {
                std::os::unix::fs::lchown(&at, Some(entry.uid), Some(entry.gid))
                    .map_err(io_at(&at))?;
            }
            // Whoever builds without privilege must be able to go on.
            let kept = if root {
                0
            } else if about.is_dir() {
                0o700
            } else {
                0o600
            };
            let mode = entry.mode | kept;
            // An owner that changes takes setuid away.
            if about.mode() & 0o7777 != mode || root {
                fs::set_permissions(&at, fs::Permissions::from_mode(mode)).map_err(io_at(&at))?;
            }
        }
        Ok(())
    }

    /// Tells a ledger whose the files of the table are, where the disk cannot say it: of root alone
    /// the disk has the owners.
    pub fn tell(&self, ledger: &Ledger) -> Result<()> {
        if nix::unistd::geteuid().is_root() {
            return Ok(());
        }
        let link = |entry: &Entry| matches!(entry.kind, Kind::HardLink { .. });
        for (path, entry) in self.tree.iter().filter(|(_, entry)| !link(entry)) {
            if (entry.uid, entry.gid) == (0, 0) {
                continue;
            }
            let at = if path.is_empty() { self.dir.clone() } else { self.on_disk(path)? };
            let about = match fs::symlink_metadata(&at) {
                // Devices are in the table alone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                about => about.map_err(io_at(&at))?,
            };
            let claim = Claim { uid: Some(entry.uid), gid: Some(entry.gid), device: None };
            ledger.know(&at, &about, claim);
        }
        Ok(())
    }

    /// Takes over what somebody did to the disk since `before`: rows come, change and go.  A mode
    /// or owner that was changed lands in the table; times after the image's own are its own.
    pub fn reconcile(&mut self, before: &Before) -> Result<usize> {
        self.reconcile_by(before, &Ledger::default())
    }

    /// Takes over what lies below one directory, and the directories above it: elsewhere the disk is
    /// as the table says.
    pub fn reconcile_below(&mut self, part: &str) -> Result<usize> {
        self.reconcile_part(part, &Before::new(), &Ledger::default())
    }

    /// The same of everything, with what only the ledger knows of owners and devices.  Devices are in
    /// the table alone afterwards.
    pub fn reconcile_by(&mut self, before: &Before, ledger: &Ledger) -> Result<usize> {
        self.reconcile_part("", before, ledger)
    }

    fn reconcile_part(&mut self, part: &str, before: &Before, ledger: &Ledger) -> Result<usize> {
        let is_inside = |path: &str| {
            let rest = path.strip_prefix(part);
            rest.is_some_and(|rest| part.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        let outside = self.tree.iter().filter(|(path, _)| !path.is_empty() && !is_inside(path));
        let mut now: BTreeMap<String, Entry> =
            outside.map(|(path, entry)| (path.to_owned(), entry.clone())).collect();
        let mut names: BTreeMap<(u64, u64), Vec<String>> = BTreeMap::new();
        let mut stand_ins = Vec::new();
        let me = nix::unistd::geteuid().as_raw();
        let (tree, time) = (&self.tree, self.time);
        let target_of = |path: &str| fs::read_link(self.dir.join(path));
        let mut visit = |path: &str, about: &Metadata| {
            let claim = ledger.of(&self.dir.join(path), about);
            let is_device = claim.is_some_and(|claim| claim.device.is_some());
            if about.is_file() && about.nlink() > 1 && !is_device {
                names.entry((about.dev(), about.ino())).or_default().push(path.to_string());
            }
            let seen = before.get(path);
            let kind = disk_kind(path, about, target_of)?;
            // Of a file with several names, one has its row.
            let old = tree.get(path).and_then(|old| first_row(tree, old));
            let same = old.filter(|old| discriminant(&old.kind) == discriminant(&kind));
            let mut entry = match same {
                Some(old) if seen == Some(&Stamp::of(about)) => Entry { kind, ..old.clone() },
                same => {
                    // A file that came in another's place is root's, unless it was given away.
                    let is_new = seen.is_some_and(|seen| seen.inode != about.ino());
                    let owned = !(ledger.is_witnessed() && is_new);
                    let fresh = merged(same, seen, about, kind, (me, time));
                    if owned { fresh } else { Entry { uid: 0, gid: 0, ..fresh } }
                }
            };
            if is_device {
                stand_ins.push(path.to_string());
            }
            claim.iter().for_each(|claim| claimed(&mut entry, claim));
            now.insert(path.into(), entry);
            Ok(())
        };
        let ends = part.match_indices('/').map(|(end, _)| end).chain([part.len()]);
        for path in ends.map(|end| &part[..end]).filter(|path| !path.is_empty()) {
            let at = self.on_disk(path)?;
            visit(path, &fs::symlink_metadata(&at).map_err(io_at(&at))?)?;
        }
        self.walk(part, &mut visit)?;
        for paths in names.into_values() {
            let is_first = |path: &&String| matches!(self.kind(path), Some(Kind::File { .. }));
            let Some(first) = paths.iter().find(is_first).or(paths.iter().min()) else { continue };
            for path in paths.iter().filter(|path| *path != first) {
                let kind = Kind::HardLink { target: first.clone() };
                now.insert(path.clone(), Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 });
            }
        }
        let top = self.top()?;
        if let Some(row) = self.tree.get_mut("") {
            let fresh = merged(Some(row), before.get(""), &top, Kind::Directory, (me, time));
            // Its time is not that of what came and went in it.
            *row = Entry { mtime: row.mtime, ..fresh };
            ledger.of(&self.dir, &top).iter().for_each(|claim| claimed(row, claim));
        }
        for path in stand_ins {
            let at = self.on_disk(&path)?;
            fs::remove_file(&at).map_err(io_at(&at))?;
        }
        self.take_over(now)
    }

    fn take_over(&mut self, now: BTreeMap<String, Entry>) -> Result<usize> {
        let mut tree = Tree::new();
        let mut changes = 0;
        let put = |tree: &mut Tree, path: &str, entry: Entry| {
            tree.insert(path, entry)
                .map_err(|source| RootedError::Table { path: self.dir.clone(), source })
        };
        if let Some(top) = self.tree.get("") {
            put(&mut tree, "", top.clone())?;
        }
        for (path, entry) in &now {
            changes += usize::from(self.tree.get(path) != Some(entry));
            put(&mut tree, path, entry.clone())?;
        }
        for (path, entry) in self.tree.iter() {
            let device = matches!(
                entry.kind,
                Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } | Kind::Fifo
            );
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            if tree.get(path).is_none() {
                // Devices are in the table alone; they go with their directory.
                if device && tree.get(above).is_some() {
                    put(&mut tree, path, entry.clone())?;
                } else {
                    changes += 1;
                }
            }
        }
        self.tree = tree;
        Ok(changes)
    }
}

fn disk_kind(
    path: &str,
    about: &Metadata,
    target_of: impl Fn(&str) -> io::Result<PathBuf>,
) -> Result<Kind> {
    let kind = about.file_type();
    let (major, minor) = numbers(about.rdev());
    Ok(if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        let target = target_of(path).map_err(io_at(Path::new(path)))?;
        let target = target.to_str().ok_or_else(|| RootedError::Name(path.into()))?;
        Kind::Symlink { target: target.to_string() }
    } else if kind.is_char_device() {
        Kind::CharacterDevice { major, minor }
    } else if kind.is_block_device() {
        Kind::BlockDevice { major, minor }
    } else if kind.is_fifo() {
        Kind::Fifo
    } else {
        Kind::File { size: about.len() }
    })
}

/// The row of a file's first name, where `row` is another name of it.
fn first_row<'a>(tree: &'a Tree, row: &'a Entry) -> Option<&'a Entry> {
    match &row.kind {
        Kind::HardLink { target } => tree.get(target),
        _ => Some(row),
    }
}

/// A row that is new or was changed: what the disk says now, where it said something else before.
fn merged(
    old: Option<&Entry>,
    seen: Option<&Stamp>,
    about: &Metadata,
    kind: Kind,
    (me, time): (u32, i64),
) -> Entry {
    // Who builds without privilege is root in the image.
    let id = |id: u32| if id == me || me != 0 { 0 } else { id };
    let link = matches!(kind, Kind::Symlink { .. });
    let mode = if link { 0o777 } else { about.mode() & 0o7777 };
    let mtime = about.mtime().min(time);
    let fresh =
        Entry { kind: kind.clone(), mode, uid: id(about.uid()), gid: id(about.gid()), mtime };
    let Some(old) = old else { return fresh };
    // Nobody looked before: the table wins.
    let Some(seen) = seen else { return Entry { kind: fresh.kind, ..old.clone() } };
    let same_mode = seen.mode == about.mode() || me != 0 && was_written(seen, about);
    // Replaced by another file of the name: its mode is what it was given.
    let pick = |same: bool, old: u32, new: u32| if same { old } else { new };
    Entry {
        kind,
        mode: pick(same_mode, old.mode, fresh.mode),
        uid: pick(seen.uid == about.uid(), old.uid, fresh.uid),
        gid: pick(seen.gid == about.gid(), old.gid, fresh.gid),
        mtime: if seen.mtime == (about.mtime(), about.mtime_nsec()) { old.mtime } else { mtime },
    }
}

/// A row of which a program said more than the disk shows.
fn claimed(entry: &mut Entry, claim: &Claim) {
    entry.uid = claim.uid.unwrap_or(entry.uid);
    entry.gid = claim.gid.unwrap_or(entry.gid);
    if let Some(Device { is_block, major, minor }) = claim.device {
        entry.kind = match is_block {
            true => Kind::BlockDevice { major, minor },
            false => Kind::CharacterDevice { major, minor },
        };
    }
}

/// Whether a file lost no more of its mode than the system takes from what is written to without
/// privilege: setuid, and setgid where its group may execute it.
fn was_written(seen: &Stamp, about: &Metadata) -> bool {
    let taken = if seen.mode & 0o010 == 0 { 0o4000 } else { 0o6000 };
    let now = Stamp::of(about);
    now.inode == seen.inode && now.mtime != seen.mtime && now.mode == seen.mode & !taken
}

/// Major and minor number of a device.
#[cfg(target_os = "linux")]
fn numbers(device: u64) -> (u32, u32) {
    (nix::sys::stat::major(device) as u32, nix::sys::stat::minor(device) as u32)
}

/// Major and minor number of a device, 32 bits each.
#[cfg(not(target_os = "linux"))]
fn numbers(device: u64) -> (u32, u32) {
    ((device >> 32) as u32, device as u32)
}

#[cfg(test)]
mod tests {
    use super::super::Owned;
    use super::*;

    #[test]
    fn what_was_done_to_the_disk_lands_in_the_table() {
        let scratch = tempfile::tempdir().unwrap();
        let (dir, table) = (scratch.path().join("r"), scratch.path().join("t"));
        let mut root = Rooted::create(&dir, &table, 1_000).unwrap();
        root.put("usr/kept", b"x", Owned { mode: 0o4555, uid: 5, gid: 6 }).unwrap();
        root.put("usr/gone", b"x", Owned::root(0o644)).unwrap();
        root.put("usr/mode", b"x", Owned { mode: 0o640, uid: 5, gid: 6 }).unwrap();
        root.put("usr/bytes", b"x", Owned { mode: 0o640, uid: 5, gid: 6 }).unwrap();
        let device = Kind::CharacterDevice { major: 13, minor: 2 };
        let null = Entry { kind: device, mode: 0o666, uid: 0, gid: 3, mtime: 5 };
        root.insert("usr/null", null.clone()).unwrap();
        root.show().unwrap();
        assert_eq!(fs::metadata(dir.join("usr/kept")).unwrap().mode() & 0o7111, 0o4111);
        let before = root.look().unwrap();
        assert_eq!(root.reconcile(&before).unwrap(), 0, "nothing was done");
        assert_eq!(root.reconcile(&Before::new()).unwrap(), 0, "the table wins");
        let (tree, made) = (root.tree.clone(), root.dir().join("own/of/it"));
        fs::create_dir_all(&made).unwrap();
        fs::write(made.join("record"), "x").unwrap();
        let mut whole = Rooted::of(root.dir(), Path::new("none"), tree.clone(), root.time());
        whole.reconcile(&Before::new()).unwrap();
        root.reconcile_below("own/of").unwrap();
        assert_eq!(root.tree, whole.tree);
        fs::remove_dir_all(&made).unwrap();
        assert_eq!(root.reconcile_below("own/of").unwrap(), 2);
        assert!(root.tree.get("own/of").is_some() && root.tree.get("own/of/it").is_none());
        fs::remove_dir_all(root.dir().join("own")).unwrap();
        root.tree = tree;

        fs::remove_file(dir.join("usr/gone")).unwrap();
        let mode = fs::Permissions::from_mode(0o2755);
        fs::set_permissions(dir.join("usr/mode"), mode).unwrap();
        fs::write(dir.join("usr/bytes"), "longer").unwrap();
        fs::create_dir(dir.join("new")).unwrap();
        fs::write(dir.join("new/file"), "12").unwrap();
        fs::hard_link(dir.join("new/file"), dir.join("new/name")).unwrap();
        std::os::unix::fs::symlink("file", dir.join("new/link")).unwrap();
        assert_eq!(root.reconcile(&before).unwrap(), 7);

        let row = |path: &str| root.tree.get(path).cloned().unwrap();
        let about = |path: &str| (row(path).mode, row(path).uid, row(path).gid);
        assert_eq!(about("usr/kept"), (0o4555, 5, 6));
        assert_eq!(about("usr/mode"), (0o2755, 5, 6));
        assert_eq!(about("usr/bytes"), (0o640, 5, 6));
        assert_eq!(row("usr/bytes").kind, Kind::File { size: 6 });
        assert_eq!(row("usr/bytes").mtime, 1_000, "no later than the image");
        assert_eq!(row("usr/null"), null);
        assert_eq!(row("new/link").kind, Kind::Symlink { target: "file".into() });
        assert_eq!((row("new/file").uid, row("new/file").mtime), (0, 1_000));
        assert_eq!(row("new/name").kind, Kind::HardLink { target: "new/file".into() });
        assert_eq!(root.reconcile(&root.look().unwrap()).unwrap(), 0, "it settles");
        assert!(root.tree.get("usr/gone").is_none());
    }

    #[test]
    fn writing_takes_no_setuid_away() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("su");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o711)).unwrap();
        let about = fs::metadata(&path).unwrap();
        let now = Stamp::of(&about);
        let kind = Kind::File { size: 1 };
        let old = Entry { kind: kind.clone(), mode: 0o6711, uid: 5, gid: 6, mtime: 1 };
        let before = Stamp { mode: now.mode | 0o6000, mtime: (1, 0), ..now };
        for (seen, me, mode) in [
            (before, 1000, 0o6711),
            // Root keeps what it writes to, so somebody took the bits away.
            (before, 0, 0o711),
            // Nothing was written.
            (Stamp { mtime: now.mtime, ..before }, 1000, 0o711),
            // It is another file.
            (Stamp { inode: 0, ..before }, 1000, 0o711),
            (Stamp { mode: now.mode | 0o6022, ..before }, 1000, 0o711),
        ] {
            let row = merged(Some(&old), Some(&seen), &about, kind.clone(), (me, 9));
            assert_eq!(row.mode, mode, "{seen:?} {me}");
        }
    }
}
