//! faults.rs - every call that changes the disk fails once, and once is the last one ever made.
//!
//! After a failure the area says so and goes on; after a death the next open finds complete
//! checkpoints only, and going back to any of them gives exactly its state.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dice::Dice;
use image_checkpoint::{Area, Calls, Writer};
use world::{LARGE, hostile, id, open, options, picture, quick_place, step};

/// A child that is being started holds the locks of all areas that are open, until it is another
/// program: none is closed and opened again meanwhile.
static STARTING: RwLock<()> = RwLock::new(());

/// What happens at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It fails.
    Fails,
    /// It and all after it never happen.
    Dies,
}

struct Script {
    calls: AtomicUsize,
    at: usize,
    fate: Fate,
    struck: AtomicBool,
}

impl Calls for Script {
    fn before(&self, _call: &'static str) -> io::Result<()> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let struck = match self.fate {
            Fate::Fails => number == self.at,
            Fate::Dies => number >= self.at,
        };
        if struck {
            self.struck.store(true, Ordering::SeqCst);
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        Ok(())
    }
}

/// The states that were there when their checkpoints were taken.
type Pictures = BTreeMap<String, Vec<String>>;

/// A few steps with a rollback among them; stops at the first error.
fn build(area: &mut Area, pictures: &mut Pictures) -> Result<(), Box<dyn std::error::Error>> {
    let data = area.build_data().to_owned();
    let mut take =
        |area: &mut Area, name: &str, number| -> Result<(), Box<dyn std::error::Error>> {
            fs::write(area.table(), name)?;
            // Known before it is taken: a checkpoint that is found must be this one.
            pictures.insert(name.to_owned(), picture(&data));
            // Files are replaced only; what is linked is copied halfway.
            area.checkpoint_for(Writer::Replaces, &step(name), &id(number), name.as_bytes())?;
            if name == "d" {
                area.harden()?;
            }
            Ok(())
        };
    let change = |number: u64| -> io::Result<()> {
        fs::create_dir_all(data.join("pkg_image/new"))?;
        for file in 0..4 {
            let path = data.join(format!("pkg_image/new/{file}"));
            fs::write(path, format!("{}", number * file).repeat(100))?;
        }
        fs::remove_file(data.join("large"))?;
        fs::write(data.join("large"), format!("large no more {number}"))?;
        // Kept by another name; who hardens finds the last one with both, the others with one.
        let big = data.join("big");
        if big.exists() {
            fs::remove_file(&big)?;
        }
        fs::write(big, number.to_string().repeat(LARGE))?;
        fs::remove_dir_all(data.join("pkg_image/usr"))?;
        fs::create_dir_all(data.join("pkg_image/usr/lib"))
    };
    take(area, "b", 2)?;
    change(1)?;
    take(area, "c", 3)?;
    change(2)?;
    take(area, "d", 4)?;
    area.rollback(&step("b"))?;
    change(3)?;
    take(area, "e", 5)?;
    pictures.insert("f".to_owned(), pictures["e"].clone());
    area.restart(&step("e"), &step("f"), &id(6), b"f begins")?;
    Ok(area.settle()?)
}

/// The checkpoints are those of a moment of [`build`].
fn assert_stack(area: &Area, context: &str) {
    let names: Vec<_> = area.checkpoints().iter().map(|made| made.step.to_string()).collect();
    let stacks: [&[&str]; 9] = [
        &[],
        &["a"],
        &["a", "b"],
        &["a", "b", "c"],
        &["a", "b", "c", "d"],
        &["a", "b", "e"],
        // A build that begins with e: what was before it goes, one after the other.
        &["b", "e"],
        &["e"],
        &["f"],
    ];
    let known = stacks.iter().any(|stack| names == *stack);
    assert!(known, "{context}: {names:?}");
}

/// Everything that must hold of an area that was left somehow.
fn check(root: &Path, pictures: &Pictures, context: &str) {
    let mut area = open(root);
    assert_stack(&area, context);
    for made in area.checkpoints().to_vec().iter().rev() {
        let name = made.step.as_str();
        // The state before f is that before e.
        let (manifest, table) = if name == "f" { ("f begins", "e") } else { (name, name) };
        assert_eq!(made.manifest, manifest.as_bytes(), "{context}: {name}");
        area.rollback(&made.step).unwrap_or_else(|error| panic!("{context}: {name}: {error}"));
        assert_eq!(picture(area.build_data()), pictures[name], "{context}: {name}");
        assert_eq!(fs::read_to_string(area.table()).unwrap(), table, "{context}");
    }
    area.clear().unwrap();
    area.settle().unwrap();
    let left = fs::read_dir(root.join(".checkpoints/gone")).unwrap().count();
    assert_eq!(left, 0, "{context}: removed things are left");
    let side_cars = fs::read_dir(root).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".step_")
    });
    assert_eq!(side_cars.count(), 0, "{context}");
}

