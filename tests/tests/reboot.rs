//! reboot.rs - the host goes down without a word and comes up again: what was volatile is gone,
//! everything that is to run runs, and no work is done again.
//!
//! Two ways to go down.  As a container: the engine lives in a process namespace whose first
//! process is killed, so that the kernel ends all of it at once and pid 1 is another one the next
//! time.  By the stamp: everything is killed and the recorded boot is made another's; that needs
//! no privilege.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tests::hold::Hold;
use tests::{World, await_true};

const PIPELINE: [&str; 6] =
    ["builder:illumos", "builder:pkg5", "builder:caiman", "merger", "imager", "builder/release"];

const LOGS: [&str; 5] = [
    "application-builder:illumos",
    "application-builder:pkg5",
    "application-builder:caiman",
    "application-merger:default",
    "application-imager:default",
];

const DEPOTS: &str = "svc:/application/pkg/server:*";

/// A host for one world.
struct Host {
    world: World,
    /// Whether it is a container.
    contained: bool,
    container: Option<Child>,
}

/// A process namespace that lives as long as its first process's standard input is open.
fn container() -> Option<(Child, String)> {
    let words = ["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"];
    let mut child = Command::new("unshare")
        .args(words)
        .arg("echo up; read -r end")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut()?).read_line(&mut line).ok()?;
    if line != "up\n" {
        let _ended = child.wait();
        return None;
    }
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let first = fs::read_to_string(children).ok()?.split_whitespace().next()?.to_owned();
    Some((child, first))
}

impl Host {
    fn new(contained: bool) -> Option<Host> {
        if contained {
            let Some((mut trial, _)) = container() else {
                eprintln!("SKIPPED: no process namespace can be made here");
                return None;
            };
            drop(trial.stdin.take());
            let _ended = trial.wait();
        }
        Some(Host { world: World::new(), contained, container: None })
    }

    /// The host is there; nothing of the world runs yet.
    fn boot(&mut self) {
        if self.contained {
            let (container, first) = container().expect("a process namespace");
            self.container = Some(container);
            self.world.within(&["nsenter", "-t", &first, "-p", "-m", "--"]);
        }
    }

    /// All of it ends at once.
    fn power_cut(&mut self) {
        let world = &mut self.world;
        if let Some(mut container) = self.container.take() {
            // Its child, the first process, goes with it.
            container.kill().unwrap();
            container.wait().unwrap();
            world.within(&[]);
        } else {
            for one in world.living() {
                one.kill();
            }
        }
        await_true(
            &|| {
                let living = world.living();
                // What was born while the others died.
                living.iter().filter(|_| !self.contained).for_each(tests::living::Living::kill);
                living.is_empty()
            },
            &|| format!("alive: {:?}", world.alive()),
        );
        if !self.contained {
            let stamp = world.root.join("etc/svc/volatile/boot");
            let text = fs::read_to_string(&stamp).unwrap();
            let other = format!("00000000-0000-4000-8000-000000000000 {}", &text[37..]);
            fs::write(&stamp, other).unwrap();
        }
    }

    fn all_online(&self) {
        let world = &self.world;
        let online = || {
            PIPELINE.iter().all(|instance| world.state(instance) == "online")
                && world.state("builder/pipeline") == "online"
        };
        await_true(&online, &|| world.story());
        assert_eq!(world.half_done(), [""; 0]);
        assert_eq!(world.done_twice(), [""; 0]);
        world.await_well();
        let worked = LOGS.map(|log| world.worked(log));
        assert_eq!(worked, [1; 5], "{}", world.story());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(container) = &mut self.container {
            // The engine goes down in there; then the container.
            self.world.run("lamplighter", &["down"]);
            self.world.within(&[]);
            drop(container.stdin.take());
            let _ended = container.wait();
        }
    }
}

fn comes_back(contained: bool) {
    let Some(mut host) = Host::new(contained) else { return };
    host.boot();
    host.world.start();
    host.world.run("svcadm", &["enable", "builder/pipeline"]).ok();
    host.all_online();
    host.world.run("svcadm", &["enable", "-s", DEPOTS]).ok();
    // What an administrator said for this boot, and what befell an instance in it.
    host.world.run("svcadm", &["disable", "-st", "pkg/server:caiman"]).ok();
    host.world.run("svcadm", &["mark", "maintenance", "imager"]).ok();
    host.world.await_state("imager", "maintenance");
    let stamp = host.world.root.join("etc/svc/volatile/boot");
    let before = fs::read_to_string(&stamp).unwrap();
    let release = host.world.stage("release/default/repo");
    let payloads = tree(&release);

    host.power_cut();
    host.boot();
    host.world.run("lamplighter", &["up"]).ok();
    host.all_online();
    for depot in ["illumos-build", "pkg5", "caiman", "release"] {
        host.world.await_state(&format!("pkg/server:{depot}"), "online");
    }
    // The kernel's boot is the same; only a container has another pid 1.
    assert_eq!(contained, before != fs::read_to_string(&stamp).unwrap());
    assert_eq!(payloads, tree(&release), "the release has changed");
    for log in LOGS {
        let text = host.world.log(log);
        assert!(text.contains("up to date (out/"), "{log} looked at nothing:\n{text}");
    }
}

fn tree(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

fn in_the_middle(contained: bool) {
    let Some(mut host) = Host::new(contained) else { return };
    let mut hold = Hold::on(&host.world, "pkg5");
    hold.arm();
    host.boot();
    host.world.start();
    host.world.run("svcadm", &["enable", "builder/pipeline"]).ok();
    hold.await_held(&host.world);
    host.power_cut();
    assert_eq!(host.world.worked(LOGS[0]), 1);
    hold.release();
    host.boot();
    host.world.run("lamplighter", &["up"]).ok();
    host.all_online();
    // And again: what was made before and after the cut is all there.
    host.power_cut();
    host.boot();
    host.world.run("lamplighter", &["up"]).ok();
    host.all_online();
}

#[test]
fn everything_comes_back_after_another_boot() {
    comes_back(false);
}

#[test]
fn everything_comes_back_after_a_container_was_killed() {
    comes_back(true);
}

#[test]
fn a_build_that_was_cut_short_goes_on() {
    in_the_middle(false);
}

#[test]
fn a_build_whose_container_was_killed_goes_on() {
    in_the_middle(true);
}
