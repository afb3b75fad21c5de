//! Contracts with real processes, in both ways: whatever members do, they are found and ended.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use smf_contract::{Contract, Contracts, FORBID_CGROUP, Pid, Way, become_subreaper, reap_orphans};

const DEADLINE: Option<Duration> = Some(Duration::from_secs(60));

/// The tests of this file look at the environment and at all children: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `test` in the cookie way, and in the cgroup way where the host has it.
fn both_ways(test: impl Fn(&Contracts)) {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    become_subreaper().unwrap();
    // SAFETY: the lock keeps every other test of this program from the environment.
    unsafe { std::env::set_var(FORBID_CGROUP, "1") };
    let cookie = Contracts::open("test");
    assert_eq!(&Way::Cookie, cookie.way());
    test(&cookie);
    // SAFETY: as above.
    unsafe { std::env::remove_var(FORBID_CGROUP) };
    let other = Contracts::open("test");
    if other.way() == &Way::Cookie {
        println!("no cgroup can be made here: cgroup way not tested");
        return;
    }
    test(&other);
}

/// Starts a shell in the contract and waits for its first line.
fn start(contract: &mut Contract, script: &str) -> (Child, String) {
    let mut child = begin(contract, script);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

/// Starts a shell in the contract.
fn begin(contract: &mut Contract, script: &str) -> Child {
    let entrance = contract.entrance().unwrap();
    let (name, value) = contract.environment();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).env(name, value).stdout(Stdio::piped());
    // SAFETY: enter does nothing but one write.
    unsafe { command.pre_exec(move || entrance.enter()) };
    let child = command.spawn().unwrap();
    contract.started(child.id() as Pid).unwrap();
    child
}

fn gone(pid: Pid) -> bool {
    smf_contract::processes::process(pid).is_none_or(|process| process.zombie)
}

#[test]
fn members_that_hide_are_found_and_killed() {
    for script in [
        "sleep 600 & echo $!; wait",
        "setsid sleep 600 & echo $!; wait",
        "(setsid sleep 600 & echo $!)",
        "(sleep 600 & echo $!)",
        "env -i sleep 600 & echo $!; wait",
        "(setsid sh -c '(sleep 600 & echo $!)' &)",
    ] {
        both_ways(|contracts| {
            let mut contract = contracts.create().unwrap();
            assert!(contract.is_empty().unwrap());
            let (mut child, line) = start(&mut contract, script);
            let sleeper: Pid = line.parse().unwrap();
            assert!(!contract.is_empty().unwrap(), "{script}");
            assert!(contract.members().unwrap().contains(&sleeper), "{script}");
            assert!(!contract.wait_empty(Some(Duration::from_millis(1))).unwrap(), "{script}");
            contract.kill().unwrap();
            assert!(contract.wait_empty(DEADLINE).unwrap(), "{script}");
            assert!(gone(sleeper), "{script}");
            child.wait().unwrap();
            reap_orphans(&[]);
            contract.remove();
        });
    }
}

/// Neither a member that turns into one program after another, nor one whose children end as soon
/// as they have a child, is ever overlooked.
#[test]
fn who_lives_is_seen_whatever_it_is_about() {
    // Each is over when the last process has ended, and with it the last end of the pipe.
    for (script, lives) in [
        ("n=$1; [ $n = 0 ] || exec sh -c \"$0\" \"$0\" $((n - 1))", 120),
        ("n=$1; [ $n = 0 ] || { sh -c \"$0\" \"$0\" $((n - 1)) & }", 120),
        ("n=$1; [ $n = 0 ] || { setsid sh -c \"$0\" \"$0\" $((n - 1)) & }", 120),
    ] {
        both_ways(|contracts| {
            for contracts in [contracts.clone(), contracts.clone().as_reaper()] {
                let mut contract = contracts.create().unwrap();
                let whole = format!("echo on; sh -c '{script}' '{script}' {lives} & exit 0");
                let mut child = begin(&mut contract, &whole);
                let mut pipe = BufReader::new(child.stdout.take().unwrap());
                let mut line = String::new();
                pipe.read_line(&mut line).unwrap();
                child.wait().unwrap();
                contracts.reaped(child.id() as Pid);
                while !contract.is_empty().unwrap() {
                    for pid in smf_contract::processes::children_of("self").unwrap_or_default() {
                        let pid = nix::unistd::Pid::from_raw(pid);
                        let flag = nix::sys::wait::WaitPidFlag::WNOHANG;
                        let state = nix::sys::wait::waitpid(pid, Some(flag)).unwrap();
                        if state != nix::sys::wait::WaitStatus::StillAlive {
                            contracts.reaped(pid.as_raw());
                        }
                    }
                }
                let mut ends =
                    [nix::poll::PollFd::new(pipe.get_ref().as_fd(), nix::poll::PollFlags::empty())];
                let over = nix::poll::poll(&mut ends, nix::poll::PollTimeout::ZERO).unwrap();
                contract.kill().unwrap();
                assert_eq!(1, over, "seen as empty before its end: {script}");
                reap_orphans(&[]);
                contract.remove();
            }
        });
    }
}