/// Prepares an area with checkpoint `a` and runs the build with one fault; whether it struck.
fn strike(at: usize, fate: Fate) -> bool {
    let place = quick_place();
    let mut pictures = Pictures::new();
    let mut area = open(place.path());
    hostile(area.build_data());
    fs::write(area.table(), "a").unwrap();
    pictures.insert("a".to_owned(), picture(area.build_data()));
    area.checkpoint(&step("a"), &id(1), b"a").unwrap();
    drop(area);
    let script =
        Arc::new(Script { calls: AtomicUsize::new(0), at, fate, struck: AtomicBool::new(false) });
    let directory = image_checkpoint::Place::Directory(place.path().to_owned());
    let mut error = None;
    match Area::open(&directory, &options(Some(script.clone()))) {
        Ok(mut area) => {
            if let Err(told) = build(&mut area, &mut pictures) {
                error = Some(told.to_string());
            }
        }
        Err(told) => error = Some(told.to_string()),
    }
    let struck = script.struck.load(Ordering::SeqCst);
    let context = format!("call {at} {fate:?} ({error:?})");
    if let Some(error) = &error {
        assert!(struck, "{context}");
        assert!(error.contains("No space left"), "{context}");
    }
    check(place.path(), &pictures, &context);
    struck
}

/// Goes through the calls, all or each `stride`-th.  Which is the n-th differs a little between runs,
/// with the threads.
fn strike_all(fate: Fate, stride: usize) {
    let mut at = 0;
    loop {
        let _none_starts = STARTING.read().unwrap_or_else(PoisonError::into_inner);
        if !strike(at, fate) {
            break;
        }
        at += stride;
    }
    assert!(at > 100, "there are more calls: {at}");
}

#[test]
fn a_call_that_fails_leaves_complete_checkpoints() {
    strike_all(Fate::Fails, 3);
}

#[test]
fn a_death_at_any_call_leaves_complete_checkpoints() {
    strike_all(Fate::Dies, 1);
}

/// Tells the parent of every call.
struct Telling;

impl Calls for Telling {
    fn before(&self, _call: &'static str) -> io::Result<()> {
        io::stderr().write_all(b".")
    }
}

/// Where the child of [`a_killed_process_leaves_complete_checkpoints`] works.
const CHILD: &str = "CHECKPOINT_TEST_CHILD";

/// Builds as long as it is let; does nothing when it is no child.
#[test]
fn child() {
    let Some(root) = std::env::var_os(CHILD) else { return };
    let directory = image_checkpoint::Place::Directory(root.into());
    let mut area = Area::open(&directory, &options(Some(Arc::new(Telling)))).unwrap();
    let mut pictures = Pictures::new();
    build(&mut area, &mut pictures).unwrap();
}

#[test]
fn a_killed_process_leaves_complete_checkpoints() {
    let mut dice = Dice(7);
    // What each checkpoint has: the same in every run but for times and inodes.
    for round in 0..12 {
        let place = quick_place();
        let mut area = open(place.path());
        hostile(area.build_data());
        fs::write(area.table(), "a").unwrap();
        let first = picture(area.build_data());
        area.checkpoint(&step("a"), &id(1), b"a").unwrap();
        drop(area);
        let starting = STARTING.write().unwrap_or_else(PoisonError::into_inner);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, place.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(starting);
        let calls = usize::try_from(dice.below(130)).unwrap();
        let mut told = vec![0; calls];
        // Ended before that many: it is complete then.
        let _read = child.stderr.take().unwrap().read_exact(&mut told);
        child.kill().unwrap();
        child.wait().unwrap();

        let context = format!("round {round}, {calls} calls");
        let mut area = open(place.path());
        assert_stack(&area, &context);
        for made in area.checkpoints().to_vec().iter().rev() {
            // The state before f is that before e: told late to end, the child had come that far.
            let name = made.step.as_str().replace('f', "e");
            area.rollback(&made.step).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(fs::read_to_string(area.table()).unwrap(), name, "{context}");
            let large = fs::read(area.build_data().join("large")).unwrap();
            match name.as_str() {
                "a" | "b" => assert_eq!(large.len(), LARGE, "{context}"),
                "c" => assert_eq!(large, b"large no more 1", "{context}"),
                "d" => assert_eq!(large, b"large no more 2", "{context}"),
                "e" => assert_eq!(large, b"large no more 3", "{context}"),
                other => panic!("{context}: {other}"),
            }
        }
        if area.checkpoints().first().is_some_and(|made| made.step == step("a")) {
            assert_eq!(picture(area.build_data()), first, "{context}");
        }
    }
}
