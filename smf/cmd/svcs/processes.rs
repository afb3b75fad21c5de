//! processes.rs - which processes belong to an instance.
//!
//! A process belongs to a contract when one of its control groups is the contract's, or when its
//! environment carries the contract's number.  Where there is no /proc of this kind, nothing is
//! found.

use std::collections::BTreeMap;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    /// Seconds since 1970.
    pub start: i64,
    /// At most 16 characters.
    pub name: String,
    /// The command line, blank between arguments.
    pub arguments: String,
}

/// The processes of the system that are in a contract, by its number.
#[derive(Debug, Default)]
pub struct Processes {
    members: BTreeMap<String, Vec<Process>>,
}

impl Processes {
    /// Looks at every process once.
    pub fn read() -> Self {
        let mut members: BTreeMap<String, Vec<Process>> = BTreeMap::new();
        let boot_ms = boot_ms().unwrap_or_default();
        let Ok(directory) = std::fs::read_dir("/proc") else { return Self::default() };
        let names = directory.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        for pid in names.filter_map(|name| name.parse::<u32>().ok()) {
            let contracts = contracts(pid);
            // Gone, or become a zombie, since the directory was read.
            let Some(process) = (!contracts.is_empty()).then(|| read(pid, boot_ms)).flatten()
            else {
                continue;
            };
            for id in contracts {
                members.entry(id).or_default().push(process.clone());
            }
        }
        Self { members }
    }

    /// The processes in these contracts, by ascending number.
    pub fn of<'a>(&self, contracts: impl Iterator<Item = &'a str>) -> Vec<&Process> {
        let all = contracts.filter_map(|id| self.members.get(id)).flatten();
        let by_pid: BTreeMap<u32, &Process> = all.map(|process| (process.pid, process)).collect();
        by_pid.into_values().collect()
    }
}

/// The numbers of the contracts that a process is in.
fn contracts(pid: u32) -> Vec<String> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut all = of_groups(&groups);
    all.extend(of_cookie(&environment));
    all.sort();
    all.dedup();
    all
}

/// `0::/user/lamplighter-<owner>-<id>/...`
fn of_groups(groups: &str) -> Vec<String> {
    let components = groups.lines().flat_map(|line| line.split('/'));
    let names = components.filter_map(|name| name.strip_prefix("lamplighter-"));
    names.filter_map(|name| name.rsplit_once('-')).map(|(_, id)| id.to_owned()).collect()
}

/// `LAMPLIGHTER_CONTRACT=:12:57:`
fn of_cookie(environment: &[u8]) -> Vec<String> {
    let variables = environment.split(|byte| *byte == 0);
    let values = variables.filter_map(|v| v.strip_prefix(b"LAMPLIGHTER_CONTRACT="));
    let parts = values.flat_map(|value| value.split(|byte| *byte == b':'));
    parts.filter(|id| !id.is_empty()).map(|id| String::from_utf8_lossy(id).into_owned()).collect()
}

/// When the system was started, in milliseconds since 1970.
fn boot_ms() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    let up_ms = seconds.parse::<i64>().ok()? * 1000 + hundredths.parse::<i64>().ok()? * 10;
    Some(smf_cmd::clock::now_ms() - up_ms)
}

fn read(pid: u32, boot_ms: i64) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything; the fields follow the last one.
    let (head, tail) = stat.rsplit_once(')')?;
    let name: String = head.split_once('(')?.1.chars().take(16).collect();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    let ticks: i64 = fields.get(19)?.parse().ok()?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ").trim_end().to_owned();
    let arguments = if arguments.is_empty() { name.clone() } else { arguments };
    let start = (boot_ms + ticks * 1000 / per_second) / 1000;
    Some(Process { pid, start, name, arguments })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_both_ways() {
        for (groups, expected) in [
            ("0::/a/lamplighter-startd-12", "12"),
            ("0::/a/lamplighter-startd-12/lamplighter-process-3", "12 3"),
            ("0::/a", ""),
        ] {
            assert_eq!(of_groups(groups).join(" "), expected, "{groups}");
        }
        for (environment, expected) in [
            (&b"A=1\0LAMPLIGHTER_CONTRACT=:12:57:\0"[..], "12 57"),
            (b"XLAMPLIGHTER_CONTRACT=:5:\0", ""),
        ] {
            assert_eq!(of_cookie(environment).join(" "), expected);
        }
    }

    #[test]
    fn a_process_of_two_contracts_is_listed_once() {
        let process = |pid| Process { pid, start: 0, name: "sh".into(), arguments: "sh".into() };
        let members = [("1", vec![process(9), process(2)]), ("2", vec![process(9), process(5)])];
        let members = members.map(|(id, all)| (id.to_owned(), all)).into();
        let processes = Processes { members };
        let pids: Vec<u32> =
            processes.of(["1", "2", "3"].into_iter()).iter().map(|p| p.pid).collect();
        assert_eq!(pids, [2, 5, 9]);
    }

    #[test]
    fn this_process_is_read() {
        let own = read(std::process::id(), boot_ms().unwrap()).unwrap();
        assert!((own.start - smf_cmd::clock::now()).abs() < 3600);
    }
}
