//! Media of a platform that has the sample kernel: they start, by BIOS and UEFI, from CD and disk.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{STAMP, Yard};

/// The first of the programs that a boot needs and this host has not.
fn absent() -> Option<&'static str> {
    ["make", "gcc", "xorriso", "grub-mkimage", "qemu-system-x86_64"].into_iter().find(|program| {
        let mut asked = Command::new(program);
        asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    })
}

/// Puts the sample kernel into the proto area.
fn install_kernel(yard: &Yard) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let made = Command::new("make")
        .args(["-s", "-C"])
        .arg(top.join("packaging/gates/illumos/usr/src/uts"))
        .arg(format!("OBJ={}", yard.path("obj").display()))
        .arg(format!("ROOT={}", yard.path("proto").display()))
        .arg("install")
        .env("SOURCE_DATE_EPOCH", "1299547425")
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

#[test]
fn media_start() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let yard = Yard::new();
    fs::remove_file(yard.path("proto/platform/i86pc/kernel/amd64/unix")).unwrap();
    install_kernel(&yard);
    yard.write("overlay/etc/release", b"Sample Live\n");
    yard.manifest("f etc/release 0444 root sys\n");
    let words = ["--usb", "--pad-mb=1", "--archive=ufs+usr-lofi", "manifest"];
    let said = yard.run(&words);
    assert_eq!(said.status, 0, "{said:?}");
    for way in ["BIOS, disk", "UEFI, disk"] {
        let line = format!("boot test ({way}): boot_archive.hash: ok\n");
        let not_tried = format!("boot test ({way}): not tried");
        assert!(said.out.contains(&line) || said.out.contains(&not_tried), "{}", said.out);
    }
    assert!(said.out.contains("| Sample Live"), "{}", said.out);
    let medium = |kind: &str| yard.path("output").join(format!("platform-{STAMP}.{kind}"));
    let first = fs::read(medium("usb")).unwrap();
    fs::remove_file(medium("usb")).unwrap();
    assert_eq!(yard.run(&["--no-boot-test", words[0], words[1], words[2], words[3]]).status, 0);
    assert!(fs::read(medium("usb")).unwrap() == first, "the same platform, the same medium");

    // The packed form starts too, but what it says is not what is waited for.
    let refused = yard.run(&["--iso", "--pad-mb=1", "--boot-pattern", "no such words", "manifest"]);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.out.contains("| boot_archive.hash: ok"), "{}", refused.out);
    let last = refused.out.lines().last().unwrap();
    assert!(last.contains("boot test (BIOS, CD): no \"no such words\" from the guest"), "{last}");
    assert!(!yard.path("output/.build_live/work").exists() && !medium("iso").exists());
    assert!(medium("usb").exists(), "what was finished stays");
}
