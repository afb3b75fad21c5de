//! newborn - a child process that runs in this one's memory, on a stack of its own, until it
//! executes a program.
//!
//! To copy an engine that holds the repository of thousands of services costs more than all else a
//! start does.  Here nothing is copied: the calling thread stands still until the child has
//! executed, or has ended.
//!
//! Law for the child: system calls and its own stack, nothing else.  Whatever it writes to memory
//! is written in its parent.  The table of descriptors is its parent's too, until it has taken leave
//! of it ([`part`]): a copy of thousands that are closed at once would be most of a start.  Where this kernel, this sandbox or this processor does not do it, the
//! caller forks.

use std::ffi::c_void;
use std::io;
use std::os::fd::BorrowedFd;

/// What the child does; it never returns.
pub type Child = unsafe extern "C" fn(*const c_void) -> !;

/// In the child: gets a table of descriptors of its own, with those below `above`.
#[cfg(target_os = "linux")]
pub fn part(above: u32) -> bool {
    // SAFETY: two system calls on integers.
    unsafe {
        libc::syscall(libc::SYS_close_range, above, u32::MAX, libc::CLOSE_RANGE_UNSHARE) == 0
            || libc::unshare(libc::CLONE_FILES) == 0
    }
}

/// The same where no child shares one.
#[cfg(not(target_os = "linux"))]
pub fn part(_above: u32) -> bool {
    true
}

/// Bytes: the child calls a few functions deep, with a few hundred bytes each.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
const STACK: usize = 64 << 10;

/// Makes a child, in a cgroup where one is given.
///
/// # Errors
/// It cannot be done this way here.
///
/// # Safety
/// `child` obeys the law above, and `argument` is what it expects.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub unsafe fn spawn(
    cgroup: Option<BorrowedFd<'_>>,
    child: Child,
    argument: *const c_void,
) -> io::Result<i32> {
    use std::os::fd::AsRawFd;
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut stack: Vec<std::mem::MaybeUninit<u8>> = Vec::with_capacity(STACK + 16);
    let bottom = stack.as_mut_ptr() as usize;
    let bottom = (bottom + 15) & !15;
    let (into, fd) = cgroup.map_or((0, 0), |fd| (INTO_CGROUP, fd.as_raw_fd() as u64));
    let arguments = Arguments {
        flags: (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES) as u64 | into,
        exit_signal: libc::SIGCHLD as u64,
        stack: bottom as u64,
        stack_size: STACK as u64,
        cgroup: fd,
        ..Arguments::default()
    };
    // SAFETY: the structure and the stack live until the call returns, which it does here only
    // after the child has let go of this memory; the rest is the caller's promise.
    let pid = unsafe { clone3(&raw const arguments, child, argument) };
    if pid < 0 { Err(io::Error::from_raw_os_error(-pid as i32)) } else { Ok(pid as i32) }
}

/// The same where it cannot be done.
///
/// # Errors
/// Always.
///
/// # Safety
/// Nothing is done.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub unsafe fn spawn(
    _cgroup: Option<BorrowedFd<'_>>,
    _child: Child,
    _argument: *const c_void,
) -> io::Result<i32> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// The kernel's struct clone_args, version 2.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[repr(C)]
#[derive(Default)]
struct Arguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// clone3(2).  In the child, which has the new stack and so cannot return from here, the function is
/// called.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
unsafe fn clone3(arguments: *const Arguments, child: Child, argument: *const c_void) -> i64 {
    let result: i64;
    // SAFETY: the registers are those of the system call; the child leaves by the call alone.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") arguments,
            in("rsi") size_of::<Arguments>(),
            in("r12") argument,
            in("r13") child,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
unsafe fn clone3(arguments: *const Arguments, child: Child, argument: *const c_void) -> i64 {
    let result: i64;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") arguments => result,
            in("x1") size_of::<Arguments>(),
            in("x20") argument,
            in("x21") child,
        );
    }
    result
}
