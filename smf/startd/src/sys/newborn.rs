//! newborn - a child process that runs in this one's memory, on a stack of its own, until it
//! executes a program.
//!
//! To copy an engine that holds the repository of thousands of services costs more than all else a
//! start does, and to stand still until the child has executed leaves a processor without work.  So
//! nothing is copied, and the parent goes on: what the child needs is in its [`Cradle`], which
//! belongs to the child until the kernel says that it has left this memory (it clears a word when
//! the child executes or ends).
//!
//! Law for the child: system calls without the C library (bare.rs) and its own stack, nothing else.
//! Whatever it writes to memory is written in its parent.  The table of descriptors is its parent's
//! too, until it has taken leave of it ([`super::bare::part`]): a copy of thousands that are closed
//! at once would be most of a start.  The parent leaves those that the child needs alone until the
//! cradle is free.  Where this kernel, this sandbox or this processor does not do it, the caller
//! forks.

use std::ffi::c_void;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes: the child calls a few functions deep, with a few hundred bytes each.
const STACK: usize = 64 << 10;

/// Where one child after the other is born.
#[derive(Debug)]
pub struct Cradle<P> {
    stack: Vec<std::mem::MaybeUninit<u8>>,
    /// What the child was given, at an address that stays.
    bed: Option<Box<Bed<P>>>,
    /// Not zero while a child is in it; the kernel writes the zero.
    occupied: Box<AtomicU32>,
}

#[derive(Debug)]
struct Bed<P> {
    child: fn(&P) -> !,
    plan: P,
}

impl<P> Cradle<P> {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self { stack: Vec::with_capacity(STACK + 16), bed: None, occupied: Box::default() }
    }

    /// Whether no child is in it.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.occupied.load(Ordering::Acquire) == 0
    }

    /// Waits until no child is in it.
    pub fn wait(&self) {
        loop {
            let now = self.occupied.load(Ordering::Acquire);
            if now == 0 {
                return;
            }
            wait_for(&self.occupied, now);
        }
    }

    /// Makes a child that does this with its plan, in a cgroup where one is given.
    ///
    /// # Errors
    /// It cannot be done this way here: the plan comes back.
    ///
    /// # Safety
    /// `child` obeys the law above.
    pub unsafe fn spawn(
        &mut self,
        cgroup: Option<BorrowedFd<'_>>,
        plan: P,
        child: fn(&P) -> !,
    ) -> Result<i32, (io::Error, P)> {
        self.wait();
        let bed = Box::new(Bed { child, plan });
        let argument = (&raw const *bed).cast::<c_void>();
        let bottom = (self.stack.as_mut_ptr() as usize + 15) & !15;
        self.occupied.store(1, Ordering::Release);
        // SAFETY: the stack, the bed and the word stay where they are until the word is cleared;
        // the rest is the caller's promise.
        match unsafe { make(cgroup, bottom, &self.occupied, born::<P>, argument) } {
            Ok(pid) => {
                self.bed = Some(bed);
                Ok(pid)
            }
            Err(error) => {
                self.occupied.store(0, Ordering::Release);
                Err((error, bed.plan))
            }
        }
    }
}

impl<P> Drop for Cradle<P> {
    fn drop(&mut self) {
        self.wait();
    }
}

unsafe extern "C" fn born<P>(bed: *const c_void) -> ! {
    // SAFETY: spawn() passes a bed that lives until this child has left.
    let bed = unsafe { &*bed.cast::<Bed<P>>() };
    (bed.child)(&bed.plan)
}

type Child = unsafe extern "C" fn(*const c_void) -> !;

/// Sleeps until the kernel has written to a word, if it holds this value still.
#[cfg(target_os = "linux")]
fn wait_for(word: &AtomicU32, value: u32) {
    let none = std::ptr::null::<libc::timespec>();
    // SAFETY: a word that lives through the call; the kernel wakes whoever waits for it in any
    // process, so this is not the private kind.  Every reason to come back is one to look again.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, value, none) };
}

/// Nobody is ever in one here.
#[cfg(not(target_os = "linux"))]
fn wait_for(_word: &AtomicU32, _value: u32) {}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn make(
    cgroup: Option<BorrowedFd<'_>>,
    stack: usize,
    occupied: &AtomicU32,
    child: Child,
    argument: *const c_void,
) -> io::Result<i32> {
    use std::os::fd::AsRawFd;
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    // What is done at a signal is the default where this process has a handler.
    const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    let (into, fd) = cgroup.map_or((0, 0), |fd| (INTO_CGROUP, fd.as_raw_fd() as u64));
    let arguments = Arguments {
        flags: (libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_CHILD_CLEARTID) as u64
            | CLEAR_SIGHAND
            | into,
        child_tid: occupied.as_ptr() as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack as u64,
        stack_size: STACK as u64,
        cgroup: fd,
        ..Arguments::default()
    };
    // SAFETY: the structure lives through the call; the rest is the caller's promise.
    let pid = unsafe { clone3(&raw const arguments, child, argument) };
    if pid < 0 { Err(io::Error::from_raw_os_error(-pid as i32)) } else { Ok(pid as i32) }
}

/// The same where it cannot be done.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
unsafe fn make(
    _cgroup: Option<BorrowedFd<'_>>,
    _stack: usize,
    _occupied: &AtomicU32,
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
