//! `live manifest`, typed.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

struct Said {
    status: i32,
    out: String,
    error: String,
}

fn live(folder: &Path, words: &str, input: &str) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_live"))
        .args(words.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { status: said.status.code().unwrap(), out: text(&said.stdout), error: text(&said.stderr) }
}

/// A folder with manifests and an image's accounts.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("illumos", "d usr 0755 root sys\nd usr/bin 0755 root bin\nf usr/bin/ls 0555 root bin"),
        (
            "extra",
            "# more\nd usr 0755 root sys\nd usr/bin 0755 root bin\nf usr/bin/awk 0555 root bin\n",
        ),
        ("wrong", "d usr 0755 root sys\nf usr/bin/ls 0555 root nobody\nx\nh a=usr/bin/ld\n"),
        ("passwd", "root:x:0:0::/root:/bin/sh\n"),
        ("group", "root::0:\nsys::3:\nbin::2:\n"),
        (
            "p5m",
            "set name=pkg.fmri value=a@1\ndir path=usr\nfile abc path=usr/x mode=0444 owner=root group=bin\n",
        ),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn what_is_typed_and_said() {
    let folder = folder();
    let all = "d usr 0755 root sys\nd usr/bin 0755 root bin\nf usr/bin/awk 0555 root bin\n\
               f usr/bin/ls 0555 root bin\n";
    for (words, input, status, out, error) in [
        ("manifest check illumos extra", "", 0, "", ""),
        ("manifest check -p passwd -g group illumos", "", 0, "", ""),
        (
            "manifest check -p passwd -g group wrong",
            "",
            1,
            "",
            "wrong:3: unknown type x: d, f, s and h are known\n\
             wrong:2: usr/bin/ls: its directory usr/bin is not in the manifest\n\
             wrong:2: usr/bin/ls: the image has no group nobody\n\
             wrong:4: hard link a: no file usr/bin/ld; there is usr/bin/ls\n",
        ),
        ("manifest merge illumos extra", "", 0, all, ""),
        ("manifest sort -", "f b 0444 r s\nf a 0444 r s", 0, "f a 0444 r s\nf b 0444 r s\n", ""),
        ("manifest diff illumos illumos", "", 0, "", ""),
        (
            "manifest diff illumos extra",
            "",
            1,
            "+ f usr/bin/awk 0555 root bin\n- f usr/bin/ls 0555 root bin\n",
            "",
        ),
        (
            "manifest from-packages -v arch=i386 p5m",
            "",
            0,
            "d usr 0555 root sys\nf usr/x 0444 root bin\n",
            "",
        ),
    ] {
        let said = live(folder.path(), words, input);
        assert_eq!((said.status, said.out.as_str()), (status, out), "{words}: {}", said.error);
        assert_eq!(said.error, error, "{words}");
    }
}

#[test]
fn what_makes_no_sense() {
    let folder = folder();
    for words in [
        "",
        "manifest",
        "manifest mend x",
        "manifest sort",
        "manifest diff illumos",
        "nothing",
        "manifest check -p passwd illumos",
        "manifest merge -v arch=x illumos",
        "manifest merge - -",
        "manifest from-packages -v arch p5m",
    ] {
        let said = live(folder.path(), words, "");
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{words}");
        assert!(said.error.contains("usage: live manifest check"), "{words}: {}", said.error);
    }
    let help = live(folder.path(), "--help", "");
    assert!(help.status == 0 && help.out.starts_with("usage: "), "{}", help.error);
    let absent = live(folder.path(), "manifest check absent", "");
    assert_eq!(absent.status, 1);
    assert!(absent.error.starts_with("live: absent: "), "{}", absent.error);
}
