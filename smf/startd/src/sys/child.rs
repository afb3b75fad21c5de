//! child - starting a method: the one place that forks and executes.
//!
//! Law: between fork and exec nothing allocates and nothing locks; all that is needed is made
//! before: the child may be running in its parent's memory (newborn.rs).  On Linux it is born inside
//! of its cgroup, which is cheaper than moving it there.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow};
use smf_contract::Entrance;

use super::newborn;

/// Exit status of a method whose shell could not be executed.
const EXEC_FAILED: i32 = 10;
/// Exit status of a method whose context could not be set: for good, and for now.
const CONTEXT_FAILED: i32 = 96;
const CONTEXT_FAILED_NOW: i32 = 1;

/// Whom to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// What is kept of the capabilities of this process, a bit each (capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Nothing executed can ever get more than these.
    pub bounding: u64,
    /// Who is not root has these nevertheless.
    pub ambient: u64,
}

/// Everything the child needs.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub struct Birth<'a> {
    /// `exec <command>`
    pub script: &'a CString,
    /// The same, where no shell is needed for it (see [`words`]).
    pub words: &'a [CString],
    /// NAME=value
    pub environment: &'a [CString],
    /// Standard output and error.  A start costs as much as the number of this descriptor, and of
    /// the next, is high.
    pub log: BorrowedFd<'a>,
    /// Standard input.
    pub null: BorrowedFd<'a>,
    /// What moves the child into its contract, should it not be born there.
    pub entrance: &'a dyn Fn() -> io::Result<Entrance>,
    /// The directory of its cgroup.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Whom to become; none = nobody else.
    pub credential: Option<&'a Credential>,
    /// What is kept of the capabilities; none = what changes by itself.
    pub capabilities: Option<Capabilities>,
    /// Where to go.
    pub directory: &'a CString,
    /// Addresses are laid out the same way every time.
    pub fixed_addresses: bool,
    /// Its file mode mask.
    pub umask: u32,
    /// How many descriptors it may have.
    pub descriptors: Option<libc::rlimit>,
    /// The beginning of a log line, for what goes wrong in the child.
    pub stamp: &'a str,
}

/// Starts a method.
///
/// # Errors
/// No process could be made.
pub fn start(birth: &Birth<'_>) -> io::Result<i32> {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|one| one.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let environment = pointers(birth.environment);
    let words = pointers(birth.words);
    let above = birth.log.as_raw_fd().max(birth.null.as_raw_fd()) as u32 + 1;
    let (words, environment) = (words.as_slice(), environment.as_slice());
    let plan = Plan { birth, words, environment, entrance: None, shares: Some(above) };
    // A signal for the newborn waits until it is itself: a handler of this process would swallow it.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    // SAFETY: become_method makes system calls alone, and the plan outlives the exec.
    let born = unsafe { newborn::spawn(birth.cgroup, born, (&raw const plan).cast()) };
    let born = born.or_else(|_| {
        // A kernel or a sandbox without clone3: fork, and move.
        let entrance = (birth.entrance)()?;
        let plan = Plan { entrance: Some(&entrance), shares: None, ..plan };
        // SAFETY: the child calls only what is async-signal-safe (see become_method).
        match unsafe { libc::fork() } {
            0 => become_method(&plan),
            pid if pid < 0 => Err(io::Error::last_os_error()),
            pid => Ok(pid),
        }
    });
    before.thread_set_mask()?;
    born
}

/// What the child does, made before it is.
#[derive(Clone, Copy)]
struct Plan<'a> {
    birth: &'a Birth<'a>,
    words: &'a [*const libc::c_char],
    environment: &'a [*const libc::c_char],
    /// Into its contract; none = it is born there.
    entrance: Option<&'a Entrance>,
    /// The descriptors are its parent's, and it needs those below this one.
    shares: Option<u32>,
}

