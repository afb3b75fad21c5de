//! Programs really run: what they say is heard, and nothing of them stays.

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use process::tree::Worker;
use process::{Cancel, Ended, Limits, ProcessError, Program};

const DEADLINE: Duration = Duration::from_secs(60);

/// The way containers are made stands in the environment, and what got away is ended when nothing
/// contained runs: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn both_ways(test: impl Fn()) {
    let _alone = alone();
    for forbidden in ["", "1"] {
        // SAFETY: the lock keeps every other test of this program from the environment.
        unsafe { std::env::set_var("LAMPLIGHTER_NO_CGROUP", forbidden) };
        test();
    }
}

fn shell(script: &str) -> Program {
    Program::new("sh").args(["-c", script])
}

fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn ends_and_streams() {
    both_ways(|| {
        for (script, want) in [
            ("echo out; echo err >&2", Ended::Exited(0)),
            ("echo out; echo err >&2; exit 7", Ended::Exited(7)),
            ("echo out; echo err >&2; kill -9 $$", Ended::Signalled(9)),
        ] {
            for program in [shell(script), shell(script).uncontained()] {
                let said = program.output(&Limits::of(DEADLINE)).unwrap();
                assert_eq!(said.ended, want, "{script}");
                assert_eq!((said.text().as_str(), said.err.as_slice()), ("out\n", &b"err\n"[..]));
                assert_eq!(said.complaint(), "err");
            }
        }
    });
}

#[test]
fn the_environment_is_clean() {
    both_ways(|| {
        let program = shell("pwd; env; cat").env("OWN", "1").directory("/").pass(&["NO_SUCH"]);
        let text = program.output(&Limits::of(DEADLINE)).unwrap().text();
        let mut names: Vec<&str> =
            text.lines().skip(1).map(|line| line.split('=').next().unwrap()).collect();
        names.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
        names.sort_unstable();
        assert_eq!(names, ["LAMPLIGHTER_CONTRACT", "LC_ALL", "OWN", "PATH", "TZ"]);
        assert!(text.starts_with("/\n"), "{text}");
    });
}

#[test]
fn what_is_left_behind_is_ended() {
    both_ways(|| {
        for script in ["sleep 600 & echo $!", "setsid sleep 600 & echo $!", "(sleep 600 & echo $!)"]
        {
            let said = shell(script).output(&Limits::of(DEADLINE)).unwrap();
            assert_eq!(said.ended, Ended::Exited(0));
            assert!(!alive(&said.text()), "{script}");
        }
    });
}

#[test]
fn what_got_away_is_ended_by_a_program_that_is_contained_itself() {
    both_ways(|| {
        // SAFETY: both_ways keeps every other test of this program from the environment.
        unsafe { std::env::set_var("LAMPLIGHTER_CONTRACT", ":1:") };
        let place = tempfile::tempdir().unwrap();
        let fifo = place.path().join("fifo").display().to_string();
        let script = format!(
            "mkfifo {fifo}; (env -i setsid sh -c 'sleep 600 & echo $! >{fifo}; wait' &)
             read -r pid <{fifo}; echo $pid"
        );
        let said = shell(&script).output(&Limits::of(DEADLINE));
        // SAFETY: as above.
        unsafe { std::env::remove_var("LAMPLIGHTER_CONTRACT") };
        let said = said.unwrap();
        assert_eq!(said.ended, Ended::Exited(0));
        assert!(!alive(&said.text()), "{said:?}");
    });
}

#[test]
fn limits_end_the_whole_tree() {
    both_ways(|| {
        let script = "trap '' TERM; sleep 600 & echo $!; wait; sleep 600";
        let cancel = Cancel::new().unwrap();
        let mut limits = Limits::of(Duration::from_millis(300));
        limits.grace = Duration::from_millis(100);
        let mut pid = String::new();
        let ended = shell(script).run_lines(&limits, &mut |line| pid = line.to_owned()).unwrap();
        assert_eq!(ended, Ended::TimedOut);
        assert!(!alive(&pid), "{pid}");

        let mut limits = Limits::until(&cancel);
        limits.grace = Duration::from_millis(100);
        let ended = shell(script).run_lines(&limits, &mut |line| {
            pid = line.to_owned();
            cancel.set();
        });
        assert_eq!(ended.unwrap(), Ended::Cancelled);
        assert!(!alive(&pid), "{pid}");

        let mut heard = Vec::new();
        let mut limits = Limits::none();
        limits.grace = Duration::from_millis(100);
        let ended = shell(script).run(&limits, &mut |bytes| {
            heard.extend_from_slice(bytes);
            ControlFlow::Break(())
        });
        assert_eq!(ended.unwrap(), Ended::Stopped);
        assert!(!alive(&String::from_utf8(heard).unwrap()));
    });
}

