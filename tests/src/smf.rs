//! smf.rs - SMF alone: an engine on a root of its own, and the four commands.
//!
//! Needs `cargo build -p smf-cmd -p smf-startd`, no other program of the tree.  The programs are
//! laid out once for a profile as they are when installed, by hard links, so that methods find
//! the commands in their PATH.  Dropping a root ends its engine and proves that nothing lives.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::{Said, alone_in, await_true, built, top};

/// Where the engine and the commands lie.
pub fn smf_prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let place = built().join("smf-test");
        let _lock = alone_in(&place);
        let prefix = place.join("prefix");
        for name in ["svcs", "svcadm", "svccfg", "svcprop"] {
            put(&built().join(name), &prefix.join("bin").join(name));
        }
        put(&built().join("svc-startd"), &prefix.join("lib/svc/bin/svc.startd"));
        let share = top().join("smf/cmd/share");
        for entry in fs::read_dir(&share).unwrap() {
            let name = entry.unwrap().file_name();
            put(&share.join(&name), &prefix.join("lib/svc/share").join(&name));
        }
        prefix
    })
}

/// Makes `to` the same file as `from`, at once.
fn put(from: &Path, to: &Path) {
    let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let source = fs::metadata(from).unwrap_or_else(|error| {
        panic!("{}: {error}; cargo build -p smf-cmd -p smf-startd", from.display())
    });
    if fs::metadata(to).is_ok_and(|target| same(&source, &target)) {
        return;
    }
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let new = to.with_extension("new");
    let _absent = fs::remove_file(&new);
    fs::hard_link(from, &new).unwrap();
    fs::rename(&new, to).unwrap();
}

/// One `$SMF_ROOT` with an engine.
#[derive(Debug)]
pub struct Root {
    directory: Option<tempfile::TempDir>,
}

impl Root {
    /// A fresh root whose engine serves.
    #[must_use]
    pub fn up() -> Self {
        let directory = tempfile::Builder::new().prefix("smf-").tempdir().unwrap();
        let root = Root { directory: Some(directory) };
        fs::create_dir(root.scratch()).unwrap();
        root.start();
        root
    }

    /// Brings the engine up on this root.
    pub fn start(&self) {
        let said = self.command(smf_prefix().join("lib/svc/bin/svc.startd").to_str().unwrap());
        Said::run(said).ok();
    }

    fn folder(&self) -> &Path {
        self.directory.as_ref().expect("taken only when it is dropped").path()
    }

    /// `$SMF_ROOT`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder().join("root")
    }

    /// A folder for whatever a test wants to keep; it ends with the root.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.folder().join("scratch")
    }

    /// A program that belongs to this root, run in its scratch folder.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let bin = smf_prefix().join("bin");
        command
            .env("SMF_ROOT", self.path())
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()))
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env_remove("LIBSCF_DOORPATH")
            .current_dir(self.scratch())
            .stdin(Stdio::null());
        command
    }

    /// One of the four commands, run to its end.
    #[must_use]
    pub fn run(&self, program: &str, arguments: &[&str]) -> Said {
        let path = smf_prefix().join("bin").join(program);
        let mut command = self.command(path.to_str().unwrap());
        command.args(arguments);
        Said::run(command)
    }

    /// The engine's process.
    #[must_use]
    pub fn engine(&self) -> Option<i32> {
        let text = fs::read_to_string(self.path().join("etc/svc/volatile/svc.startd.pid")).ok()?;
        text.trim().parse().ok()
    }

    /// Sends the engine a signal and waits until it has ended.
    pub fn end(&self, signal: i32) {
        let Some(pid) = self.engine() else { return };
        // SAFETY: two integers; the process is the engine that this root started.
        unsafe { libc::kill(pid, signal) };
        let lives = |stat: String| !stat.contains(") Z");
        let ended = || !fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(lives);
        await_true(&ended, &|| format!("svc.startd {pid} does not end: {:?}", self.alive()));
    }

    /// The processes of this root, zombies left out.
    #[must_use]
    pub fn living(&self) -> Vec<crate::living::Living> {
        crate::living::living(self.folder())
    }

    /// The same, by number and arguments.
    #[must_use]
    pub fn alive(&self) -> Vec<String> {
        self.living().iter().map(|one| format!("{} {}", one.pid, one.line)).collect()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.end(libc::SIGTERM);
        let alive = self.alive();
        if std::thread::panicking() {
            for one in self.living() {
                one.kill();
            }
            eprintln!("root kept: {}; alive: {alive:?}", self.folder().display());
            let _ = self.directory.take().map(tempfile::TempDir::keep);
            return;
        }
        assert!(alive.is_empty(), "left behind: {alive:?}");
    }
}
