//! processes - what /proc says of the processes of this host.
//!
//! A process is named by its number and its start time together, because numbers are used again.
//! A zombie is not a process here: it runs nothing and cannot be signalled.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::time::{Duration, Instant};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// A process number.
pub type Pid = i32;

/// One living process, as /proc/<pid>/stat shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Its parent.
    pub parent: Pid,
    /// Its session.
    pub session: Pid,
    /// When it started, in clock ticks since the boot.
    pub started: u64,
    /// It has ended and waits to be reaped.
    pub zombie: bool,
}

/// Reads the text of /proc/<pid>/stat:
/// `pid (name) state ppid pgrp session ...`, start time in field 22; the name may hold anything.
#[must_use]
pub fn parse_stat(text: &str) -> Option<Process> {
    let (pid, _) = text.split_once(" (")?;
    let fields = fields(text)?;
    Some(Process {
        pid: pid.parse().ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// The fields of that text from the third, the state, on.
fn fields(text: &str) -> Option<Vec<&str>> {
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split_ascii_whitespace().collect())
}

/// One process, or none when there is no such process (any more).
#[must_use]
pub fn process(pid: Pid) -> Option<Process> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&text))
}

/// A process is waited for so long while it turns into another program or ends: that takes a moment,
/// but on a disk that does not answer it can take for ever.
const EXEC_MAX: Duration = Duration::from_secs(1);

/// One process and its environment (entries ended by NUL), or none when there is no such process.
/// The environment is empty where there is none or it may not be read, and of a zombie.
///
/// A process that executes a new program has no environment for a moment, and yet runs, and what is
/// read of the old one may end in its middle; one that ends has none while it still has children.
/// Such moments are waited out.
#[must_use]
pub fn with_environment(pid: Pid) -> Option<(Process, Vec<u8>)> {
    // What is read below an open directory is of one process, whoever has its number later.
    let dir = File::open(format!("/proc/{pid}")).ok()?;
    let read = |name: &str| -> io::Result<Vec<u8>> {
        let file = openat(&dir, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::new();
        File::from(file).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let mut end = None;
    loop {
        let environment = read("environ");
        let stat = read("stat").ok()?;
        let stat = String::from_utf8_lossy(&stat);
        let process = parse_stat(&stat)?;
        let forbidden = environment
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        let environment = environment.unwrap_or_default();
        let settled = forbidden || process.zombie || is_whole(&stat, environment.len());
        if settled || Instant::now() > *end.get_or_insert_with(|| Instant::now() + EXEC_MAX) {
            return Some((process, environment));
        }
        std::thread::yield_now();
    }
}

/// `PF_KTHREAD` among the flags of a process.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// Whether /proc/<pid>/stat says that it is a thread of the kernel (flags, field 9), or that its
/// environment (from field 50 to 51) has so many bytes.  While a program is loaded it has none: the
/// start of the code (field 26) is set last.
fn is_whole(stat: &str, length: usize) -> bool {
    let fields = fields(stat).unwrap_or_default();
    let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<u64>().ok());
    let (start, end) = (field(50).unwrap_or(0), field(51).unwrap_or(0));
    field(9).is_some_and(|flags| flags & KERNEL_THREAD != 0)
        || (field(26).is_some_and(|code| code != 0)
            && end.checked_sub(start) == Some(length as u64))
}

/// The numbers of all processes, zombies included.  Empty where /proc is not Linux's.
#[must_use]
pub fn listed() -> BTreeSet<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeSet::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// All processes, zombies included.
#[must_use]
pub fn all() -> Vec<Process> {
    listed().into_iter().filter_map(process).collect()
}

/// The children of all threads of a process, zombies included; none where the kernel does not say.
#[must_use]
pub fn children_of(process: &str) -> Option<BTreeSet<Pid>> {
    let mut children = BTreeSet::new();
    let mut told = false;
    for task in fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten() {
        // A thread that has ended meanwhile has handed its children on.
        let Ok(text) = fs::read_to_string(task.path().join("children")) else { continue };
        told = true;
        children.append(&mut numbers(&text));
    }
    told.then_some(children)
}

/// The process numbers of a list.
pub(crate) fn numbers(text: &str) -> BTreeSet<Pid> {
    text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// From now on a process whose parent ends becomes a child of the caller, which must reap it.
///
/// # Errors
/// What the kernel says; where there is no such thing (illumos), nothing is done.
pub fn become_subreaper() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true)?;
    Ok(())
}

/// Reaps the ended children of this process that it did not start itself: orphans that came to it
/// as their subreaper.  `spawned` are the children somebody else here waits for.
pub fn reap_orphans(spawned: &[Pid]) {
    let me = std::process::id() as Pid;
    for orphan in all() {
        let mine = orphan.parent == me && orphan.zombie && !spawned.contains(&orphan.pid);
        if mine {
            let pid = nix::unistd::Pid::from_raw(orphan.pid);
            // An error means that it is gone already, which is what is wanted.
            let _gone = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let tail = "1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        for (name, state, zombie) in
            [("sh", "S", false), ("a) b (c", "R", false), ("x y", "Z", true)]
        {
            let text = format!("42 ({name}) {state} {tail}");
            let found = parse_stat(&text).unwrap();
            let want = Process { pid: 42, parent: 1, session: 1, started: 777, zombie };
            assert_eq!(want, found, "{text}");
        }
        for bad in ["", "42", "42 (sh", "42 (sh) S 1", "x (sh) S 1 1 1"] {
            assert_eq!(None, parse_stat(bad), "{bad}");
        }
    }

    #[test]
    fn environments_that_are_whole() {
        let stat = |flags: u64, code: u64, start: u64, end: u64| {
            let zeros = |count| " 0".repeat(count);
            let (before, between) = (zeros(16), zeros(23));
            format!("42 (sh) R{} {flags}{before} {code}{between} {start} {end} 0", zeros(5))
        };
        for (flags, code, start, end, length, whole) in [
            (0x0020_8040, 0, 0, 0, 0, true),
            (0x0040_0000, 500, 700, 700, 0, true),
            (0x0040_0000, 500, 700, 900, 200, true),
            // Of the program before.
            (0x0040_0000, 500, 700, 900, 32, false),
            (0x0040_0000, 500, 700, 900, 0, false),
            // In the middle of an exec, twice, and of its end.
            (0x0040_0000, 0, 0, 0, 0, false),
            (0x0040_0000, 0, 700, 700, 0, false),
            (0x0040_0004, 0, 0, 0, 0, false),
        ] {
            let text = stat(flags, code, start, end);
            assert_eq!(whole, is_whole(&text, length), "{text}: {length}");
        }
        let (_, environment) = with_environment(std::process::id() as Pid).unwrap();
        assert!(!environment.is_empty());
    }

    #[test]
    fn this_process_is_there() {
        let me = std::process::id() as Pid;
        assert!(all().iter().any(|process| process.pid == me && !process.zombie));
        assert_eq!(None, process(0));
    }
}
