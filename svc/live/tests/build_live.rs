//! build_live as it is typed: what is made, what the log says, and what is refused.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use common::{MANIFEST, STAMP, Yard, contents, files, kernel, unpacked};

#[test]
fn a_platform() {
    let yard = Yard::new();
    let said = yard.build();
    assert_eq!(said.out, yard.log());
    let (top, platform) = (yard.path(""), yard.platform());
    let top = top.display().to_string().trim_end_matches('/').to_owned();
    let head = format!(
        "=== Options/ ===\nBUILDSTAMP. {STAMP}\nPROTO ..... {top}/proto\nALT_ROOT .. {top}/overlay\n\
         MANIFEST .. manifest\nOUTPUT .... {top}/output\n=== /Options ===\nOK - DIR: bin\n"
    );
    assert!(said.out.starts_with(&head), "{}", said.out);
    for line in [
        "OK - DIR: usr/bin",
        "OK[A] - FILE: etc/motd",
        "OK[P] - FILE: usr/bin/su",
        "OK[M] - FILE: usr/share/man/man1/su.1",
        "OK - SYMLINK: /opt/local/bin/perl -> usr/bin/perl",
        "OK - LINK: usr/bin/zz -> usr/bin/bzcat",
    ] {
        assert!(said.out.lines().any(|one| one == line), "{line}: {}", said.out);
    }
    assert_eq!(fs::read_link(yard.path("build")).unwrap().to_str(), Some("log"));
    let names =
        ["buildstamp".to_owned(), format!("platform-{STAMP}"), format!("platform-{STAMP}.tgz")];
    assert_eq!(yard.finished(), names);
    let made: Vec<String> = files(&platform).into_keys().collect();
    assert_eq!(
        made,
        [
            "i86pc/amd64/boot_archive",
            "i86pc/amd64/boot_archive.gitstatus",
            "i86pc/amd64/boot_archive.hash",
            "i86pc/amd64/boot_archive.manifest",
            "i86pc/amd64/boot_archive.md5sum",
            "i86pc/amd64/boot_archive.sha256sum",
            "i86pc/kernel/amd64/unix",
        ]
    );
    let inside = yard.inside();
    let row = |path: &str| inside.get(path).unwrap_or_else(|| panic!("{path}: {inside:?}"));
    let is = |path: &str, mode, gid, text: &str| {
        assert_eq!(row(path), &(mode, 0, gid, text.to_owned()), "{path}");
    };
    is("usr/bin", 0o555, 2, "/");
    is("tmp", 0o1777, 3, "/");
    is("usr/bin/su", 0o4555, 2, "su");
    is("usr/bin/bzcat", 0o555, 2, "zz");
    is("usr/bin/perl", 0o777, 0, "/opt/local/bin/perl");
    is("usr/share/man/man1/su.1", 0o444, 2, "manual");
    is("etc/motd", 0o644, 3, &format!("Live Image {STAMP}\n"));
    is("etc/shadow", 0o400, 3, "root:NP:6445::::::\n");
    is("etc/joyent_buildstamp", 0o644, 0, &format!("{STAMP}\n"));
    is("etc/mnttab", 0o644, 0, "");
    is("var/log/syslog", 0o644, 0, "");
    let unix = fs::read(platform.join("i86pc/kernel/amd64/unix")).unwrap();
    assert_eq!(unix, kernel(2));
}

