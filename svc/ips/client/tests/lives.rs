//! Random worlds by seed: packages come, go, change and are stopped at any step; after each turn the
//! root is what the manifests of the installed packages say, nothing more and nothing less.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::World;
use ips_client::change::{ChangeError, Want};
use ips_client::execute::{ExecuteError, recover};
use ips_client::image::VerifyOptions;
use ips_client::{Control, Phase, Progress};
use ips_model::action::Kind;
use ips_model::{Action, Fmri, Manifest};

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

const PACKAGES: u64 = 6;
const VERSIONS: u64 = 4;

/// A package's manifest; what it delivers at a path may be of another kind in another version.
fn manifest(dice: &mut Dice, package: u64, version: u64) -> String {
    let mut text = format!("set name=pkg.fmri value=p{package}@{version}\n");
    let dir = |path: &str| format!("dir path={path} mode=0755 owner=root group=sys\n");
    text.push_str(&dir("s"));
    text.push_str(&dir(&format!("s/d{}", dice.below(3))));
    let own = format!("p{package}");
    for number in 0..dice.below(5) {
        let path = format!("{own}/n{number}");
        text.push_str(&match dice.below(4) {
            0 => dir(&path),
            1 => format!("link path={path} target=t{}\n", dice.below(3)),
            2 => format!(
                "{}file c{}.{package}.{number} path={path}/f mode=0644 owner=root group=sys\n",
                dir(&path),
                dice.below(3)
            ),
            _ => format!(
                "file c{}.{package}.{number} path={path} mode=0{} owner=root group=sys\n",
                dice.below(3),
                [644, 555][dice.below(2) as usize]
            ),
        });
    }
    text.push_str(&format!("file v{version} path={own}/version mode=0444 owner=root group=bin\n"));
    text.push_str(&format!("hardlink path={own}/further target=version\n"));
    if dice.below(3) == 0 {
        text.push_str(&format!("file r{package} path=s/rival mode=0644 owner=root group=sys\n"));
    }
    if package > 0 {
        let kind =
            ["require", "optional", "incorporate", "exclude", "group"][dice.below(5) as usize];
        let (target, at) = (dice.below(package), 1 + dice.below(VERSIONS));
        text.push_str(&format!("depend type={kind} fmri=p{target}@{at}\n"));
    }
    text
}

type Manifests = BTreeMap<String, Manifest>;

/// Path → what is to be there, from nothing but the manifests of what is installed.
fn expected(world: &World, manifests: &Manifests) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for name in world.installed().split(' ').filter(|name| !name.is_empty()) {
        for action in &manifests[name].actions {
            let Some(path) = action.get("path") else { continue };
            for (end, _) in path.match_indices('/') {
                all.entry(path[..end].to_string()).or_insert_with(|| "directory".to_string());
            }
            all.insert(path.to_string(), told(&manifests[name], action));
        }
    }
    all.entry("var".to_string()).or_insert_with(|| "directory".to_string());
    all
}

fn told(manifest: &Manifest, action: &Action) -> String {
    match action.kind {
        Kind::Dir => "directory".to_string(),
        Kind::Link => format!("link {}", action.get("target").unwrap()),
        Kind::Hardlink => {
            let path = action.get("path").unwrap();
            let target = path.replace("further", "version");
            let mut files = manifest.of_kind(Kind::File);
            let file = files.find(|file| file.get("path") == Some(&target)).unwrap();
            format!("file {}", file.hash.as_deref().unwrap())
        }
        _ => format!("file {}", action.hash.as_deref().unwrap()),
    }
}

fn found(world: &World) -> BTreeMap<String, String> {
    let one = |path: String| {
        let at = world.root().join(&path);
        let about = fs::symlink_metadata(&at).unwrap();
        let told = if about.is_dir() {
            "directory".to_string()
        } else if about.is_symlink() {
            format!("link {}", fs::read_link(&at).unwrap().display())
        } else {
            format!("file {}", fs::read_to_string(&at).unwrap())
        };
        (path, told)
    };
    world.disk().into_iter().map(one).collect()
}

/// One operation, stopped after some steps or not at all; whether it was.
fn turn(world: &mut World, dice: &mut Dice) -> Result<bool, ChangeError> {
    let mut name = || format!("p{}", dice.below(PACKAGES));
    let mut names = vec![name(), name()];
    let want = match dice.below(5) {
        0 | 1 => {
            names[0] = format!("{}@{}", names[0], 1 + dice.below(VERSIONS));
            Want::Install(names)
        }
        2 => Want::Uninstall(names),
        3 => Want::Update(Vec::new()),
        _ => Want::Fix(Vec::new()),
    };
    let stop = if dice.below(3) > 0 { dice.below(8) } else { u64::MAX };
    let (seen, cancel) = (AtomicU64::new(0), AtomicBool::new(false));
    let watch = |progress: &Progress| {
        if progress.phase == Phase::Actions && seen.fetch_add(1, Ordering::Relaxed) >= stop {
            cancel.store(true, Ordering::Relaxed);
        }
    };
    match world.change_with(want, &Control::new(&watch, &cancel)) {
        Ok(_) => Ok(false),
        Err(ChangeError::Execute(ExecuteError::Cancelled)) => Ok(true),
        Err(error) => Err(error),
    }
}

#[test]
fn after_every_turn_each_path_is_somebodys() {
    let (mut stopped, mut changed, mut refused) = (0, 0, BTreeSet::new());
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let mut texts = Vec::new();
        for package in 0..PACKAGES {
            for version in 1..=VERSIONS {
                texts.push(manifest(&mut dice, package, version));
            }
        }
        let manifests: Manifests = texts
            .iter()
            .map(|text| Manifest::parse(text).unwrap())
            .map(|manifest| (manifest.fmri().unwrap().brief(), manifest))
            .collect();
        let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut world = World::published(&refs);
        for number in 0..14 {
            let before = world.installed();
            match turn(&mut world, &mut dice) {
                Ok(true) => {
                    let lock = world.image.lock().unwrap();
                    recover(&mut world.image, &lock, &Control::silent()).unwrap();
                    stopped += 1;
                }
                Ok(false) => {}
                Err(error) => {
                    assert_eq!(world.installed(), before, "seed {seed}, turn {number}: {error}");
                    let kind = format!("{error:?}");
                    refused.insert(kind.split(['(', ' ']).next().unwrap().to_string());
                }
            }
            changed += usize::from(world.installed() != before);
            let (want, have) = (expected(&world, &manifests), found(&world));
            assert_eq!(have, want, "seed {seed}, turn {number}: {}", world.installed());
            let names: Vec<Fmri> =
                world.image.installed().unwrap().packages().map(|(fmri, _)| fmri).collect();
            let verified =
                world.image.verify(&names, &VerifyOptions::default(), &Control::silent()).unwrap();
            let wrong = verified.iter().find(|one| one.status() != "OK");
            assert!(wrong.is_none(), "seed {seed}, turn {number}: {wrong:?}");
            let table: Vec<String> = world.listing().into_keys().collect();
            assert_eq!(
                table,
                have.into_keys().filter(|p| p != "var").collect::<Vec<_>>(),
                "seed {seed}, turn {number}"
            );
            assert_eq!(world.salvaged(), Vec::<String>::new(), "seed {seed}, turn {number}");
        }
    }
    // The test has seen what it is for.
    assert!(stopped > 20 && changed > 30, "{stopped} stopped, {changed} changed");
    assert!(refused.contains("Conflict") && refused.contains("Solve"), "{refused:?}");
}
