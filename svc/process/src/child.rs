//! child.rs - a started program: hearing it, waiting for it, ending it and all it started.
//!
//! One thread waits for the child's end, without reaping it, and closes one end of a socket pair;
//! everything else is one poll over the two streams, that socket and the caller's cancel.  Ending: SIGTERM to all
//! members, [`Limits::grace`] to obey, then SIGKILL.
//!
//! Invariant: a `Child` that is dropped leaves no member of its contract alive.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use smf_contract::{Contract, Contracts, Pid, Way};

use crate::cancel::Cancel;
use crate::orphans;
use crate::program::{ProcessError, Program};
use crate::sys::{Prepared, Witness};

/// The maker of contracts that tools run in.
const OWNER: &str = "tool";

/// How a program came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exited(i32),
    /// By a signal that nobody here sent.
    Signalled(i32),
    /// Ended here because the hearer had heard enough.
    Stopped,
    /// Ended here because its time was up.
    TimedOut,
    /// Ended here because somebody wished to stop.
    Cancelled,
}

impl Ended {
    /// Exit status 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Ended::Exited(0)
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(out, "exited with status {status}"),
            Self::Signalled(signal) => write!(out, "died of signal {signal}"),
            Self::Stopped => write!(out, "was stopped"),
            Self::TimedOut => write!(out, "took too long"),
            Self::Cancelled => write!(out, "is no longer wanted"),
        }
    }
}

/// Which of its streams a program wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// When a program is ended.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// How long it may run; none = for ever.
    pub time: Option<Duration>,
    /// A wish to stop.
    pub cancel: Option<&'a Cancel>,
    /// How long members may take to obey SIGTERM before SIGKILL.
    pub grace: Duration,
}

impl Limits<'_> {
    /// No limit; five seconds of grace for what is left behind.
    #[must_use]
    pub fn none() -> Limits<'static> {
        Limits { time: None, cancel: None, grace: Duration::from_secs(5) }
    }

    /// At most this long.
    #[must_use]
    pub fn of(time: Duration) -> Limits<'static> {
        Limits { time: Some(time), ..Limits::none() }
    }

    /// Until it is no longer wanted.
    #[must_use]
    pub fn until(cancel: &Cancel) -> Limits<'_> {
        Limits { time: None, cancel: Some(cancel), grace: Duration::from_secs(5) }
    }
}

/// What hears a program: which stream, which bytes.
type Hear<'a> = &'a mut dyn FnMut(Stream, &[u8]) -> ControlFlow<()>;

/// A started program.
#[derive(Debug)]
pub struct Child {
    name: String,
    pid: Pid,
    contract: Option<Contract>,
    streams: Vec<(Stream, File)>,
    ended: UnixStream,
    waiter: Option<JoinHandle<Option<process::Child>>>,
    /// Members that were seen: orphans among them come to this process and are reaped.
    seen: Vec<Pid>,
    /// Writes down what it says of owners.
    witness: Option<Witness>,
}

impl Child {
    pub(crate) fn start(program: &Program) -> Result<Child, ProcessError> {
        let name = program.name();
        let contract = if program.contained { Some(contract(&name)?) } else { None };
        let (mut command, witness) = command(program, contract.as_ref())?;
        let failed = |source| ProcessError::Start { program: name.clone(), source };
        let (out, out_write) = stream().map_err(failed)?;
        let (err, err_write) = stream().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(out_write).stderr(err_write);
        let (ended, ending) = UnixStream::pair().map_err(failed)?;
        // Before the program: there is nothing to end where there is no room for a thread.
        let (give, born) = mpsc::channel::<process::Child>();
        let waiter = std::thread::Builder::new().spawn(move || {
            let child = born.recv().ok()?;
            await_end(child.id() as Pid);
            drop(ending);
            Some(child)
        });
        let waiter = waiter.map_err(failed)?;
        let child = orphans::start(&mut command, contract.is_some());
        let child = child.map_err(|source| program.start_error(source))?;
        // The command holds the writing ends; while it does no stream comes to its end.
        drop(command);
        let pid = child.id() as Pid;
        give.send(child).expect("the waiter waits for the child");
        let mut started = Child {
            name: name.clone(),
            pid,
            contract,
            streams: vec![(Stream::Out, out), (Stream::Err, err)],
            ended,
            waiter: Some(waiter),
            seen: Vec::new(),
            witness,
        };
        if let Some(contract) = &mut started.contract {
            let known = contract.started(pid);
            known.map_err(|source| ProcessError::Contract { program: name, source })?;
        }
        Ok(started)
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Hears it until it ends, a limit is reached or `hear` breaks; then ends what is left of it.
    ///
    /// # Errors
    /// It cannot be heard or waited for.  Its tree is ended even then.
    pub fn wait(mut self, limits: &Limits<'_>, hear: Hear<'_>) -> Result<Ended, ProcessError> {
        let reason = self.listen(limits, hear)?;
        let grace = if reason.is_some() { limits.grace } else { Duration::ZERO };
        self.end(grace)?;
        let status = self.status()?;
        self.witness.iter_mut().for_each(Witness::end);
        // What members wrote before they ended; their writing ends are closed by now.
        if reason.is_none() {
            self.drain(hear)?;
        }
        Ok(reason.unwrap_or_else(|| ended(status)))
    }

    /// Ends it and all it started, SIGTERM first.
    ///
    /// # Errors
    /// Its contract cannot be read.
    pub fn kill(mut self, grace: Duration) -> Result<(), ProcessError> {
        self.end(grace)
    }

    /// None when the child ended by itself.
    fn listen(
        &mut self,
        limits: &Limits<'_>,
        hear: Hear<'_>,
    ) -> Result<Option<Ended>, ProcessError> {
        let end = limits.time.map(|time| Instant::now() + time);
        loop {
            if limits.cancel.is_some_and(Cancel::is_set) {
                return Ok(Some(Ended::Cancelled));
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Some(Ended::TimedOut));
            }
            let (readable, gone) = self.poll(limits.cancel, left).map_err(self.wait_error())?;
            if self.read(&readable, hear).map_err(self.wait_error())?.is_break() {
                return Ok(Some(Ended::Stopped));
            }
            if gone {
                return Ok(None);
            }
        }
    }

