//! Full disks: what is said, and that a build goes on to the same medium when there is room again.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use common::{MEDIA, SLIM, Yard, absent, left_alone, media};

/// Takes all room of a file system but some KiB.
fn fill(place: &Path, left_kib: u64) {
    let mut file = File::create(place.join("filler")).unwrap();
    let block = vec![0; 64 << 10];
    while file.write_all(&block).is_ok() {}
    while file.write_all(&block[..1024]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(left_kib << 10)).unwrap();
}

fn give_back(place: &Path) {
    fs::remove_file(place.join("filler")).unwrap();
}

/// Holds a failure to what is to be said of it; never true.
fn fails_for_room(err: &str, at: &str, steps: &[[&str; 4]]) -> bool {
    let told = err.lines().find(|line| line.contains(at)).unwrap_or_default();
    let step = told.strip_prefix("step ").and_then(|told| told.split(':').next());
    let step = step.unwrap_or_else(|| panic!("{err}"));
    assert!(steps.iter().take(2).any(|[name, ..]| *name == step), "{err}");
    assert!(told.contains(" KiB available"), "{told}");
    assert!(told.ends_with("; free some and go on with -R"), "{told}");
    let takes = ["im-pop", "ba-arch", "ba-arch-32", "post-mod", "iso", "usb"].contains(&step);
    assert!(takes || !told.contains("takes about"), "{told}");
    assert!(err.ends_with("Build failed.\n"), "{err}");
    false
}

/// Every step in turn finds its disk full.
#[test]
fn each_step_says_what_it_lacks_and_goes_on_with_room() {
    if !mounts::are_own("each_step_says_what_it_lacks_and_goes_on_with_room") {
        return;
    }
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let steps: Vec<_> = SLIM.iter().chain(&MEDIA).copied().collect();
    let wanted = left_alone(|yard| drop(yard.manifest("m", &steps)));

    let yard = Yard::new();
    yard.manifest("m", &steps);
    let area = yard.path("area");
    mounts::mount("size=128m", &area);
    // What is said is written elsewhere.
    mounts::mount("size=8m", &area.join("logs"));
    let at = format!("no room in the file system {}: ", area.display());
    assert_eq!(yard.run(&["build", "-p", "0", "m.xml"]).status, 0);
    for number in 0..steps.len() {
        let next = (number + 1).to_string();
        let words = match number + 1 < steps.len() {
            true => vec!["build", "-R", "-p", &next, "m.xml"],
            false => vec!["build", "-R", "m.xml"],
        };
        // It fails further on each time: going back, in the step, at the next one's checkpoint.
        let failures = [4, 20, 100].iter().position(|left| {
            fill(&area, *left);
            let said = yard.run(&words);
            give_back(&area);
            said.status == 0 || fails_for_room(&said.err, &at, &steps[number..])
        });
        assert_ne!(failures, Some(0), "{}", steps[number][0]);
        if failures.is_none() {
            let said = yard.run(&words);
            assert_eq!(said.status, 0, "{}: {}", steps[number][0], said.err);
        }
    }
    assert!(media(&area.join("media")) == wanted, "another medium");

    fill(&area, 0);
    let said = yard.run(&["build", "-R", "m.xml"]);
    let told = format!("\nthe build area: {at}0 KiB available; free some and go on with -R\n");
    assert!(said.status == 1 && said.err.ends_with(&told), "{}", said.err);
    give_back(&area);

    // Some room, but not enough: whatever it is that fails, it can be gone on from.
    for left in [64, 1024] {
        fill(&area, left);
        let said = yard.run(&["build", "-r", "0", "m.xml"]);
        assert!(said.status == 0 || said.err.contains(&at), "{left} KiB: {}", said.err);
        give_back(&area);
        let said = yard.run(&["build", "-R", "m.xml"]);
        assert_eq!(said.status, 0, "{left} KiB: {}", said.err);
        assert!(media(&area.join("media")) == wanted, "{left} KiB: another medium");
    }
}

#[test]
fn a_full_log_and_a_full_script_are_told_of() {
    if !mounts::are_own("a_full_log_and_a_full_script_are_told_of") {
        return;
    }
    let yard = Yard::new();
    let (area, logs) = (yard.path("area"), yard.path("area/logs"));
    mounts::mount("size=8m", &area);
    mounts::mount("size=256k", &logs);
    let loud = yard.script("step", "#!/bin/sh\nseq 100000\n");
    yard.manifest("m", &[["loud", "Make noise", &loud, ""]]);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 1, "{}", said.err);
    let told = format!("step loud: no room in the file system {}: ", logs.display());
    assert!(said.err.contains("/logs/detail-log-") && said.err.contains(&told), "{}", said.err);

    for log in fs::read_dir(&logs).unwrap() {
        fs::remove_file(log.unwrap().path()).unwrap();
    }
    // A script that does not say why it failed.
    yard.script("step", "#!/bin/sh\ncat /dev/zero >\"$3/much\" 2>/dev/null\nexit 3\n");
    let said = yard.run(&["build", "m.xml"]);
    let told = format!(
        "Child returned err 3\nstep loud: no room in the file system {}: 0 KiB available; ",
        area.display()
    );
    assert!(said.status == 1 && said.err.contains(&told), "{}", said.err);
}

#[test]
fn what_a_script_says_is_bounded() {
    let yard = Yard::new();
    let text = "#!/bin/sh\nline=$(printf '%01000d' 0)\nyes $line | head -40000\n\
                yes $line | head -40000 >&2\necho because of this >&2\nexit 3\n";
    let loud = yard.script("loud", text);
    yard.manifest("m", &[["loud", "Make noise", &loud, ""]]);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 1);
    for (what, text) in [("console", said.err.as_str()), ("log", &yard.log("detail"))] {
        let end = "\nbecause of this\nChild returned err 3\n";
        assert!(text.contains(end) && text.len() < 40 << 20, "{what}: {}", text.len());
        assert!(text.contains("lines of its standard error are not kept)\n"), "{what}");
    }
    assert!(yard.log("detail").contains("lines of its standard output are not kept)\n"));
}