unsafe extern "C" fn born(plan: *const std::ffi::c_void) -> ! {
    // SAFETY: start() passes a plan that lives until the exec.
    become_method(unsafe { &*plan.cast::<Plan<'_>>() })
}

/// The child, up to its exec.  Only async-signal-safe calls.
fn become_method(plan: &Plan<'_>) -> ! {
    let birth = plan.birth;
    if plan.shares.is_some_and(|above| !newborn::part(above)) {
        // SAFETY: ends this child; nothing can be told, the descriptors are another's.
        unsafe { libc::_exit(EXEC_FAILED) };
    }
    // SAFETY: each of these is async-signal-safe and gets descriptors, buffers and pointers that
    // live until the exec.
    unsafe {
        libc::setsid();
        // Handlers end with the exec, but a signal that came since the fork is to count; and
        // SIGPIPE, which Rust ignores for itself, would stay ignored.
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::umask(birth.umask as libc::mode_t);
        if let Some(limit) = birth.descriptors {
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
        let log = birth.log.as_raw_fd();
        if libc::dup2(birth.null.as_raw_fd(), 0) < 0
            || libc::dup2(log, 1) < 0
            || libc::dup2(log, 2) < 0
        {
            libc::_exit(EXEC_FAILED);
        }
    }
    if plan.entrance.is_some_and(|entrance| entrance.enter().is_err()) {
        complain(birth, b"contract", b"");
    }
    #[cfg(target_os = "linux")]
    if birth.fixed_addresses {
        // SAFETY: two integers; what fails leaves things as they are.
        unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
    }
    limit(birth);
    if let Some(credential) = birth.credential {
        assume(birth, credential);
    }
    keep(birth);
    // SAFETY: as above.
    unsafe {
        if libc::chdir(birth.directory.as_ptr()) != 0 {
            complain(birth, b"chdir", birth.directory.as_bytes());
        }
        #[cfg(target_os = "linux")]
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32);
        // Where the shell would do nothing but this, it is not asked; what cannot be executed is
        // for the shell to explain.
        if let [program, _, ..] = plan.words {
            libc::execve(*program, plan.words.as_ptr(), plan.environment.as_ptr());
        }
        let shell = [c"/bin/sh".as_ptr(), c"-c".as_ptr(), birth.script.as_ptr(), std::ptr::null()];
        libc::execve(shell[0], shell.as_ptr(), plan.environment.as_ptr());
        libc::_exit(EXEC_FAILED)
    }
}

/// Before the user changes: what can never be had again, and that the rest is kept.
#[cfg(target_os = "linux")]
fn limit(birth: &Birth<'_>) {
    let Some(capabilities) = birth.capabilities else { return };
    for number in (0..64).filter(|number| capabilities.bounding & (1 << number) == 0) {
        // SAFETY: prctl with integers.
        let dropped =
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number as libc::c_ulong, 0, 0, 0) };
        // EINVAL: this kernel has no capability of that number.
        if dropped != 0 && io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL) {
            complain(birth, b"setppriv", b"");
        }
    }
    if capabilities.ambient != 0 {
        // SAFETY: as above.
        unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1 as libc::c_ulong, 0, 0, 0) };
    }
}

