//! take.rs - reads a tree into an index and keeps the bytes that no checkpoint has yet.
//!
//! One pass: a directory is listed, each name is looked at, and a regular file whose inode was not touched since
//! the last checkpoint keeps its place there.  One that was touched is compared with what is kept
//! before it is kept anew: a changed mode costs no second copy.
//!
//! Since the last checkpoint perhaps only such have worked as replace files and never write into them: then a
//! directory that is as it was holds the files that it held, and of it only directories are looked at.
//! That is not believed of the uppermost two levels.
//!
//! Whether an inode was touched is told by its ctime, which nobody can set back.  A ctime as late
//! as the end of the last reading tells nothing: what came after it in the same tick has it too.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::stat::{FileStat, SFlag};

use super::crew::{self, Queue};
use super::index::{Child, Content, Folder, Index, Meta, Moment, Node, Stamp};
use super::pack::{self, Buffers, Packer, Packs};
use crate::area::Writer;
use crate::disk::{self, Disk, Spot};
use crate::error::{StoreError, at};
use crate::store::KeptFile;
use crate::sys;

/// What the last checkpoint knows of the tree, and whether its stamps count.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) index: &'a Index,
    /// The boot is the same.
    pub(super) counts: bool,
    /// Nobody has written into files since.
    pub(super) trusts: bool,
}

impl Known<'_> {
    /// What a file was, if its inode has not been touched since.
    pub(super) fn untouched(&self, child: &Child, about: &FileStat) -> bool {
        let Some(content) = child.content() else { return false };
        self.counts
            && child.stamp == stamp(about)
            && child.meta == meta(about)
            && content.size == size(about)
            && is_before(child.stamp.ctime, self.index.taken)
    }

    /// Whether a directory holds what it held.
    fn holds(&self, child: &Child, about: &FileStat) -> bool {
        self.trusts
            && child.stamp == stamp(about)
            && child.meta == meta(about)
            && is_before(child.stamp.ctime, self.index.taken)
    }
}

/// Whether a ctime was surely given before the file system's clock showed `now`.
fn is_before(ctime: Moment, now: Moment) -> bool {
    // No fraction: a file system that counts whole seconds, or two.
    let ctime = if ctime.1 == 0 { (ctime.0 + 2, 0) } else { ctime };
    ctime < now
}

/// A directory to be read.
struct Task {
    parent: Arc<OwnedFd>,
    name: CString,
    path: PathBuf,
    mode: u32,
    /// Its number in the new index, and in the one known.
    number: u32,
    known: Option<u32>,
    /// It holds what it held.
    same: bool,
}

/// A directory whose mode shuts its owner out; it gets that mode when all below is done.
pub(super) struct Shut {
    pub(super) parent: Arc<OwnedFd>,
    pub(super) name: CString,
    pub(super) mode: u32,
    pub(super) depth: usize,
}

impl Shut {
    /// Shuts them, the deepest first.
    pub(super) fn all(disk: &Disk, mut opened: Vec<Shut>, root: &Path) -> Result<(), StoreError> {
        opened.sort_by_key(|shut| std::cmp::Reverse(shut.depth));
        for Shut { parent, name, mode, .. } in opened {
            disk.set_mode(&*parent, &name, mode).map_err(at(&disk::below(root, &name)))?;
        }
        Ok(())
    }
}

pub(super) fn depth(path: &Path) -> usize {
    path.components().count()
}

pub(super) fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// What one thread has.
struct Hand<'a> {
    opened_up: Vec<Shut>,
    packer: Packer<'a>,
    buffers: Buffers,
    folders: Vec<(u32, Folder)>,
    /// Folders whose files were not looked at.
    same: Vec<u32>,
    paths: u64,
    shared: u64,
}

/// What all threads share.
struct Reading<'a> {
    disk: &'a Disk,
    known: Option<Known<'a>>,
    packs: &'a Packs<'a>,
    device: u64,
    next: AtomicU32,
    /// Files with several names: where the first that came put the bytes.
    linked: Mutex<HashMap<u64, Content>>,
}

/// What a reading gave.
pub(super) struct Read {
    pub(super) root: Meta,
    pub(super) folders: Vec<Folder>,
    /// The packs written.
    pub(super) packs: Vec<KeptFile>,
    pub(super) paths: u64,
    pub(super) new_bytes: u64,
    pub(super) shared_bytes: u64,
}

/// Where the packs go.
pub(super) struct Target<'a> {
    pub(super) folder: &'a Path,
    pub(super) checkpoint: u32,
    pub(super) shares: bool,
    pub(super) next: Writer,
}

