//! processes.rs - which processes belong to an instance.
//!
//! A process belongs to a contract when one of its control groups is the contract's, or when its
//! environment carries the contract's number.  Where there is no /proc of this kind, nothing is
//! found.

use smf_cmd::instance::Instance;

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

/// The processes of an instance's contracts, by ascending number.
pub fn of(instance: &Instance) -> Vec<Process> {
    let contracts = instance.contracts().unwrap_or_default();
    if contracts.is_empty() {
        return Vec::new();
    }
    let boot = boot_seconds();
    let Ok(directory) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = directory.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| name.parse::<u32>().ok());
    let mut processes: Vec<_> = pids
        .filter(|pid| belongs(*pid, contracts))
        .filter_map(|pid| read(pid, boot.unwrap_or_default()))
        .collect();
    processes.sort_by_key(|process| process.pid);
    processes
}

fn belongs(pid: u32, contracts: &[String]) -> bool {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    contracts.iter().any(|id| in_group(&groups, id) || carries(&environment, id))
}

/// `0::/user/lamplighter-<owner>-<id>/...`
fn in_group(groups: &str, id: &str) -> bool {
    let components = groups.lines().flat_map(|line| line.split('/'));
    let mut names = components.filter_map(|name| name.strip_prefix("lamplighter-"));
    names.any(|name| name.rsplit_once('-').is_some_and(|(_, number)| number == id))
}

/// `LAMPLIGHTER_CONTRACT=:12:57:`
fn carries(environment: &[u8], id: &str) -> bool {
    let variables = environment.split(|byte| *byte == 0);
    let mut values = variables.filter_map(|v| v.strip_prefix(b"LAMPLIGHTER_CONTRACT="));
    values.any(|value| value.split(|byte| *byte == b':').any(|part| part == id.as_bytes()))
}

/// When the system was started, in seconds since 1970.
fn boot_seconds() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn read(pid: u32, boot: i64) -> Option<Process> {
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
    Some(Process { pid, start: boot + ticks / per_second, name, arguments })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_both_ways() {
        for (groups, id, expected) in [
            ("0::/a/lamplighter-startd-12", "12", true),
            ("0::/a/lamplighter-startd-12/lamplighter-process-3", "12", true),
            ("0::/a/lamplighter-startd-123", "12", false),
            ("0::/a", "12", false),
        ] {
            assert_eq!(in_group(groups, id), expected, "{groups}");
        }
        for (environment, id, expected) in [
            (&b"A=1\0LAMPLIGHTER_CONTRACT=:12:57:\0"[..], "57", true),
            (b"LAMPLIGHTER_CONTRACT=:12:57:\0", "5", false),
            (b"XLAMPLIGHTER_CONTRACT=:5:\0", "5", false),
        ] {
            assert_eq!(carries(environment, id), expected);
        }
        let own = read(std::process::id(), boot_seconds().unwrap()).unwrap();
        assert!((own.start - smf_cmd::clock::now()).abs() < 3600);
    }
}
