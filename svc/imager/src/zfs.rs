//! zfs.rs - zfs of this host, for build areas.

use std::io;

use image_checkpoint::Ran;
use process::{Limits, ProcessError, Program};

/// zfs, for build areas.
pub struct Zfs;

impl image_checkpoint::Tools for Zfs {
    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Ran> {
        let said = Program::new(program).args(arguments).uncontained().output(&Limits::none());
        match said {
            Ok(said) => {
                Ok(Ran { success: said.success(), out: said.text(), complaint: said.complaint() })
            }
            Err(error) if is_absent(&error) => Err(io::Error::new(io::ErrorKind::NotFound, error)),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// A program in a folder of PATH that may not be searched is not there for whoever asks.
fn is_absent(error: &ProcessError) -> bool {
    match error {
        ProcessError::Absent { .. } => true,
        ProcessError::Start { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_may_not_be_run_is_absent() {
        let program = || "zfs".to_owned();
        let start =
            |kind: io::ErrorKind| ProcessError::Start { program: program(), source: kind.into() };
        assert!(is_absent(&ProcessError::Absent { program: program() }));
        assert!(is_absent(&start(io::ErrorKind::PermissionDenied)));
        assert!(!is_absent(&start(io::ErrorKind::OutOfMemory)));
    }
}
