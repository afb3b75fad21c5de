//! qemu.rs - the real emulator: QEMU, contained, gone with the wish to stop.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use process::{Cancel, Ended, Limits, ProcessError, Program};

use crate::boot::{Emulator, QEMU};

/// QEMU of this host.
#[derive(Debug, Clone, Copy)]
pub struct Qemu<'a> {
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

impl Emulator for Qemu<'_> {
    fn run(
        &self,
        arguments: &[String],
        time: Duration,
        hear: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> io::Result<Ended> {
        let limits = Limits { time: Some(time), ..Limits::until(self.cancel) };
        Program::new(QEMU).args(arguments).run(&limits, hear).map_err(|error| match error {
            ProcessError::Absent { .. } => io::Error::new(io::ErrorKind::NotFound, error),
            ProcessError::Start { .. }
            | ProcessError::Wait { .. }
            | ProcessError::Interpreter { .. }
            | ProcessError::Contract { .. } => io::Error::other(error),
        })
    }
}
