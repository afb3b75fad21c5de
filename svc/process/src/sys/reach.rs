//! reach.rs - what another process means by a path or a descriptor.
//!
//! Everything goes through the process's own directories below /proc, so its mounts hold here too:
//! what it cannot write is not written for it.  A symbolic link leads where it leads that process,
//! never through the root of this one.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::ledger::Generation;

/// The longest path of a call.
const PATH_MAX: usize = 4096;
/// Memory is read by pages: the next one may not be there.
const PAGE: u64 = 4096;

/// A process that waits for an answer.
pub struct Other {
    pid: libc::pid_t,
    /// Its own below /proc, for ever: not that of a later one of its number.
    folder: OwnedFd,
}

/// How a process makes files.
pub struct Maker {
    /// Mode bits that they do not get.
    pub umask: u32,
    /// Whose they are.
    pub uid: u32,
    /// Of which group.
    pub gid: u32,
}

/// The result of a call that gives a descriptor.
pub fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given it to this process.
    Ok(unsafe { OwnedFd::from_raw_fd(result as RawFd) })
}

fn open_below(at: BorrowedFd<'_>, path: &CStr, flags: i32, resolve: u64) -> io::Result<OwnedFd> {
    // SAFETY: all zero is a valid value of this plain structure.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = resolve;
    // SAFETY: path and structure live through the call.
    descriptor(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            at.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    })
}

impl Other {
    /// Of a number that is known to be its own as long as it waits.
    pub fn of(pid: u32) -> io::Result<Self> {
        let path = c_string(format!("/proc/{pid}").as_bytes())?;
        // SAFETY: the path ends with NUL.
        let folder = unsafe {
            libc::open(path.as_ptr(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC)
        };
        Ok(Self { pid: pid as libc::pid_t, folder: descriptor(folder.into())? })
    }

    /// Whether it is still there.
    pub fn is_alive(&self) -> bool {
        let mut about = std::mem::MaybeUninit::<libc::stat>::uninit();
        let (folder, flags) = (self.folder.as_raw_fd(), 0);
        // SAFETY: the path ends with NUL, the structure has room and is not read.
        unsafe { libc::fstatat(folder, c"stat".as_ptr(), about.as_mut_ptr(), flags) == 0 }
    }

    fn own(&self, name: &str, flags: i32) -> io::Result<OwnedFd> {
        open_below(self.folder.as_fd(), &c_string(name.as_bytes())?, flags, 0)
    }

    /// A text in its memory; its own if it still waits afterwards.
    pub fn text(&self, address: u64) -> io::Result<CString> {
        let (mut text, mut at) = (Vec::new(), address);
        while text.len() < PATH_MAX {
            let mut page = [0; PAGE as usize];
            let wanted = (PAGE - at % PAGE) as usize;
            let length = self.read(at, &mut page[..wanted])?;
            if let Some(end) = page[..length].iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&page[..end]);
                return c_string(&text);
            }
            text.extend_from_slice(&page[..length]);
            at += length as u64;
            if length == 0 {
                return Err(io::Error::from_raw_os_error(libc::EFAULT));
            }
        }
        Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG))
    }

    fn read(&self, address: u64, room: &mut [u8]) -> io::Result<usize> {
        let here = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
        let there = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: room.len() };
        // SAFETY: the room lives through the call; the other address is not this process's.
        let length =
            unsafe { libc::process_vm_readv(self.pid, &raw const here, 1, &raw const there, 1, 0) };
        usize::try_from(length).map_err(|_| io::Error::last_os_error())
    }

    /// Puts bytes into its memory.
    pub fn put(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let memory = File::from(self.own("mem", libc::O_WRONLY)?);
        let fault = |_| io::Error::from_raw_os_error(libc::EFAULT);
        memory.write_all_at(bytes, address).map_err(fault)
    }

    /// How it makes files.
    pub fn maker(&self) -> io::Result<Maker> {
        let mut text = String::new();
        io::Read::read_to_string(&mut File::from(self.own("status", libc::O_RDONLY)?), &mut text)?;
        let field = |name: &str, radix: u32| {
            let words = text.lines().find_map(|line| line.strip_prefix(name));
            // The last id is the one for files.
            let word = words.and_then(|words| words.split_whitespace().last());
            word.and_then(|word| u32::from_str_radix(word, radix).ok())
        };
        let unknown = || io::Error::from_raw_os_error(libc::EPERM);
        Ok(Maker {
            umask: field("Umask:", 8).ok_or_else(unknown)?,
            uid: field("Uid:", 10).ok_or_else(unknown)?,
            gid: field("Gid:", 10).ok_or_else(unknown)?,
        })
    }

    /// What a descriptor of its is open on.
    pub fn descriptor(&self, number: i32) -> io::Result<OwnedFd> {
        let closed = |_| io::Error::from_raw_os_error(libc::EBADF);
        self.own(&format!("fd/{number}"), libc::O_PATH).map_err(closed)
    }

    /// What it means by the words of the newer calls: a folder, a path, and flags.
    pub fn named(&self, folder: i32, address: u64, flags: i32) -> io::Result<OwnedFd> {
        let path = if address == 0 { CString::default() } else { self.text(address)? };
        let itself = path.is_empty() && flags & libc::AT_EMPTY_PATH != 0;
        match (itself, folder) {
            (true, libc::AT_FDCWD) => self.path(folder, c".", true),
            (true, _) => self.descriptor(folder),
            (false, _) => self.path(folder, &path, flags & libc::AT_SYMLINK_NOFOLLOW == 0),
        }
    }

    /// What it means by a path, as a handle of it.
    pub fn path(&self, folder: i32, path: &CStr, is_followed: bool) -> io::Result<OwnedFd> {
        let flags = libc::O_PATH | if is_followed { 0 } else { libc::O_NOFOLLOW };
        let root = || self.own("root", libc::O_PATH | libc::O_DIRECTORY);
        let inside = |path: &CStr| {
            let resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
            open_below(root()?.as_fd(), path, flags, resolve)
        };
        if path.to_bytes().is_empty() {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        if path.to_bytes().starts_with(b"/") {
            return inside(path);
        }
        let from = if folder == libc::AT_FDCWD { "cwd".to_owned() } else { format!("fd/{folder}") };
        let handle = match self.own(&from, libc::O_PATH) {
            Err(_) if folder != libc::AT_FDCWD => Err(io::Error::from_raw_os_error(libc::EBADF)),
            other => other,
        }?;
        match open_below(handle.as_fd(), path, flags, libc::RESOLVE_NO_SYMLINKS) {
            // A link is followed from the process's own root, so the path must begin there.
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
                let above = self.whole_path(&from)?;
                let whole = above.join(Path::new(std::ffi::OsStr::from_bytes(path.to_bytes())));
                inside(&c_string(whole.as_os_str().as_bytes())?)
            }
            other => other,
        }
    }

    /// The path of a directory of its, from its own root.
    fn whole_path(&self, name: &str) -> io::Result<PathBuf> {
        let read = |name: &str| -> io::Result<PathBuf> {
            let mut target = [0; PATH_MAX];
            let path = c_string(name.as_bytes())?;
            // SAFETY: the path ends with NUL, the room is as large as is said.
            let length = unsafe {
                libc::readlinkat(
                    self.folder.as_raw_fd(),
                    path.as_ptr(),
                    target.as_mut_ptr().cast(),
                    target.len(),
                )
            };
            let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
            Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&target[..length])))
        };
        let (root, path) = (read("root")?, read(name)?);
        let inside = path.strip_prefix(&root).unwrap_or(&path);
        Ok(Path::new("/").join(inside))
    }
}

