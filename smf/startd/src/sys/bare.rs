//! bare - what a child does between its birth and its exec, one system call each.
//!
//! Law: nothing here writes to memory but to its own stack, not even to `errno`: on Linux the child may be running in the
//! memory of its parent, which goes on meanwhile (newborn.rs).  So the calls are made without the C
//! library where a child is born that way; elsewhere the library makes them, in a child that was
//! forked.
//!
//! Errors are numbers as in errno.h.

use std::ffi::CStr;

use libc::{c_char, c_int};

/// An error number.
pub type Errno = i32;

/// A system call with up to five arguments.
///
/// # Safety
/// As the call has it.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
unsafe fn call(number: libc::c_long, arguments: [usize; 5]) -> Result<usize, Errno> {
    let result: isize;
    let [a, b, c, d, e] = arguments;
    // SAFETY: the registers are those of the system call; the rest is the caller's promise.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    told(result)
}

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
unsafe fn call(number: libc::c_long, arguments: [usize; 5]) -> Result<usize, Errno> {
    let result: isize;
    let [a, b, c, d, e] = arguments;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") a as isize => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            options(nostack),
        );
    }
    told(result)
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn told(result: isize) -> Result<usize, Errno> {
    if (-4095..0).contains(&result) { Err(-result as Errno) } else { Ok(result as usize) }
}

#[cfg(all(target_os = "linux", not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
unsafe fn call(number: libc::c_long, arguments: [usize; 5]) -> Result<usize, Errno> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the caller's promise.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result == -1 { Err(errno()) } else { Ok(result as usize) }
}

#[cfg(any(not(target_os = "linux"), not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn errno() -> Errno {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

#[cfg(target_os = "linux")]
mod here {
    use super::{CStr, Errno, c_char, c_int, call};

    /// Takes leave of a table of descriptors that is another's too, with those below `above`.
    pub fn part(above: u32) -> Result<(), Errno> {
        let unshare = libc::CLOSE_RANGE_UNSHARE as usize;
        // SAFETY: integers.
        unsafe {
            call(libc::SYS_close_range, [above as usize, u32::MAX as usize, unshare, 0, 0])
                .or_else(|_| call(libc::SYS_unshare, [libc::CLONE_FILES as usize, 0, 0, 0, 0]))
                .map(drop)
        }
    }

    /// A session of its own.
    pub fn session() {
        // SAFETY: no arguments; the child leads no group, so this cannot fail.
        let _leads = unsafe { call(libc::SYS_setsid, [0; 5]) };
    }

    /// The signals that this process ignores, a bit each, as the kernel counts them: bit 0 is
    /// signal 1.  Its parent asks that for the child; of some the C library would not tell.
    pub fn ignored_signals() -> u64 {
        let is_ignored = |signal: &usize| {
            let mut now = [0u64; 4];
            let now_at = now.as_mut_ptr() as usize;
            // SAFETY: nothing is changed; there is room for the kernel's structure, which begins
            // with the handler.
            let known = unsafe { call(libc::SYS_rt_sigaction, [*signal, 0, now_at, 8, 0]) };
            known.is_ok() && now[0] == libc::SIG_IGN as u64
        };
        (1..=64).filter(is_ignored).fold(0, |all, signal| all | 1 << (signal - 1))
    }

    /// What is done at these signals is the default; no signal is blocked.
    pub fn reset_signals(which: u64) {
        // The kernel's own structure: nothing but zeroes is SIG_DFL without flags or mask.
        let default = [0u64; 4];
        let none = 0u64;
        // SAFETY: both live through the calls, and eight is the size of the kernel's mask.
        unsafe {
            for signal in (1..=64).filter(|signal| which & (1 << (signal - 1)) != 0) {
                // Two of them cannot be changed, and need not be.
                let _fixed =
                    call(libc::SYS_rt_sigaction, [signal, default.as_ptr() as usize, 0, 8, 0]);
            }
            let mask = [libc::SIG_SETMASK as usize, &raw const none as usize, 0, 8, 0];
            let _always = call(libc::SYS_rt_sigprocmask, mask);
        }
    }

    pub fn umask(mask: u32) {
        // SAFETY: an integer.
        let _before = unsafe { call(libc::SYS_umask, [mask as usize, 0, 0, 0, 0]) };
    }

    pub fn limit_descriptors(limit: &libc::rlimit) {
        let (limit, what) = (std::ptr::from_ref(limit) as usize, libc::RLIMIT_NOFILE as usize);
        // SAFETY: a structure of the right kind, 64 bits each as the kernel has it, or the C
        // library's own where that is the same.
        let _stays = unsafe { call(libc::SYS_prlimit64, [0, what, limit, 0, 0]) };
    }

    pub fn place(file: c_int, at: c_int) -> Result<(), Errno> {
        // SAFETY: integers.
        unsafe { call(libc::SYS_dup3, [file as usize, at as usize, 0, 0, 0]).map(drop) }
    }

    pub fn close_from(first: u32) {
        // SAFETY: integers.  All are closed by the exec in any case.
        let _closed =
            unsafe { call(libc::SYS_close_range, [first as usize, u32::MAX as usize, 0, 0, 0]) };
    }

    pub fn fix_addresses() {
        // SAFETY: an integer; what fails leaves things as they are.
        let _stays =
            unsafe { call(libc::SYS_personality, [libc::ADDR_NO_RANDOMIZE as usize, 0, 0, 0, 0]) };
    }

    pub fn go(directory: &CStr) -> Result<(), Errno> {
        // SAFETY: a string that lives through the call.
        unsafe { call(libc::SYS_chdir, [directory.as_ptr() as usize, 0, 0, 0, 0]).map(drop) }
    }