/// The listing is complete and true: every path of the archive but itself, with its digest.
#[test]
fn the_listings_are_true() {
    let yard = Yard::new();
    yard.build();
    let archive = yard.platform().join("i86pc/amd64/boot_archive");
    let text = |suffix: &str| fs::read_to_string(archive.with_extension(suffix)).unwrap();
    let (manifest, inside) = (text("manifest"), yard.inside());
    assert_eq!(inside["var/log/manifest"].3, manifest);
    let mut listed: Vec<String> = manifest
        .lines()
        .map(|line| {
            let word = line.split(' ').nth(1).unwrap().split('=').next().unwrap();
            word.trim_start_matches('.').trim_start_matches('/').to_owned()
        })
        .collect();
    listed.push("var/log/manifest".to_owned());
    listed.sort();
    let mut there: Vec<&String> = inside.keys().filter(|path| *path != "lost+found").collect();
    there.sort();
    assert_eq!(listed.iter().collect::<Vec<_>>(), there);
    for line in text("md5sum").lines() {
        let (md5, path) = line.split_once("  ./").unwrap();
        let bytes = inside[path].3.as_bytes();
        if path.ends_with("/unix") {
            continue;
        }
        let digests = live::digests::Digests::of(bytes);
        assert_eq!(md5, live::digests::hex(&digests.md5), "{path}");
        assert!(manifest.contains(&format!("f ./{path} ")), "{path}");
        let sha256 = live::digests::hex(&digests.sha256);
        assert!(text("sha256sum").contains(&format!("{sha256}  ./{path}\n")), "{path}");
    }
    let said = std::process::Command::new("sh")
        .args(["-c", "gzip -dc \"$1\" | sha1sum", "sh", archive.to_str().unwrap()])
        .output()
        .unwrap();
    let sha1 = String::from_utf8(said.stdout).unwrap();
    assert_eq!(sha1.split(' ').next().unwrap(), text("hash").trim());
}

#[test]
fn the_same_inputs_are_the_same_bytes() {
    let yard = Yard::new();
    yard.build();
    let first = files(&yard.platform());
    let tgz = yard.path("output").join(format!("platform-{STAMP}.tgz"));
    let first_tgz = fs::read(&tgz).unwrap();
    assert!(yard.build().out.ends_with(" is up to date\n"));
    fs::remove_dir_all(yard.path("output")).unwrap();
    // Another copy of a file has other times, and is the same file.
    yard.write("proto/usr/bin/su", b"su");
    let said = yard.build();
    assert!(!said.out.contains("up to date"), "{}", said.out);
    assert_eq!(files(&yard.platform()), first);
    assert!(fs::read(&tgz).unwrap() == first_tgz);
    yard.write("proto/usr/bin/su", b"so");
    yard.build();
    assert_eq!(yard.inside()["usr/bin/su"].3, "so");
}

/// How the workspace is changed, and what the log then says.
type Refused = (fn(&Yard), &'static [&'static str]);

