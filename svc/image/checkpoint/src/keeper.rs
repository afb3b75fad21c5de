//! keeper.rs - a thread that makes checkpoints last and removes what is gone, while the build goes on.
//!
//! A checkpoint is there for every process as soon as its record is.  Only a power failure could
//! take it back, so it is flushed here, and `durable` is put beside the record when it has been.
//! That waits until the system has written most of it by itself: a short build would wait for bytes
//! that its next step removes.  Removing waits too, unless room is wanted: ext4 looks long for a free
//! inode where many were freed within the last seconds, so what is made right after is made slowly.

use std::ffi::{CStr, CString};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::stat::SFlag;

use crate::disk::{self, Disk};
use crate::error::{PathError, StoreError, at};
use crate::record;
use crate::sys::{self, Removed};

/// The mark of a checkpoint that survives a power failure.
pub(crate) const DURABLE: &str = "durable";

/// How long a checkpoint waits to be flushed: as long as systems keep what was written.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many directories are open at once while a tree is removed.
const DEEPEST: usize = 100;

enum Order {
    /// Make the checkpoint in this folder last, by and by.
    Flush(PathBuf),
    /// Do so now.
    Hurry,
    /// Remove what is in `gone`.
    Sweep,
    /// Say when all before is done but what may wait, or what went wrong.
    Answer(Sender<Result<(), StoreError>>),
}

/// Its door.
pub(crate) struct Keeper {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts it for an area's `.checkpoints`.
    pub(crate) fn start(disk: &Disk, checkpoints: &Path) -> Result<Keeper, PathError> {
        let (orders, inbox) = channel();
        let (disk, place) = (disk.clone(), checkpoints.to_owned());
        let thread = std::thread::Builder::new().name("keeper".to_owned());
        let thread = thread.spawn(move || work(&disk, &place, &inbox)).map_err(at(checkpoints))?;
        Ok(Keeper { orders: Some(orders), thread: Some(thread) })
    }

    pub(crate) fn flush(&self, folder: &Path) {
        self.order(Order::Flush(folder.to_owned()));
    }

    pub(crate) fn sweep(&self) {
        self.order(Order::Sweep);
    }

    fn order(&self, order: Order) {
        let orders = self.orders.as_ref().expect("there until it is dropped");
        orders.send(order).expect("it reads as long as this is there");
    }

    /// Waits until all is done.
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        self.order(Order::Hurry);
        self.wait()
    }

    /// Waits until what is gone is removed.
    pub(crate) fn wait(&self) -> Result<(), StoreError> {
        let (answer, told) = channel();
        self.order(Order::Answer(answer));
        told.recv().expect("it answers before it ends")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // A panic has been printed; there is nobody to tell.
            let _ended = thread.join();
        }
    }
}

fn work(disk: &Disk, checkpoints: &Path, inbox: &Receiver<Order>) {
    let mut failed = None;
    let (mut folders, mut gone, mut since) = (Vec::new(), false, None);
    loop {
        let orders = next(inbox, since);
        // None at all, but somebody is there: the oldest has waited long enough.
        let mut hurry = orders.as_ref().is_some_and(Vec::is_empty);
        let ends = orders.is_none();
        let mut answers = Vec::new();
        for order in orders.unwrap_or_default() {
            match order {
                Order::Flush(folder) => {
                    folders.push(folder);
                    since.get_or_insert_with(Instant::now);
                }
                Order::Hurry => hurry = true,
                Order::Sweep => {
                    gone = true;
                    since.get_or_insert_with(Instant::now);
                }
                Order::Answer(answer) => answers.push(answer),
            }
        }
        let mut done = Ok(());
        if hurry {
            done = flush(disk, checkpoints, &std::mem::take(&mut folders)).map_err(Into::into);
            since = None;
        }
        let now = hurry || ends || !answers.is_empty() || is_short(checkpoints);
        if gone && now {
            gone = false;
            done = done.and(remove_below(disk, &checkpoints.join("gone")));
        }
        if ends {
            return;
        }
        // The first that went wrong is told to the next who asks.
        failed = failed.or(done.err());
        for answer in answers {
            // Who asked may be gone.
            let _told = answer.send(failed.take().map_or(Ok(()), Err));
        }
    }
}

/// Whether room is wanted: less than an eighth is free.
fn is_short(place: &Path) -> bool {
    nix::sys::statvfs::statvfs(place)
        .is_ok_and(|about| about.blocks_available() < about.blocks() / 8)
}

/// What is ordered next; nothing when patience with what has waited since then is at its end, `None`
/// when nobody orders any more.
fn next(inbox: &Receiver<Order>, since: Option<Instant>) -> Option<Vec<Order>> {
    let first = match since {
        None => inbox.recv().ok()?,
        Some(since) => match inbox.recv_timeout(PATIENCE.saturating_sub(since.elapsed())) {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => return None,
        },
    };
    Some(std::iter::once(first).chain(inbox.try_iter()).collect())
}

