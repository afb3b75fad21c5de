//! daemon.rs - the two programs pkg.depotd starts: svcprop, and itself.
//!
//! A start method may return only when the depot serves, and the depot must outlive the method.
//! `--daemon` therefore starts this program again without that flag, in a session of its own,
//! and waits until it says on its standard output that it listens; or passes on its status when
//! it ends before.  fork alone would be wrong in a process with threads, and the common way of
//! starting programs (the `process` library) ends what it started, which is not wanted here: so
//! this one file may start programs although only `process` and svc.startd do elsewhere.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio};

/// What the line that says "the sockets listen" begins with.
const LISTENING: &str = "listening on ";
/// The flag that makes this process the background one.
pub const BACKGROUND: &str = "--background";

/// Starts this program again with `arguments` and waits until it serves.
pub fn start(arguments: &[OsString]) -> io::Result<ExitCode> {
    let program = std::env::current_exe()?;
    let mut child = Command::new(program)
        .arg(BACKGROUND)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let Some(stdout) = child.stdout.take() else {
        return Err(io::Error::other("the background process has no standard output"));
    };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.starts_with(LISTENING) {
        print!("{line}");
        return Ok(ExitCode::SUCCESS);
    }
    // It said why on standard error, which is ours too.
    let status = child.wait()?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(95)))
}

/// Leaves the session of whoever started us, so that no terminal or shell takes us along.
pub fn leave_session() {
    // Refused only for a process group's leader, which a freshly started child is not.
    let _ = nix::unistd::setsid();
}

/// Tells who waits that the depot serves at `uris`.
pub fn say_listening(uris: &[String]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{LISTENING}{}", uris.join(" "))?;
    stdout.flush()
}

/// After [`say_listening`]: the pipe ends with the waiting program, so what is written to
/// standard output from now on joins standard error (under SMF both are the service's log).
pub fn join_outputs() -> io::Result<()> {
    nix::unistd::dup2_stdout(io::stderr().as_fd())?;
    Ok(())
}

/// The live, composed properties of a service instance, as `svcprop -c -t` prints them.
pub fn svcprop(fmri: &str) -> io::Result<String> {
    let output = Command::new("svcprop").args(["-c", "-t", fmri]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| io::Error::other(format!("svcprop: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
        return Err(io::Error::other(format!("svcprop: {said}")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
