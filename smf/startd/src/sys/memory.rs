//! memory - the allocator of svc.startd.
//!
//! Composed groups come and go with every event.  The C library's allocator took a sixth of the
//! engine's time for them, more among ten thousand instances than among a thousand, and kept for
//! good what a large bundle had needed while it was brought in.

/// What this system has for it.
#[cfg(target_os = "linux")]
pub use mimalloc::MiMalloc as Allocator;

/// What this system has for it.
#[cfg(not(target_os = "linux"))]
pub use std::alloc::System as Allocator;

/// Gives back to the system what is kept for nothing.  It takes a look at all there is: for after
/// something large.
pub fn give_back() {
    // SAFETY: it may be called at any time, whichever allocator the program has.
    #[cfg(target_os = "linux")]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