const REFUSED: [Refused; 16] = [
    (
        |yard| yard.manifest("f usr/bin/sux 0555 root bin\nf usr/bin/q 0555 root bin\n"),
        &[
            "*FAILED* - FILE: usr/bin/sux\n",
            "*FAILED* - FILE: usr/bin/q\n",
            "/manifest:26: f usr/bin/sux: not at ",
            "/overlay/usr/bin/sux, ",
            "/proto/usr/bin/sux; there is usr/bin/su (and 1 more); log: ",
        ],
    ),
    (
        |yard| yard.manifest("f etc/motd 0644 root sys\n"),
        &["manifest:26: file etc/motd is at line 4 already; log: "],
    ),
    (
        |yard| yard.manifest("f usr/lib/x 0444 root bin\n"),
        &["manifest:26: usr/lib/x: its directory usr/lib is not in the manifest"],
    ),
    (
        |yard| yard.manifest("f usr/bin/q 0444 nemo bin\nf usr/bin/r 0444 root fish\n"),
        &[
            "manifest:26: usr/bin/q: the image has no user nemo\n",
            "manifest:27: usr/bin/r: the image has no group fish\n",
            "no user nemo (and 1 more)",
        ],
    ),
    (
        |yard| yard.manifest("h usr/bin/q=usr/bin/sux\n"),
        &["manifest:26: hard link usr/bin/q: no file usr/bin/sux; there is usr/bin/su"],
    ),
    (
        |yard| yard.manifest("f ../up 0444 root bin\n"),
        &["manifest:26: ../up: a path has no part .."],
    ),
    (
        |yard| yard.manifest("f /etc/up 0444 root bin\n"),
        &["manifest:26: /etc/up: a path begins without"],
    ),
    (|yard| yard.manifest("s a=b=c\n"), &["manifest:26: a=b=c has more than one ="]),
    (|yard| yard.manifest("r usr\n"), &["manifest:26: unknown type r"]),
    (
        |yard| {
            symlink("../../../overlay", yard.path("proto/usr/bin/q")).unwrap();
            yard.manifest("f usr/bin/q 0555 root bin\n");
        },
        &["*FAILED* - FILE: usr/bin/q\n", "/proto/usr/bin/q (leads out of its place, to "],
    ),
    (
        |yard| {
            fs::remove_file(yard.path("proto/platform/i86pc/kernel/amd64/unix")).unwrap();
            yard.write("proto/platform/i86pc/kernel/amd64/unix", &kernel(1));
        },
        &["the kernel is a 32-bit one; platforms are of 64 bits"],
    ),
    (
        |yard| {
            let text = MANIFEST.replace("kernel/amd64/unix", "kernel/amd64/unit");
            yard.write("proto/platform/i86pc/kernel/amd64/unit", &kernel(2));
            yard.write("manifest", text.as_bytes());
        },
        &[
            "the image has no kernel: platform/i86pc/kernel/amd64/unix; there is platform/i86pc/kernel/amd64/unit",
        ],
    ),
    (
        |yard| yard.script("tools/customize", "#!/bin/sh\necho bad luck >&2\nexit 3\n"),
        &["bad luck\n", "/tools/customize: ", ": bad luck; log: "],
    ),
    (
        |yard| {
            yard.write("manifest", MANIFEST.replace("f etc/passwd 0644 root sys\n", "").as_bytes())
        },
        &["the manifest has no file etc/passwd"],
    ),
    (|yard| yard.write("proto/buildstamp", b"today\n"), &[]),
    (|yard| yard.write("manifest", b"\n# nothing\n"), &["the manifest is empty"]),
];

/// What a careless build gets wrong: nothing of it makes a platform, and the last line says why.
#[test]
fn what_is_refused() {
    for (number, (change, wanted)) in REFUSED.into_iter().enumerate() {
        let yard = Yard::new();
        change(&yard);
        let said = yard.run(&["manifest"]);
        assert_eq!(said.status, 1, "{number}: {said:?}");
        assert_eq!(yard.finished(), [""; 0], "{number}: nothing looks finished");
        assert!(!yard.path("output/.build_live/work").exists(), "{number}");
        for part in wanted {
            assert!(said.out.contains(part), "{number}: {part}: {}", said.out);
        }
        if let Some(line) = said.out.lines().last() {
            assert!(line.starts_with("build_live: ERROR: ") && line.contains("; log: "), "{line}");
        } else {
            assert!(said.err.contains("\"today\" is not of the form YYYYMMDDTHHMMSSZ"), "{said:?}");
        }
    }
}

