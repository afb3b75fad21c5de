//! interrupt.rs - the interrupt key while a command is carried out.

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};

/// Has it do nothing from now on: a half typed line is dropped by the line editor, and a command
/// that is being carried out ends by itself.
///
/// # Errors
/// What the system says.
pub fn ignore() -> Result<(), Errno> {
    // SAFETY: to ignore a signal installs no handler that could run.
    unsafe { signal(Signal::SIGINT, SigHandler::SigIgn) }.map(drop)
}
