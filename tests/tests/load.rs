//! load.rs - the engine under load: services enabled, disabled, killed, restarted at random.
//!
//! A few seconds with few services; `packaging/soak load` gives it minutes and 300.
//!
//! ```text
//! LAMPLIGHTER_LOAD_SECONDS   how long (3)
//! LAMPLIGHTER_LOAD_SERVICES  how many (30)
//! LAMPLIGHTER_SEED           of the orders' sequence (1)
//! ```
//!
//! At rest before and at rest after, the engine has the same descriptors and about the same memory,
//! no process of a service lives, no child is unreaped, and every line of every log is well-formed.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tests::await_true;
use tests::dice::{Dice, setting};
use tests::smf::Root;

/// Services of the three kinds, each depending on an earlier one in one of four ways.
fn bundle(services: u64) -> String {
    let mut text = String::from(
        "<?xml version='1.0'?>\n<!DOCTYPE service_bundle SYSTEM \
         '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>\n\
         <service_bundle type='manifest' name='load'>\n",
    );
    for number in 0..services {
        let (duration, start, stop) = match number % 3 {
            0 => ("contract", "/bin/sh -c \"sleep 1000 &amp;\"", ":kill"),
            1 => ("transient", "/bin/true", "/bin/true"),
            _ => ("child", "/bin/sleep 1000", ":kill"),
        };
        let on = number / 3;
        let how = ["none", "error", "restart", "refresh"][usize::try_from(number % 4).unwrap()];
        let grouping = if number % 5 == 0 { "optional_all" } else { "require_all" };
        text += &format!("<service name='load/s{number}' type='service' version='1'>\n");
        text += "<create_default_instance enabled='false'/>\n";
        if on < number {
            text += &format!(
                "<dependency name='on' grouping='{grouping}' restart_on='{how}' type='service'>\n\
                 <service_fmri value='svc:/load/s{on}'/></dependency>\n"
            );
        }
        text += &format!(
            "<exec_method type='method' name='start' exec='{start}' timeout_seconds='60'/>\n\
             <exec_method type='method' name='stop' exec='{stop}' timeout_seconds='60'/>\n\
             <property_group name='startd' type='framework'>\n\
             <propval name='duration' type='astring' value='{duration}'/>\n\
             </property_group>\n</service>\n"
        );
    }
    text + "</service_bundle>\n"
}

/// What an engine holds of the system.
#[derive(Debug, Clone, Copy)]
struct Holds {
    memory_kb: u64,
    /// All but those that are kept for use again.
    descriptors: usize,
    /// Of logs and of control groups.
    kept: usize,
    threads: usize,
}

/// Released contracts that an engine keeps, and what it holds of each.
const KEPT_CONTRACTS: usize = 64;
const OF_A_CONTRACT: usize = 2;

fn holds(pid: i32) -> Holds {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|entry| {
        // It may be closed meanwhile.
        fs::read_link(entry.unwrap().path()).unwrap_or_default().display().to_string()
    });
    let is_kept = |file: &String| file.contains("/var/svc/log/load-") || file.contains("cgroup");
    let (kept, others): (Vec<String>, Vec<String>) = open.partition(is_kept);
    Holds {
        memory_kb: line.trim().trim_end_matches(" kB").parse().unwrap(),
        descriptors: others.len(),
        kept: kept.len(),
        threads: fs::read_dir(format!("/proc/{pid}/task")).unwrap().count(),
    }
}

/// Everything disabled, and what the engine then holds.
fn at_rest(root: &Root) -> Holds {
    root.run("svcadm", &["disable", "svc:/load/*"]).ok();
    // A mark that came behind its disable leaves maintenance by being cleared.
    let rest = || {
        let states = root.run("svcs", &["-H", "-o", "state,fmri", "svc:/load/*"]).ok();
        let rows = states.lines().filter_map(|row| row.split_once(' '));
        let marked = rows.filter(|(state, _)| *state == "maintenance").map(|(_, fmri)| fmri.trim());
        for fmri in marked {
            let _gone_already = root.run("svcadm", &["clear", fmri]);
        }
        states.lines().all(|row| row.starts_with("disabled "))
    };
    await_true(&rest, &|| root.run("svcs", &["-a"]).out);
    let pid = root.engine().unwrap();
    let alone = || root.alive().len() == 1;
    await_true(&alone, &|| format!("still there: {:?}", root.alive()));
    let children = || fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    await_true(&|| children().is_empty(), &|| format!("unreaped: {}", children()));
    holds(pid)
}