#[test]
fn emptiness_is_an_event() {
    both_ways(|contracts| {
        let mut contract = contracts.create().unwrap();
        let (mut child, _) = start(&mut contract, "(sleep 0.2; sleep 0.2) & echo on");
        child.wait().unwrap();
        assert!(!contract.is_empty().unwrap(), "the shell ended, its child did not");
        assert!(contract.wait_empty(DEADLINE).unwrap());
        contract.remove();
    });
}

#[test]
fn a_contract_is_adopted_by_its_number() {
    both_ways(|contracts| {
        let mut contract = contracts.create().unwrap();
        let (mut child, line) = start(&mut contract, "sleep 600 & echo $!; wait");
        let id = contract.id();
        drop(contract);
        let mut again = contracts.adopt(id).unwrap().expect("two processes live in it");
        assert_eq!(2, again.members().unwrap().len());
        assert!(again.members().unwrap().contains(&line.parse().unwrap()));
        assert_eq!(2, again.signal(libc::SIGTERM).unwrap());
        assert!(again.wait_empty(DEADLINE).unwrap());
        child.wait().unwrap();
        again.remove();
        assert!(contracts.adopt(id).unwrap().is_none(), "nothing is left of it");
    });
}

#[test]
fn nested_members_belong_to_both() {
    both_ways(|contracts| {
        let mut outer = contracts.create().unwrap();
        let (mut stage, line) = start(&mut outer, "sleep 600 & echo $!; wait");
        // What the stage does inside of the outer contract, done here from outside.
        let inside = match contracts.way() {
            Way::Cookie => {
                // SAFETY: one test at a time.
                unsafe { std::env::set_var("LAMPLIGHTER_CONTRACT", outer.environment().1) };
                let inside = Contracts::open("inner");
                // SAFETY: one test at a time.
                unsafe { std::env::remove_var("LAMPLIGHTER_CONTRACT") };
                inside
            }
            Way::Cgroup(_) => Contracts::below("inner", &outer),
        };
        let mut inner = inside.create().unwrap();
        let (mut tool, tool_line) = start(&mut inner, "setsid sleep 600 & echo $!; wait");
        let (of_stage, of_tool) = (line.parse().unwrap(), tool_line.parse().unwrap());
        assert!(outer.members().unwrap().contains(&of_tool));
        assert!(inner.members().unwrap().contains(&of_tool));
        assert!(!inner.members().unwrap().contains(&of_stage));
        inner.kill().unwrap();
        assert!(inner.wait_empty(DEADLINE).unwrap());
        assert!(!outer.is_empty().unwrap(), "the stage lives on");
        outer.kill().unwrap();
        assert!(outer.wait_empty(DEADLINE).unwrap());
        stage.wait().unwrap();
        tool.wait().unwrap();
        reap_orphans(&[]);
        inner.remove();
        outer.remove();
    });
}

#[test]
fn strangers_are_left_alone() {
    both_ways(|contracts| {
        let mut one = contracts.create().unwrap();
        let mut two = contracts.create().unwrap();
        let (mut first, _) = start(&mut one, "echo on; exec sleep 600");
        let (mut second, _) = start(&mut two, "echo on; exec sleep 600");
        one.kill().unwrap();
        assert!(one.wait_empty(DEADLINE).unwrap());
        assert!(!two.is_empty().unwrap());
        assert!(!gone(second.id() as Pid));
        two.kill().unwrap();
        assert!(two.wait_empty(DEADLINE).unwrap());
        first.wait().unwrap();
        second.wait().unwrap();
        one.remove();
        two.remove();
    });
}

