//! daemon.rs - the programs pkg.depotd starts: svcprop, one that tells a passphrase, and itself.
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

use crate::tls::Dialog;

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

/// The passphrase of a key, from whom the setting names.
pub fn passphrase(dialog: &Dialog, port: u16) -> io::Result<String> {
    let output = match dialog {
        Dialog::Known(known) => return Ok(known.clone()),
        Dialog::Builtin => return ask_at_terminal(),
        // The first word is what the original gives, too: the name of the key, which has none.
        Dialog::Program(program) => Command::new(program)
            .args(["", &port.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?,
        Dialog::Instance(fmri) => Command::new("svcprop")
            .args(["-p", "pkg_secure/ssl_key_passphrase", fmri])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| io::Error::other(format!("svcprop: {error}")))?,
    };
    if !output.status.success() {
        return Err(io::Error::other(format!("the program that tells it: {}", output.status)));
    }
    let said = String::from_utf8(output.stdout).map_err(io::Error::other)?;
    let said = said.lines().next().unwrap_or("");
    match dialog {
        // svcprop quotes for the shell.
        Dialog::Instance(_) => Ok(said.replace('\\', "")),
        _ => Ok(said.to_string()),
    }
}

/// Asks whoever sits at the terminal, without showing what is typed.
fn ask_at_terminal() -> io::Result<String> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let absent = |error: io::Error| io::Error::other(format!("there is no terminal: {error}"));
    let terminal = std::fs::File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(absent)?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent)?;
    (&terminal).write_all(b"Enter PEM pass phrase:")?;
    let mut line = String::new();
    let read = BufReader::new(&terminal).read_line(&mut line);
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &before)?;
    (&terminal).write_all(b"\n")?;
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_string())
}
