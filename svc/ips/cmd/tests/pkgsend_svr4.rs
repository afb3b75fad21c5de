//! pkgsend_svr4.rs - packages of System V, as a folder and as a datastream.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;

use common::Place;

const INFO: &str = "PKG=EXfruit\nNAME=\"Fruit tools\"\nARCH=i386\nVERSION=1.2,REV=3\nCATEGORY=application\n\
DESC=\"Tools for fruit\"\nVENDOR=Orchard\nHOTLINE=none\nEMAIL=who@orchard.example\nBASEDIR=/opt/fruit\n\
CLASSES=none build\nPSTAMP=x\nSUNW_PRODNAME=y\n";
const MAP: &str = ": 1 20\n1 d none bin 0755 root bin\n1 f none bin/peel 0755 root bin 5 1 978220800\n\
1 e none /etc/peel.conf 0644 root sys 5 1 978220800\n1 s none bin/cut=peel\n1 l none bin/slice=peel\n\
1 f none bin/any ? ? ? 5 1 978220800\n1 i pkginfo 200 1 978220800\n1 i copyright 10 1 978220800\n";
const FILES: [(&str, &str); 3] = [
    ("reloc/bin/peel", "peel\n"),
    ("root/etc/peel.conf", "conf\n"),
    ("install/copyright", "all rights\n"),
];

const EXPECTED: &str = "set name=pkg.send.convert.email value=who@orchard.example
legacy arch=i386 category=application desc=\"Tools for fruit\" hotline=none name=\"Fruit tools\" pkg=EXfruit vendor=Orchard version=1.2,REV=3
set name=pkg.description value=\"Tools for fruit\"
set name=pkg.summary value=\"Fruit tools\"
dir group=bin mode=0755 owner=root path=opt/fruit/bin
file reloc/bin/peel group=bin mode=0755 owner=root path=opt/fruit/bin/peel timestamp=20001231T000000Z
file root/etc/peel.conf group=sys mode=0644 owner=root path=etc/peel.conf preserve=true
link path=opt/fruit/bin/cut target=peel
hardlink path=opt/fruit/bin/slice target=peel
license install/copyright license=EXfruit.copyright
";

fn folder(place: &Path, info: &str, map: &str) {
    fs::create_dir_all(place).unwrap();
    fs::write(place.join("pkginfo"), info).unwrap();
    fs::write(place.join("pkgmap"), map).unwrap();
    for (name, text) in FILES {
        fs::create_dir_all(place.join(name).parent().unwrap()).unwrap();
        fs::write(place.join(name), text).unwrap();
    }
}

