//! cgroup - a contract as a directory of the cgroup v2 file system.
//!
//! ```text
//! <mount point of cgroup2><own group>/lamplighter-<owner>-<id>/
//!     cgroup.procs    members, one number a line; writing "0" moves the writer in
//!     cgroup.events   "populated 0|1", descendants included, "frozen 0|1"; poll(POLLPRI) tells of a
//!                     change
//!     cgroup.kill     writing "1" sends SIGKILL to all, descendants included
//!     lamplighter-*/  contracts made by members: their members belong to this contract too
//! <mount point of cgroup2><own group>/lamplighter-project-<name>/lamplighter-<owner>-<id>/
//!     a contract of a project; the project's group stays, with the limits that were set on it
//! ```
//!
//! The mount point is discovered: on hosts with a mixed layout v2 is not at /sys/fs/cgroup.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::processes::Pid;

const PREFIX: &str = "lamplighter-";

/// The mount point and the root inside of the file system of the first cgroup2 mount.
/// `mountinfo` is the text of /proc/self/mountinfo:
/// `36 35 98:0 /root /mount/point rw,noatime shared:1 - cgroup2 cgroup2 rw`.
#[must_use]
pub fn mount(mountinfo: &str) -> Option<(PathBuf, PathBuf)> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        if after.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = before.split(' ').skip(3);
        let root = unescape(fields.next()?);
        Some((PathBuf::from(unescape(fields.next()?)), PathBuf::from(root)))
    })
}

/// mountinfo writes blanks and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The v2 group in the text of /proc/<pid>/cgroup (the line `0::/path`).
#[must_use]
pub fn group(text: &str) -> Option<&Path> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(Path::new(path.strip_suffix(" (deleted)").unwrap_or(path)))
}

/// Whether the text of /proc/<pid>/cgroup tells of the group that is this directory, or of one
/// below it.  Contracts' directories have names that no other has.
#[must_use]
pub fn is_within(text: &str, dir: &Path) -> bool {
    let name = dir.file_name();
    let mut parts = group(text).into_iter().flat_map(Path::components);
    name.is_some() && parts.any(|part| Some(part.as_os_str()) == name)
}

/// The directory of this process's own group, if there is a v2 file system.
#[must_use]
pub fn own_directory() -> Option<PathBuf> {
    let (point, root) = mount(&fs::read_to_string("/proc/self/mountinfo").ok()?)?;
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let inside = group(&text)?.strip_prefix(&root).ok()?.to_path_buf();
    Some(point.join(inside))
}

/// The mount point of the v2 file system.
#[must_use]
pub fn mount_point() -> Option<PathBuf> {
    Some(mount(&fs::read_to_string("/proc/self/mountinfo").ok()?)?.0)
}

/// Whether groups can be made in `base` and processes moved there: tried, not guessed.
#[must_use]
pub fn writable(base: &Path) -> bool {
    let probe = base.join(format!("{PREFIX}probe-{}", std::process::id()));
    if fs::create_dir(&probe).is_err() {
        return false;
    }
    let movable = [base, &probe]
        .iter()
        .all(|dir| fs::OpenOptions::new().write(true).open(dir.join("cgroup.procs")).is_ok());
    // A probe that stays is an empty directory; the next probe of this number takes it over.
    let _stays = fs::remove_dir(&probe);
    movable
}

/// The name of a contract's directory.
#[must_use]
pub fn name(owner: &str, id: u64) -> String {
    format!("{PREFIX}{owner}-{id}")
}

/// The name of a project's directory, if a directory can have it.
#[must_use]
pub fn project(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fit = !name.is_empty() && name.len() < 128 && name.chars().all(plain);
    fit.then(|| format!("{PREFIX}project-{name}"))
}

/// Whether a directory is that of a project.
#[must_use]
pub fn is_project(dir: &Path) -> bool {
    let name = dir.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.strip_prefix(PREFIX).is_some_and(|r| r.starts_with("project-")))
}

/// The contract a directory name stands for, if it is one of `owner`'s.
#[must_use]
pub fn id_of(owner: &str, name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.strip_prefix(owner)?.strip_prefix('-')?.parse().ok()
}

