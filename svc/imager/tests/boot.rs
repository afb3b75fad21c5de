//! Disk images and network boot trees start, and what does not start is shown.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{SLIM, Yard};

/// The first of the programs that a boot needs and this host has not.
fn absent() -> Option<&'static str> {
    common::absent().or_else(|| {
        ["make", "gcc", "qemu-system-x86_64"].into_iter().find(|program| {
            let mut asked = Command::new(program);
            asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
        })
    })
}

const DISK: [&str; 4] = ["disk", "Disk image creation", "create_disk", "format=qcow2"];
const NETBOOT: [&str; 4] = ["netboot", "Network boot tree creation", "create_netboot", ""];

#[test]
fn a_disk_and_the_network_start_the_image() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let yard = Yard::with_kernel();
    let test = ["boot-test", "Boot test of the media", "boot_test", ""];
    yard.manifest("m", &[&SLIM[..], &[DISK, NETBOOT, test]].concat());
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let log = fs::read_to_string(yard.path("area/media/boot-test.log")).unwrap();
    let tries = [
        ("Orchard.qcow2 (BIOS, disk)", "disk-bios", Path::new("/usr/bin/qemu-system-x86_64")),
        ("Orchard.qcow2 (UEFI, disk)", "disk-uefi", Path::new("/usr/share/OVMF/OVMF_CODE_4M.fd")),
        (
            "Orchard.netboot (BIOS, network)",
            "netboot-bios",
            Path::new("/usr/lib/ipxe/qemu/efi-e1000.rom"),
        ),
        (
            "Orchard.netboot (UEFI, network)",
            "netboot-uefi",
            Path::new("/usr/lib/ipxe/qemu/efi-e1000.rom"),
        ),
    ];
    for (name, picture, needed) in tries {
        if !needed.exists() {
            assert!(
                said.err.contains(&format!("boot test of {name}: not tried: ")),
                "{}",
                said.err
            );
            continue;
        }
        let wanted = format!("boot test of {name}: boot_archive.hash: ok\n");
        assert!(said.err.contains(&wanted), "{}", said.err);
        let (_, own) = log.split_once(&format!("==== {name}\n")).unwrap();
        let (own, _) = own.split_once("unix: done").unwrap();
        assert!(own.contains("Orchard 1") && own.contains("console=ttya"), "{own}");
        let picture = yard.path(&format!("area/media/boot-test-{picture}.png"));
        assert!(fs::read(picture).unwrap().starts_with(b"\x89PNG"));
    }

    // What does not start: the console's last lines, where all of it is, and the screen.
    let test =
        ["boot-test", "Boot test of the media", "boot_test", "media=disk\" \"pattern=a login"];
    yard.manifest("m", &[&SLIM[..], &[DISK, NETBOOT, test]].concat());
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(said.err.contains("  console: unix: done\n"), "{}", said.err);
    let media = yard.path("area/media").display().to_string();
    let wanted = "boot test of Orchard.qcow2 (BIOS, disk): no \"a login\" from the guest (QEMU \
                  exited with status 33); it said: boot_archive files: ";
    let places = format!(
        "; all of it: {media}/boot-test.log; the screen: {media}/boot-test-disk-bios.png\n"
    );
    assert!(said.err.contains(wanted) && said.err.contains(&places), "{}", said.err);
}
