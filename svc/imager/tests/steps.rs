//! All steps on a root that a test lays out: the medium boots, and comes out equal again.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use image_boot::{Accelerator, QEMU, Qemu};
use image_formats::iso;
use image_tree::{Entry, Kind, Tree};
use imager::manifest::Manifest;
use imager::medium::Tools;
use imager::plain::{Job, Packages, Populated, Trial, World, make};
use process::Cancel;

/// A root with a kernel and a release.
struct Laid {
    kernel: Vec<u8>,
}

impl Packages for Laid {
    fn populate(&self, patterns: &[String], root: &Path) -> anyhow::Result<Populated> {
        assert_eq!(patterns, ["entire"]);
        let mut tree = Tree::new();
        let mut add = |path: &str, kind: Kind| {
            tree.insert(path, Entry { kind, mode: 0o755, uid: 0, gid: 3, mtime: 0 }).unwrap();
        };
        for path in [
            "etc",
            "platform",
            "platform/i86pc",
            "platform/i86pc/kernel",
            "platform/i86pc/kernel/amd64",
        ] {
            add(path, Kind::Directory);
            std::fs::create_dir(root.join(path))?;
        }
        for (path, bytes) in [("etc/release", &b"  Steps 1\n"[..]), (iso::KERNEL, &self.kernel)] {
            add(path, Kind::File { size: bytes.len() as u64 });
            std::fs::write(root.join(path), bytes)?;
        }
        let packages = vec!["pkg://x/entire@1.0,5.11-0:20231114T221320Z".to_string()];
        Ok(Populated { tree, packages })
    }
}

/// The host's programs, as plain children.
struct Plain;

impl Tools for Plain {
    fn run(
        &self,
        program: &str,
        arguments: &[String],
        environment: &[(&str, String)],
    ) -> anyhow::Result<()> {
        let out = Command::new(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
            .output()?;
        anyhow::ensure!(
            out.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        Ok(())
    }

    fn version(&self, program: &str) -> anyhow::Result<String> {
        Ok(program.to_string())
    }
}

/// The first of the programs that are needed and not here.
fn absent() -> Option<&'static str> {
    ["make", "gcc", "xorriso", "grub-mkimage", QEMU].into_iter().find(|program| {
        let mut asked = Command::new(program);
        asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    })
}

fn kernel(scratch: &Path) -> Vec<u8> {
    let uts =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/gates/illumos/usr/src/uts");
    let obj = scratch.join("obj");
    let made = Command::new("make")
        .args(["-s", "-C"])
        .arg(uts)
        .arg(format!("OBJ={}", obj.display()))
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::read(obj.join("unix")).unwrap()
}

fn outputs(packages: &Laid, work: &Path) -> anyhow::Result<(Vec<PathBuf>, String)> {
    std::fs::create_dir(work)?;
    let text = include_str!("../../../packaging/images/tiny.xml");
    let manifest = Manifest::parse(text)?;
    let lines = std::cell::RefCell::new(String::new());
    let time = Duration::from_secs(120);
    let job = Job {
        manifest: &manifest,
        digest: "0123456789abcdef0123456789abcdef01234567",
        work,
        trial: Some(Trial { accelerator: Accelerator::Tcg, time }),
    };
    let world = World {
        packages,
        tools: &Plain,
        emulator: &Qemu { cancel: &Cancel::new().unwrap() },
        progress: &|_, _, _, _| {},
        log: &|line| lines.borrow_mut().extend([line, "\n"]),
    };
    let made = make(&job, &world).map_err(|error| error.context(lines.borrow().clone()))?;
    assert_eq!(made.packages.len(), 1);
    Ok((made.files, lines.into_inner()))
}

#[test]
fn the_same_packages_give_the_same_medium_and_it_boots() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let packages = Laid { kernel: kernel(scratch.path()) };
    let (first, log) = outputs(&packages, &scratch.path().join("first")).unwrap();
    assert!(log.contains("boot test: boot_archive.hash: ok\n"), "{log}");
    let (second, _) = outputs(&packages, &scratch.path().join("another-place")).unwrap();
    let mut names = Vec::new();
    for (one, other) in first.iter().zip(&second) {
        assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap(), "{}", one.display());
        names.push(one.file_name().unwrap().to_str().unwrap());
    }
    names.sort_unstable();
    let all = ["boot-test.log", "boot_archive", "boot_archive.hash", "root.table", "tiny.iso"];
    assert_eq!(names, all);
    let said = std::fs::read_to_string(first.last().unwrap()).unwrap();
    assert!(said.contains("loading Steps 1\n") && said.contains("unix: done\n"), "{said}");
}

#[test]
fn a_guest_that_does_not_confirm_fails_the_step() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut kernel = kernel(scratch.path());
    // The word the kernel says when all is well is spoilt in it.
    let at = kernel.windows(3).position(|word| word == b"ok\0").unwrap();
    kernel[at] = b'O';
    let error = outputs(&Laid { kernel }, &scratch.path().join("work")).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("no \"boot_archive.hash: ok\" from the guest"), "{text}");
}
