//! restore.rs - makes a tree what an index says, touching only what differs.
//!
//! One pass over both: what the index does not have is removed, what it has and the disk lacks or
//! has otherwise is made.  A file whose inode is untouched since the last reading is compared by
//! where its bytes are kept; a touched one byte by byte; only then is it made anew, always as a new
//! inode: the old one may have names elsewhere.
//!
//! Directories that go are moved out of the way, and removed while the build goes on.  A
//! directory that is missing whole is made where the file system puts it far from what was removed.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::stat::{FileStat, SFlag};

use super::crew::{self, Queue};
use super::index::{Child, Folder, Index, Meta, Node, Stamp};
use super::pack::{Buffers, Packs};
use super::take::{
    self, Known, Shut, depth, device, is_denied, kind, link, meta, mode, size, stamp,
};
use crate::area::spare_name;
use crate::disk::{self, Disk, Spot};
use crate::error::{StoreError, at};
use crate::sys;

/// Directories beside build_data that a restoring needs, on its file system.
pub(super) struct Rooms {
    /// Where directories go that are to be removed.
    pub(super) gone: OwnedFd,
    /// Where directories are made that are far from all others.
    pub(super) apart: OwnedFd,
    /// Where files with several names have one more for the moment.
    pub(super) links: OwnedFd,
    /// Where directories are that were moved out of the tree.
    pub(super) spare: OwnedFd,
}

/// By what it is known that a file was not touched.
#[derive(Clone, Copy)]
pub(super) struct Stamped<'a> {
    /// What the newest checkpoint, or the last restoring, saw in the tree.
    pub(super) newest: Known<'a>,
    /// Whether the stamps of the state that is wanted, when it was there, are of this boot.
    pub(super) wanted_counts: bool,
}

/// A directory to be made right.
struct Task {
    parent: Arc<OwnedFd>,
    name: CString,
    path: PathBuf,
    meta: Meta,
    /// Its number in the index wanted, and in the one known.
    wanted: u32,
    known: Option<u32>,
    /// It was made just now.
    fresh: bool,
}

/// What a name is to stand for, what it stood for at the last reading, and what is there.
struct Wish<'a> {
    child: &'a Child,
    known: Option<&'a Child>,
    there: Option<FileStat>,
}

/// What one thread has.
#[derive(Default)]
struct Hand {
    buffers: Buffers,
    /// What the new stamps are: folder, and by child's number.
    stamps: Vec<(u32, Vec<Stamp>)>,
    shut: Vec<Shut>,
    made: u64,
    removed: u64,
}

/// What all threads share.
struct Restoring<'a> {
    disk: &'a Disk,
    root: &'a Path,
    wanted: &'a Index,
    known: Stamped<'a>,
    packs: &'a Packs<'a>,
    rooms: &'a Rooms,
    device: u64,
    unique: AtomicU64,
    linked: Mutex<Linked>,
}

/// Files with several names: the inode that each group of names has now.
#[derive(Default)]
struct Linked {
    inodes: HashMap<u64, u64>,
    taken: HashSet<u64>,
}

/// What was done.
pub(super) struct Done {
    pub(super) made: u64,
    pub(super) removed: u64,
}

/// Makes the tree at `root` what `wanted` says, and its stamps what the disk has now.
pub(super) fn restore(
    disk: &Disk,
    root: &Path,
    wanted: &mut Index,
    known: Stamped<'_>,
    packs: &Packs<'_>,
    rooms: &Rooms,
) -> Result<Done, StoreError> {
    let open = Arc::new(disk::open_path(root)?);
    let about = disk::look(&*open, c".").map_err(at(root))?;
    let hands: Vec<Hand> = (0..crew::size()).map(|_| Hand::default()).collect();
    let first = Task {
        parent: open,
        name: c".".to_owned(),
        path: root.to_owned(),
        meta: wanted.root,
        wanted: 0,
        known: Some(0),
        fresh: false,
    };
    let restoring = Restoring {
        disk,
        root,
        wanted,
        known,
        packs,
        rooms,
        device: device(&about),
        unique: AtomicU64::new(0),
        linked: Mutex::default(),
    };
    let hands = crew::run(first, hands, |hand, task, queue| restoring.folder(hand, &task, queue))?;
    let linked = restoring.linked.into_inner().unwrap_or_else(PoisonError::into_inner);
    for group in linked.inodes.keys() {
        disk.remove_file(&rooms.links, &group_name(*group)).map_err(at(root))?;
    }
    let mut done = Done { made: 0, removed: 0 };
    let mut shut = Vec::new();
    for hand in hands {
        done.made += hand.made;
        done.removed += hand.removed;
        shut.extend(hand.shut);
        for (folder, stamps) in hand.stamps {
            let children = wanted.folders[folder as usize].iter_mut();
            children.zip(stamps).for_each(|(child, stamp)| child.stamp = stamp);
        }
    }
    Shut::all(disk, shut, root)?;
    Ok(done)
}