/// One order, or one kill; its name.
fn disturb(root: &Root, dice: &mut Dice, services: u64) -> &'static str {
    let fmri = format!("svc:/load/s{}:default", dice.below(services));
    let (what, arguments): (&str, &[&str]) = match dice.below(12) {
        0..=3 => ("enable", &["enable"]),
        4 => ("enable -r", &["enable", "-r"]),
        5 => ("disable", &["disable"]),
        6 => ("disable -t", &["disable", "-t"]),
        7 => ("restart", &["restart"]),
        8 => ("refresh", &["refresh"]),
        9 => ("mark", &["mark", "maintenance"]),
        10 => {
            let all = root.living();
            let of_services: Vec<_> = all.iter().filter(|one| one.fmri.is_some()).collect();
            if let Some(count) = u64::try_from(of_services.len()).ok().filter(|count| *count > 0) {
                of_services[usize::try_from(dice.below(count)).unwrap()].kill();
            }
            return "kill";
        }
        _ => ("clear", &["clear"]),
    };
    let said = root.run("svcadm", &[arguments, &[&fmri]].concat());
    // What is not in maintenance cannot be cleared; all else is taken.
    assert!(said.status == 0 || what == "clear" && said.status == 1, "{what} {fmri}: {said:?}");
    what
}

/// Whether a line of an instance's log is one: `[ Mon dd hh:mm:ss message ]`.
fn is_well_formed(line: &str) -> bool {
    let Some(inner) = line.strip_prefix("[ ").and_then(|rest| rest.strip_suffix(" ]")) else {
        return false;
    };
    let bytes = inner.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    bytes.len() > 16
        && inner.is_char_boundary(16)
        && bytes[0].is_ascii_uppercase()
        && bytes[1..3].iter().all(u8::is_ascii_lowercase)
        && bytes[3] == b' '
        && (digits(4..6) || bytes[4] == b' ' && digits(5..6))
        && bytes[6] == b' '
        && digits(7..9)
        && bytes[9] == b':'
        && digits(10..12)
        && bytes[12] == b':'
        && digits(13..15)
        && bytes[15] == b' '
}

fn lines_of_logs(root: &Root) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(root.path().join("var/svc/log")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("load-") {
            continue;
        }
        for line in fs::read_to_string(entry.path()).unwrap().lines() {
            assert!(is_well_formed(line), "{name}: {line:?}");
            count += 1;
        }
    }
    count
}

#[test]
fn nothing_leaks_and_every_line_is_well_formed() {
    let seconds = setting("LAMPLIGHTER_LOAD_SECONDS", 3);
    let services = setting("LAMPLIGHTER_LOAD_SERVICES", 30);
    let seed = setting("LAMPLIGHTER_SEED", 1);
    let root = Root::up();
    let path = root.scratch().join("load.xml");
    fs::write(&path, bundle(services)).unwrap();
    root.run("svccfg", &["import", path.to_str().unwrap()]).ok();
    // What is made once and kept, a pool or a table, is there before it is measured.
    root.run("svcadm", &["enable", "-s", "svc:/load/*"]).ok();
    let mut dice = Dice(seed ^ 0xffff);
    for _ in 0..services * 4 {
        disturb(&root, &mut dice, services);
    }
    let before = at_rest(&root);
    let until = Instant::now() + Duration::from_secs(seconds);
    let done = Mutex::new(BTreeMap::<&str, u64>::new());
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (root, done) = (&root, &done);
            scope.spawn(move || {
                let mut dice = Dice(seed.wrapping_mul(1_000) + thread);
                while Instant::now() < until {
                    let what = disturb(root, &mut dice, services);
                    *done.lock().unwrap().entry(what).or_default() += 1;
                }
            });
        }
    });
    let working = holds(root.engine().unwrap());
    let after = at_rest(&root);
    let lines = lines_of_logs(&root);
    let done = done.into_inner().unwrap();
    println!(
        "seed {seed}, {services} services, {seconds} s, {lines} lines of logs; done: {done:?}"
    );
    println!("at rest before {before:?}\nworking        {working:?}\nat rest after  {after:?}");
    assert!(after.descriptors <= before.descriptors + 2, "descriptors: {before:?}, {after:?}");
    let most = usize::try_from(services).unwrap() + KEPT_CONTRACTS * OF_A_CONTRACT;
    assert!(after.kept <= most, "kept descriptors: {after:?}");
    assert!(after.threads <= before.threads + 2, "threads: {before:?}, {after:?}");
    assert!(
        after.memory_kb <= before.memory_kb * 5 / 4 + 4_096,
        "memory: {before:?}, {after:?} (seed {seed})"
    );
}

#[test]
fn lines() {
    for (line, well) in [
        ("[ Nov 28 10:00:00 Enabled. ]", true),
        ("[ Nov  8 10:00:00 Enabled. ]", true),
        ("[ Nov 28 10:00:00 ]", false),
        ("Enabled.", false),
        ("[ Nov 28 10:00:00 Enab", false),
        ("", false),
    ] {
        assert_eq!(is_well_formed(line), well, "{line:?}");
    }
}
