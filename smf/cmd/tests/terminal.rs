//! terminal.rs - svccfg on a terminal, by a pseudo-terminal and what a user types.

#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use smf_configd::{Host, Repository};
use tempfile::TempDir;

/// Longer than any answer takes; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

struct Terminal {
    root: TempDir,
    master: File,
    child: Child,
    /// What came and has not been looked for yet.
    seen: String,
}

fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let volatile = root.path().join("etc/svc/volatile");
    fs::create_dir_all(&volatile).unwrap();
    fs::create_dir(root.path().join("home")).unwrap();
    let lasting = root.path().join("etc/svc/repository.db");
    let repository = Repository::open(&lasting, &volatile.join("svc_nonpersist.db")).unwrap();
    let host = Host::new(repository).unwrap();
    host.serve(&volatile.join("repository_door"), root.path()).unwrap();
    root
}

fn command(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_svccfg"));
    command.env("SMF_ROOT", root).env("TERM", "xterm").env("HOME", root.join("home"));
    command.env_remove("LIBSCF_DOORPATH").env_remove("VISUAL").env_remove("EDITOR");
    command
}

impl Terminal {
    fn open(root: TempDir, adapt: impl FnOnce(&mut Command)) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command = command(root.path());
        command.stdin(end()).stdout(end()).stderr(end());
        adapt(&mut command);
        let child = command.spawn().unwrap();
        Self { root, master: master.into(), child, seen: String::new() }
    }

    fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until this is seen, without what moves the cursor; what stood before it.
    fn expect(&mut self, wanted: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let shown = plain(&self.seen);
            if let Some(at) = shown.find(wanted) {
                self.seen = shown[at + wanted.len()..].to_owned();
                return shown[..at].to_owned();
            }
            assert!(Instant::now() < until, "{wanted:?} does not come: {shown:?}");
            let mut ready = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
            poll(&mut ready, PollTimeout::from(1000_u16)).unwrap();
            if ready[0].revents().is_some_and(|events| !events.is_empty()) {
                let mut bytes = [0; 4096];
                let count = self.master.read(&mut bytes).unwrap_or(0);
                assert!(count > 0, "svccfg is gone before {wanted:?}: {shown:?}");
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        }
    }

    /// Types a line and waits for the prompt behind its answer; the answer.
    fn line(&mut self, line: &str, prompt: &str) -> String {
        self.send(&format!("{line}\r"));
        // The line itself is echoed; its end is where the answer begins.
        self.expect("\n");
        self.expect(prompt).replace('\r', "")
    }

    /// Waits for the end; the root, and the status.
    fn end(mut self) -> (TempDir, i32) {
        let status = self.child.wait().unwrap();
        (self.root, status.code().unwrap())
    }
}

/// Without escape sequences.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            out.push(character);
            continue;
        }
        if characters.next_if_eq(&'[').is_some() {
            while characters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
        }
    }
    out
}

