//! A disk with GPT: an EFI system partition, GRUB's core, and a UFS with kernel and archive; booted by
//! BIOS and UEFI, as raw disk, qcow2 and VMDK.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use image_boot::{Drive, Machine, QEMU, Uefi};
use image_formats::disk::{self, Guid, Section, Want};
use image_formats::iso::{self, Platform};
use image_formats::{archive, fat, ufs};
use image_tree::{Entry, Kind, Tree};

mod sample;
use sample::{absent, kernel, run, ufs_archive};

const DISK: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// GRUB for a disk, made in `work`.
fn grub(platform: Platform, work: &Path) -> Vec<u8> {
    let script = work.join("script");
    std::fs::write(&script, iso::find_medium(DISK)).unwrap();
    let modules = Path::new("/usr/lib/grub").join(platform.name());
    let output = work.join(platform.name());
    run("grub-mkimage", &iso::grub_disk_arguments(platform, &modules, &script, &output));
    std::fs::read(output).unwrap()
}

/// The root's file system.
fn root(work: &Path) -> Vec<u8> {
    let plain = ufs_archive();
    let files = BTreeMap::from([
        (iso::KERNEL.to_string(), std::fs::read(kernel(&work.join("obj"))).unwrap()),
        (iso::BOOT_ARCHIVE.to_string(), archive::gzip(&plain, 6)),
        (iso::BOOT_ARCHIVE_HASH.to_string(), archive::hash(plain.as_slice()).unwrap().into_bytes()),
        (iso::MENU.to_string(), iso::menu("Sample", "-B console=ttya").into_bytes()),
        (iso::mark(DISK), Vec::new()),
    ]);
    let mut tree = Tree::new();
    let entry = |kind| Entry { kind, mode: 0o755, uid: 0, gid: 0, mtime: 5 };
    for (path, bytes) in &files {
        for (at, _) in path.match_indices('/') {
            tree.insert(&path[..at], entry(Kind::Directory)).unwrap();
        }
        tree.insert(path, entry(Kind::File { size: bytes.len() as u64 })).unwrap();
    }
    let content = |path: &str| -> std::io::Result<Box<dyn Read>> {
        Ok(Box::new(Cursor::new(files[path].clone())))
    };
    let options = ufs::Options {
        space: ufs::Space::Content { pad_mb: 8 },
        inodes: ufs::Inodes::Spare(1_000),
        zeros: ufs::Zeros::Stored,
        time: 5,
    };
    let mut out = Cursor::new(Vec::new());
    ufs::write(&tree, &content, &options, &mut out).unwrap();
    out.into_inner()
}

/// The raw disk.
fn raw(work: &Path) -> PathBuf {
    let path = work.join("disk.raw");
    let root = root(work);
    let efi = grub(Platform::Uefi, work);
    let efi = fat::efi_system_partition(&efi, 7, 1_700_000_000).unwrap();
    let core = grub(Platform::Bios, work);
    let want = |name, kind, bytes: usize| Want { name, kind, bytes: bytes as u64 };
    let wants = [
        want("efi", Guid::EFI_SYSTEM, efi.len()),
        want("boot", Guid::BIOS_BOOT, 1 << 20),
        want("root", Guid::ROOT, root.len()),
    ];
    let gpt = disk::lay_out(Guid::parse(DISK).unwrap(), &wants).unwrap();
    let boot = &gpt.partitions[1];
    let first = std::fs::read("/usr/lib/grub/i386-pc/boot.img").unwrap();
    let (record, core) = disk::grub(&first, &core, boot.first, boot.sectors).unwrap();
    let mut out = File::create(&path).unwrap();
    disk::write_tables(&gpt, &record, &mut out).unwrap();
    for (partition, bytes) in gpt.partitions.iter().zip([&efi, &core, &root]) {
        let (at, length) = (partition.first * 512, partition.sectors * 512);
        Section::of(&mut out, at, length).unwrap().write_all(bytes).unwrap();
    }
    path
}

fn boots(path: &Path, format: &str, uefi: Option<&Uefi>) {
    let machine = Machine {
        iso: path,
        drive: Drive::Disk,
        uefi,
        memory_mb: 256,
        kvm: false,
        questions: None,
    };
    let arguments = machine.arguments();
    let out = Command::new("timeout").args(["120", QEMU]).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    let what = format!(
        "{format}, uefi {}: {text}\n{}",
        uefi.is_some(),
        String::from_utf8_lossy(&out.stderr)
    );
    assert_eq!(out.status.code(), Some(33), "{what}");
    for line in ["boot_archive.hash: ok", "boot_archive files: 703", "unix: done"] {
        assert!(text.contains(line), "{what}");
    }
}

#[test]
fn a_disk_boots_in_every_form() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let raw = raw(scratch.path());
    if let Ok(said) = Command::new("sgdisk").arg("--verify").arg(&raw).output() {
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(said.status.success() && text.contains("No problems found"), "{text}");
    }
    let mut from = File::open(&raw).unwrap();
    let length = from.metadata().unwrap().len();
    let (qcow2, vmdk) = (scratch.path().join("disk.qcow2"), scratch.path().join("disk.vmdk"));
    disk::qcow2(&mut from, length, &mut File::create(&qcow2).unwrap()).unwrap();
    from.seek(SeekFrom::Start(0)).unwrap();
    disk::vmdk(&mut from, length, "disk.vmdk", &mut File::create(&vmdk).unwrap()).unwrap();
    boots(&qcow2, "qcow2", None);
    boots(&vmdk, "vmdk", None);
    match Uefi::find() {
        Some(uefi) => boots(&raw, "raw", Some(&uefi)),
        None => eprintln!("SKIPPED: OVMF is absent"),
    }
}