#[test]
fn signals_blocked_by_the_caller_reach_the_program() {
    both_ways(|| {
        let signals: nix::sys::signal::SigSet = [nix::sys::signal::SIGTERM].into_iter().collect();
        signals.thread_block().unwrap();
        for program in [shell("kill -TERM $$; exit 1"), shell("kill $$; exit 1").uncontained()] {
            assert_eq!(program.output(&Limits::of(DEADLINE)).unwrap().ended, Ended::Signalled(15));
        }
        signals.thread_unblock().unwrap();
    });
}

#[test]
fn a_daemon_lives_on_uncontained() {
    both_ways(|| {
        let said = shell("sleep 600 & echo $!").uncontained().output(&Limits::of(DEADLINE));
        let pid = said.unwrap().text();
        assert!(alive(&pid));
        shell(&format!("kill {pid}")).output(&Limits::none()).unwrap();
    });
}

#[test]
fn a_program_that_is_not_there() {
    both_ways(|| {
        let error = Program::new("no-such-program").output(&Limits::none()).unwrap_err();
        assert!(matches!(error, ProcessError::Absent { .. }), "{error}");
        assert_eq!(error.to_string(), "no-such-program: not found");
        let error = shell("true").directory("/no/such").output(&Limits::none()).unwrap_err();
        assert!(matches!(error, ProcessError::Start { .. }), "{error}");
    });
}

#[test]
fn much_output_is_heard_whole() {
    both_ways(|| {
        let mut count = 0;
        let ended = shell("seq 1 100000").run_lines(&Limits::of(DEADLINE), &mut |_| count += 1);
        assert_eq!((ended.unwrap(), count), (Ended::Exited(0), 100_000));
    });
}

#[test]
fn a_dropped_child_is_gone() {
    both_ways(|| {
        let child = shell("sleep 600 & sleep 600").start().unwrap();
        let pid = child.pid().to_string();
        assert!(alive(&pid));
        drop(child);
        assert!(!alive(&pid));
    });
}

#[test]
fn an_earlier_worker_is_ended_with_its_tools() {
    both_ways(|| {
        // A worker in a contract of its own, as a method is.
        let mut seen = Vec::new();
        let script = "sleep 600 & echo $! $$; env | grep LAMPLIGHTER_CONTRACT= >&2; wait";
        let ended = shell(script).run_lines(&Limits::of(DEADLINE), &mut |line| {
            seen.push(line.to_owned());
            if seen.len() < 2 {
                return;
            }
            seen.sort();
            let (tool, pid) = seen[0].split_once(' ').unwrap();
            let pid = pid.parse().unwrap();
            let started = smf_contract::processes::process(pid).unwrap().started;
            let contract = seen[1].split_once('=').unwrap().1.to_owned();
            let worker = Worker { pid, started, contract };
            assert!(worker.is_alive());
            worker.end(DEADLINE).unwrap();
            assert!(!worker.is_alive() && !alive(tool));
        });
        assert_eq!(ended.unwrap(), Ended::Signalled(15));
    });
}

/// Whether a program can be given a mount namespace here.
#[cfg(target_os = "linux")]
fn can_confine() -> bool {
    let asked = std::process::Command::new("unshare").args(["-Urm", "true"]).status();
    asked.is_ok_and(|status| status.success())
}

