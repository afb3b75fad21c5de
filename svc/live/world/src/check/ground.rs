//! ground.rs - the host, the workspace's own directories, and room.

use std::io;
use std::path::Path;

use rustix::fs::Access;

use super::gates::{Presence, Source};
use super::{About, Report};

/// What smartos-live asks for a build of the gate and everything else.
const GATE: Room = Room { megabytes: 25 * 1024, inodes: 500_000 };
/// What a workspace asks whose gate is small, or is taken ready built.
const SMALL: Room = Room { megabytes: 1024, inodes: 20_000 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    megabytes: u64,
    inodes: u64,
}

/// The host can do it at all.
pub fn host(about: &About<'_>, report: &mut Report) {
    let host = about.host;
    let name = format!("{} {}", host.system, host.machine);
    match host.system.as_str() {
        "SunOS" => match host.zone.as_deref() {
            None | Some("global") => report.good(format!("host: {name}")),
            Some(zone) => {
                report.good(format!("host: {name}, zone {zone}"));
                report.notice(format!(
                    "zone {zone}: the global zone must allow what media need (fs-allowed=ufs,pcfs,tmpfs)"
                ));
            }
        },
        "Linux" => {
            report.good(format!("host: {name}"));
            report.notice(
                "Linux compiles no illumos-gate: ILLUMOS_PROTO names a proto area built elsewhere",
            );
        }
        other => report.problem(
            format!("host: {other}: neither SunOS nor Linux"),
            "configure on an illumos or Linux host",
        ),
    }
}

/// What make and the caller can work with.
pub fn directories(about: &About<'_>, report: &mut Report) {
    let top = about.workspace.top();
    let odd = |letter: char| letter.is_whitespace() || "\"'$#%&;:*?[]()<>|\\`~=".contains(letter);
    let text = top.display().to_string();
    if text.chars().any(odd) {
        report.problem(
            format!("{text}: make cannot work in a path with such letters"),
            "mv the workspace to a path of letters, digits, '.', '_', '-' and '/'",
        );
    }
    for name in ["", "projects", "proto", "log", "output"] {
        let path = about.workspace.path(name);
        let path = path.as_path();
        match writable(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && path != top => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => report.problem(
                format!("{}: {error}", path.display()),
                format!("chown -R \"$(id -un)\" {} (as root)", path.display()),
            ),
            Err(error) => {
                let path = path.display();
                report.problem(format!("{path}: {error}"), format!("mv {path} {path}.old"));
            }
        }
    }
    report.good(format!("workspace: {text}"));
}

fn writable(path: &Path) -> io::Result<()> {
    if !path.metadata()?.is_dir() {
        return Err(io::Error::other("not a directory"));
    }
    Ok(rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Room for what will be built, in blocks and in inodes, as far as the caller may use them.
pub fn room(about: &About<'_>, report: &mut Report) {
    let is_gate = Source::illumos(about)
        .is_some_and(|gate| matches!(gate.presence, Presence::There(found) if found.is_real));
    let usual = if is_gate && about.site.get("ILLUMOS_PROTO").is_none() { GATE } else { SMALL };
    let number = |name: &str, usual: u64, report: &mut Report| match about.site.get(name) {
        None => usual,
        Some(text) => text.parse().unwrap_or_else(|_| {
            report.problem(format!("{name}: \"{text}\" is no number"), format!("{name}={usual}"));
            usual
        }),
    };
    let need = Room {
        megabytes: number("NEED_MB", usual.megabytes, report),
        inodes: number("NEED_INODES", usual.inodes, report),
    };
    let top = about.workspace.top();
    match free(top) {
        Ok(free) => judge(top, need, free, report),
        Err(error) => report.problem(format!("{}: {error}", top.display()), "make it readable"),
    }
}

/// What is free; a file system that counts no inodes has enough.
fn free(path: &Path) -> io::Result<Room> {
    let about = rustix::fs::statvfs(path)?;
    let inodes = if about.f_files == 0 { u64::MAX } else { about.f_favail };
    let bytes = about.f_bavail.saturating_mul(about.f_frsize);
    Ok(Room { megabytes: bytes / (1024 * 1024), inodes })
}

fn judge(path: &Path, need: Room, free: Room, report: &mut Report) {
    let place = path.display();
    let mut short = false;
    for (what, need, free) in
        [("MB", need.megabytes, free.megabytes), ("inodes", need.inodes, free.inodes)]
    {
        if free < need {
            short = true;
            report.problem(
                format!("{place}: {free} {what} are free, {need} are needed"),
                format!("free {} {what} there (df, quota), or move the workspace", need - free),
            );
        }
    }
    if !short {
        report.good(format!("room: {} MB free of {} needed", free.megabytes, need.megabytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_inodes_count_apart() {
        let need = Room { megabytes: 10, inodes: 100 };
        for (megabytes, inodes, want) in [
            (10, 100, vec![]),
            (9, 100, vec!["/w: 9 MB are free, 10 are needed"]),
            (10, 0, vec!["/w: 0 inodes are free, 100 are needed"]),
            (
                0,
                1,
                vec!["/w: 0 MB are free, 10 are needed", "/w: 1 inodes are free, 100 are needed"],
            ),
        ] {
            let mut report = Report::default();
            judge(Path::new("/w"), need, Room { megabytes, inodes }, &mut report);
            let said: Vec<&str> = report.problems.iter().map(|one| one.what.as_str()).collect();
            assert_eq!(said, want);
        }
        assert!(free(Path::new("/")).unwrap().megabytes > 0);
    }

    #[test]
    fn what_is_no_directory_is_not_writable() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("proto");
        std::fs::write(&file, "").unwrap();
        assert_eq!(writable(&file).unwrap_err().to_string(), "not a directory");
        assert!(writable(place.path()).is_ok());
    }
}