#[test]
fn a_session_of_an_administrator() {
    let mut terminal = Terminal::open(root(), |_| {});
    terminal.expect("svc:> ");
    assert_eq!(terminal.line("add site/one", "svc:> "), "");
    assert_eq!(terminal.line("list", "svc:> "), "site/one\n");
    // An error is said bare, and ends nothing.
    assert_eq!(terminal.line("foo", "svc:> "), "Unknown command \"foo\".\n");
    assert!(terminal.line("add", "svc:> ").starts_with("Usage: add name\n"));
    assert_eq!(terminal.line("select nowhere", "svc:> ").lines().count(), 1);
    // The line is edited.
    assert_eq!(terminal.line("lixx\u{7f}\u{7f}st", "svc:> "), "site/one\n");
    terminal.line("select site/one", "svc:/site/one> ");
    terminal.line("add default", "svc:/site/one> ");
    terminal.line("addpg p application", "svc:/site/one> ");
    // A list goes over several lines.
    assert!(terminal.line("setprop p/x = astring: (\"a b\"", "> ").is_empty());
    terminal.line("\"c\")", "svc:/site/one> ");
    assert_eq!(
        terminal.line("listprop p", "svc:/site/one> "),
        "p    application\np/x  astring  \"a b\" \"c\"\n"
    );
    // The interrupt key drops the line, and what was open.
    terminal.send("setprop p/x = (\r");
    terminal.expect("> ");
    terminal.send("half\u{3}");
    terminal.expect("svc:/site/one> ");
    assert_eq!(terminal.line("list", "svc:/site/one> "), ":properties\ndefault\n");
    // Up, up: the command before the last.
    terminal.line("listpg", "svc:/site/one> ");
    assert!(terminal.line("\u{1b}[A\u{1b}[A", "svc:/site/one> ").contains("default"));
    terminal.send("\u{4}");
    let (root, status) = terminal.end();
    assert_eq!(status, 0);
    let history = root.path().join("home/.svccfg_history");
    let text = fs::read_to_string(&history).unwrap();
    assert!(text.starts_with("add site/one\nlist\nfoo\n"), "{text}");
    assert_eq!(history.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // The next session remembers.
    let mut terminal = Terminal::open(root, |_| {});
    terminal.expect("svc:> ");
    terminal.send("\u{1b}[A");
    terminal.expect("list");
    terminal.send("\u{3}");
    terminal.expect("svc:> ");
    terminal.send("quit\r");
    assert_eq!(terminal.end().1, 0);
}

#[test]
fn names_are_completed() {
    let mut terminal = Terminal::open(root(), |_| {});
    terminal.expect("svc:> ");
    for line in ["add site/one", "add system/two"] {
        terminal.line(line, "svc:> ");
    }
    // selectsnap needs an instance, so there is one command and one service to choose.
    terminal.line("sel\tsit\t", "svc:/site/one> ");
    for line in ["add default", "addpg config application", "setprop config/port = count: 1"] {
        terminal.line(line, "svc:/site/one> ");
    }
    terminal.line("setp\tconf\t= 2", "svc:/site/one> ");
    // A group and its properties begin alike: the key goes as far as they do.
    let said = terminal.line("listprop c\t/p\t", "svc:/site/one> ");
    assert_eq!(said, "config/port  count    2\n");
    terminal.send("\u{4}");
    assert_eq!(terminal.end().1, 0);
}

#[test]
fn snapshots_are_in_the_prompt_and_what_is_gone_is_let_go() {
    let root = root();
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles/daemon.xml");
    let import = command(root.path()).arg("import").arg(bundle).status().unwrap();
    assert!(import.success());
    let mut terminal = Terminal::open(root, |command| {
        command.args(["-s", "site/daemon:other"]);
    });
    terminal.expect("svc:/site/daemon:other> ");
    terminal.line("selectsnap initial", "[initial]svc:/site/daemon:other> ");
    terminal.line("unselect", "[initial]svc:/site/daemon[:other]> ");
    assert_eq!(
        terminal.line("delpg config", "[initial]svc:/site/daemon[:other]> "),
        "Cannot modify snapshots.\n"
    );
    terminal.line("select other", "[initial]svc:/site/daemon:other> ");
    terminal.line("selectsnap", "svc:/site/daemon:other> ");
    let delete = command(terminal.root.path()).args(["delete", "site/daemon:other"]).status();
    assert!(delete.unwrap().success());
    let said = terminal.line("set", "svc:/site/daemon> ");
    assert_eq!(said, "noverbose\nCurrent selection has been deleted.\n");
    terminal.send("\u{4}");
    assert_eq!(terminal.end().1, 0);
}

#[test]
fn a_mistake_in_the_editor_loses_nothing_else() {
    let root = root();
    let script = root.path().join("edit");
    let commands = "addpg p application\\nsetprop p/n = count: x\\nsetprop p/n = count: 1\\n";
    fs::write(&script, format!("printf '{commands}' >> \"$1\"\n")).unwrap();
    let mut terminal = Terminal::open(root, |command| {
        command.env("EDITOR", format!("sh {}", script.display()));
    });
    terminal.expect("svc:> ");
    terminal.line("add site/one", "svc:> ");
    terminal.line("select site/one", "svc:/site/one> ");
    let said = terminal.line("editprop", "svc:/site/one> ");
    assert!(said.contains("line 4): Invalid \"count\" value \"x\".\n"), "{said}");
    let said = terminal.line("listprop p/n", "svc:/site/one> ");
    assert_eq!(said, "p/n  count    1\n");
    terminal.send("end\r");
    assert_eq!(terminal.end().1, 0);
}

#[test]
fn a_plain_reader_without_home_or_terminal() {
    let root = root();
    let mut terminal = Terminal::open(root, |command| {
        command.env_remove("HOME");
    });
    terminal.expect("svc:> ");
    terminal.line("list", "svc:> ");
    terminal.send("\u{4}");
    let (root, status) = terminal.end();
    assert_eq!(status, 0);
    assert_eq!(fs::read_dir(root.path().join("home")).unwrap().count(), 0);
    // A co-process: each command is carried out when its line has come, not at the end.
    let mut child = command(root.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    stdin.write_all(b"add site/one\nlist\n").unwrap();
    let mut answer = [0; 9];
    stdout.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"site/one\n");
    stdin.write_all(b"foo\nlist\n").unwrap();
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
