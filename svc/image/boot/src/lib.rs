//! image-boot - boot a medium under QEMU, read what the guest says on its serial line, and see its
//! screen.
//!
//! | file | what |
//! |---|---|
//! | `machine.rs` | QEMU's arguments |
//! | `console.rs` | the guest's text: cleaned, and watched for a pattern |
//! | `boot.rs` | one boot from start to verdict; the choice of an accelerator |
//! | `screen.rs` | what the guest shows on its screen |
//! | `qemu.rs` | the emulator of this host |
//!
//! Law: the serial line comes as QEMU's standard output, so nothing polls a file; QEMU runs
//! contained by `process` and is gone when [`boot`] returns.  Not here: what a good guest
//! says; the caller names the pattern.

mod boot;
mod console;
mod machine;
mod qemu;
mod screen;

pub use boot::{
    Boot, BootError, Booted, Emulator, Firmware, QEMU, Verdict, Way, accelerator, boot,
};
pub use console::clean;
pub use machine::{Accelerator, AcceleratorError, DEBUG_EXIT_OK, Drive, Machine, Uefi};
pub use process::Ended;
pub use qemu::Qemu;