/// The directories of all contracts below `top`, by name.
#[must_use]
pub fn all(top: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut rest = vec![top.to_path_buf()];
    while let Some(dir) = rest.pop() {
        for child in children(&dir) {
            let name = child.file_name().and_then(|name| name.to_str());
            if let Some(name) = name.filter(|name| name.starts_with(PREFIX)) {
                found.insert(name.to_owned(), child.clone());
            }
            rest.push(child);
        }
    }
    found
}

/// The groups directly below `dir`.
#[must_use]
pub fn children(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Every process of the group and of the groups below.
pub fn members(dir: &Path) -> io::Result<Vec<Pid>> {
    let text = match fs::read_to_string(dir.join("cgroup.procs")) {
        Ok(text) => text,
        Err(error) if gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found: Vec<Pid> = text.lines().filter_map(|line| line.parse().ok()).collect();
    for child in children(dir) {
        found.extend(members(&child)?);
    }
    Ok(found)
}

/// Whether the text of cgroup.events tells of living processes.
#[must_use]
pub fn populated(events: &str) -> bool {
    events.lines().any(|line| line == "populated 1")
}

/// Whether it tells of a group whose processes stand still.
#[must_use]
pub fn frozen(events: &str) -> bool {
    events.lines().any(|line| line == "frozen 1")
}

/// Whether a group has no member and no group below it, and its next members would run: by its
/// events and its directory.
pub(crate) fn is_idle(events: &fs::File, dir: BorrowedFd<'_>) -> io::Result<bool> {
    let mut text = [0u8; 128];
    let length = events.read_at(&mut text, 0)?;
    let text = String::from_utf8_lossy(&text[..length]);
    let links = nix::sys::stat::fstat(dir)?.st_nlink;
    // Its own entry, its parent's, and one for every group below it.
    Ok(!populated(&text) && !frozen(&text) && links == 2)
}

/// Opens the events of a group.
pub(crate) fn open_events(dir: &Path) -> io::Result<fs::File> {
    fs::File::open(dir.join("cgroup.events"))
}

/// Removes the group and those below.  Groups that still have members stay.
pub fn remove(dir: &Path) {
    // Most have none below.
    if fs::remove_dir(dir).is_ok() {
        return;
    }
    for child in children(dir) {
        remove(&child);
    }
    // Busy or gone: either way there is nothing more to do here.
    let _busy = fs::remove_dir(dir);
}

/// Whether an error means that the group has been removed.
#[must_use]
pub fn gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_layout() {
        let text = "30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                    31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                    32 30 0:28 /a /sys/fs/with\\040blank rw shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(Some(("/sys/fs/with blank".into(), "/a".into())), mount(text));
        assert_eq!(None, mount("31 30 0:27 / /cpu rw - cgroup cgroup rw,cpu\n"));
    }

    #[test]
    fn groups() {
        for (text, want) in [
            ("9:name=systemd:/\n0::/\n", Some("/")),
            ("0::/a/b (deleted)\n", Some("/a/b")),
            ("1:cpu:/x\n", None),
        ] {
            assert_eq!(want.map(Path::new), group(text), "{text}");
        }
    }

    #[test]
    fn inside() {
        let dir = Path::new("/sys/fs/cgroup/own/lamplighter-a-7");
        for (text, want) in [
            ("1:cpu:/\n0::/own/lamplighter-a-7\n", true),
            ("0::/lamplighter-a-7/lamplighter-b-8\n", true),
            ("0::/own/lamplighter-a-77\n", false),
            ("0::/\n", false),
            ("", false),
        ] {
            assert_eq!(want, is_within(text, dir), "{text}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(Some(7), id_of("a", &name("a", 7)));
        for (name, fit) in [("user.root", true), ("..", true), ("a/b", false), ("", false)] {
            let found = project(name);
            assert_eq!(fit, found.is_some(), "{name}");
            assert!(found.is_none_or(|name| is_project(Path::new(&name))), "{name}");
        }
        assert!(!is_project(Path::new(&name("a", 7))));
        for other in ["lamplighter-b-7", "lamplighter-a-x", "lamplighter-ab-7", "x"] {
            assert_eq!(None, id_of("a", other), "{other}");
        }
    }
}
