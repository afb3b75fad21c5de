//! editor.rs - runs the user's editor on a file and waits for it.
//!
//! The one program a command of SMF starts.  It runs in the user's own session, on the user's own
//! terminal, with the user's own rights: a contract would be in its way.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// Runs `editor`, which may carry options, on a file.
///
/// # Errors
/// No shell can be started.
pub fn run(editor: &OsStr, file: &Path) -> io::Result<ExitStatus> {
    let mut shell = Command::new("/bin/sh");
    // The shell splits what the variable holds, and takes the file's name as it is.
    shell.args(["-c", "eval \"$SVCCFG_EDITOR\" '\"$1\"'", "sh"]).arg(file);
    shell.env("SVCCFG_EDITOR", editor).status()
}