/// A cpio archive, with headers of either kind.
fn archive(files: &[(&str, &str)], old: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let trailer = [("TRAILER!!!", "")];
    for (name, text) in files.iter().chain(&trailer) {
        let (mode, size, length) = (0o100_644, text.len(), name.len() + 1);
        if old {
            let head = format!(
                "070707{0:06o}{0:06o}{mode:06o}{0:06o}{0:06o}{0:06o}{0:06o}{0:011o}{length:06o}{size:011o}",
                0
            );
            out.extend(head.bytes().chain(name.bytes()).chain([0]).chain(text.bytes()));
        } else {
            let head = format!(
                "070701{0:08x}{mode:08x}{0:08x}{0:08x}{0:08x}{0:08x}{size:08x}{0:08x}{0:08x}{0:08x}{0:08x}{length:08x}{0:08x}",
                0
            );
            out.extend(head.bytes().chain(name.bytes()).chain([0]));
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend(text.bytes());
            out.resize(out.len().next_multiple_of(4), 0);
        }
    }
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn datastream(old: bool, files: &[(&str, &str)]) -> Vec<u8> {
    let mut out = b"# PaCkAgE DaTaStReAm\nEXfruit 1 40\n# end of header\n".to_vec();
    out.resize(512, 0);
    out.extend(archive(&[("EXfruit/pkginfo", INFO), ("EXfruit/pkgmap", MAP)], old));
    out.extend(archive(files, old));
    out
}

/// Both forms of header, as they are and compressed, and a folder: the same package.
#[test]
fn every_form_is_the_same_package() {
    let place = Place::new();
    folder(&place.path("EXfruit"), INFO, MAP);
    fs::write(place.path("new.pkg"), datastream(false, &FILES)).unwrap();
    fs::write(place.path("old.pkg"), datastream(true, &FILES)).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(
        fs::File::create(place.path("packed.pkg")).unwrap(),
        flate2::Compression::fast(),
    );
    gzip.write_all(&datastream(false, &FILES)).unwrap();
    gzip.finish().unwrap();
    for (at, bundle) in ["EXfruit", "new.pkg", "old.pkg", "packed.pkg"].into_iter().enumerate() {
        let said = place.sh(&format!("pkgsend generate -T peel {bundle}"), None);
        assert_eq!(
            (said.out.as_str(), said.err.as_str(), said.status),
            (EXPECTED, "", 0),
            "{bundle}"
        );
        // What was generated can be published, with the bundle as its source.
        let line = format!(
            "(echo set name=pkg.fmri value=pkg://ex.example/fruit@{at}; pkgsend generate {bundle}) | pkgsend -s scratch2 publish -b {bundle}"
        );
        let said = place.sh(&line, None);
        assert_eq!(said.status, 0, "{bundle}: {said:?}");
        let line = format!(
            "export PKG_TRANS_ID=$(pkgsend -s scratch2 open -n step@{at}) && pkgsend -s scratch2 import {bundle} && pkgsend -s scratch2 close"
        );
        assert_eq!(place.sh("pkgrepo -s scratch2 set publisher/prefix=ex.example", None).status, 0);
        let said = place.sh(&line, None);
        assert_eq!(said.status, 0, "{bundle}: {said:?}");
    }
    let peel = ips_model::digest::sha1_hex(b"peel\n");
    let found = place.sh(&format!("pkgrepo contents -s scratch2 | grep -c 'file {peel} '"), None);
    assert_eq!(found.out.trim(), "8", "{found:?}");
    let sound = place.sh("pkgrepo -s scratch2 verify --disable dependency", None);
    assert!(!sound.out.contains("ERROR"), "{sound:?}");
}

#[test]
fn what_cannot_be_said_is_told() {
    let place = Place::new();
    let map = format!(
        "{MAP}1 i postinstall 10 1 1\n1 i i.build 10 1 1\n1 f build bin/made 0755 root bin 1 1 1\n1 f preserve /etc/kept 0644 root sys 1 1 1\n1 c none dev/x 1 2 0600 root sys\n"
    );
    folder(&place.path("EXfruit"), INFO, &map);
    let said = place.sh("pkgsend generate EXfruit EXfruit | tail -1", None);
    assert_eq!(said.out, "\n");
    let expected = "\
pkgsend generate: WARNING: Several SVR4 packages detected. Multiple pkg.summary and pkg.description attributes may have been generated.
pkgsend generate: ERROR: EXfruit: opt/fruit/dev/x is a device or a pipe
pkgsend generate: ERROR: class action script used in EXfruit: etc/kept belongs to \"preserve\" class
pkgsend generate: ERROR: class action script used in EXfruit: opt/fruit/bin/made belongs to \"build\" class
pkgsend generate: ERROR: script present in EXfruit: postinstall
";
    assert_eq!(place.sh("pkgsend generate EXfruit", None).status, 1);
    let once: Vec<&str> = expected.lines().skip(1).collect();
    let told = place.sh("pkgsend generate EXfruit > out", None).err;
    assert_eq!(told.lines().collect::<Vec<_>>(), once);
    assert!(said.err.starts_with(expected.lines().next().unwrap()), "{}", said.err);
    // A transaction that such a package was to fill is given up.
    let line = "pkgrepo -s scratch2 set publisher/prefix=ex.example; export PKG_TRANS_ID=$(pkgsend -s scratch2 open -n x@1); pkgsend -s scratch2 import EXfruit; ls scratch2/publisher/ex.example/trans | wc -l";
    let said = place.sh(line, None);
    assert!(said.out.contains("ABANDONED\n0"), "{said:?}");
}

#[test]
fn damaged_packages_are_refused() {
    let place = Place::new();
    let whole = datastream(false, &FILES);
    let two = String::from_utf8_lossy(&whole).replacen("EXfruit 1 40\n", "EXa 1 4\nEXb 1 4\n", 1);
    let out = [("reloc/../../../outside", "x")];
    let cases: [(&[u8], &str); 5] = [
        (&whole[..700], "the archive ends early"),
        (&whole[..1024], "the archive ends early"),
        (two.as_bytes(), "Multi-package datastreams are not supported."),
        (&datastream(true, &out), "a name in the archive leads out of the package"),
        (b"# PaCkAgE DaTaStReAm\nEXfruit 1 40\n", "the header has no end"),
    ];
    for (bytes, told) in cases {
        fs::write(place.path("bad.pkg"), bytes).unwrap();
        let said = place.sh("pkgsend generate bad.pkg", None);
        assert!(said.status == 1 && said.err.contains(told), "{told}: {said:?}");
    }
    assert!(!place.path("outside").exists());
    for (info, map, told) in [
        ("PKG", MAP, "pkginfo: line 1: not KEY=value"),
        ("NAME=x\n", MAP, "pkginfo: no PKG"),
        ("#FASPACD=none\n", MAP, "pkginfo: archives of classes (FASPACD) are not read"),
        (INFO, "1 f none x\n", "pkgmap: '1 f none x' describes no object"),
    ] {
        folder(&place.path("bad"), info, map);
        let said = place.sh("pkgsend generate bad", None);
        assert!(said.status == 1 && said.err.contains(told), "{told}: {said:?}");
    }
}
