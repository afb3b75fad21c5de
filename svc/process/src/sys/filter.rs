//! filter.rs - the calls of a program that another process answers: chown, mknod and stat.
//!
//! ```text
//! child    NO_NEW_PRIVS; seccomp(NEW_LISTENER); sends the listener; executes
//! parent   receives the listener and answers (witness.rs)
//! ```
//!
//! Law: between fork and exec only system calls are made, on memory prepared before.  A system that
//! does not know such filters, or a process that has one already, leaves the program to what the
//! kernel itself answers.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: Option<u32> = None;

/// The calls that every architecture has.
const COMMON: [libc::c_long; 6] = [
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_mknodat,
];
#[cfg(target_arch = "x86_64")]
const OLDER: [libc::c_long; 5] =
    [libc::SYS_stat, libc::SYS_lstat, libc::SYS_chown, libc::SYS_lchown, libc::SYS_mknod];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: [libc::c_long; 0] = [];

/// Room for one descriptor in a message.
const CONTROL: usize = 32;

/// Everything that the child needs.
pub struct Filter {
    code: Vec<libc::sock_filter>,
    /// The child's end; the parent's is the witness's.
    to: UnixStream,
}

impl Filter {
    /// One whose listener goes to `to`; none where the architecture is not known.
    pub fn new(to: UnixStream) -> Option<Self> {
        let architecture = ARCHITECTURE?;
        let load = |at: u32| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at);
        let answer = |what: u32| statement(libc::BPF_RET | libc::BPF_K, what);
        let equal = |value: u32, yes: usize, no: usize| libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: yes as u8,
            jf: no as u8,
            k: value,
        };
        let calls: Vec<u32> = COMMON.iter().chain(&OLDER).map(|call| *call as u32).collect();
        // Offsets in seccomp_data: the number is first, the architecture second.
        let mut code = vec![load(4), equal(architecture, 0, calls.len() + 1), load(0)];
        for (at, call) in calls.iter().enumerate() {
            code.push(equal(*call, calls.len() - at, 0));
        }
        code.push(answer(libc::SECCOMP_RET_ALLOW));
        code.push(answer(libc::SECCOMP_RET_USER_NOTIF));
        Some(Self { code, to })
    }

    /// Puts it on the calling process, for ever, and sends its listener.
    pub fn enter(&self) -> io::Result<()> {
        let program =
            libc::sock_fprog { len: self.code.len() as u16, filter: self.code.as_ptr().cast_mut() };
        // SAFETY: plain integers.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
            return Ok(());
        }
        let install = |flags: libc::c_ulong| {
            // SAFETY: the program and its code live through the call.
            unsafe {
                libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_SET_MODE_FILTER,
                    flags | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
                    &raw const program,
                )
            }
        };
        // A signal must not make a caller ask a second time for what was done the first.
        let mut listener = install(libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
        if listener < 0 {
            listener = install(0);
        }
        if listener < 0 {
            return Ok(());
        }
        let sent = send(self.to.as_raw_fd(), listener as RawFd);
        // SAFETY: the descriptor is this process's own and used no more.
        unsafe { libc::close(listener as RawFd) };
        sent
    }
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

#[repr(C, align(8))]
struct Control([u8; CONTROL]);

fn message(
    byte: &mut [u8; 1],
    control: &mut Control,
    run: impl Fn(*mut libc::msghdr) -> isize,
) -> io::Result<libc::msghdr> {
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: all zero is a valid value of this plain structure.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: a computation on a constant.
    header.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) } as _;
    if run(&raw mut header) <= 0 { Err(io::Error::last_os_error()) } else { Ok(header) }
}

fn send(to: RawFd, descriptor: RawFd) -> io::Result<()> {
    let mut control = Control([0; CONTROL]);
    message(&mut [0], &mut control, |header| {
        // SAFETY: the header names memory that lives through the call and has room for one
        // descriptor.
        unsafe {
            let first = libc::CMSG_FIRSTHDR(header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            libc::CMSG_DATA(first).cast::<RawFd>().write_unaligned(descriptor);
            libc::sendmsg(to, header, libc::MSG_NOSIGNAL)
        }
    })
    .map(drop)
}

/// The listener that a child sent; none when there is none.
pub fn receive(from: &UnixStream) -> Option<OwnedFd> {
    let mut control = Control([0; CONTROL]);
    let from = from.as_raw_fd();
    let header = message(&mut [0], &mut control, |header| {
        // SAFETY: the header names memory that lives through the call.
        unsafe { libc::recvmsg(from, header, libc::MSG_CMSG_CLOEXEC) }
    });
    let header = header.ok()?;
    // SAFETY: the kernel filled the header in; a message of this kind holds one descriptor.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(&raw const header);
        if first.is_null() || (*first).cmsg_type != libc::SCM_RIGHTS {
            return None;
        }
        Some(OwnedFd::from_raw_fd(libc::CMSG_DATA(first).cast::<RawFd>().read_unaligned()))
    }
}