#[test]
fn a_project_holds_its_contracts() {
    both_ways(|contracts| {
        let project = format!("test.{}", std::process::id());
        let mut inside = contracts.create_in(&project).unwrap();
        let (mut child, _) = start(&mut inside, "echo on; exec sleep 600");
        let named = inside.directory().is_some_and(|dir| dir.to_string_lossy().contains(&project));
        let cgroups = contracts.way() != &Way::Cookie;
        assert_eq!((cgroups, cgroups), (named, contracts.has_project(&project)));
        assert!(!contracts.has_project("not/a name"));
        let group = inside.directory().and_then(|dir| dir.parent()).map(std::path::Path::to_owned);
        let id = inside.id();
        drop(inside);
        let mut again = contracts.adopt(id).unwrap().expect("it is found in there");
        again.kill().unwrap();
        assert!(again.wait_empty(DEADLINE).unwrap());
        child.wait().unwrap();
        drop(again);
        contracts.sweep(&[]);
        if let Some(group) = group {
            std::fs::remove_dir(group).expect("nothing is left in it");
        }
    });
}

#[test]
fn a_reaper_uses_groups_again() {
    both_ways(|contracts| {
        let contracts = contracts.clone().as_reaper();
        let run = |contract: &mut Contract, script: &str| {
            let (mut child, line) = start(contract, script);
            child.wait().unwrap();
            contracts.reaped(child.id() as Pid);
            line
        };
        let mut first = contracts.create().unwrap();
        let id = first.id();
        run(&mut first, "echo on");
        assert!(first.is_empty().unwrap());
        let Some(dir) = first.directory().map(Path::to_path_buf) else {
            let back = contracts.keep_empty(first);
            assert!(back.is_some_and(|back| back.id() == id), "there is no group to keep");
            return;
        };
        assert!(contracts.keep_empty(first).is_none());
        let other = contracts.create().unwrap();
        assert_ne!(id, other.id(), "who was its member may still be a zombie");
        assert!(contracts.remove_empty(other).is_none());
        contracts.all_reaped();
        let end = Instant::now() + Duration::from_secs(60);
        let mut again = loop {
            let made = contracts.create().unwrap();
            if made.id() == id {
                break made;
            }
            assert!(Instant::now() < end, "it rests too long");
            made.remove();
        };
        // One that somebody lives in is not kept, and is what it was.
        let sleeper: Pid = run(&mut again, "sleep 600 >/dev/null & echo $!").parse().unwrap();
        let mut back = contracts.keep_empty(again).expect("it is not empty");
        assert!(!back.is_empty().unwrap());
        assert_eq!(back.signal(libc::SIGKILL).unwrap(), 1);
        assert!(back.wait_empty(DEADLINE).unwrap());
        assert!(gone(sleeper));
        reap_orphans(&[]);
        // Nor is one that has a group below it.
        std::fs::create_dir(dir.join("below")).unwrap();
        let back = contracts.keep_empty(back).expect("a group is in it");
        std::fs::remove_dir(dir.join("below")).unwrap();
        assert!(contracts.keep_empty(back).is_none());
        contracts.sweep(&[]);
        assert!(dir.exists(), "it is kept");
        contracts.forget_idle();
        assert!(!dir.exists());
        // Nor one that was killed as a group: who is born into it would die.
        let mut killed = contracts.create().unwrap();
        let dir = killed.directory().unwrap().to_path_buf();
        killed.kill().unwrap();
        assert!(contracts.keep_empty(killed).is_none());
        assert!(!dir.exists());
    });
}

#[test]
fn who_is_a_member_is_known_to_a_reaper_by_one_look_at_its_children() {
    both_ways(|contracts| {
        let contracts = contracts.clone().as_reaper();
        let [mut quick, mut slow] = [(); 2].map(|()| contracts.create().unwrap());
        let (mut daemon, _) = start(&mut slow, "sleep 600 >/dev/null & echo on; wait");
        let (mut child, _) = start(&mut quick, "echo on");
        child.wait().unwrap();
        contracts.reaped(child.id() as Pid);
        assert!(quick.is_empty().unwrap());
        assert!(!slow.is_empty().unwrap());
        // What the first process of it leaves behind keeps it from being empty.
        let mut left = contracts.create().unwrap();
        let script = "sh -c 'echo $$; sleep 600 >/dev/null; true' &";
        let (mut child, line) = start(&mut left, script);
        child.wait().unwrap();
        contracts.reaped(child.id() as Pid);
        assert!(!left.is_empty().unwrap());
        assert!(left.members().unwrap().contains(&line.parse().unwrap()));
        for contract in [&mut slow, &mut left] {
            contract.kill().unwrap();
            assert!(contract.wait_empty(DEADLINE).unwrap());
        }
        daemon.wait().unwrap();
        contracts.reaped(daemon.id() as Pid);
        reap_orphans(&[]);
        [quick, slow, left].into_iter().for_each(Contract::remove);
    });
}