/// Reads the tree at `root`.
pub(super) fn read(
    disk: &Disk,
    root: &Path,
    known: Option<Known<'_>>,
    packs: &Packs<'_>,
    target: &Target<'_>,
) -> Result<Read, StoreError> {
    let open = Arc::new(disk::open_path(root)?);
    let about = disk::look(&*open, c".").map_err(at(root))?;
    let mut hands = Vec::new();
    for pack in (0..).take(crew::size()) {
        let packer = Packer::create(disk, target, pack)?;
        let (buffers, folders) = (Buffers::default(), Vec::new());
        let (opened_up, same) = (Vec::new(), Vec::new());
        hands.push(Hand { opened_up, packer, buffers, folders, same, paths: 0, shared: 0 });
    }
    let device = device(&about);
    let (next, linked) = (AtomicU32::new(1), Mutex::default());
    let reading = Reading { disk, known, packs, device, next, linked };
    let first = Task {
        parent: open,
        name: c".".to_owned(),
        path: root.to_owned(),
        mode: mode(&about),
        number: 0,
        known: Some(0),
        same: false,
    };
    let hands = crew::run(first, hands, |hand, task, queue| reading.folder(hand, &task, queue))?;
    let mut read = Read {
        root: meta(&about),
        folders: vec![Folder::new(); reading.next.load(Ordering::Relaxed) as usize],
        packs: Vec::new(),
        paths: 0,
        new_bytes: 0,
        shared_bytes: 0,
    };
    let (mut shut, mut same) = (Vec::new(), Vec::new());
    for hand in hands {
        shut.extend(hand.opened_up);
        same.extend(hand.same);
        for (number, folder) in hand.folders {
            read.folders[number as usize] = folder;
        }
        read.paths += hand.paths;
        read.new_bytes += hand.packer.kept;
        read.shared_bytes += hand.shared;
        read.packs.extend(hand.packer.finish()?);
    }
    Shut::all(disk, shut, root)?;
    let linked = reading.linked.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !linked.is_empty() {
        join(&mut read.folders, &same, &linked);
    }
    Ok(read)
}

/// Makes names of one file of those that were not looked at and those that came.
fn join(folders: &mut [Folder], same: &[u32], came: &HashMap<u64, Content>) {
    for number in same {
        for child in &mut folders[*number as usize] {
            if let Node::File { link, .. } = &mut child.node {
                if came.contains_key(&child.stamp.ino) {
                    *link = child.stamp.ino;
                }
            }
        }
    }
}

