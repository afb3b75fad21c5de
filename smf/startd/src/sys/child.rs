//! child - starting a method: the one place that makes processes and executes.
//!
//! Law: between birth and exec nothing allocates and nothing locks, and all calls are those of
//! bare.rs; all that is needed is made before: the child may be running in its parent's memory
//! (newborn.rs), and its parent goes on.  On Linux it is born inside of its cgroup, which is cheaper
//! than moving it there.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow};
use smf_contract::Entrance;

use super::bare::{self, Errno};
use super::newborn::Cradle;

/// Exit status of a method whose shell could not be executed.
const EXEC_FAILED: i32 = 10;
/// Exit status of a method whose context could not be set: for good, and for now.
const CONTEXT_FAILED: i32 = 96;
const CONTEXT_FAILED_NOW: i32 = 1;

/// Every signal, a bit each.
const EVERY_SIGNAL: u64 = u64::MAX;

/// So many children may be on their way to their exec at once.
const CRADLES: usize = 4;

/// Whom to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// What is kept of the capabilities of this process, a bit each (capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Nothing executed can ever get more than these.
    pub bounding: u64,
    /// Who is not root has these nevertheless.
    pub ambient: u64,
}

/// Everything the child needs, but its descriptors.
#[derive(Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub struct Birth {
    /// `exec <command>`
    pub script: CString,
    /// The same, where no shell is needed for it (see [`words`]).
    pub words: Vec<CString>,
    /// NAME=value
    pub environment: Vec<CString>,
    /// Whom to become; none = nobody else.
    pub credential: Option<Credential>,
    /// What is kept of the capabilities; none = what changes by itself.
    pub capabilities: Option<Capabilities>,
    /// Where to go.
    pub directory: CString,
    /// Addresses are laid out the same way every time.
    pub fixed_addresses: bool,
    /// Its file mode mask.
    pub umask: u32,
    /// How many descriptors it may have.
    pub descriptors: Option<libc::rlimit>,
    /// The beginning of a log line, for what goes wrong in the child.
    pub stamp: String,
}

/// Where methods are started.
#[derive(Debug)]
pub struct Nursery {
    rooms: Vec<Room>,
    next: usize,
    /// Standard input.  Open as long as this: a child may be about to take it.
    null: File,
    /// The signals that this process ignores, a bit each: its own are taken before.
    ignored: u64,
}

#[derive(Debug)]
struct Room {
    /// Before the log: a child that is in it needs that.
    cradle: Cradle<Plan>,
    /// In its place: the log of the method.  A start costs as much as the number of this descriptor
    /// is high, so they are opened once, and early.
    log: File,
}

impl Nursery {
    /// One without children.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn new(null: &File) -> io::Result<Nursery> {
        let null = null.try_clone()?;
        let room = |_| Ok(Room { cradle: Cradle::new(), log: null.try_clone()? });
        let rooms = (0..CRADLES).map(room).collect::<io::Result<_>>()?;
        Ok(Nursery { rooms, next: 0, null, ignored: bare::ignored_signals() })
    }

    /// Starts a method.  `log` becomes its standard output and error; `cgroup` is the directory of
    /// its cgroup, and `entrance` what moves it into its contract, should it not be born there.
    ///
    /// # Errors
    /// No process could be made.
    pub fn start(
        &mut self,
        birth: Birth,
        log: BorrowedFd<'_>,
        cgroup: Option<BorrowedFd<'_>>,
        entrance: impl FnOnce() -> io::Result<Entrance>,
    ) -> io::Result<i32> {
        let above = self.above();
        let room = match self.rooms.iter().position(|room| room.cradle.is_free()) {
            Some(free) => free,
            // The one that was taken first is free first.
            None => self.next,
        };
        self.next = (room + 1) % self.rooms.len();
        let room = &mut self.rooms[room];
        room.cradle.wait();
        over(log, &room.log)?;
        let plan = Plan {
            // The kernel sees to those that have handlers.
            signals: self.ignored,
            ..Plan::new(birth, room.log.as_raw_fd(), self.null.as_raw_fd(), above)
        };
        // A signal for the newborn waits until it is itself: a handler of this process would swallow it.
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        // SAFETY: become_method makes bare system calls alone.
        let born = unsafe { room.cradle.spawn(cgroup, plan, become_method) };
        let born = born.or_else(|(_, plan)| {
            // A kernel or a sandbox without clone3: fork, and move.
            let entrance = Some(entrance()?);
            let plan = Plan { entrance, shares: None, signals: EVERY_SIGNAL, ..plan };
            // SAFETY: the child calls only what is async-signal-safe (see become_method).
            match unsafe { libc::fork() } {
                0 => become_method(&plan),
                pid if pid < 0 => Err(io::Error::last_os_error()),
                pid => Ok(pid),
            }
        });
        before.thread_set_mask()?;
        born
    }

    /// Above the numbers that a child needs.
    fn above(&self) -> u32 {
        let logs = self.rooms.iter().map(|room| room.log.as_raw_fd());
        let highest = logs.chain([self.null.as_raw_fd()]).max();
        highest.and_then(|highest| u32::try_from(highest).ok()).map_or(3, |highest| highest + 1)
    }
}

