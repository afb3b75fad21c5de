//! cookie - a contract as a variable in the environment of its members.
//!
//! `LAMPLIGHTER_CONTRACT=:12:57:` says that the process belongs to contracts 12 and 57, 57 being
//! made by a member of 12.  The variable is set in the cgroup way too, so that a contract can be
//! found by a shell, and so that ways may differ between nested contracts.

use std::collections::{BTreeMap, BTreeSet};

use crate::processes::{self, Pid, Process};

/// The name of the variable.
pub const NAME: &str = "LAMPLIGHTER_CONTRACT";

/// The value for a member of contract `id`, made by a process whose own value is `outer`.
#[must_use]
pub fn value(outer: &str, id: u64) -> String {
    if outer.is_empty() { format!(":{id}:") } else { format!("{outer}{id}:") }
}

/// The contracts that an environment (as in /proc/<pid>/environ, entries ended by NUL) names,
/// outermost first.
#[must_use]
pub fn contracts(environment: &[u8]) -> Vec<u64> {
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(NAME.as_bytes())?.strip_prefix(b"="));
    named(&value.map(String::from_utf8_lossy).unwrap_or_default())
}

/// The contracts that a value of the variable names, outermost first.
#[must_use]
pub fn named(value: &str) -> Vec<u64> {
    value.split(':').filter_map(|number| number.parse().ok()).collect()
}

/// What is known of a contract's members from earlier looks: (number, start time).
pub type Known = BTreeSet<(Pid, u64)>;

/// All processes of the host at one moment, and the contracts their environments name.
#[derive(Debug, Default)]
pub struct Survey {
    all: BTreeMap<Pid, Process>,
    carriers: BTreeMap<u64, Vec<Pid>>,
    by_parent: BTreeMap<Pid, Vec<Pid>>,
    by_session: BTreeMap<Pid, Vec<Pid>>,
}

/// So often those are looked for that were born during the last look.
const ROUNDS_MAX: usize = 64;

impl Survey {
    /// Looks at them.  A process that had a child and ended meanwhile cannot hide it: the look is
    /// over when nobody is there who was not looked at.
    #[must_use]
    pub fn take() -> Survey {
        let mut seen = BTreeMap::new();
        let mut met = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let mut listed = processes::listed();
            listed.retain(|pid| met.insert(*pid));
            if listed.is_empty() {
                break;
            }
            for pid in listed {
                if let Some((process, environment)) = processes::with_environment(pid) {
                    seen.insert(process, contracts(&environment));
                }
            }
        }
        Survey::of(seen.into_iter())
    }

    fn of(processes: impl Iterator<Item = (Process, Vec<u64>)>) -> Survey {
        let mut survey = Survey::default();
        for (process, contracts) in processes {
            survey.all.insert(process.pid, process);
            survey.by_parent.entry(process.parent).or_default().push(process.pid);
            survey.by_session.entry(process.session).or_default().push(process.pid);
            for id in contracts {
                survey.carriers.entry(id).or_default().push(process.pid);
            }
        }
        survey
    }

    /// The living members of a contract: those that carry the cookie, those known before, the
    /// children of members, and the sessions that members made.
    #[must_use]
    pub fn members(&self, id: u64, known: &Known) -> Vec<Process> {
        let me = std::process::id() as Pid;
        let at = |pid: Pid| self.all.get(&pid).map(|process| process.started);
        let mut rest: Vec<Pid> = self.carriers.get(&id).cloned().unwrap_or_default();
        for (pid, started) in known {
            match at(*pid) {
                Some(now) if now == *started => rest.push(*pid),
                // A number that names a later process by now says nothing about sessions.
                Some(_) => {}
                None => rest.extend(self.by_session.get(pid).into_iter().flatten()),
            }
        }
        let mut found = BTreeSet::new();
        while let Some(pid) = rest.pop() {
            let Some(process) = self.all.get(&pid) else { continue };
            if found.insert(*process) {
                rest.extend(self.by_parent.get(&pid).into_iter().flatten());
                rest.extend(self.by_session.get(&pid).into_iter().flatten());
            }
        }
        // Whoever asks is outside of the contract he asks about, even where his own maker counts
        // him in: nobody ends himself here.
        found.into_iter().filter(|process| !process.zombie && process.pid != me).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments() {
        for (text, want) in [
            ("A=1\0LAMPLIGHTER_CONTRACT=:12:57:\0B=2\0", &[12, 57][..]),
            ("LAMPLIGHTER_CONTRACT=:5:\0", &[5]),
            ("LAMPLIGHTER_CONTRACT=:x:\0", &[]),
            ("XLAMPLIGHTER_CONTRACT=:5:\0", &[]),
            ("A=:5:\0", &[]),
            ("", &[]),
        ] {
            assert_eq!(want, contracts(text.as_bytes()), "{text}");
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
        let carries = |process: &Process| if process.pid == 100 { vec![7, 9] } else { vec![] };
        let survey = Survey::of(all.into_iter().map(|process| (process, carries(&process))));
        let found = survey.members(9, &known);
        let pids: Vec<Pid> = found.iter().map(|process| process.pid).collect();
        assert_eq!(vec![100, 101, 102, 103, 104], pids);
    }
}