#[test]
fn the_running_system_is_asked_only_when_allowed() {
    let yard = Yard::new();
    yard.write("host/usr/bin/q", b"of the host");
    yard.manifest("f usr/bin/q 0555 root bin\n");
    assert_eq!(yard.run(&["manifest"]).status, 1);
    let said = yard.run(&["--host-root", "host", "manifest"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.out.contains("OK[S] - FILE: usr/bin/q\n"), "{}", said.out);
    assert!(said.out.contains("WARNING: 1 files were taken from the running system:\n"));
    let refused = yard.run(&["manifest", "output", "overlay", "proto", "/"]);
    assert_eq!(refused.status, 1);
    assert!(refused.err.contains("only with --host-root"), "{refused:?}");
}

#[test]
fn the_later_forms_of_the_command() {
    let yard = Yard::new();
    symlink(".", yard.path("projects/opensolaris-man/usr")).unwrap();
    symlink(".", yard.path("projects/opensolaris-man/share")).unwrap();
    symlink(".", yard.path("projects/opensolaris-man/man")).unwrap();
    let second = ["manifest", "out2", "overlay", "proto", "projects/opensolaris-man"];
    let said = yard.run(&second);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.out.contains("DIR[03] ... "), "{}", said.out);
    assert!(said.out.contains("OK[M] - FILE: usr/share/man/man1/su.1\n"), "{}", said.out);
    let today = [
        "-p",
        "secret",
        "-m",
        "manifest",
        "-o",
        "out3",
        "overlay",
        "proto",
        "projects/opensolaris-man",
    ];
    let said = yard.run(&today);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(!said.out.contains("secret"), "{}", said.out);
    let archive = format!("out3/platform-{STAMP}/i86pc/amd64/boot_archive");
    let inside = contents(&mut unpacked(&yard.path(&archive)));
    assert!(inside["etc/shadow"].3.starts_with("root:$5$"), "{:?}", inside["etc/shadow"]);
    for (words, status) in [(&["a", "b"][..], 1), (&["-P", "x", "m"], 1), (&["-m", "m"], 2)] {
        assert_eq!(yard.run(words).status, status, "{words:?}");
    }
}

