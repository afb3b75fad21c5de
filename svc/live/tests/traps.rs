//! What re-implementations of build_live got wrong, a case each.  What they got wrong of nightly and
//! of the stages before is the workspace's business, and tested there.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use common::{MANIFEST, STAMP, Said, Yard, kernel};

/// Path → mode, uid, gid, contents.
type Inside = BTreeMap<String, (u32, u32, u32, String)>;

/// What a case sees of a build.
struct Seen {
    yard: Yard,
    said: Said,
}

impl Seen {
    fn inside(&self) -> Inside {
        assert_eq!(self.said.status, 0, "{:?}", self.said);
        self.yard.inside()
    }

    #[track_caller]
    fn says(&self, line: &str) {
        assert!(self.said.out.lines().any(|one| one == line), "{line}: {}", self.said.out);
    }

    #[track_caller]
    fn fails(&self, part: &str) {
        assert_eq!(self.said.status, 1, "{:?}", self.said);
        let last = self.said.out.lines().last().unwrap();
        assert!(last.contains(part), "{part}: {last}");
        assert_eq!(self.yard.finished(), [""; 0]);
    }
}

/// The trap, how the workspace is changed, and what must come of it.
type Case = (&'static str, fn(&Yard), fn(&Seen));

const CASES: [Case; 16] = [
    (
        "1: overlay, proto, man tree; the man tree for manual pages alone, without their prefix",
        |yard| {
            yard.write("projects/opensolaris-man/etc/only-there", b"x");
            yard.write("projects/opensolaris-man/man1/both.1", b"of the man tree");
            yard.write("proto/usr/share/man/man1/both.1", b"of proto");
            yard.manifest(
                "f usr/share/man/man1/both.1 0444 root bin\nf etc/only-there 0444 root bin\n",
            );
        },
        |seen| {
            seen.says("OK[A] - FILE: etc/motd");
            seen.says("OK[P] - FILE: usr/share/man/man1/both.1");
            seen.says("OK[M] - FILE: usr/share/man/man1/su.1");
            seen.says("*FAILED* - FILE: etc/only-there");
            seen.fails("f etc/only-there: not at ");
        },
    ),
    (
        "2: nothing of this host",
        |yard| yard.manifest("d usr/lib 0755 root bin\nf usr/bin/env 0555 root bin\n"),
        |seen| seen.fails("f usr/bin/env: not at "),
    ),
    (
        "3: all misses are told, and nothing is made",
        |yard| yard.manifest("f usr/bin/m1 0555 root bin\nf usr/bin/m2 0555 root bin\n"),
        |seen| {
            seen.says("*FAILED* - FILE: usr/bin/m1");
            seen.says("*FAILED* - FILE: usr/bin/m2");
            seen.fails("usr/bin/m1: not at ");
        },
    ),
    (
        "4: name=target; the log has the target first; links may lead nowhere",
        |yard| yard.manifest("s etc/here=../nowhere/x\nh etc/hard=usr/bin/su\n"),
        |seen| {
            seen.says("OK - SYMLINK: ../nowhere/x -> etc/here");
            seen.says("OK - LINK: usr/bin/su -> etc/hard");
            let inside = seen.inside();
            assert_eq!(inside["etc/here"].3, "../nowhere/x");
            assert_eq!(inside["etc/hard"], inside["usr/bin/su"]);
        },
    ),
    (
        "5: the order of lines does not matter",
        |yard| {
            let mut lines: Vec<&str> = MANIFEST.lines().collect();
            lines.reverse();
            yard.write("manifest", lines.join("\n").as_bytes());
        },
        |seen| {
            let inside = seen.inside();
            assert_eq!((inside["tmp"].0, inside["usr/bin"].0), (0o1777, 0o555));
            assert_eq!(inside["usr/bin/bzcat"].3, "zz");
            let reversed = common::files(&seen.yard.platform());
            seen.yard.write("manifest", MANIFEST.as_bytes());
            fs::remove_dir_all(seen.yard.path("output")).unwrap();
            seen.yard.build();
            assert!(common::files(&seen.yard.platform()) == reversed);
        },
    ),
    (
        "6: setuid stays; owners are the image's",
        |yard| {
            yard.write("overlay/etc/passwd", b"root:x:0:0:::\nuucp:x:5:5:::\n");
            yard.write("overlay/etc/group", b"root::0:\nbin::2:\nsys::3:\nlp::71:\n");
            yard.write("proto/usr/bin/uu", b"uu");
            yard.manifest("f usr/bin/uu 6555 uucp lp\n");
        },
        |seen| assert_eq!(seen.inside()["usr/bin/uu"], (0o6555, 5, 71, "uu".to_owned())),
    ),
    (
        "7: a directory may stand twice",
        |yard| yard.manifest("d etc 0755 root sys\n"),
        |seen| assert_eq!(seen.inside()["etc"].0, 0o755),
    ),
    (
        "7: a link may not, whatever its target",
        |yard| yard.manifest("s usr/bin/perl=perl5\n"),
        |seen| seen.fails("manifest:26: symbolic link usr/bin/perl is at line 23 already"),
    ),
    (
        "8: line ends, tabs, comments, odd names, long lines",
        |yard| {
            let long = format!("etc/{}", "x".repeat(200));
            yard.write(&format!("proto/{long}"), b"long");
            for name in ["[", "a+b", "c:d", "e@f", "g%h", "i,j(k)"] {
                yard.write(&format!("proto/usr/bin/{name}"), name.as_bytes());
            }
            let blanks = " ".repeat(2000);
            yard.manifest(&format!(
                "# a comment\r\nf\tusr/bin/[\t\t0555 root bin\r\nf usr/bin/a+b 0555 root bin # why\n\
                 f usr/bin/c:d 0555 root bin\n\nf usr/bin/e@f 0555 root bin\n\
                 f usr/bin/g%h 0555 root bin\nf usr/bin/i,j(k) 0555 root bin\n\
                 f {long}{blanks}0444 root bin"
            ));
        },
        |seen| {
            let inside = seen.inside();
            for name in ["[", "a+b", "c:d", "e@f", "g%h", "i,j(k)"] {
                assert_eq!(inside[&format!("usr/bin/{name}")].3, name);
            }
            assert_eq!(inside[&format!("etc/{}", "x".repeat(200))].3, "long");
        },
    ),
    (
        "9: parents are not invented",
        |yard| yard.manifest("d usr/lib/fm 0755 root bin\n"),
        |seen| seen.fails("manifest:26: usr/lib/fm: its directory usr/lib is not in the manifest"),
    ),
    (
        "10: the listing is of the image as it is in the end, and does not list itself",
        |yard| yard.script("tools/customize", "#!/bin/sh\necho late > $1/etc/late\n"),
        |seen| {
            let inside = seen.inside();
            let listing = &inside["var/log/manifest"].3;
            assert!(!listing.contains("var/log/manifest"), "{listing}");
            for path in ["etc/late", "etc/joyent_buildstamp", "etc/motd", "etc/shadow"] {
                let digests = live::digests::Digests::of(inside[path].3.as_bytes());
                let line = listing.lines().find(|line| line.contains(&format!(" ./{path} ")));
                assert!(line.unwrap().ends_with(&live::digests::hex(&digests.md5)), "{path}");
            }
        },
    ),
    (
        "11: one stamp for folder, tgz, log and what is in the image",
        |_| {},
        |seen| {
            let inside = seen.inside();
            assert_eq!(inside["etc/joyent_buildstamp"].3, format!("{STAMP}\n"));
            assert!(inside["etc/motd"].3.contains(STAMP));
            seen.says(&format!("BUILDSTAMP. {STAMP}"));
            let stamp = fs::read_to_string(seen.yard.path("output/buildstamp")).unwrap();
            assert_eq!(stamp, format!("{STAMP}\n"));
            let mut command = seen.yard.command(&["manifest"]);
            let said = command.env("BUILDSTAMP", "20200101T000000Z").output().unwrap();
            assert!(said.status.success(), "{said:?}");
            assert!(seen.yard.path("output/platform-20200101T000000Z.tgz").exists());
            assert!(seen.yard.path("log/build_live.20200101T000000Z.log").exists());
        },
    ),
    (
        "12: the kernel is the image's, not the proto area's",
        |yard| {
            let mut other = kernel(2);
            other[100] = 7;
            yard.write("overlay/platform/i86pc/kernel/amd64/unix", &other);
        },
        |seen| {
            let unix = fs::read(seen.yard.platform().join("i86pc/kernel/amd64/unix")).unwrap();
            assert_eq!(unix[100], 7);
        },
    ),
    (
        "15: sizes follow from the content",
        |yard| {
            let mut more = String::new();
            for number in 0..1500 {
                yard.write(&format!("proto/tmp/{number}"), b"");
                more.push_str(&format!("f tmp/{number} 0444 root bin\n"));
            }
            yard.write("proto/tmp/large", &vec![1; 8 << 20]);
            yard.manifest(&(more + "f tmp/large 0444 root bin\n"));
        },
        |seen| {
            let inside = seen.inside();
            assert_eq!(inside.keys().filter(|path| path.starts_with("tmp/")).count(), 1501);
        },
    ),
    (
        "hostile: a folder of the proto area that leads to another place",
        |yard| {
            yard.write("elsewhere/secret", b"x");
            symlink(yard.path("elsewhere"), yard.path("proto/usr/lib")).unwrap();
            yard.manifest("d usr/lib 0755 root bin\nf usr/lib/secret 0444 root bin\n");
        },
        |seen| seen.fails("/manifest:27: f usr/lib/secret: not at "),
    ),
    (
        "hostile: a script that makes a link where the build writes",
        |yard| {
            yard.write("victim/motd", b"mine\n");
            let line = "#!/bin/sh\nrm $1/etc/motd\nln -s ../../../../../victim $1/var/adm\n\
                        rm -rf $1/var/log\nln -s /etc $1/var/log\n";
            yard.script("tools/customize", line);
        },
        |seen| {
            let inside = seen.inside();
            assert_eq!(inside["var/log"].3, "/etc");
            assert!(!inside.contains_key("etc/motd"));
            assert_eq!(fs::read(seen.yard.path("victim/motd")).unwrap(), b"mine\n");
        },
    ),
];

#[test]
fn none_of_the_traps() {
    for (trap, change, check) in CASES {
        let yard = Yard::new();
        change(&yard);
        let said = yard.run(&["--pad-mb=1", "manifest"]);
        eprintln!("trap {trap}");
        check(&Seen { yard, said });
    }
}
