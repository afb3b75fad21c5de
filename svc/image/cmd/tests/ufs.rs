//! The command `ufs`, run: a tree on disk into an image and out again, faults, refusals.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use image_tree::Tree;

fn ufs(arguments: &[&str], at: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ufs")).args(arguments).current_dir(at).output().unwrap()
}

fn said(arguments: &[&str], at: &Path) -> String {
    let out = ufs(arguments, at);
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{arguments:?}: {error}");
    assert_eq!(error, "", "{arguments:?}");
    String::from_utf8(out.stdout).unwrap()
}

/// What is told of a failure, with its status.
fn refused(arguments: &[&str], at: &Path, status: i32) -> String {
    let out = ufs(arguments, at);
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(status), "{arguments:?}: {text}");
    text
}

/// A tree on disk: files, a hole, links, a directory nobody may enter.
fn tree(at: &Path) {
    fs::create_dir_all(at.join("usr/lib/deep")).unwrap();
    fs::write(at.join("usr/lib/libc.so.1"), vec![7u8; 150_000]).unwrap();
    fs::write(at.join("etc-release"), "Sample\n").unwrap();
    fs::write(at.join("usr/empty"), "").unwrap();
    let sparse = fs::File::create(at.join("usr/sparse")).unwrap();
    sparse.write_all_at(b"end", 300_000).unwrap();
    symlink("lib/libc.so.1", at.join("usr/link")).unwrap();
    fs::hard_link(at.join("etc-release"), at.join("usr/other name")).unwrap();
    fs::set_permissions(at.join("usr/empty"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(at.join("usr/lib/deep"), fs::Permissions::from_mode(0o500)).unwrap();
}

#[test]
fn a_tree_goes_in_and_comes_out() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path();
    tree(&at.join("tree"));
    said(&["create", "-H", "-T", "1700000000", "tree", "image"], at);
    assert!(said(&["verify", "image"], at).starts_with("image: in order, 9 inodes, 4 directories"));
    assert!(!at.join("image.new").exists());

    assert_eq!(said(&["ls", "image"], at), "etc-release\nusr\n");
    assert_eq!(said(&["ls", "image", "/usr/lib/"], at), "deep\nlibc.so.1\n");
    assert_eq!(said(&["ls", "-R", "image", "usr/lib"], at), "usr/lib/deep\nusr/lib/libc.so.1\n");
    assert_eq!(said(&["ls", "image", "usr/link"], at), "usr/link\n");
    let table = Tree::parse(&said(&["ls", "-lR", "image"], at)).unwrap();
    assert_eq!(table.len(), 9);
    assert_eq!(table.get("usr/empty").unwrap().mode, 0o4755);
    assert_eq!(said(&["cat", "image", "/etc-release", "usr/other name"], at), "Sample\nSample\n");
    assert_eq!(said(&["cat", "image", "usr/sparse"], at).len(), 300_003);
    let stat = said(&["stat", "image", "usr/sparse"], at);
    assert!(stat.contains("size            300003\nsectors         32\n"), "{stat}");
    assert!(said(&["stat", "image"], at).contains("time            1700000000\n"));

    said(&["extract", "-t", "table", "image", "out"], at);
    for path in ["usr/lib/libc.so.1", "etc-release", "usr/sparse", "usr/other name"] {
        let both = ["tree", "out"].map(|top| fs::read(at.join(top).join(path)).unwrap());
        assert!(both[0] == both[1], "{path}");
    }
    let about = |path: &str| at.join(path).symlink_metadata().unwrap();
    for path in ["", "etc-release", "usr/empty", "usr/lib/deep", "usr/lib"] {
        let both = ["tree", "out"].map(|top| about(&format!("{top}/{path}")));
        assert_eq!(both[0].mode(), both[1].mode(), "{path}");
        assert_eq!(both[0].mtime(), both[1].mtime(), "{path}");
    }
    assert_eq!(about("out/etc-release").ino(), about("out/usr/other name").ino());
    assert!(about("out/usr/sparse").blocks() < 100);
    assert_eq!(fs::read_link(at.join("out/usr/link")).unwrap(), Path::new("lib/libc.so.1"));

    // From what came out, with the table, the same image is made.
    said(&["create", "-H", "-T", "1700000000", "-t", "table", "out", "again"], at);
    assert!(fs::read(at.join("image")).unwrap() == fs::read(at.join("again")).unwrap());
    let refusal = refused(&["extract", "image", "out"], at, 1);
    assert_eq!(refusal, "ufs: out is not empty\n");
}

#[test]
fn devices_and_owners_are_in_the_table() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path();
    fs::create_dir_all(at.join("tree")).unwrap();
    let table = "d 0755 0 3 5 - %\nc 0666 0 3 5 13,2 null\np 0600 7 7 5 - pipe\n";
    fs::write(at.join("table"), table).unwrap();
    said(&["create", "-t", "table", "-s", "2m", "tree", "image"], at);
    assert_eq!(fs::metadata(at.join("image")).unwrap().len(), 2 << 20);
    assert_eq!(said(&["ls", "-l", "image"], at), table.split_once('\n').unwrap().1);
    assert!(said(&["stat", "image", "null"], at).contains("device          13,2\n"));
}