    /// Waits for something to happen: the streams that can be read, and whether the child ended.
    fn poll(
        &self,
        cancel: Option<&Cancel>,
        left: Option<Duration>,
    ) -> io::Result<(Vec<Stream>, bool)> {
        let mut fds: Vec<PollFd<'_>> = vec![PollFd::new(self.ended.as_fd(), PollFlags::POLLIN)];
        for (_, file) in &self.streams {
            fds.push(PollFd::new(file.as_fd(), PollFlags::POLLIN));
        }
        if let Some(cancel) = cancel {
            fds.push(PollFd::new(cancel.descriptor(), PollFlags::POLLIN));
        }
        let timeout = left.map_or(PollTimeout::NONE, |left| {
            // Rounded up, so that the last wait does not spin.
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => return Ok((Vec::new(), false)),
            Err(errno) => return Err(errno.into()),
        }
        let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        let streams = self.streams.iter().zip(&fds[1..]);
        let readable = streams.filter(|(_, fd)| ready(fd)).map(|((name, _), _)| *name).collect();
        Ok((readable, ready(&fds[0])))
    }

    /// Reads once from each of these streams; a stream at its end is closed.
    fn read(&mut self, readable: &[Stream], hear: Hear<'_>) -> io::Result<ControlFlow<()>> {
        let mut buffer = [0u8; 16 * 1024];
        for name in readable {
            let Some(place) = self.streams.iter().position(|(stream, _)| stream == name) else {
                continue;
            };
            match self.streams[place].1.read(&mut buffer) {
                Ok(0) => drop(self.streams.remove(place)),
                Ok(length) => {
                    if hear(*name, &buffer[..length]).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Reads what is there without waiting.
    fn drain(&mut self, hear: Hear<'_>) -> Result<(), ProcessError> {
        let mut buffer = [0u8; 16 * 1024];
        for (name, file) in &mut self.streams {
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => {
                        if hear(*name, &buffer[..length]).is_break() {
                            return Ok(());
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(source) => {
                        return Err(ProcessError::Wait { program: self.name.clone(), source });
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends every member.
    fn end(&mut self, grace: Duration) -> Result<(), ProcessError> {
        let name = self.name.clone();
        let failed = |source| ProcessError::Contract { program: name.clone(), source };
        let Some(contract) = &mut self.contract else {
            self.end_child(grace);
            return Ok(());
        };
        if contract.is_empty().map_err(failed)? {
            return Ok(());
        }
        self.seen.extend(contract.members().map_err(failed)?);
        if !grace.is_zero() {
            contract.signal(libc::SIGTERM).map_err(failed)?;
            if contract.wait_empty(Some(grace)).map_err(failed)? {
                return Ok(());
            }
            self.seen.extend(contract.members().map_err(failed)?);
        }
        contract.kill().map_err(failed)?;
        // A process in the kernel's hands may take its time; nothing here can hasten it.
        contract.wait_empty(Some(Duration::from_secs(30))).map_err(failed)?;
        Ok(())
    }

    /// Ends a child without a contract: it alone.
    fn end_child(&mut self, grace: Duration) {
        if self.has_ended(Duration::ZERO) {
            return;
        }
        for (signal, patience) in [(libc::SIGTERM, grace), (libc::SIGKILL, Duration::from_secs(30))]
        {
            // SAFETY: two integers; a child that is not reaped keeps its number.
            unsafe { libc::kill(self.pid, signal) };
            if self.has_ended(patience) {
                return;
            }
        }
    }

    fn has_ended(&self, patience: Duration) -> bool {
        let mut fds = [PollFd::new(self.ended.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        matches!(poll(&mut fds, timeout), Ok(1..))
    }

    fn status(&mut self) -> Result<ExitStatus, ProcessError> {
        let waiter = self.waiter.take().expect("a child is waited for once");
        let child = waiter.join().expect("the waiter does not panic");
        let mut child = child.expect("a child was given to the waiter");
        child.wait().map_err(self.wait_error())
    }

    fn wait_error(&self) -> impl FnOnce(io::Error) -> ProcessError + use<> {
        let program = self.name.clone();
        move |source| ProcessError::Wait { program, source }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.waiter.is_some() {
            // Nobody is left to tell.
            let _unheard = self.end(Duration::ZERO);
            let _status = self.status();
        }
        reap(&self.seen);
        orphans::ended(self.pid, self.contract.is_some());
        if let Some(contract) = self.contract.take() {
            contract.remove();
        }
    }
}

/// Waits until a child has ended; it stays to be reaped, so its number stays its own.
fn await_end(pid: Pid) {
    loop {
        // SAFETY: waitid writes into a structure that lives through the call.
        let done = unsafe {
            let mut found: libc::siginfo_t = std::mem::zeroed();
            let flags = libc::WEXITED | libc::WNOWAIT;
            libc::waitid(libc::P_PID, pid as libc::id_t, &raw mut found, flags)
        };
        if done == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Reaps members that lost their parent and came to this process.
fn reap(seen: &[Pid]) {
    let me = process::id() as Pid;
    for pid in seen {
        let here = smf_contract::processes::process(*pid);
        if here.is_some_and(|process| process.zombie && process.parent == me) {
            let pid = nix::unistd::Pid::from_raw(*pid);
            let _gone = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
        }
    }
}

fn ended(status: ExitStatus) -> Ended {
    let signal = || Ended::Signalled(status.signal().unwrap_or(0));
    status.code().map_or_else(signal, Ended::Exited)
}

/// A new contract; in the cookie way orphans of members come to this process, which is how the
/// contract around it still finds them.
fn contract(name: &str) -> Result<Contract, ProcessError> {
    let contracts = Contracts::open(OWNER);
    if contracts.way() == &Way::Cookie {
        smf_contract::become_subreaper()
            .map_err(|source| ProcessError::Start { program: name.to_owned(), source })?;
    }
    contracts.create().map_err(|source| ProcessError::Contract { program: name.to_owned(), source })
}

/// A pipe whose reading end does not block.
fn stream() -> io::Result<(File, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let read = File::from(read);
    fcntl(read.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((read, write))
}

/// The command, and who answers in the system's place.
fn command(
    program: &Program,
    contract: Option<&Contract>,
) -> Result<(Command, Option<Witness>), ProcessError> {
    let mut command = if cfg!(target_os = "illumos") && program.contained {
        // The kernel's own contract: all of it is killed when ctrun ends.
        let mut command = Command::new("/usr/bin/ctrun");
        command.args(["-l", "child", "-o", "noorphan"]).arg(&program.program);
        command
    } else {
        Command::new(&program.program)
    };
    command.args(&program.arguments).env_clear().envs(&program.environment);
    if let Some(directory) = &program.directory {
        command.current_dir(directory);
    }
    // SAFETY: between fork and exec it makes system calls only.
    unsafe { command.pre_exec(unmask_signals) };
    if let Some(contract) = contract {
        let (name, value) = contract.environment();
        command.env(name, value);
        let entrance = contract.entrance();
        let entrance = entrance
            .map_err(|source| ProcessError::Contract { program: program.name(), source })?;
        // SAFETY: between fork and exec only setsid and one write are called.
        unsafe {
            command.pre_exec(move || {
                libc::setsid();
                entrance.enter()
            });
        }
    }
    if let Some(confinement) = &program.confinement {
        let own = std::env::current_dir().ok();
        let directory = program.directory.as_deref().or(own.as_deref());
        let prepared = Prepared::of(confinement, directory)
            .map_err(|source| ProcessError::Start { program: program.name(), source })?;
        // SAFETY: between fork and exec only system calls are made.
        unsafe { command.pre_exec(move || prepared.enter()) };
    }
    let mut witness = None;
    if let Some(ledger) = &program.ledger {
        let started = Witness::start(ledger);
        let started =
            started.map_err(|source| ProcessError::Start { program: program.name(), source })?;
        if let Some((answers, filter)) = started {
            witness = Some(answers);
            // SAFETY: between fork and exec only system calls are made.
            unsafe { command.pre_exec(move || filter.enter()) };
        }
    }
    if let Some(account) = program.account.clone() {
        // Last: a contract is entered with the caller's rights.
        // SAFETY: between fork and exec only system calls are made.
        unsafe { command.pre_exec(move || account.assume()) };
    }
    Ok((command, witness))
}

/// A caller may block signals for itself; a program starts with none blocked, or it could not be
/// asked to end.
pub(crate) fn unmask_signals() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}
