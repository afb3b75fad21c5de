//! A stage program at work, SMF's commands replaced by scripts.  This test program runs itself
//! again as the stage.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{SigSet, Signal};
use process::{Limits, Program};
use stage::{Failure, Made, Stage};

const FMRI: &str = "svc:/application/merger:default";

/// The stage: `test/what` says what it does.
#[test]
#[ignore = "the stage program of the other tests"]
fn worker() {
    let code = stage::run("merger", |stage| {
        let mut recipe = stage.recipe();
        recipe.add("text", stage.properties().required("test/text")?);
        match stage.properties().required("test/what")? {
            "work" => work(stage, &recipe),
            "hang" => hang(stage),
            "fail" => Err(Failure::fatal("x.c:1: error: bad")),
            what => Err(Failure::configuration(format!("test/what: {what}"))),
        }
    });
    // An ExitCode is opaque; the test harness would exit 0.
    let shown = format!("{code:?}");
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    // "ExitCode(unix_exit_status(95))"
    std::process::exit(digits.parse().unwrap());
}

fn work(stage: &Stage, recipe: &stage::Recipe) -> Result<(), Failure> {
    if stage.is_up_to_date(recipe)? {
        return Ok(());
    }
    fs::write(stage.work().join("file"), "made").unwrap();
    stage.progress("work", 1, 2, "file");
    assert!(stage.directory().join("progress").exists());
    let path = stage.finish(recipe, Made::default(), &[], 2)?;
    assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "made");
    stage.refresh_depot("svc:/application/pkg/server:none");
    Ok(())
}

fn hang(stage: &Stage) -> Result<(), Failure> {
    let tool = Program::new("sh").args(["-c", "echo tool $$; sleep 600 & wait"]);
    let ended = tool.run_lines(&Limits::until(stage.cancel()), &mut |line| stage.log(line))?;
    Err(Failure::fatal(format!("the tool {ended}")))
}

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new(what: &str) -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap() };
        fs::create_dir_all(place.path().join("bin")).unwrap();
        place.set(what, "one", true);
        place.script("svcprop", "cat \"$SMF_ROOT/properties\"");
        place.script("svcadm", "echo \"svcadm: $*: refused\" >&2; exit 1");
        place
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn set(&self, what: &str, text: &str, enabled: bool) {
        let text = format!(
            "test/what astring {what}\ntest/text astring {text}\ngeneral/enabled boolean false\n\
             general_ovr/enabled boolean {enabled}\n"
        );
        let beside = self.path().join("properties.new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.path().join("properties")).unwrap();
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let path = std::env::var("PATH").unwrap();
        command
            .args(["--exact", "worker", "--ignored", "--nocapture"])
            .env("SMF_FMRI", FMRI)
            .env("SMF_ROOT", self.path())
            .env("PATH", format!("{}:{path}", self.path().join("bin").display()))
            .stdin(Stdio::null());
        // The stage runs in a thread of the test harness, whose first thread would take signals
        // that a stage program's own first thread blocks.
        let block = || {
            let mut signals = SigSet::empty();
            signals.extend([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
            Ok(signals.thread_block()?)
        };
        // SAFETY: between fork and exec only one system call on a set that lives there.
        unsafe { command.pre_exec(block) };
        command
    }

    fn run(&self) -> (i32, String) {
        let Output { status, stderr, .. } = self.command().output().unwrap();
        (status.code().unwrap_or(-1), String::from_utf8(stderr).unwrap())
    }

    fn start(&self) -> (Child, BufReader<std::process::ChildStderr>, String) {
        let mut child =
            self.command().stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let tool = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(line.starts_with("merger: tool "), "{line}");
        (child, lines, tool)
    }

    fn stage(&self) -> PathBuf {
        self.path().join("var/lamplighter/merger/default")
    }
}

fn alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn finished_then_up_to_date_then_changed() {
    let place = Place::new("work");
    let (status, log) = place.run();
    assert_eq!(status, 0, "{log}");
    assert!(log.contains("merger: finished out/"), "{log}");
    assert!(log.contains("svcadm refresh svc:/application/pkg/server:none"), "{log}");
    let first = fs::canonicalize(place.stage().join("current")).unwrap();
    let (status, log) = place.run();
    let name = first.file_name().unwrap().to_str().unwrap();
    assert_eq!((status, log.as_str()), (0, &*format!("merger: up to date (out/{name})\n")));

    place.set("work", "two", true);
    assert_eq!(place.run().0, 0);
    assert_ne!(fs::canonicalize(place.stage().join("current")).unwrap(), first);
    assert!(!place.stage().join("progress").exists());
}

#[test]
fn failures_are_one_line_and_a_status() {
    let place = Place::new("fail");
    assert_eq!(place.run(), (95, "merger: x.c:1: error: bad\n".into()));
    place.set("noise", "one", true);
    assert_eq!(place.run(), (96, "merger: test/what: noise\n".into()));
    let unset = place.command().env_remove("SMF_FMRI").output().unwrap();
    assert_eq!(unset.status.code(), Some(99));
    assert!(!place.stage().join("current").exists());
}

#[test]
fn disabled_while_it_works() {
    let place = Place::new("hang");
    let (mut child, lines, tool) = place.start();
    assert!(alive(&tool));
    place.set("hang", "one", false);
    let rest: Vec<String> = lines.lines().map(Result::unwrap).collect();
    assert_eq!(rest, ["merger: stopped: no longer wanted"]);
    assert_eq!(child.wait().unwrap().code(), Some(95));
    assert!(!alive(&tool));
}

#[test]
fn a_signal_ends_tools_first() {
    let place = Place::new("hang");
    let (mut child, lines, tool) = place.start();
    // SAFETY: a child of this test that is not reaped.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    let rest: Vec<String> = lines.lines().map(Result::unwrap).collect();
    assert_eq!(rest, ["merger: stopped by SIGTERM"]);
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    assert!(!alive(&tool));
}

#[test]
fn a_newcomer_ends_the_holder() {
    let place = Place::new("hang");
    let (mut holder, _lines, tool) = place.start();
    place.set("work", "one", true);
    let (status, log) = place.run();
    assert_eq!(status, 0, "{log}");
    assert_eq!(holder.wait().unwrap().signal(), Some(libc::SIGTERM));
    assert!(!alive(&tool));
}

#[test]
fn tools_of_a_killed_worker_are_ended_by_the_next() {
    let place = Place::new("hang");
    // What svc.startd gives every method; the number is this test's own.
    let contract = format!(":{}:", 1_000_000_000_000 + u64::from(std::process::id()));
    let mut command = place.command();
    command.env("LAMPLIGHTER_CONTRACT", contract).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut killed = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(killed.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let tool = line.trim().rsplit(' ').next().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(alive(tool), "nobody was there to end it");
    place.set("work", "one", true);
    let (status, log) = place.run();
    assert_eq!(status, 0, "{log}");
    assert!(!alive(tool));
}