pub fn c_string(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

#[repr(C)]
struct Handle {
    length: u32,
    kind: i32,
    bytes: [u8; 128],
}

/// What tells a file from the next one of its number: the file system's own handle of it, or the
/// time of its birth where the file system gives no handles.
fn generation(at: RawFd, path: &CStr, flags: i32) -> Generation {
    let mut handle = Handle { length: 128, kind: 0, bytes: [0; 128] };
    let mut mount = 0i32;
    // SAFETY: the handle has as much room as it says; the path ends with NUL.
    let known = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            at,
            path.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            flags,
        )
    };
    if known == 0 {
        return handle.bytes[..handle.length.min(128) as usize].to_vec();
    }
    // SAFETY: all zero is a valid value of this plain structure.
    let mut about: libc::statx = unsafe { std::mem::zeroed() };
    let flags = flags | libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: the path ends with NUL, the structure lives through the call.
    let known = unsafe { libc::statx(at, path.as_ptr(), flags, libc::STATX_BTIME, &raw mut about) };
    if known == 0 && about.stx_mask & libc::STATX_BTIME != 0 {
        let birth = about.stx_btime;
        return [birth.tv_sec.to_le_bytes().as_slice(), &birth.tv_nsec.to_le_bytes()].concat();
    }
    Generation::new()
}

/// Of what a handle is open on.
pub fn generation_of(file: BorrowedFd<'_>) -> Generation {
    generation(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

/// Of what lies at a path, itself a link or not.
pub fn generation_at(path: &Path) -> Generation {
    c_string(path.as_os_str().as_bytes())
        .map_or_else(|_| Generation::new(), |path| generation(libc::AT_FDCWD, &path, 0))
}