/// Flushes the file system once, then marks those checkpoints that are still there.
fn flush(disk: &Disk, checkpoints: &Path, folders: &[PathBuf]) -> Result<(), PathError> {
    if folders.is_empty() {
        return Ok(());
    }
    let mut marks = Vec::new();
    for folder in folders {
        // Of the record that is flushed: one that is written meanwhile is not.
        match record::mark(folder) {
            Err(error) if is_gone(&error) => {}
            mark => marks.push((folder, mark?)),
        }
    }
    disk.before("syncfs").map_err(at(checkpoints))?;
    sys::flush(&disk::open_path(checkpoints)?).map_err(at(checkpoints))?;
    for (folder, mark) in marks {
        match disk.replace(&folder.join(DURABLE), &mark) {
            // Without its mark a checkpoint counts all the same, in another boot by its sums.
            Err(error) if is_gone(&error) || is_full(&error) => {}
            marked => marked?,
        }
    }
    Ok(())
}

fn is_full(error: &PathError) -> bool {
    matches!(error.source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Whether a checkpoint was forgotten meanwhile.
fn is_gone(error: &PathError) -> bool {
    error.source.kind() == ErrorKind::NotFound
}

/// Removes a file or a directory with all in it; nothing there is fine.
pub(crate) fn remove_all(disk: &Disk, path: &Path) -> Result<(), StoreError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(path)(error).into()),
        Ok(about) if about.is_dir() => {
            remove_below(disk, path)?;
            disk.before("rmdir").map_err(at(path))?;
            Ok(std::fs::remove_dir(path).map_err(at(path))?)
        }
        Ok(_) => Ok(disk.discard(path)?),
    }
}

/// Empties a directory.  Nothing is followed; at a mounted file system it ends.
pub(crate) fn remove_below(disk: &Disk, path: &Path) -> Result<(), StoreError> {
    let open = disk::open_path(path)?;
    let device = disk::look(&open, c".").map_err(at(path))?.st_dev;
    let top = open.try_clone().map_err(at(path))?;
    let mut levels = vec![Level::open(open, path, device)?];
    loop {
        let deep = levels.len() > DEEPEST;
        let Some(level) = levels.last_mut() else { return Ok(()) };
        let Some(name) = level.names.pop() else {
            let done = levels.pop();
            if let (Some(done), Some(above)) = (done, levels.last()) {
                let name = done.name.as_deref().unwrap_or(c".");
                disk.remove_folder(&above.folder, name).map_err(at(&done.path))?;
            }
            continue;
        };
        let path = || disk::below(&level.path, &name);
        let about = disk::look(&level.folder, &name).map_err(|error| at(&path())(error))?;
        if SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
            let removed = disk.remove_file(&level.folder, &name);
            removed.map_err(|error| at(&path())(error))?;
            continue;
        }
        let mounted = sys::is_mount(&level.folder, &name).map_err(|error| at(&path())(error))?;
        if mounted {
            return Err(StoreError::Mounted { path: path() });
        }
        let mut device = level.device;
        if about.st_dev != device {
            let removed = sys::remove_subvolume(&level.folder, &name, &about);
            match removed.map_err(|error| at(&path())(error))? {
                Removed::Yes => continue,
                Removed::Emptied => device = about.st_dev,
                Removed::NoSubvolume => return Err(StoreError::Mounted { path: path() }),
            }
        }
        if deep {
            // Moved up, so that no tree is too deep for the descriptors there are.
            let time = jiff::Timestamp::now().as_nanosecond();
            let name_above = CString::new(format!("deep-{time}")).expect("digits have no NUL");
            let away = disk.rename((&level.folder, &name), (&top, &name_above));
            away.map_err(|error| at(&path())(error))?;
            levels[0].names.push(name_above);
            continue;
        }
        let below = enter(disk, &level.folder, &name, about.st_mode & 0o7777);
        let below = below.map_err(|error| at(&path())(error))?;
        let mut below = Level::open(below, &path(), device)?;
        below.name = Some(name);
        levels.push(below);
    }
}

/// Opens a directory that is to be emptied, whatever its mode.
fn enter(disk: &Disk, at: &OwnedFd, name: &CStr, mode: u32) -> std::io::Result<OwnedFd> {
    if mode & 0o700 != 0o700 {
        disk.set_mode(at, name, mode | 0o700)?;
    }
    disk::open_folder(at, name)
}

/// A directory being emptied.
struct Level {
    folder: OwnedFd,
    path: PathBuf,
    name: Option<CString>,
    names: Vec<CString>,
    device: u64,
}

impl Level {
    fn open(folder: OwnedFd, path: &Path, device: u64) -> Result<Level, PathError> {
        let names = disk::names(&folder).map_err(at(path))?;
        Ok(Level { folder, path: path.to_owned(), name: None, names, device })
    }
}