fn group_name(group: u64) -> CString {
    CString::new(group.to_string()).expect("digits have no NUL")
}

impl Restoring<'_> {
    fn folder(&self, hand: &mut Hand, task: &Task, queue: &Queue<Task>) -> Result<(), StoreError> {
        let opened = Arc::new(self.enter(task).map_err(at(&task.path))?);
        let names =
            if task.fresh { Vec::new() } else { disk::names(&*opened).map_err(at(&task.path))? };
        for name in names {
            if self.wanted.child(task.wanted, &name).is_none() {
                self.remove(hand, &Spot::new(&opened, &name, &task.path))?;
            }
        }
        let wanted: &Folder = &self.wanted.folders[task.wanted as usize];
        let mut stamps = Vec::with_capacity(wanted.len());
        for child in wanted {
            let spot = Spot::new(&opened, &child.name, &task.path);
            let there = if task.fresh {
                None
            } else {
                disk::look_for(&*opened, &child.name).map_err(spot.wrong())?
            };
            let known =
                task.known.and_then(|known| self.known.newest.index.child(known, &child.name));
            let Some(number) = child.folder() else {
                stamps.push(self.leaf(hand, &spot, &Wish { child, known, there })?);
                continue;
            };
            let fresh = self.sub_folder(hand, task, &spot, there)?;
            let (parent, name, path) = (Arc::clone(&opened), child.name.clone(), spot.path);
            let (meta, known) = (child.meta, known.and_then(Child::folder));
            queue.push(Task { parent, name, path, meta, wanted: number, known, fresh });
            stamps.push(Stamp::default());
        }
        hand.stamps.push((task.wanted, stamps));
        Ok(self.leave(hand, task, &opened).map_err(at(&task.path))?)
    }

    /// Opens a directory for all that is to be done in it.
    fn enter(&self, task: &Task) -> io::Result<OwnedFd> {
        let about = disk::look(&*task.parent, &task.name)?;
        if mode(&about) & 0o700 != 0o700 {
            self.disk.set_mode(&*task.parent, &task.name, mode(&about) | 0o700)?;
        }
        disk::open_folder(&*task.parent, &task.name)
    }

    /// Gives a directory its own mode, owner and time; what lies below it is not done yet.
    fn leave(&self, hand: &mut Hand, task: &Task, opened: &OwnedFd) -> io::Result<()> {
        let Meta { mode, uid, gid, mtime } = task.meta;
        let there = meta(&disk::look(opened, c".")?);
        if (there.uid, there.gid) != (uid, gid) {
            self.disk.set_owner(opened, c".", uid, gid)?;
        }
        if there.mtime != mtime {
            self.disk.set_time(opened, c".", mtime)?;
        }
        if mode & 0o700 != 0o700 {
            let (parent, name) = (Arc::clone(&task.parent), task.name.clone());
            hand.shut.push(Shut { parent, name, mode, depth: depth(&task.path) });
            return Ok(());
        }
        let owned = disk::look(opened, c".")?;
        if meta(&owned).mode != mode {
            self.disk.set_mode(&*task.parent, &task.name, mode)?;
        }
        Ok(())
    }

    /// Sees that a directory is there; whether it was made.
    fn sub_folder(
        &self,
        hand: &mut Hand,
        task: &Task,
        spot: &Spot<'_>,
        there: Option<FileStat>,
    ) -> Result<bool, StoreError> {
        if let Some(there) = there {
            if kind(&there) == SFlag::S_IFDIR {
                return self.check_mount(spot, &there).map(|()| false);
            }
            self.remove(hand, spot)?;
        }
        hand.made += 1;
        let (folder, name) = (spot.folder, spot.name);
        if task.fresh {
            self.disk.make_folder(folder, name, 0o700).map_err(spot.wrong())?;
            return Ok(true);
        }
        if self.take_back(spot).map_err(spot.wrong())? {
            self.check_mount(spot, &disk::look(folder, name).map_err(spot.wrong())?)?;
            return Ok(false);
        }
        let unique = self.unique();
        let made = || -> io::Result<()> {
            self.disk.make_folder(&self.rooms.apart, &unique, 0o700)?;
            self.disk.rename((&self.rooms.apart, &unique), (folder, name))
        };
        made().map_err(spot.wrong())?;
        Ok(true)
    }

    /// Takes a directory that was moved away back to its place, whatever is in it; whether there was
    /// one.
    fn take_back(&self, spot: &Spot<'_>) -> io::Result<bool> {
        let path = spot.path.strip_prefix(self.root).ok().and_then(Path::to_str);
        let Some(path) = path else { return Ok(false) };
        let Ok(name) = CString::new(spare_name(path)) else { return Ok(false) };
        let spare = &self.rooms.spare;
        let there = disk::look_for(spare, &name)?;
        if there.is_none_or(|about| kind(&about) != SFlag::S_IFDIR) {
            return Ok(false);
        }
        self.disk.rename((spare, &name), (spot.folder, spot.name))?;
        Ok(true)
    }

    fn check_mount(&self, spot: &Spot<'_>, about: &FileStat) -> Result<(), StoreError> {
        let mounted = sys::is_mount(spot.folder, spot.name).map_err(spot.wrong())?;
        if mounted || device(about) != self.device {
            return Err(StoreError::Mounted { path: spot.path.clone() });
        }
        Ok(())
    }

    /// A name that no other process and no other call has taken; the file system spreads
    /// directories by their names.
    fn unique(&self) -> CString {
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let time = time.map_or(0, |since| since.as_nanos());
        let number = self.unique.fetch_add(1, Ordering::Relaxed);
        CString::new(format!("{}-{time}-{number}", std::process::id())).expect("no NUL in digits")
    }

    fn remove(&self, hand: &mut Hand, spot: &Spot<'_>) -> Result<(), StoreError> {
        let (folder, name) = (spot.folder, spot.name);
        let about = disk::look(folder, name).map_err(spot.wrong())?;
        hand.removed += 1;
        if kind(&about) != SFlag::S_IFDIR {
            return Ok(self.disk.remove_file(folder, name).map_err(spot.wrong())?);
        }
        self.check_mount(spot, &about)?;
        let gone = self.unique();
        let away = || self.disk.rename((folder, name), (&self.rooms.gone, &gone));
        match away() {
            // The directory itself is written to when its parent changes.
            Err(error) if is_denied(&error) && mode(&about) & 0o700 != 0o700 => {
                self.disk.set_mode(folder, name, 0o700).map_err(spot.wrong())?;
                Ok(away().map_err(spot.wrong())?)
            }
            result => Ok(result.map_err(spot.wrong())?),
        }
    }

    /// Sees that a file, link, device, pipe or socket is there; its stamp.
    fn leaf(&self, hand: &mut Hand, spot: &Spot<'_>, wish: &Wish<'_>) -> Result<Stamp, StoreError> {
        if let Node::File { link: group @ 1.., .. } = wish.child.node {
            return self.linked(hand, spot, wish, group);
        }
        if let Some(about) = &wish.there {
            if self.is_right(hand, spot, wish, about)? {
                return Ok(self.mend(spot, wish.child, about).map_err(spot.wrong())?);
            }
            self.remove(hand, spot)?;
        }
        self.make(hand, spot, wish.child)
    }

    /// Whether what is there is what is wanted, but for mode, owner and time.
    fn is_right(
        &self,
        hand: &mut Hand,
        spot: &Spot<'_>,
        wish: &Wish<'_>,
        about: &FileStat,
    ) -> Result<bool, StoreError> {
        Ok(match &wish.child.node {
            // One name of several: what is done to it would be done to the others.
            Node::File { link: 0, .. } if link(about) != 0 => false,
            Node::File { content, .. } => {
                if kind(about) != SFlag::S_IFREG || size(about) != content.size {
                    return Ok(false);
                }
                let Stamped { newest, wanted_counts } = self.known;
                let wanted = Known { index: self.wanted, counts: wanted_counts, trusts: false };
                let newest = wish.known.filter(|known| newest.untouched(known, about));
                if newest.and_then(Child::content) == Some(content)
                    || wanted.untouched(wish.child, about)
                {
                    return Ok(true);
                }
                let file = take::open(self.disk, spot, mode(about)).map_err(spot.wrong())?;
                self.packs.is_same(content, &file, &spot.path, &mut hand.buffers)?
            }
            Node::Symlink(target) => {
                kind(about) == SFlag::S_IFLNK
                    && disk::target(spot.folder, spot.name).map_err(spot.wrong())? == *target
            }
            Node::Special { format, device } => {
                kind(about).bits() == *format && about.st_rdev == *device
            }
            Node::Folder(_) => false,
        })
    }

    /// Gives a name its mode, owner and time, where they differ.
    fn mend(&self, spot: &Spot<'_>, child: &Child, about: &FileStat) -> io::Result<Stamp> {
        let (folder, name, wanted) = (spot.folder, spot.name, child.meta);
        let mut there = meta(about);
        if there == wanted {
            return Ok(stamp(about));
        }
        if (there.uid, there.gid) != (wanted.uid, wanted.gid) {
            self.disk.set_owner(folder, name, wanted.uid, wanted.gid)?;
            // Takes set-user-id away.
            there = meta(&disk::look(folder, name)?);
        }
        if there.mode != wanted.mode && !matches!(child.node, Node::Symlink(_)) {
            self.disk.set_mode(folder, name, wanted.mode)?;
        }
        if there.mtime != wanted.mtime {
            self.disk.set_time(folder, name, wanted.mtime)?;
        }
        Ok(stamp(&disk::look(folder, name)?))
    }

    fn make(&self, hand: &mut Hand, spot: &Spot<'_>, child: &Child) -> Result<Stamp, StoreError> {
        hand.made += 1;
        let (folder, name) = (spot.folder, spot.name);
        let about = match &child.node {
            Node::File { content, .. } => {
                let mode = child.meta.mode & 0o777;
                let file = self.disk.create(folder, name, mode).map_err(spot.wrong())?;
                self.packs.fill(self.disk, content, &file, &spot.path, &mut hand.buffers)?;
                // Of most files that is all: neither call looks for a name.
                self.disk.set_open_time(&file, child.meta.mtime).map_err(spot.wrong())?;
                nix::sys::stat::fstat(&file).map_err(spot.wrong())?
            }
            Node::Symlink(target) => {
                self.disk.symlink(target, folder, name).map_err(spot.wrong())?;
                disk::look(folder, name).map_err(spot.wrong())?
            }
            Node::Special { format, device } => {
                let made = self.disk.make_node(folder, name, *format, *device);
                made.map_err(spot.wrong())?;
                disk::look(folder, name).map_err(spot.wrong())?
            }
            Node::Folder(_) => unreachable!("a folder is a task of its own"),
        };
        Ok(self.mend(spot, child, &about).map_err(spot.wrong())?)
    }

    /// One of several names of a file.  The first that comes decides which inode they get: its
    /// own, if the bytes are right and no other group has it, or a new one.
    fn linked(
        &self,
        hand: &mut Hand,
        spot: &Spot<'_>,
        wish: &Wish<'_>,
        group: u64,
    ) -> Result<Stamp, StoreError> {
        let name = group_name(group);
        let extra = (&self.rooms.links, name.as_c_str());
        let own = (spot.folder, spot.name);
        let mut linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        let inode = linked.inodes.get(&group).copied();
        // Links are made to it later: what its stamp is now tells nothing then.
        let stamp = Stamp::default();
        if let Some(about) = &wish.there {
            if inode == Some(about.st_ino) {
                return Ok(stamp);
            }
            let free = inode.is_none() && !linked.taken.contains(&about.st_ino);
            if free && self.is_right(hand, spot, wish, about)? {
                self.mend(spot, wish.child, about).map_err(spot.wrong())?;
                self.disk.link(own, extra).map_err(spot.wrong())?;
                linked.put(group, about.st_ino);
                return Ok(stamp);
            }
            self.remove(hand, spot)?;
        }
        if inode.is_some() {
            hand.made += 1;
            self.disk.link(extra, own).map_err(spot.wrong())?;
            return Ok(stamp);
        }
        self.make(hand, spot, wish.child)?;
        let made = disk::look(spot.folder, spot.name).map_err(spot.wrong())?;
        self.disk.link(own, extra).map_err(spot.wrong())?;
        linked.put(group, made.st_ino);
        Ok(stamp)
    }
}

impl Linked {
    fn put(&mut self, group: u64, inode: u64) {
        self.inodes.insert(group, inode);
        self.taken.insert(inode);
    }
}
