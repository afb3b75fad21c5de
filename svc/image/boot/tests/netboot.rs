//! The sample kernel started over the network: iPXE in QEMU's own card, files by QEMU's own TFTP.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use image_boot::QEMU;
use image_formats::{archive, iso, netboot};
use image_tree::{Entry, Kind, Tree};

mod sample;
use sample::{absent, kernel, ufs_archive};

/// QEMU's ROM with iPXE for this card.
const ROM: &str = "/usr/lib/ipxe/qemu/efi-e1000.rom";

#[test]
fn a_machine_starts_over_the_network() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    if !Path::new(ROM).exists() {
        eprintln!("SKIPPED: {ROM} is absent (apt-get install ipxe-qemu)");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let served = scratch.path().join("served");
    let plain = ufs_archive();
    let mut medium = Tree::new();
    let mut put = |path: &str, bytes: &[u8]| {
        std::fs::create_dir_all(served.join(path).parent().unwrap()).unwrap();
        std::fs::write(served.join(path), bytes).unwrap();
        let kind = Kind::File { size: bytes.len() as u64 };
        let entry = Entry { kind, mode: 0o444, uid: 0, gid: 0, mtime: 5 };
        medium.insert(path, entry).unwrap();
    };
    put(iso::KERNEL, &std::fs::read(kernel(&scratch.path().join("obj"))).unwrap());
    put(iso::BOOT_ARCHIVE, &plain);
    put(iso::BOOT_ARCHIVE_HASH, archive::hash(plain.as_slice()).unwrap().as_bytes());
    let files = netboot::files(&medium).unwrap();
    assert_eq!(files.len(), 3);
    let script = netboot::script(&files, "-B console=ttya").unwrap();
    std::fs::write(served.join(netboot::SCRIPT), script).unwrap();
    let net = format!("user,id=net,tftp={},bootfile={}", served.display(), netboot::SCRIPT);
    let out = Command::new("timeout")
        .args(["120", QEMU, "-machine", "pc", "-accel", "tcg", "-cpu", "max", "-m", "256"])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"])
        .args(["-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"])
        .args(["-netdev", &net, "-device", "e1000,netdev=net", "-boot", "n"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    let what = format!("{text}\n{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(33), "{what}");
    for line in
        ["/platform/i86pc/kernel/amd64/unix -B console=ttya", "boot_archive.hash: ok", "unix: done"]
    {
        assert!(text.contains(line), "{line}: {what}");
    }
}
