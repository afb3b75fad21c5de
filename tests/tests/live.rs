//! live.rs - a new user's live workspace: copied from the prefix, configured, built, made into a
//! platform, and booted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Said, prefix};

/// Whom a test is without being root.
const NOBODY: &str = "65534";

/// A workspace, whose it is, and the stamp that is asked for.
struct Yard {
    place: tempfile::TempDir,
    as_nobody: bool,
}

const STAMP: &str = "20260101T000000Z";

impl Yard {
    /// A copy of what is installed, as the page says to make it; none where this user cannot be
    /// somebody else, or another may not read the prefix.
    fn new(as_nobody: bool) -> Option<Yard> {
        let yard = Yard { place: tempfile::tempdir().unwrap(), as_nobody };
        if as_nobody {
            let place = yard.place.path().to_str().unwrap();
            let gave = Command::new("chown").args([NOBODY, place]).status();
            let gave = gave.is_ok_and(|status| status.success());
            let reads = yard.command("ls").arg(prefix().join("bin")).output();
            if !gave || !reads.is_ok_and(|said| said.status.success()) {
                eprintln!("SKIPPED: cannot run {} as nobody here", prefix().display());
                return None;
            }
        }
        let from = prefix().join("share/lamplighter/live-workspace");
        let line = format!("cp -R {} {}", from.display(), yard.top().display());
        let said = Said::run(yard.shell(&line));
        assert_eq!(said.status, 0, "{said:?}");
        Some(yard)
    }

    fn top(&self) -> PathBuf {
        self.place.path().join("w")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = if self.as_nobody {
            let mut command = Command::new("setpriv");
            let id = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
            command.args(id).arg("--clear-groups").arg(program);
            command
        } else {
            Command::new(program)
        };
        let path = std::env::var("PATH").unwrap_or_default();
        command.env_clear().env("PATH", format!("{}:{path}", prefix().join("bin").display()));
        command.env("HOME", self.place.path()).env("BUILDSTAMP", STAMP);
        command
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = self.command("sh");
        command.args(["-c", line]);
        command
    }

    /// What a user types in the workspace.
    fn types(&self, line: &str) -> Said {
        let mut command = self.shell(line);
        command.current_dir(self.top());
        Said::run(command)
    }

    #[track_caller]
    fn does(&self, line: &str) -> String {
        let said = self.types(line);
        assert_eq!(said.status, 0, "{line}: {}\n{}", said.out, said.err);
        said.out
    }

    fn read(&self, below: &str) -> String {
        fs::read_to_string(self.top().join(below)).unwrap_or_default()
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[test]
fn a_new_user_s_way_to_a_world() {
    for as_nobody in [false, true] {
        let Some(yard) = Yard::new(as_nobody) else { continue };
        let said = yard.types("make world");
        assert!(said.status != 0 && said.err.contains("run ./configure first"), "{said:?}");
        yard.does("./configure --check");
        assert!(!is_there(&yard.top().join("build.env")));
        yard.does("./configure");
        yard.does("make check");
        yard.does("make -j2 world");
        for file in ["usr/bin/buildstamp", "usr/bin/banner", "usr/share/welcome.txt"] {
            assert!(is_there(&yard.top().join("proto").join(file)), "{file}");
        }
        assert_eq!(yard.read("proto/buildstamp"), format!("{STAMP}\n"));
        assert_eq!(yard.does("make world 0-local-welcome-stamp"), "");
        // Every entry of the manifest is true.
        for line in yard.read("manifest").lines().filter(|line| line.starts_with("f ")) {
            let path = line.split(' ').nth(1).unwrap();
            let found =
                ["overlay", "proto"].iter().any(|at| yard.top().join(at).join(path).is_file());
            assert!(found, "{line}");
        }
    }
}
