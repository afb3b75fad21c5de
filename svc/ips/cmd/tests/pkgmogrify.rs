//! pkgmogrify.rs - what pkg5's made of the same rules, and what ends badly.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Said, top};

fn run(line: &str, place: &Path) -> Said {
    let programs = Path::new(env!("CARGO_BIN_EXE_pkgmogrify")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(place)
        .env("PATH", path)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        out: text(&output.stdout),
        err: text(&output.stderr),
        status: output.status.code().unwrap(),
    }
}

#[test]
fn as_pkg5_does() {
    let mut cases: Vec<_> =
        fs::read_dir(top().join("mogrify")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert_eq!(cases.len(), 15);
    for case in cases {
        let read = |name: &str| fs::read_to_string(case.join(name)).unwrap();
        let said = run(read("cmd").trim(), &case);
        let expected = Said {
            out: read("expected"),
            err: read("stderr"),
            status: read("exit").trim().parse().unwrap(),
        };
        assert_eq!(said, expected, "{}", case.display());
    }
}

/// Input files, the command line, what goes to standard output (or error) and the status.
type Case = (&'static [(&'static str, &'static str)], &'static str, &'static str, i32);

const CASES: [Case; 22] = [
    (&[], "echo set a=b | pkgmogrify", "set name=a value=b\n", 0),
    (
        &[
            ("m", "set a=b\n"),
            ("dir/t", "<transform set -> set value c>\n"),
            ("r", "<include t>\n"),
        ],
        "pkgmogrify -I dir m r",
        "set name=a value=c\n",
        0,
    ),
    (&[("m", "<include t>\nset a=b\n")], "pkgmogrify -i m", "<include t>\nset name=a value=b\n", 0),
    (
        &[("m", "set a=b\n<transform -> print %(value)>\n")],
        "pkgmogrify -O out -P said m && cat out said",
        "set name=a value=b\nb\n",
        0,
    ),
    (
        &[("m", "set a=b\n<transform set -> abort>\n")],
        "pkgmogrify -O out m; ls out 2>/dev/null",
        "",
        2,
    ),
    (&[("m", "set a=b\n<transform set -> exit>\n")], "pkgmogrify m", "", 0),
    // A rule sees what rules before it made, and what was emitted.
    (
        &[(
            "m",
            "<transform set name=a -> edit name a b>\n<transform set name=b -> emit set c=d>\nset a=1\n",
        )],
        "pkgmogrify m",
        "set name=b value=1\nset name=c value=d\n",
        0,
    ),
    (
        &[("m", "<transform set -> emit set e=1>\nset a=1\nset b=1\n")],
        "pkgmogrify m",
        "set name=a value=1\nset name=e value=1\nset name=b value=1\n",
        0,
    ),
    (
        &[("m", "<transform set -> emit set name=%(name)x value=1>\nset a=1\n")],
        "pkgmogrify m",
        "pkgmogrify: File m, line 2: what is emitted has no end\n",
        1,
    ),
    (
        &[("m", "<include m>\n")],
        "pkgmogrify m",
        "pkgmogrify: File m, line 1: includes of 'm' have no end\n",
        1,
    ),
    (
        &[("m", "<transform file path=(x)(y)? -> set action.hash %<1>-%<2>>\nfile path=x\n")],
        "pkgmogrify m",
        "pkgmogrify: File m line 2: Transform specified in file m, line 1 reports Error\nInvalid backreference: %<2> refers to an unmatched string\n",
        1,
    ),
    (
        &[("m", "$(A)file path=x \\\n  mode=1\n")],
        "pkgmogrify m",
        "$(A)file NOHASH mode=1 path=x\n",
        0,
    ),
    (
        &[("m", "fiel path=x\n")],
        "pkgmogrify m",
        "pkgmogrify: File m line 1: unknown action type 'fiel' in action 'fiel path=x'\n",
        1,
    ),
    (
        &[],
        "pkgmogrify nofile",
        "pkgmogrify: Error processing input arguments: File not found: 'nofile'\n",
        1,
    ),
    // Files of rules are found as includes are, and of a macro said twice the last word counts.
    (
        &[("m", "$(X_ONLY)set a=b\n$(Y_ONLY)set a=c\n"), ("dir/rules", "<transform -> add x 1>\n")],
        "pkgmogrify -I none -I dir -D X_ONLY=# -D Y_ONLY=# -D X_ONLY= - rules < m",
        "set name=a value=b x=1\n#set a=c\n",
        0,
    ),
    // A file that is there is replaced whole, and keeps its mode; a link stays one.
    (
        &[("m", "set a=b\n"), ("old", "before\n")],
        "chmod 600 old; ln -s old out; pkgmogrify -O out m; pkgmogrify -O out -D x m; cat old; ls -l old out | cut -c1-10",
        "set name=a value=b\n-rw-------\nlrwxrwxrwx\npkgmogrify: macros must be of form name=value\n",
        0,
    ),
    (&[], "pkgmogrify -D x", "pkgmogrify: macros must be of form name=value\n", 1),
    (
        &[("m", "set a=b\n")],
        "pkgmogrify -O /dev/null -P /dev/null m; ls -l /dev/null | cut -c1",
        "c\n",
        0,
    ),
    // The package as an action is what rules before have made of it; dropped actions count.
    (
        &[(
            "m",
            "<transform pkg -> default last 9>\n<transform pkg -> print %(pkg.manifest.filename) %{last} %{gone}>\n<transform set name=gone -> drop>\nset name=pkg.fmri value=pkg:/x@1\nset gone=yes\n",
        )],
        "pkgmogrify -O out m",
        "m 9 yes\n",
        0,
    ),
    // Names, and what an edit looks for, may come from the action.
    (
        &[(
            "m",
            "<transform file path=(.*)/ -> set facet.%<1> true>\n<transform file -> edit path ^%(cut)/ ''>\nfile path=a/b cut=a\n",
        )],
        "pkgmogrify m",
        "file NOHASH cut=a facet.a=true path=b\n",
        0,
    ),
    // What is emitted has the action's undefined macros before it, and is told once.
    (
        &[(
            "m",
            "<transform file -> emit dir path=d>\n<transform file -> emit>\n$(A)file path=x\n$(A)file path=y\n",
        )],
        "pkgmogrify m",
        "$(A)file NOHASH path=x\n$(A)dir path=d\n$(A)\n$(A)file NOHASH path=y\n",
        0,
    ),
    (
        &[(
            "m",
            "<transform file -> default mode 0644>\n<transform dir -> drop>\nfile path=x\ndir path=d\nset a=b\n",
        )],
        "pkgmogrify -v m",
        "#  Action: file NOHASH path=x\n# Applied: <transform file -> default mode 0644> (file m line 1)\n#  Result: file NOHASH mode=0644 path=x\nfile NOHASH mode=0644 path=x\n#  Action: dir path=d\n# Applied: <transform dir -> drop> (file m line 2)\n#  Result: None\nset name=a value=b\n",
        0,
    ),
];

#[test]
fn rules_and_options() {
    for (files, line, expected, status) in CASES {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("dir")).unwrap();
        for (name, text) in files {
            fs::write(place.path().join(name), text).unwrap();
        }
        let said = run(line, place.path());
        assert_eq!(
            (format!("{}{}", said.out, said.err).as_str(), said.status),
            (expected, status),
            "{line}"
        );
    }
}