    /// By the kernel's own calls.  The C library's change the user of every thread of a process,
    /// and would wait here for threads that only the parent has.
    pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<(), Errno> {
        let list = [groups.len(), groups.as_ptr() as usize, 0, 0, 0];
        // SAFETY: numbers, and a slice that lives until the exec.
        unsafe {
            call(libc::SYS_setgroups, list)?;
            call(libc::SYS_setgid, [gid as usize, 0, 0, 0, 0])?;
            call(libc::SYS_setuid, [uid as usize, 0, 0, 0, 0]).map(drop)
        }
    }

    pub fn prctl(option: c_int, first: usize, second: usize) -> Result<(), Errno> {
        // SAFETY: integers.
        unsafe { call(libc::SYS_prctl, [option as usize, first, second, 0, 0]).map(drop) }
    }

    /// One half of the capabilities of a process, as capset(2) has them in version 3.
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    pub struct Sets {
        pub effective: u32,
        pub permitted: u32,
        pub inheritable: u32,
    }

    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }

    /// What this process holds.
    pub fn capabilities() -> Result<[Sets; 2], Errno> {
        let mut header = Header { version: 0x2008_0522, pid: 0 };
        let mut held = [Sets::default(); 2];
        let (header, sets) = (&raw mut header as usize, held.as_mut_ptr() as usize);
        // SAFETY: both structures are as the kernel has them and live through the call.
        unsafe { call(libc::SYS_capget, [header, sets, 0, 0, 0])? };
        Ok(held)
    }

    /// From now on it holds these.
    pub fn hold(sets: &[Sets; 2]) -> Result<(), Errno> {
        let header = Header { version: 0x2008_0522, pid: 0 };
        let arguments = [&raw const header as usize, sets.as_ptr() as usize, 0, 0, 0];
        // SAFETY: as above.
        unsafe { call(libc::SYS_capset, arguments).map(drop) }
    }

    /// Executes a program; returns only if it cannot be.
    ///
    /// # Safety
    /// Both lists end with a null pointer, and all live.
    pub unsafe fn execute(
        program: *const c_char,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) {
        let all = [program as usize, arguments as usize, environment as usize, 0, 0];
        // SAFETY: the caller's promise.
        let _failed = unsafe { call(libc::SYS_execve, all) };
    }

    pub fn tell(file: c_int, text: &[u8]) {
        let arguments = [file as usize, text.as_ptr() as usize, text.len(), 0, 0];
        // SAFETY: a slice that lives through the call.  Nobody is left to be told of an error.
        let _untold = unsafe { call(libc::SYS_write, arguments) };
    }

    pub fn end(status: c_int) -> ! {
        loop {
            // SAFETY: an integer; it does not return.
            let _never = unsafe { call(libc::SYS_exit_group, [status as usize, 0, 0, 0, 0]) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod here {
    use super::{CStr, Errno, c_char, c_int, errno};

    fn of(result: c_int) -> Result<(), Errno> {
        if result < 0 { Err(errno()) } else { Ok(()) }
    }

    /// No child shares one here.
    pub fn part(_above: u32) -> Result<(), Errno> {
        Ok(())
    }

    /// A session of its own.
    pub fn session() {
        // SAFETY: no arguments; the child leads no group, so this cannot fail.
        unsafe { libc::setsid() };
    }

    /// Nobody asks: here all are reset.
    pub fn ignored_signals() -> u64 {
        u64::MAX
    }

    /// What is done at these signals (bit 0 is signal 1) is the default; no signal is blocked.
    pub fn reset_signals(which: u64) {
        // SAFETY: integers, and a set that lives through the calls.
        unsafe {
            for signal in (1..=64).filter(|signal| which & (1 << (signal - 1)) != 0) {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        }
    }

    pub fn umask(mask: u32) {
        // SAFETY: an integer.
        unsafe { libc::umask(mask as libc::mode_t) };
    }

    pub fn limit_descriptors(limit: &libc::rlimit) {
        // SAFETY: a structure of the right kind that lives through the call.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) };
    }

    pub fn place(file: c_int, at: c_int) -> Result<(), Errno> {
        // SAFETY: integers.
        of(unsafe { libc::dup2(file, at) })
    }

    /// All are closed by the exec.
    pub fn close_from(_first: u32) {}

    /// There is no such thing.
    pub fn fix_addresses() {}

    pub fn go(directory: &CStr) -> Result<(), Errno> {
        // SAFETY: a string that lives through the call.
        of(unsafe { libc::chdir(directory.as_ptr()) })
    }

    pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<(), Errno> {
        // SAFETY: numbers, and a slice that lives through the call.
        unsafe {
            of(libc::setgroups(groups.len() as _, groups.as_ptr()))?;
            of(libc::setgid(gid))?;
            of(libc::setuid(uid))
        }
    }

    /// Executes a program; returns only if it cannot be.
    ///
    /// # Safety
    /// Both lists end with a null pointer, and all live.
    pub unsafe fn execute(
        program: *const c_char,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) {
        // SAFETY: the caller's promise.
        unsafe { libc::execve(program, arguments.cast(), environment.cast()) };
    }

    pub fn tell(file: c_int, text: &[u8]) {
        // SAFETY: a slice that lives through the call.
        unsafe { libc::write(file, text.as_ptr().cast(), text.len()) };
    }

    pub fn end(status: c_int) -> ! {
        // SAFETY: ends this child without running anything of its parent's.
        unsafe { libc::_exit(status) }
    }
}

pub use here::*;
