//! witness.rs - answers a program's chown and mknod as the system answers root, and writes down
//! what they asked for; answers its stat with what is written.
//!
//! One thread per program; it ends with the last process that has the filter.  What a caller's
//! memory says is read while the caller waits; a caller that changes it meanwhile deceives only
//! itself, for nothing here does more than the caller may: a path is reached through the caller's
//! own mounts, and all that is made is an empty file where a device should be.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::filter::{self, Filter};
use super::look::Look;
use super::reach::{self, Other};
use crate::ledger::{Claim, Device, Ledger};

/// `_IOWR('!', 0, struct seccomp_notif)`.
const RECEIVE: libc::c_ulong = request(3, 0, size_of::<libc::seccomp_notif>());
/// `_IOWR('!', 1, struct seccomp_notif_resp)`.
const SEND: libc::c_ulong = request(3, 1, size_of::<libc::seccomp_notif_resp>());
/// `_IOW('!', 2, __u64)`.
const IS_VALID: libc::c_ulong = request(1, 2, size_of::<u64>());

/// `_IOW('!', 4, __u64)`.
const SET_FLAGS: libc::c_ulong = request(1, 4, size_of::<u64>());
/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`.
const SYNC_WAKE_UP: u64 = 1;

/// So many processes are known at a time: each costs a descriptor.
const KNOWN: usize = 32;

/// An owner that is to stay as it is.
const SAME: u32 = u32::MAX;

const fn request(direction: libc::c_ulong, number: libc::c_ulong, size: usize) -> libc::c_ulong {
    direction << 30 | (size as libc::c_ulong) << 16 | (b'!' as libc::c_ulong) << 8 | number
}

/// What a caller is told.
enum Answer {
    Done,
    /// The kernel does it itself.
    Kernel,
}

/// The thread that answers.
#[derive(Debug)]
pub struct Witness {
    /// Closed when there is nobody left to answer.
    running: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// A witness and what its program must enter.
    pub fn start(ledger: &Arc<Ledger>) -> io::Result<Option<(Self, Filter)>> {
        let (from, to) = UnixStream::pair()?;
        let Some(filter) = Filter::new(to) else { return Ok(None) };
        let (running, ended) = UnixStream::pair()?;
        let ledger = Arc::clone(ledger);
        let thread = std::thread::Builder::new().name("witness".to_owned()).spawn(move || {
            // Without a listener there is nothing to hear.
            let listener = is_ready(from.as_fd(), &ended).then(|| filter::receive(&from));
            let Some(listener) = listener.flatten() else { return };
            ledger.witness();
            hurry(&listener);
            let mut others = HashMap::new();
            while is_ready(listener.as_fd(), &ended) {
                answer(&listener, &ledger, &mut others);
            }
        })?;
        Ok(Some((Self { running: Some(running), thread: Some(thread) }, filter)))
    }

    /// Ends it; the program and all it started are gone.
    pub fn end(&mut self) {
        drop(self.running.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ended = thread.join();
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.end();
    }
}

/// Who asks and who answers take turns on one processor, where the kernel knows how.
fn hurry(listener: &OwnedFd) {
    // SAFETY: an integer.  A kernel that does not know it is a little slower.
    let _slower = unsafe { libc::ioctl(listener.as_raw_fd(), SET_FLAGS, SYNC_WAKE_UP) };
}

/// Waits until something can be read; false when nothing will come any more.
fn is_ready(from: BorrowedFd<'_>, ended: &UnixStream) -> bool {
    loop {
        let mut fds =
            [PollFd::new(from, PollFlags::POLLIN), PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
            Ok(_) => {
                let said = fds[0].revents().unwrap_or(PollFlags::empty());
                return said.contains(PollFlags::POLLIN);
            }
        }
    }
}

/// Room for what the kernel tells: more than any kernel's structure has.
#[repr(C, align(8))]
struct Room([u8; 512]);

fn answer(listener: &OwnedFd, ledger: &Ledger, others: &mut HashMap<u32, Other>) {
    let mut room = Room([0; 512]);
    let listener = listener.as_raw_fd();
    // SAFETY: the kernel writes one structure into room that is larger.
    if unsafe { libc::ioctl(listener, RECEIVE, room.0.as_mut_ptr()) } != 0 {
        // Whoever asked is gone.
        return;
    }
    // SAFETY: the room is aligned and was filled in by the kernel.
    let asked = unsafe { room.0.as_ptr().cast::<libc::seccomp_notif>().read() };
    // SAFETY: all zero is a valid value of this plain structure.
    let mut reply: libc::seccomp_notif_resp = unsafe { std::mem::zeroed() };
    reply.id = asked.id;
    let call = Call { listener, asked, ledger };
    match call.answer(others) {
        Ok(Answer::Done) => {}
        Ok(Answer::Kernel) => reply.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        Err(error) => reply.error = -error.raw_os_error().unwrap_or(libc::EPERM),
    }
    // SAFETY: the structure lives through the call.  Whoever asked may be gone.
    let _unheard = unsafe { libc::ioctl(listener, SEND, &raw const reply) };
}

/// One call that waits.
struct Call<'a> {
    listener: RawFd,
    asked: libc::seccomp_notif,
    ledger: &'a Ledger,
}

impl Call<'_> {
    fn answer(&self, others: &mut HashMap<u32, Other>) -> io::Result<Answer> {
        let call = libc::c_long::from(self.asked.data.nr);
        if Look::of(&self.asked.data).is_some() && self.ledger.is_empty() {
            return Ok(Answer::Kernel);
        }
        let pid = self.asked.pid;
        if others.get(&pid).is_some_and(|known| !known.is_alive()) || others.len() > KNOWN {
            others.clear();
        }
        let other = match others.entry(pid) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Other::of(pid)?),
        };
        if let Some(look) = Look::of(&self.asked.data) {
            // What cannot be reached here the kernel will know, or refuse in its own words.
            let still = || self.is_waiting();
            let seen = look.answer(other, self.ledger, &still).unwrap_or(false);
            return Ok(if seen { Answer::Done } else { Answer::Kernel });
        }
        let arguments = self.asked.data.args;
        let number = |at: usize| arguments[at] as u32;
        let folder = number(0) as i32;
        let owner = |at: usize| Claim {
            uid: Some(number(at)).filter(|uid| *uid != SAME),
            gid: Some(number(at + 1)).filter(|gid| *gid != SAME),
            device: None,
        };
        match call {
            libc::SYS_fchown => self.give(&other.descriptor(folder)?, owner(1)),
            libc::SYS_fchownat => {
                self.give(&other.named(folder, arguments[1], number(4) as i32)?, owner(2))
            }
            libc::SYS_mknodat => self.make(other, folder, arguments[1], (number(2), number(3))),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chown | libc::SYS_lchown => {
                let flags = if call == libc::SYS_chown { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
                self.give(&other.named(libc::AT_FDCWD, arguments[0], flags)?, owner(1))
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mknod => {
                let about = (number(1), number(2));
                self.make(other, libc::AT_FDCWD, arguments[0], about)
            }
            _ => Ok(Answer::Kernel),
        }
    }

    /// A number may be another's by the time that something of it is opened or read, unless its
    /// owner still waits afterwards.
    fn is_waiting(&self) -> io::Result<()> {
        // SAFETY: the id lives through the call.
        match unsafe { libc::ioctl(self.listener, IS_VALID, &raw const self.asked.id) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// A file gets an owner.
    fn give(&self, file: &OwnedFd, claim: Claim) -> io::Result<Answer> {
        self.is_waiting()?;
        let about = nix::sys::stat::fstat(file)?;
        if nix::sys::statvfs::fstatvfs(file)?
            .flags()
            .contains(nix::sys::statvfs::FsFlags::ST_RDONLY)
        {
            return Err(io::Error::from_raw_os_error(libc::EROFS));
        }
        // A program that others become does not stay one when it is given away.
        let is_file = about.st_mode & libc::S_IFMT == libc::S_IFREG;
        let group = if about.st_mode & libc::S_IXGRP == 0 { 0 } else { libc::S_ISGID };
        let lost = about.st_mode & (libc::S_ISUID | group);
        if is_file && lost != 0 {
            mode(file, about.st_mode & 0o7777 & !lost)?;
        }
        self.write_down(file, claim)
    }

    /// An empty file stands for a device.
    fn make(
        &self,
        other: &Other,
        folder: i32,
        path: u64,
        (about, number): (u32, u32),
    ) -> io::Result<Answer> {
        let is_block = about & libc::S_IFMT == libc::S_IFBLK;
        if !is_block && about & libc::S_IFMT != libc::S_IFCHR {
            return Ok(Answer::Kernel);
        }
        let path = other.text(path)?;
        let path = Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
        let name = path.file_name().ok_or_else(|| io::Error::from_raw_os_error(libc::EEXIST))?;
        let above = path.parent().map(|above| above.as_os_str().as_bytes()).unwrap_or_default();
        let above = reach::c_string(if above.is_empty() { b"." } else { above })?;
        let above = other.path(folder, &above, true)?;
        let maker = other.maker()?;
        self.is_waiting()?;
        let file = create(&above, &reach::c_string(name.as_bytes())?)?;
        std::os::unix::fs::fchown(&file, Some(maker.uid), Some(maker.gid))?;
        mode(&file, about & 0o7777 & !maker.umask)?;
        let device = u64::from(number);
        let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
        let device = Device { is_block, major: major as u32, minor: minor as u32 };
        self.write_down(&file, Claim { device: Some(device), ..Claim::default() })
    }

    fn write_down(&self, file: &OwnedFd, claim: Claim) -> io::Result<Answer> {
        let about = nix::sys::stat::fstat(file)?;
        let generation = reach::generation_of(file.as_fd());
        self.ledger.say((about.st_dev, about.st_ino), generation, claim);
        Ok(Answer::Done)
    }
}

fn create(above: &OwnedFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name ends with NUL.
    reach::descriptor(
        unsafe { libc::openat(above.as_raw_fd(), name.as_ptr(), flags, 0o600) }.into(),
    )
}

/// Of what a handle is open on, itself no file that could be asked.
fn mode(file: &OwnedFd, mode: u32) -> io::Result<()> {
    let path = reach::c_string(format!("/proc/self/fd/{}", file.as_raw_fd()).as_bytes())?;
    // SAFETY: the path ends with NUL.
    match unsafe { libc::chmod(path.as_ptr(), mode) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
