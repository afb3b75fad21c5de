//! host.rs - the real world behind the seam of `smf`: programs are run by `process`.

use std::path::Path;

use anyhow::Result;
use process::{Limits, Program};

use crate::smf::{Host, Said};

/// What a command of SMF, and svc.startd, may know of the caller.
const PASSED: &[&str] = &[
    "HOME",
    "LIBSCF_DOORPATH",
    "LAMPLIGHTER_NO_CGROUP",
    "LOGNAME",
    "SHELL",
    "SMF_ROOT",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_STATE_HOME",
];

/// The host's time zone.
const LOCAL_TIME: &str = "/etc/localtime";

/// This host.
pub struct Here;

impl Host for Here {
    fn run(
        &self,
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Said> {
        let mut program = Program::new(program);
        // Logs and tables show the host's time, not the clean environment's.
        if Path::new(LOCAL_TIME).exists() {
            program = program.env("TZ", format!(":{LOCAL_TIME}"));
        }
        program = program.pass(PASSED);
        for (name, value) in environment {
            program = program.env(name, value);
        }
        let output = program.args(arguments).uncontained().output(&Limits::none())?;
        let status = match output.ended {
            process::Ended::Exited(status) => status,
            process::Ended::Signalled(signal) => 128 + signal,
            // Nobody sets a limit.
            process::Ended::Stopped | process::Ended::TimedOut | process::Ended::Cancelled => 128,
        };
        let err = String::from_utf8_lossy(&output.err).into_owned();
        Ok(Said { status, out: output.text(), err })
    }
}