/// Puts an open file in the place of another.
fn over(file: BorrowedFd<'_>, place: &File) -> io::Result<()> {
    // SAFETY: descriptors that are open and that this program owns.
    #[cfg(target_os = "linux")]
    let done = unsafe { libc::dup3(file.as_raw_fd(), place.as_raw_fd(), libc::O_CLOEXEC) } >= 0;
    // SAFETY: as above.
    #[cfg(not(target_os = "linux"))]
    let done = unsafe {
        libc::dup2(file.as_raw_fd(), place.as_raw_fd()) >= 0
            && libc::fcntl(place.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) >= 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What the child does, made before it is.
#[derive(Debug)]
struct Plan {
    birth: Birth,
    log: i32,
    null: i32,
    /// The addresses of the strings of `birth`, and a zero.
    words: Vec<usize>,
    environment: Vec<usize>,
    /// Into its contract; none = it is born there.
    entrance: Option<Entrance>,
    /// The descriptors are its parent's, and it needs those below this one.
    shares: Option<u32>,
    /// What is done at these signals is to be what is usual, a bit each.
    signals: u64,
}

impl Plan {
    fn new(birth: Birth, log: i32, null: i32, above: u32) -> Plan {
        let addresses = |strings: &[CString]| -> Vec<usize> {
            strings.iter().map(|one| one.as_ptr() as usize).chain([0]).collect()
        };
        let (words, environment) = (addresses(&birth.words), addresses(&birth.environment));
        let (entrance, shares, signals) = (None, Some(above), EVERY_SIGNAL);
        Plan { birth, log, null, words, environment, entrance, shares, signals }
    }
}

/// The child, up to its exec.
fn become_method(plan: &Plan) -> ! {
    let birth = &plan.birth;
    if plan.shares.is_some_and(|above| bare::part(above).is_err()) {
        // Nothing can be told: the descriptors are another's.
        bare::end(EXEC_FAILED);
    }
    bare::session();
    // Handlers end with the exec, but a signal that came since the birth is to count; and
    // SIGPIPE, which Rust ignores for itself, would stay ignored.
    bare::reset_signals(plan.signals);
    bare::umask(birth.umask);
    if let Some(limit) = &birth.descriptors {
        bare::limit_descriptors(limit);
    }
    for (file, at) in [(plan.null, 0), (plan.log, 1), (plan.log, 2)] {
        if bare::place(file, at).is_err() {
            bare::end(EXEC_FAILED);
        }
    }
    if let Some(Err(error)) = plan.entrance.as_ref().map(Entrance::enter) {
        complain(birth, b"contract", b"", error.raw_os_error().unwrap_or(libc::EIO));
    }
    if birth.fixed_addresses {
        bare::fix_addresses();
    }
    limit(birth);
    if let Some(Credential { uid, gid, groups }) = &birth.credential {
        or_complain(bare::become_user(*uid, *gid, groups), birth, b"setuid");
    }
    keep(birth);
    if let Err(error) = bare::go(&birth.directory) {
        complain(birth, b"chdir", birth.directory.as_bytes(), error);
    }
    bare::close_from(3);
    let environment = plan.environment.as_ptr().cast();
    // Where the shell would do nothing but this, it is not asked; what cannot be executed is for
    // the shell to explain.
    // SAFETY: the lists are of strings that live in the plan, and end with a zero.
    unsafe {
        if let [program, _, ..] = plan.words.as_slice() {
            bare::execute(*program as *const _, plan.words.as_ptr().cast(), environment);
        }
        let shell = [c"/bin/sh".as_ptr(), c"-c".as_ptr(), birth.script.as_ptr(), std::ptr::null()];
        bare::execute(shell[0], shell.as_ptr(), environment);
    }
    bare::end(EXEC_FAILED)
}

fn or_complain(done: Result<(), Errno>, birth: &Birth, what: &[u8]) {
    if let Err(error) = done {
        complain(birth, what, b"", error);
    }
}

/// Before the user changes: what can never be had again, and that the rest is kept.
#[cfg(target_os = "linux")]
fn limit(birth: &Birth) {
    let Some(capabilities) = birth.capabilities else { return };
    for number in (0..64).filter(|number| capabilities.bounding & (1 << number) == 0) {
        match bare::prctl(libc::PR_CAPBSET_DROP, number, 0) {
            // This kernel has no capability of that number.
            Err(libc::EINVAL) | Ok(()) => {}
            Err(error) => complain(birth, b"setppriv", b"", error),
        }
    }
    if capabilities.ambient != 0 {
        let _stays = bare::prctl(libc::PR_SET_KEEPCAPS, 1, 0);
    }
}

#[cfg(not(target_os = "linux"))]
fn limit(_birth: &Birth) {}

/// After the user has changed: what he is to have beside what his number gives him.
#[cfg(target_os = "linux")]
fn keep(birth: &Birth) {
    let Some(capabilities) = birth.capabilities else { return };
    let mut held = bare::capabilities().unwrap_or_default();
    for (half, sets) in held.iter_mut().enumerate() {
        let of = |mask: u64| (mask >> (32 * half)) as u32;
        if capabilities.ambient == 0 {
            sets.inheritable &= of(capabilities.bounding);
        } else {
            // What this process never had cannot be handed on.
            sets.permitted &= of(capabilities.ambient);
            sets.effective = sets.permitted;
            sets.inheritable = sets.permitted;
        }
    }
    or_complain(bare::hold(&held), birth, b"setppriv");
    for number in (0..64).filter(|number| capabilities.ambient & (1 << number) != 0) {
        if held[number / 32].permitted & (1 << (number % 32)) != 0 {
            let raise = libc::PR_CAP_AMBIENT_RAISE as usize;
            let _without = bare::prctl(libc::PR_CAP_AMBIENT, raise, number);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn keep(_birth: &Birth) {}

/// The words of a command that a shell would take as they stand and execute: an absolute path and
/// arguments without anything a shell knows.  None for any other command.
#[must_use]
pub fn words(command: &str) -> Vec<CString> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_/.,:+@%=- \t".contains(&byte);
    if !command.starts_with('/') || !command.bytes().all(plain) {
        return Vec::new();
    }
    let words = command.split_ascii_whitespace();
    words.map(|word| CString::new(word).expect("none of those bytes is a NUL")).collect()
}

/// Writes why the context could not be set, and ends the child.
fn complain(birth: &Birth, what: &[u8], name: &[u8], error: Errno) -> ! {
    let why: &[u8] = match error {
        libc::ENOENT => b"No such file or directory",
        libc::EACCES => b"Permission denied",
        libc::ENOTDIR => b"Not a directory",
        libc::EPERM => b"Operation not permitted",
        _ => b"Unexpected error",
    };
    let status = match error {
        libc::EINVAL
        | libc::EPERM
        | libc::ENOENT
        | libc::ENAMETOOLONG
        | libc::ERANGE
        | libc::ESRCH => CONTEXT_FAILED,
        _ => CONTEXT_FAILED_NOW,
    };
    let quoted: [&[u8]; 3] =
        if name.is_empty() { [b"", b"", b""] } else { [b" (\"", name, b"\")"] };
    let parts: [&[u8]; 10] = [
        b"[ ",
        birth.stamp.as_bytes(),
        b" svc.startd could not set context for method: ",
        what,
        b": ",
        why,
        quoted[0],
        quoted[1],
        quoted[2],
        b" ]\n",
    ];
    parts.iter().for_each(|part| bare::tell(2, part));
    bare::end(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_without_a_shell() {
        for (command, want) in [
            ("/bin/true", vec!["/bin/true"]),
            (
                "/lib/svc/method/x start  -f a=b,c:1",
                vec!["/lib/svc/method/x", "start", "-f", "a=b,c:1"],
            ),
            ("true", vec![]),
            ("A=1 /bin/true", vec![]),
            ("/bin/true; /bin/false", vec![]),
            ("/bin/echo $HOME", vec![]),
            ("/bin/echo 'x'", vec![]),
            ("/bin/echo ~", vec![]),
            ("/bin/echo *", vec![]),
            ("/bin/true >/x", vec![]),
            ("/bin/true\n/bin/false", vec![]),
            ("/bin/echo #x", vec![]),
            ("/bin/echo é", vec![]),
        ] {
            let words: Vec<String> =
                words(command).into_iter().map(|word| word.into_string().unwrap()).collect();
            assert_eq!(words, want, "{command}");
        }
    }
}