impl Reading<'_> {
    fn folder(
        &self,
        hand: &mut Hand<'_>,
        task: &Task,
        queue: &Queue<Task>,
    ) -> Result<(), StoreError> {
        let opened = self.enter(hand, task).map_err(at(&task.path))?;
        let opened = Arc::new(opened);
        let held = self.known.zip(task.known.filter(|_| task.same));
        if let Some(held) = held.and_then(|(known, held)| known.index.folders.get(held as usize)) {
            return self.held(hand, task, &opened, held, queue);
        }
        let names = disk::names(&*opened).map_err(at(&task.path))?;
        let mut folder = Folder::with_capacity(names.len());
        for name in names {
            folder.push(self.child(hand, task, &opened, name, queue)?);
        }
        hand.paths += folder.len() as u64;
        hand.folders.push((task.number, folder));
        Ok(())
    }

    /// A directory that holds what it held.
    fn held(
        &self,
        hand: &mut Hand<'_>,
        task: &Task,
        opened: &Arc<OwnedFd>,
        held: &Folder,
        queue: &Queue<Task>,
    ) -> Result<(), StoreError> {
        let mut folder = Folder::with_capacity(held.len());
        for child in held {
            folder.push(match &child.node {
                Node::Folder(_) => self.child(hand, task, opened, child.name.clone(), queue)?,
                Node::File { .. } | Node::Symlink(_) | Node::Special { .. } => child.clone(),
            });
            hand.shared += child.content().map_or(0, |content| content.size);
        }
        hand.paths += folder.len() as u64;
        hand.same.push(task.number);
        hand.folders.push((task.number, folder));
        Ok(())
    }

    /// Opens a directory; one that its owner may not list or search is opened up until all is read.
    fn enter(&self, hand: &mut Hand<'_>, task: &Task) -> io::Result<OwnedFd> {
        let open = || -> io::Result<OwnedFd> {
            let opened = disk::open_folder(&*task.parent, &task.name)?;
            disk::look(&opened, c".")?;
            Ok(opened)
        };
        match open() {
            Err(error) if is_denied(&error) && task.mode & 0o700 != 0o700 => {
                let (parent, name) = (Arc::clone(&task.parent), task.name.clone());
                self.disk.set_mode(&*parent, &name, task.mode | 0o700)?;
                hand.opened_up.push(Shut {
                    parent,
                    name,
                    mode: task.mode,
                    depth: depth(&task.path),
                });
                open()
            }
            result => result,
        }
    }

    fn child(
        &self,
        hand: &mut Hand<'_>,
        task: &Task,
        opened: &Arc<OwnedFd>,
        name: CString,
        queue: &Queue<Task>,
    ) -> Result<Child, StoreError> {
        let spot = Spot::new(opened, &name, &task.path);
        let about = disk::look(opened, &name).map_err(spot.wrong())?;
        let known = self.known.zip(task.known);
        let known = known.and_then(|(known, folder)| known.index.child(folder, &name));
        let mut stamp = stamp(&about);
        let node = match kind(&about) {
            SFlag::S_IFDIR => {
                let mounted = sys::is_mount(opened, &name).map_err(spot.wrong())?;
                if mounted || device(&about) != self.device {
                    return Err(StoreError::Mounted { path: spot.path });
                }
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                // What lies directly below the root is everybody's.
                let holds = known.zip(self.known).filter(|_| task.number != 0);
                let same = holds.is_some_and(|(child, known)| known.holds(child, &about));
                let known = known.and_then(Child::folder);
                let (parent, path, mode) = (Arc::clone(opened), spot.path, mode(&about));
                queue.push(Task { parent, name: name.clone(), path, mode, number, known, same });
                Node::Folder(number)
            }
            SFlag::S_IFREG => {
                let untouched =
                    known.zip(self.known).filter(|(child, known)| known.untouched(child, &about));
                let content = match untouched.and_then(|(child, _)| child.content()) {
                    Some(content) => {
                        hand.shared += content.size;
                        content.clone()
                    }
                    None => {
                        let (content, ctime) = self.file(hand, &spot, &about, known)?;
                        stamp.ctime = ctime;
                        content
                    }
                };
                Node::File { content, link: link(&about) }
            }
            SFlag::S_IFLNK => Node::Symlink(disk::target(opened, &name).map_err(spot.wrong())?),
            other => Node::Special { format: other.bits(), device: about.st_rdev },
        };
        Ok(Child { name, meta: meta(&about), stamp, node })
    }

    /// Where the bytes of a touched file are kept, and its ctime when they had been read.
    fn file(
        &self,
        hand: &mut Hand<'_>,
        spot: &Spot<'_>,
        about: &FileStat,
        known: Option<&Child>,
    ) -> Result<(Content, Moment), StoreError> {
        let mut linked = None;
        if link(about) != 0 {
            // Held while the first name's bytes are read: the second finds them.
            let found = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(content) = found.get(&about.st_ino) {
                return Ok((content.clone(), stamp(about).ctime));
            }
            linked = Some(found);
        }
        let file = open(self.disk, spot, mode(about)).map_err(spot.wrong())?;
        let path = &spot.path;
        let content = match known.and_then(Child::content) {
            Some(content)
                if content.size == size(about)
                    && self.packs.is_same(content, &file, path, &mut hand.buffers)? =>
            {
                hand.shared += content.size;
                content.clone()
            }
            _ => hand.packer.keep(&file, about, path)?,
        };
        if let Some(linked) = &mut linked {
            linked.insert(about.st_ino, content.clone());
        }
        if mode(about) & 0o400 != 0 && !pack::is_link(&content) {
            return Ok((content, stamp(about).ctime));
        }
        // Opening it needed another mode for a moment, or it has one name more now.
        let after = nix::sys::stat::fstat(&file).map_err(spot.wrong())?;
        Ok((content, stamp(&after).ctime))
    }
}

/// Opens a file; when its mode forbids that, with another mode for the moment.
pub(super) fn open(disk: &Disk, spot: &Spot<'_>, mode: u32) -> io::Result<File> {
    match disk::open_file(spot.folder, spot.name) {
        Err(error) if is_denied(&error) && mode & 0o400 == 0 => {
            disk.set_mode(spot.folder, spot.name, mode | 0o400)?;
            let opened = disk::open_file(spot.folder, spot.name);
            disk.set_mode(spot.folder, spot.name, mode)?;
            opened
        }
        result => result,
    }
}

pub(super) fn kind(about: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT
}

pub(super) fn mode(about: &FileStat) -> u32 {
    about.st_mode & 0o7777
}

pub(super) fn size(about: &FileStat) -> u64 {
    u64::try_from(about.st_size).unwrap_or(0)
}

pub(super) fn device(about: &FileStat) -> u64 {
    about.st_dev
}

/// The number that all names of a file have in common; 0 when it has one only.
pub(super) fn link(about: &FileStat) -> u64 {
    if about.st_nlink > 1 { about.st_ino } else { 0 }
}

pub(super) fn meta(about: &FileStat) -> Meta {
    let mtime = (about.st_mtime, about.st_mtime_nsec);
    Meta { mode: mode(about), uid: about.st_uid, gid: about.st_gid, mtime }
}

pub(super) fn stamp(about: &FileStat) -> Stamp {
    Stamp { ino: about.st_ino, ctime: (about.st_ctime, about.st_ctime_nsec) }
}