#[cfg(not(target_os = "linux"))]
fn limit(_birth: &Birth<'_>) {}

/// After the user has changed: what he is to have beside what his number gives him.
#[cfg(target_os = "linux")]
fn keep(birth: &Birth<'_>) {
    // The kernel's structures for capset(2), version 3.
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let Some(capabilities) = birth.capabilities else { return };
    let mut header = Header { version: 0x2008_0522, pid: 0 };
    let mut held = [Sets::default(); 2];
    // SAFETY: both structures are as the kernel has them and live through the calls.
    unsafe {
        libc::syscall(libc::SYS_capget, &raw mut header, held.as_mut_ptr());
        for (half, sets) in held.iter_mut().enumerate() {
            let of = |mask: u64| (mask >> (32 * half)) as u32;
            if capabilities.ambient == 0 {
                sets.inheritable &= of(capabilities.bounding);
            } else {
                // What this process never had cannot be handed on.
                sets.permitted &= of(capabilities.ambient);
                sets.effective = sets.permitted;
                sets.inheritable = sets.permitted;
            }
        }
        if libc::syscall(libc::SYS_capset, &raw const header, held.as_ptr()) != 0 {
            complain(birth, b"setppriv", b"");
        }
        for number in (0..64u64).filter(|number| capabilities.ambient & (1 << number) != 0) {
            let half = held[(number / 32) as usize].permitted;
            if half & (1 << (number % 32)) != 0 {
                let raise = libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong;
                libc::prctl(libc::PR_CAP_AMBIENT, raise, number as libc::c_ulong, 0, 0);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn keep(_birth: &Birth<'_>) {}

fn assume(birth: &Birth<'_>, credential: &Credential) {
    if !become_user(credential) {
        complain(birth, b"setuid", b"");
    }
}

/// By the kernel's own calls.  The C library's change the user of every thread of a process, and
/// would wait here for threads that only the parent has.
#[cfg(target_os = "linux")]
fn become_user(credential: &Credential) -> bool {
    let groups = &credential.groups;
    // SAFETY: three system calls on numbers and on a slice that lives until the exec.
    unsafe {
        libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) == 0
            && libc::syscall(libc::SYS_setgid, credential.gid) == 0
            && libc::syscall(libc::SYS_setuid, credential.uid) == 0
    }
}

#[cfg(not(target_os = "linux"))]
fn become_user(credential: &Credential) -> bool {
    // SAFETY: as above.
    unsafe {
        libc::setgroups(credential.groups.len() as _, credential.groups.as_ptr()) == 0
            && libc::setgid(credential.gid) == 0
            && libc::setuid(credential.uid) == 0
    }
}

/// The words of a command that a shell would take as they stand and execute: an absolute path and
/// arguments without anything a shell knows.  None for any other command.
#[must_use]
pub fn words(command: &str) -> Vec<CString> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_/.,:+@%=- \t".contains(&byte);
    if !command.starts_with('/') || !command.bytes().all(plain) {
        return Vec::new();
    }
    let words = command.split_ascii_whitespace();
    words.map(|word| CString::new(word).expect("none of those bytes is a NUL")).collect()
}

/// Writes why the context could not be set, and ends the child.
fn complain(birth: &Birth<'_>, what: &[u8], name: &[u8]) -> ! {
    let error = io::Error::last_os_error().raw_os_error();
    let why: &[u8] = match error {
        Some(libc::ENOENT) => b"No such file or directory",
        Some(libc::EACCES) => b"Permission denied",
        Some(libc::ENOTDIR) => b"Not a directory",
        Some(libc::EPERM) => b"Operation not permitted",
        Some(_) | None => b"Unexpected error",
    };
    let status = match error {
        Some(
            libc::EINVAL
            | libc::EPERM
            | libc::ENOENT
            | libc::ENAMETOOLONG
            | libc::ERANGE
            | libc::ESRCH,
        ) => CONTEXT_FAILED,
        Some(_) | None => CONTEXT_FAILED_NOW,
    };
    let quoted: [&[u8]; 3] =
        if name.is_empty() { [b"", b"", b""] } else { [b" (\"", name, b"\")"] };
    let parts: [&[u8]; 10] = [
        b"[ ",
        birth.stamp.as_bytes(),
        b" svc.startd could not set context for method: ",
        what,
        b": ",
        why,
        quoted[0],
        quoted[1],
        quoted[2],
        b" ]\n",
    ];
    for part in parts {
        // SAFETY: write on a descriptor that is open, from a slice that lives.
        unsafe { libc::write(2, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: ends this child without running anything of its parent's.
    unsafe { libc::_exit(status) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_without_a_shell() {
        for (command, want) in [
            ("/bin/true", vec!["/bin/true"]),
            (
                "/lib/svc/method/x start  -f a=b,c:1",
                vec!["/lib/svc/method/x", "start", "-f", "a=b,c:1"],
            ),
            ("true", vec![]),
            ("A=1 /bin/true", vec![]),
            ("/bin/true; /bin/false", vec![]),
            ("/bin/echo $HOME", vec![]),
            ("/bin/echo 'x'", vec![]),
            ("/bin/echo ~", vec![]),
            ("/bin/echo *", vec![]),
            ("/bin/true >/x", vec![]),
            ("/bin/true\n/bin/false", vec![]),
            ("/bin/echo #x", vec![]),
            ("/bin/echo é", vec![]),
        ] {
            let words: Vec<String> =
                words(command).into_iter().map(|word| word.into_string().unwrap()).collect();
            assert_eq!(words, want, "{command}");
        }
    }
}