#[test]
fn images_that_are_not_in_order() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path();
    tree(&at.join("tree"));
    said(&["create", "tree", "image"], at);
    let mut bytes = fs::read(at.join("image")).unwrap();
    bytes[8192 + 196] ^= 1;
    fs::write(at.join("damaged"), &bytes).unwrap();
    let out = ufs(&["verify", "image", "damaged"], at);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("image: in order") && text.contains("damaged: superblock: nbfree"));
    // A name that would leave the directory.
    let name = bytes.windows(11).position(|window| window == b"etc-release").unwrap();
    bytes[name..name + 11].copy_from_slice(b"../../../ab");
    fs::write(at.join("hostile"), &bytes).unwrap();
    assert!(refused(&["extract", "hostile", "out"], at, 1).starts_with("ufs: hostile: "));
    assert!(!at.join("out").exists());
    fs::write(at.join("none"), "no image").unwrap();
    refused(&["verify", "none"], at, 1);
    refused(&["ls", "absent"], at, 1);
    assert!(refused(&["cat", "image", "usr"], at, 1).contains("usr is no file"));
    assert!(refused(&["cat", "image", "nothing"], at, 1).contains("nothing is not in the image"));
}

#[test]
fn what_is_no_tree_is_refused_and_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path();
    fs::create_dir_all(at.join("tree")).unwrap();
    fs::create_dir_all(at.join("elsewhere")).unwrap();
    fs::write(at.join("elsewhere/secret"), "x").unwrap();
    fs::write(at.join("image"), "what was there").unwrap();
    symlink("../elsewhere", at.join("tree/d")).unwrap();
    symlink("../elsewhere/secret", at.join("tree/f")).unwrap();
    for table in [
        "d 0755 0 0 0 - d\nf 0644 0 0 0 1 d/secret\n",
        "f 0644 0 0 0 1 f\n",
        "f 0644 0 0 0 1 ../elsewhere/secret\n",
        "f 0644 0 0 0 1 absent\n",
        "x\n",
    ] {
        fs::write(at.join("table"), table).unwrap();
        refused(&["create", "-t", "table", "tree", "image"], at, 1);
    }
    fs::write(at.join("tree/large"), vec![1; 3 << 20]).unwrap();
    let text = refused(&["create", "-s", "1m", "tree", "image"], at, 1);
    assert!(text.contains("do not fit"), "{text}");
    assert_eq!(fs::read(at.join("image")).unwrap(), b"what was there");
    assert!(!at.join("image.new").exists());
}

#[test]
fn the_command_line() {
    let here = Path::new(".");
    for arguments in [
        &["frob"][..],
        &[],
        &["verify"],
        &["cat", "image"],
        &["create", "-s", "1x", "a", "b"],
        &["create", "-i", "0", "a", "b"],
        &["create", "-p", "1", "-s", "1m", "a", "b"],
    ] {
        assert!(refused(arguments, here, 2).contains("--help"), "{arguments:?}");
    }
    let help = said(&["--help"], here);
    for word in ["ls", "cat", "stat", "verify", "extract", "create"] {
        assert!(help.contains(word), "{help}");
    }
}