#[test]
fn scripts_work_on_a_copy() {
    let yard = Yard::new();
    yard.script(
        "tools/customize",
        "#!/bin/sh -e\n\
         echo \"root $1 overlay $2 stamp $BUILDSTAMP zip $GZIP_CMD\"\n\
         echo changed > $1/usr/bin/su\n\
         chmod 0700 $1/usr/bin/zz\n\
         rm $1/usr/bin/perl\n\
         mkdir $1/opt\n\
         echo new > $1/opt/new\n\
         chmod 4711 $1/opt/new\n",
    );
    yard.write("tools/customize.more", b"echo \"more $BUILDSTAMP\" > $1/opt/more\n");
    let said = yard.build();
    let overlay = yard.path("overlay");
    let line = format!(" overlay {} stamp {STAMP} zip gzip\n", overlay.display());
    assert!(said.out.contains(&line), "{}", said.out);
    let inside = yard.inside();
    let is = |path: &str, mode, gid, text: &str| {
        assert_eq!(inside.get(path), Some(&(mode, 0, gid, text.to_owned())), "{path}");
    };
    is("usr/bin/su", 0o4555, 2, "changed\n");
    is("usr/bin/zz", 0o700, 2, "zz");
    is("usr/bin/bzcat", 0o700, 2, "zz");
    is("opt/new", 0o4711, 0, "new\n");
    is("opt/more", 0o644, 0, &format!("more {STAMP}\n"));
    is("tmp", 0o1777, 3, "/");
    assert!(!inside.contains_key("usr/bin/perl"));
    yard.script("other/customize", "#!/bin/sh\necho other > $1/opt.txt\n");
    fs::remove_dir_all(yard.path("tools")).unwrap();
    let said = yard.run(&["--customize", "other", "-R", ".", "manifest"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(yard.inside()["opt.txt"].3, "other\n");
    assert_eq!(fs::read(yard.path("proto/usr/bin/su")).unwrap(), b"su");
}

/// Whoever builds: owners and devices are those that scripts gave, and the platform is the same.
#[test]
fn scripts_give_owners() {
    let built = |run: &dyn Fn(&Yard) -> common::Said| {
        let yard = Yard::new();
        yard.script(
            "tools/customize",
            "#!/bin/sh -e\numask 022\ncd $1\n\
             chown 0:3 usr/bin/zz; chmod 4755 usr/bin/zz\n\
             mkdir dev opt; mknod dev/null c 13 2; chmod 666 dev/null; chown 0:3 dev/null\n\
             echo x >opt/mine; chown 0:2 opt/mine; chown 65432:10 opt\n",
        );
        yard.script("tools/customize.more", "#!/bin/sh -e\ncp -p $1/opt/mine $1/opt/copy\n");
        if nix::unistd::geteuid().is_root() {
            let mut chown = std::process::Command::new("chown");
            assert!(chown.args(["-R", "65534"]).arg(yard.path("")).status().unwrap().success());
        }
        let said = run(&yard);
        assert_eq!(said.status, 0, "{said:?}");
        yard
    };
    let mine = built(&|yard| yard.run(&["manifest"]));
    let nobodys = built(&|yard| yard.run_as_nobody(&["manifest"]));
    assert!(common::files(&mine.platform()) == common::files(&nobodys.platform()));
    let inside = nobodys.inside();
    let is = |path: &str, mode, uid, gid| {
        let (is_mode, is_uid, is_gid, _) = inside[path];
        assert_eq!((is_mode, is_uid, is_gid), (mode, uid, gid), "{path}");
    };
    is("usr/bin/zz", 0o4755, 0, 3);
    is("usr/bin/bzcat", 0o4755, 0, 3);
    is("usr/bin/su", 0o4555, 0, 2);
    is("opt", 0o755, 65432, 10);
    is("opt/mine", 0o644, 0, 2);
    is("opt/copy", 0o644, 0, 2);
    is("dev/null", 0o666, 0, 3);
    let listing = &inside["var/log/manifest"].3;
    assert!(listing.contains("\nc ./dev/null 0666 root sys 13,2\n"), "{listing}");
    assert!(listing.contains("\nd ./opt 0755 65432 10 \n"), "{listing}");
}

/// Without privilege: a file that may not be read is missing, and is not looked for further on.
#[test]
fn an_unreadable_file_is_a_failure() {
    let yard = Yard::new();
    yard.write("overlay/usr/bin/su", b"secret");
    let closed = fs::Permissions::from_mode(0o000);
    fs::set_permissions(yard.path("overlay/usr/bin/su"), closed).unwrap();
    fs::set_permissions(yard.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let said = yard.run_as_nobody(&["manifest"]);
    let out = said.out;
    assert_eq!(said.status, 1, "{out}");
    assert!(out.contains("*FAILED* - FILE: usr/bin/su\n"), "{out}");
    assert!(out.contains("/overlay/usr/bin/su (Permission denied"), "{out}");
    assert!(yard.finished().is_empty());
}

#[test]
fn usr_apart() {
    let yard = Yard::new();
    yard.write("proto/usr/bin/ls", b"list");
    yard.manifest("f usr/bin/ls 0555 root bin\nh bin/zz=usr/bin/zz\n");
    let said = yard.run(&["--archive", "ufs+usr-lofi", "manifest"]);
    assert_eq!(said.status, 0, "{said:?}");
    let archive = fs::read(yard.platform().join("i86pc/amd64/boot_archive")).unwrap();
    assert!(!archive.starts_with(&[0x1f, 0x8b]), "the root is small and not packed");
    let mut image = yard.archive();
    let packed = image.file("usr.lgz").unwrap();
    let inside = contents(&mut image);
    assert_eq!(inside["usr/bin/ls"].3, "list", "before /usr is mounted");
    assert_eq!(
        inside["bin/zz"],
        (0o555, 0, 2, "zz".to_owned()),
        "no link leads over a file system"
    );
    assert!(!inside.contains_key("usr/bin/su"));
    let mut plain = Vec::new();
    let mut reader = image_formats::lofi::Reader::open(std::io::Cursor::new(packed)).unwrap();
    reader.copy(&mut plain).unwrap();
    let mut usr = image_formats::ufs::Image::open(std::io::Cursor::new(plain)).unwrap();
    let usr = contents(&mut usr);
    assert_eq!(usr["bin/su"], (0o4555, 0, 2, "su".to_owned()));
    assert_eq!(usr["bin/bzcat"].3, "zz");
    assert_eq!(usr[""].0, 0o755);
}
