//! The sample kernel and an archive for it.

// The helpers of a test may fail as the test does; each test file uses some of them.
#![allow(clippy::unwrap_used, dead_code)]

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image_boot::QEMU;
use image_formats::{iso, ufs};
use image_tree::{Entry, Kind, Tree};

/// The first of the programs a boot needs that is not here.
pub fn absent() -> Option<&'static str> {
    ["make", "gcc", "xorriso", "grub-mkimage", QEMU].into_iter().find(|program| {
        let asked = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_err()
    })
}

pub fn run(program: &str, arguments: &[String]) {
    let out = Command::new(program)
        .args(arguments)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {arguments:?}: {text}");
}

/// Builds the kernel into `to`.
pub fn kernel(to: &Path) -> PathBuf {
    let uts =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../packaging/gates/illumos/usr/src/uts");
    let words = ["-s", "-C", uts.to_str().unwrap()].map(str::to_string);
    let obj = format!("OBJ={}", to.display());
    let root = format!("ROOT={}", to.join("proto").display());
    run("make", &[words.to_vec(), vec![obj, root, "install".to_string()]].concat());
    to.join("proto").join(iso::KERNEL)
}

pub fn ufs_archive() -> Vec<u8> {
    let mut tree = Tree::new();
    let mut add = |path: &str, kind: Kind| {
        tree.insert(path, Entry { kind, mode: 0o755, uid: 0, gid: 3, mtime: 1 }).unwrap();
    };
    let release = "Sample 1.0\n  second line\n";
    let large = (12 + 2048 + 3) * 8192 + 5;
    for path in ["", "etc", "usr", "usr/bin"] {
        add(path, Kind::Directory);
    }
    add("etc/release", Kind::File { size: release.len() as u64 });
    add("usr/large", Kind::File { size: large });
    for index in 0..700 {
        add(&format!("usr/bin/program{index:04}"), Kind::File { size: 0 });
    }
    add("bin", Kind::Symlink { target: "usr/bin".to_string() });
    let content = |path: &str| -> io::Result<Box<dyn Read>> {
        match path {
            "etc/release" => Ok(Box::new(release.as_bytes())),
            "usr/large" => Ok(Box::new(io::repeat(b'x').take(large))),
            _ => Ok(Box::new(io::empty())),
        }
    };
    let space = ufs::Space::Content { pad_mb: 0 };
    let options = ufs::Options {
        space,
        inodes: ufs::Inodes::Content,
        zeros: ufs::Zeros::Stored,
        time: 1_700_000_000,
    };
    let mut out = Cursor::new(Vec::new());
    ufs::write(&tree, &content, &options, &mut out).unwrap();
    out.into_inner()
}
