//! processes - what /proc says of the processes of this host.
//!
//! A process is named by its number and its start time together, because numbers are used again.
//! A zombie is not a process here: it runs nothing and cannot be signalled.

use std::collections::BTreeSet;
use std::fs;
use std::io;

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
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Process {
        pid: pid.parse().ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// One process, or none when there is no such process (any more).
#[must_use]
pub fn process(pid: Pid) -> Option<Process> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&text))
}

/// All processes, zombies included.  Empty where /proc is not Linux's.
#[must_use]
pub fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<Pid>().ok())
        .filter_map(process)
        .collect()
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
    fn this_process_is_there() {
        let me = std::process::id() as Pid;
        assert!(all().iter().any(|process| process.pid == me && !process.zombie));
        assert_eq!(None, process(0));
    }
}
