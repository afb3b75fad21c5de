//! mounts - small file systems for tests, in a mount namespace of the test's own.
//!
//! A full disk is a small tmpfs.  It is mounted where nobody else sees it, so root is not needed where
//! there are user namespaces; where there are none, the test says that it was left out.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Says that this process has a mount namespace of its own.
const OWN: &str = "LAMPLIGHTER_TEST_MOUNTS";

/// Whether mounts are this process's own.  When not, the test `name` is run again where they are.
///
/// # Panics
/// The test fails there.
#[must_use]
pub fn are_own(name: &str) -> bool {
    if std::env::var_os(OWN).is_some() {
        return true;
    }
    let how: &[&str] = if nix::unistd::geteuid().is_root() { &["-m"] } else { &["-rm"] };
    let unshare = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(how).args(["--propagation", "private"]).args(words).env(OWN, "1");
        command
    };
    let try_one = "mount -t tmpfs tmpfs /mnt";
    if !unshare(&["sh", "-c", try_one]).status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no file system can be mounted here");
        return false;
    }
    let program = std::env::current_exe().unwrap();
    let said = unshare(&[program.to_str().unwrap(), name, "--exact", "--nocapture"]).output();
    let said = said.unwrap();
    let text =
        String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && text.contains("1 passed"), "{text}");
    false
}

/// Mounts a tmpfs with these options at a folder, which is made if need be.
///
/// # Panics
/// It cannot be mounted.
pub fn mount(options: &str, place: &Path) {
    fs::create_dir_all(place).unwrap();
    let line = ["-t", "tmpfs", "-o", options, "tmpfs"];
    let said = Command::new("mount").args(line).arg(place).status().unwrap();
    assert!(said.success(), "mount -o {options} {}", place.display());
}
