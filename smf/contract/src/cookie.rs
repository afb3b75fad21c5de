//! cookie - a contract as a variable in the environment of its members.
//!
//! `LAMPLIGHTER_CONTRACT=:12:57:` says that the process belongs to contracts 12 and 57, 57 being
//! made by a member of 12.  The variable is set in the cgroup way too, so that a contract can be
//! found by a shell, and so that ways may differ between nested contracts.

use std::collections::BTreeSet;
use std::fs;

use crate::processes::{self, Pid, Process};

/// The name of the variable.
pub const NAME: &str = "LAMPLIGHTER_CONTRACT";

/// The value for a member of contract `id`, made by a process whose own value is `outer`.
#[must_use]
pub fn value(outer: &str, id: u64) -> String {
    if outer.is_empty() { format!(":{id}:") } else { format!("{outer}{id}:") }
}

/// Whether an environment (as in /proc/<pid>/environ, entries ended by NUL) names contract `id`.
#[must_use]
pub fn names(environment: &[u8], id: u64) -> bool {
    let mark = format!(":{id}:");
    environment.split(|byte| *byte == 0).any(|entry| {
        entry
            .strip_prefix(NAME.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
            .is_some_and(|value| value.windows(mark.len()).any(|part| part == mark.as_bytes()))
    })
}

/// What is known of a contract's members from earlier looks: (number, start time).
pub type Known = BTreeSet<(Pid, u64)>;

/// Looks for the members of contract `id` among all processes: those that carry the cookie, those
/// known before, the children of members, and the sessions that members made.
#[must_use]
pub fn members(id: u64, known: &Known) -> Vec<Process> {
    let all = processes::all();
    select(&all, known, |process| {
        fs::read(format!("/proc/{}/environ", process.pid)).is_ok_and(|text| names(&text, id))
    })
}

fn select(all: &[Process], known: &Known, carries: impl Fn(&Process) -> bool) -> Vec<Process> {
    let me = std::process::id() as Pid;
    // A number that names a later process by now says nothing about sessions.
    let reused = |pid: Pid, started: u64| {
        all.iter().any(|process| process.pid == pid && process.started != started)
    };
    let mut sessions: BTreeSet<Pid> = known
        .iter()
        .filter(|(pid, started)| !reused(*pid, *started))
        .map(|(pid, _)| *pid)
        .collect();
    let mut found: BTreeSet<Process> = all
        .iter()
        .filter(|process| known.contains(&(process.pid, process.started)) || carries(process))
        .copied()
        .collect();
    // Until nothing is added: a child of a child of a member is one.
    loop {
        let before = found.len();
        sessions.extend(found.iter().map(|process| process.pid));
        let more = all.iter().filter(|process| {
            sessions.contains(&process.session)
                || found.iter().any(|member| member.pid == process.parent)
        });
        let more: Vec<Process> = more.copied().collect();
        found.extend(more);
        if found.len() == before {
            break;
        }
    }
    // Whoever asks is outside of the contract he asks about, even where his own maker counts him
    // in: nobody ends himself here.
    found.into_iter().filter(|process| !process.zombie && process.pid != me).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments() {
        for (text, id, want) in [
            ("A=1\0LAMPLIGHTER_CONTRACT=:12:57:\0B=2\0", 57, true),
            ("LAMPLIGHTER_CONTRACT=:12:57:\0", 12, true),
            ("LAMPLIGHTER_CONTRACT=:12:57:\0", 5, false),
            ("XLAMPLIGHTER_CONTRACT=:5:\0", 5, false),
            ("A=:5:\0", 5, false),
            ("", 5, false),
        ] {
            assert_eq!(want, names(text.as_bytes(), id), "{text} {id}");
        }
        assert_eq!(":5:", value("", 5));
        assert_eq!(":5:6:", value(":5:", 6));
    }

    #[test]
    fn descendants_sessions_and_the_known() {
        let process =
            |pid, parent, session| Process { pid, parent, session, started: 1, zombie: false };
        // 100 carries the cookie; 101 is its child; 102 a child of that; 103 lost its parent but
        // keeps the session 100 made; 104 is known from before; 105 is a stranger.
        let all = [
            process(102, 101, 101),
            process(100, 1, 100),
            process(101, 100, 101),
            process(103, 1, 100),
            process(104, 1, 1),
            process(105, 1, 1),
        ];
        let known = Known::from([(104, 1), (105, 9)]);
        let found = select(&all, &known, |process| process.pid == 100);
        let pids: Vec<Pid> = found.iter().map(|process| process.pid).collect();
        assert_eq!(vec![100, 101, 102, 103, 104], pids);
    }
}