#[cfg(target_os = "linux")]
#[test]
fn a_confined_program_writes_where_it_may_and_nowhere_else() {
    if !can_confine() {
        eprintln!("SKIPPED: no namespaces here");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let below = |name: &str| scratch.path().join(name);
    for name in ["area", "scripts", "other"] {
        std::fs::create_dir(below(name)).unwrap();
    }
    std::fs::write(below("scripts/script"), "echo read\n").unwrap();
    std::fs::write(below("socket"), "").unwrap();
    let script = "
        . \"$1/scripts/script\"
        test -e \"$1/socket\" && echo found
        echo x >\"$1/area/file\" && echo written
        echo x >../area/relative && echo written
        (echo x >\"$1/scripts/file\") 2>/dev/null || echo refused
        (echo x >/etc/lamplighter-test) 2>/dev/null || echo refused
        echo x >/tmp/own && echo own
        test -e \"$1/other\" || echo hidden
    ";
    let confinement = process::Confinement {
        writable: vec![below("area")],
        readable: vec![below("scripts"), below("socket")],
        shown: None,
    };
    let said = Program::new("/bin/sh")
        .args(["-c", script, "sh"])
        .arg(scratch.path())
        .directory(below("scripts"))
        .confined(confinement)
        .output(&Limits::none())
        .unwrap();
    let lines: Vec<String> = said.text().lines().map(str::to_string).collect();
    let mut wanted = vec!["read", "found", "written", "written", "refused", "refused", "own"];
    if scratch.path().starts_with("/tmp") {
        wanted.push("hidden");
    }
    assert_eq!(lines, wanted, "{}", said.complaint());
    assert_eq!(std::fs::read_to_string(below("area/file")).unwrap(), "x\n");
    assert!(!below("scripts/file").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_confined_program_writes_where_it_runs_if_it_may_write_above() {
    if !can_confine() {
        eprintln!("SKIPPED: no namespaces here");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (area, own) = (scratch.path().join("area"), scratch.path().join("area/own"));
    std::fs::create_dir_all(&own).unwrap();
    let said = shell("echo x >file && mv ../own ../moved && echo written")
        .directory(&own)
        .confined(process::Confinement { writable: vec![area.clone()], ..Default::default() })
        .output(&Limits::none())
        .unwrap();
    assert_eq!(said.text(), "written\n", "{}", said.complaint());
    assert_eq!(std::fs::read_to_string(area.join("moved/file")).unwrap(), "x\n");
}

#[test]
fn a_script_without_its_interpreter_says_which_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = tempfile::tempdir().unwrap();
    let script = scratch.path().join("script");
    for (text, wanted) in [
        ("#! /nowhere/python2.6 -u\n", ": its interpreter /nowhere/python2.6: not found"),
        ("#!/nowhere/ksh", ": its interpreter /nowhere/ksh: not found"),
    ] {
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = Program::new(&script).output(&Limits::none()).unwrap_err();
        assert_eq!(error.to_string(), format!("{}{wanted}", script.display()));
    }
    let error = Program::new("/nowhere/program").output(&Limits::none()).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/program: not found");
}

/// Without overlays the directory is as it is, and the program runs.
#[cfg(target_os = "linux")]
#[test]
fn a_confined_program_sees_names_in_another_directory() {
    if !can_confine() {
        eprintln!("SKIPPED: no namespaces here");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let below = |name: &str| scratch.path().join(name);
    for (folder, file) in [("more", "added"), ("place", "own")] {
        std::fs::create_dir(below(folder)).unwrap();
        std::fs::write(below(folder).join(file), file).unwrap();
    }
    let [more, place] = ["more", "place"].map(|name| below(name).display().to_string());
    // As the confinement does it: root needs no namespace of users for that.
    let how = if nix::unistd::geteuid().is_root() { "-m" } else { "-rm" };
    let overlay = std::process::Command::new("unshare")
        .args([how, "mount", "-t", "overlay", "-o", &format!("lowerdir={more}:{place}"), "x"])
        .arg(&place)
        .output();
    let has_overlays = overlay.is_ok_and(|done| done.status.success());
    let confinement = process::Confinement {
        writable: Vec::new(),
        readable: vec![below("place")],
        shown: Some((below("more"), below("place"))),
    };
    let said = Program::new("/bin/sh")
        .args(["-c", "cat \"$1\"/*; echo x 2>/dev/null >\"$1/own\"", "sh", &place])
        .confined(confinement)
        .output(&Limits::none())
        .unwrap();
    assert_eq!(said.text(), if has_overlays { "addedown" } else { "own" }, "{}", said.complaint());
    assert_eq!(std::fs::read_to_string(below("place/own")).unwrap(), "own");
}

#[cfg(target_os = "linux")]
mod owners {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;
    use std::sync::Arc;

    use process::account::Account;
    use process::{Claim, Confinement, Device, Ledger};

    use super::*;

    /// Runs a script in a directory as somebody without privilege; what it said of owners.
    fn told(folder: &Path, script: &str, confined: bool) -> (String, Arc<Ledger>) {
        let ledger = Arc::new(Ledger::default());
        let mut program = shell(script).directory(folder).ledger(&ledger);
        if confined {
            let writable = vec![folder.to_path_buf()];
            program = program.confined(Confinement { writable, ..Confinement::default() });
        }
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(folder, Some(65_534), Some(65_534)).unwrap();
            program = program.account(Account::of("nobody").unwrap());
        }
        let said = program.output(&Limits::of(DEADLINE)).unwrap();
        let err = String::from_utf8_lossy(&said.err).into_owned();
        assert!(said.success(), "{err}");
        (said.text() + &err, ledger)
    }

    fn claim(ledger: &Ledger, path: &Path) -> Option<(Option<u32>, Option<u32>)> {
        let claim = ledger.of(path, &std::fs::symlink_metadata(path).unwrap())?;
        assert_eq!(claim.device, None);
        Some((claim.uid, claim.gid))
    }

    #[test]
    fn what_is_given_away_stands_in_the_ledger() {
        let _alone = alone();
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().canonicalize().unwrap();
        let script = "set -e; mkdir d; touch a d/b c e f g; ln -s c link; ln -s nowhere loose
            ln -s d to; ln -s $PWD/d whole; chmod 6755 g; umask 077
            chown 5:6 a; chown 7 a; chown -R 1:2 d; chgrp 3 link; chown -h 9:9 loose
            chown 4:4 to/../e; chown 8 whole/../f; (cd d && chown 10:11 \"$OLDPWD/g\")
            python3 -c 'import os; f = os.open(\"c\", 0); os.fchown(f, 12, -1)' 2>/dev/null || chown 12 c
            chown 5 missing 2>/dev/null && exit 1
            mkfifo p; cp -p a copy; cp -dp loose loose2; sed -i s/x/y/ d/b
            stat -c %u:%g a d/b link loose; stat -L -c %u:%g link; ls -n a | cut -d' ' -f3,4";
        let (said, ledger) = told(&folder, script, false);
        let own = std::fs::metadata(folder.join("a")).unwrap();
        let own = format!("{}:{}", own.uid(), own.gid());
        let seen = format!("7:6\n1:2\n{own}\n9:9\n12:3\n7 6\n");
        assert_eq!(said, seen, "who looks at a file sees what was said of it");
        for (path, wanted) in [
            ("a", Some((Some(7), Some(6)))),
            ("d", Some((Some(1), Some(2)))),
            ("d/b", Some((Some(1), Some(2)))),
            ("c", Some((Some(12), Some(3)))),
            ("loose", Some((Some(9), Some(9)))),
            ("e", Some((Some(4), Some(4)))),
            ("f", Some((Some(8), None))),
            ("g", Some((Some(10), Some(11)))),
            ("link", None),
            ("p", None),
            ("copy", Some((Some(7), Some(6)))),
            ("loose2", Some((Some(9), Some(9)))),
        ] {
            assert_eq!(claim(&ledger, &folder.join(path)), wanted, "{path}");
        }
        let mode = std::fs::metadata(folder.join("g")).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o755, "a program that is given away is set to nobody's id");
        // A file that has the number of one that is gone has nothing of it.
        std::fs::remove_file(folder.join("a")).unwrap();
        for count in 0..20 {
            let next = folder.join(format!("next{count}"));
            std::fs::write(&next, "").unwrap();
            assert_eq!(claim(&ledger, &next), None);
        }
    }

    #[test]
    fn devices_are_empty_files() {
        let _alone = alone();
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().canonicalize().unwrap();
        let script = "set -e; umask 027; mkdir dev; mknod dev/null c 13 2; chmod 666 dev/null
            mknod -m 640 dev/disk b 300 70000; mknod dev/plain p; chown 0:3 dev/null
            mknod dev/null c 1 1 2>/dev/null && exit 1; mknod no/null c 1 1 2>/dev/null && exit 1
            cp -a dev/null dev/zero; stat -c '%F %t %T' dev/null dev/disk";
        let (said, ledger) = told(&folder, script, false);
        assert_eq!(said, "character special file d 2\nblock special file 12c 11170\n");
        for (path, mode, device, owner) in [
            ("dev/null", 0o666, Some((false, 13, 2)), (Some(0), Some(3))),
            ("dev/zero", 0o666, Some((false, 13, 2)), (Some(0), Some(3))),
            ("dev/disk", 0o640, Some((true, 300, 70_000)), (None, None)),
        ] {
            let about = std::fs::symlink_metadata(folder.join(path)).unwrap();
            assert!(about.is_file() && about.len() == 0, "{path}");
            assert_eq!(about.permissions().mode() & 0o7777, mode, "{path}");
            let device = device.map(|(is_block, major, minor)| Device { is_block, major, minor });
            let wanted = Claim { uid: owner.0, gid: owner.1, device };
            assert_eq!(ledger.of(&folder.join(path), &about), Some(wanted), "{path}");
        }
    }

    /// What answers reaches no further than who asks.
    #[test]
    fn nothing_is_made_where_the_program_may_not_write() {
        let _alone = alone();
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().canonicalize().unwrap();
        let (inside, outside) = (folder.join("inside"), folder.join("outside"));
        for path in [&inside, &outside] {
            std::fs::create_dir(path).unwrap();
        }
        std::fs::set_permissions(&outside, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(outside.join("file"), "").unwrap();
        let script = format!(
            "ln -s {0} whole; ln -s ../outside part
             for to in whole part ../outside {0} /proc/self/cwd/../outside; do
                mknod $to/device c 1 1 && exit 1
             done
             exec 2>/dev/null; mknod /proc/self/fd/0/x c 1 1 && exit 1
             chown 5 whole/missing && exit 1; exit 0",
            outside.display()
        );
        let (_, ledger) = told(&inside, &script, true);
        let names: Vec<_> = std::fs::read_dir(&outside).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        drop(ledger);
    }
}
