//! The media that a manifest asks for: what is on them, in both forms of manifest.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;

use common::{MEDIA, SLIM, Yard, absent, media};
use image_formats::disk::{Gpt, Guid, SECTOR, Section};
use image_formats::ufs;

/// The steps that make disks.
const DISKS: [[&str; 4]; 3] = [
    MEDIA[1],
    ["disk", "Disk image creation", "create_disk", "format=raw,qcow2,vmdk"],
    ["netboot", "Network boot tree creation", "create_netboot", ""],
];

/// The disk's table, held against sgdisk where there is one.
fn table(disk: &Path) -> Gpt {
    if let Ok(said) = Command::new("sgdisk").arg("--verify").arg(disk).output() {
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(text.contains("No problems found"), "{text}");
    }
    let mut file = File::open(disk).unwrap();
    file.seek(SeekFrom::Start(SECTOR)).unwrap();
    let mut bytes = vec![0; 33 * SECTOR as usize];
    file.read_exact(&mut bytes).unwrap();
    Gpt::parse(&bytes).unwrap()
}

/// The paths of the disk's root, each with the bytes of its file.
fn root(disk: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let gpt = table(disk);
    let kinds: Vec<_> = gpt.partitions.iter().map(|part| (part.name.as_str(), part.kind)).collect();
    let wanted = [("efi", Guid::EFI_SYSTEM), ("boot", Guid::BIOS_BOOT), ("root", Guid::ROOT)];
    assert_eq!(kinds, wanted);
    let part = &gpt.partitions[2];
    let mut file = File::open(disk).unwrap();
    let section = Section::of(&mut file, part.first * SECTOR, part.sectors * SECTOR).unwrap();
    let mut image = ufs::Image::open(section).unwrap();
    let mut found = std::collections::BTreeMap::new();
    let tree = image.tree().unwrap();
    for (path, entry) in tree.iter() {
        let image_tree::Kind::File { .. } = entry.kind else { continue };
        found.insert(path.to_owned(), image.file(path).unwrap());
    }
    found
}

fn text(files: &std::collections::BTreeMap<String, Vec<u8>>, path: &str) -> String {
    String::from_utf8(files.get(path).unwrap_or_else(|| panic!("{path}")).clone()).unwrap()
}

#[test]
fn disks_hold_what_the_medium_holds() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let yard = Yard::new();
    let steps: Vec<_> = SLIM.iter().chain(&DISKS).copied().collect();
    yard.manifest("m", &steps);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let folder = yard.path("area/media");
    let usb = root(&folder.join("Orchard.usb"));
    let disk = root(&folder.join("Orchard.raw"));
    for files in [&usb, &disk] {
        for path in ["solaris.zlib", "solarismisc.zlib", ".volsetid"] {
            let own = fs::read(yard.path("area/build_data/pkg_image").join(path)).unwrap();
            assert!(files[path] == own, "{path}");
        }
        let menu = text(files, "boot/grub/menu.lst");
        assert!(menu.contains("title ") && !menu.contains("Hard Disk"), "{menu}");
        // Of what starts it everything but the first disk, which it is.
        let menu = text(files, "boot/grub/grub.cfg");
        let own = yard.path("area/build_data/pkg_image/boot/grub/grub.cfg");
        let own = fs::read_to_string(own).unwrap();
        let last = own.strip_prefix(&menu).unwrap_or_else(|| panic!("{menu}"));
        assert!(last.starts_with("menuentry 'Boot from Hard Disk' {\n"), "{own}");
        assert_eq!(own.matches("menuentry ").count(), menu.matches("menuentry ").count() + 1);
    }
    let ids = ["Orchard.usb", "Orchard.raw"].map(|name| table(&folder.join(name)).disk.to_string());
    assert!(usb.contains_key(&format!("boot/grub/{}", ids[0])) && ids[0] != ids[1]);
    assert!(disk.contains_key(&format!("boot/grub/{}", ids[1])));
    let script = fs::read_to_string(folder.join("Orchard.netboot/boot.ipxe")).unwrap();
    assert!(
        script.contains("\nkernel platform/i86pc/kernel/amd64/unix -B console=ttya"),
        "{script}"
    );
    let menu = fs::read_to_string(folder.join("Orchard.netboot/grub.cfg")).unwrap();
    assert!(menu.contains("menuentry 'Orchard 1'"), "{menu}");
    let program = fs::read(folder.join("Orchard.netboot/bootx64.efi")).unwrap();
    assert!(program.starts_with(b"MZ"));
    // iPXE does not unpack what it loads: the hash is that of the archive as it lies there.
    let archive = fs::read(folder.join("Orchard.netboot/platform/i86pc/amd64/boot_archive"));
    let hash = folder.join("Orchard.netboot/platform/i86pc/amd64/boot_archive.hash");
    let own = image_formats::archive::hash(archive.unwrap().as_slice()).unwrap();
    assert_eq!(own, fs::read_to_string(hash).unwrap());
    for (form, magic) in [("qcow2", &b"QFI\xfb"[..]), ("vmdk", b"KDMV")] {
        let bytes = fs::read(folder.join(format!("Orchard.{form}"))).unwrap();
        assert!(bytes.starts_with(magic), "{form}");
    }

    // Elsewhere and again: the same bytes.
    let other = Yard::new();
    other.manifest("m", &steps);
    assert_eq!(other.run(&["build", "m.xml"]).status, 0);
    assert!(media(&other.path("area/media")) == media(&folder), "another place, another disk");
}

#[test]
fn what_cannot_be_is_told_before_anything_is_built() {
    let yard = Yard::new();
    for (step, why) in [
        (
            ["disk", "d", "create_disk", "format=vhd"],
            "step disk: format vhd is not known: raw, qcow2, vmdk",
        ),
        (
            ["netboot", "n", "create_netboot", "console=${x}"],
            "step netboot: console: \"-B console=${x}\" cannot be an argument of the kernel",
        ),
        (
            ["boot-test", "b", "boot_test", "media=tape"],
            "step boot-test: media tape is not known: iso, usb, disk, netboot",
        ),
    ] {
        yard.manifest("m", &[SLIM[0], step]);
        let said = yard.run(&["build", "m.xml"]);
        assert_eq!((said.status, said.err.as_str()), (1, &*format!("{why}\n")));
        let table = yard.run(&["build", "-l", "m.xml"]).err;
        assert!(table.ends_with(&format!("{:<15}          {:<10}\n", step[0], step[1])), "{table}");
    }
    yard.manifest("m", &[SLIM[0], ["boot-test", "b", "boot_test", ""]]);
    let said = yard.run(&["build", "m.xml"]);
    assert!(said.err.contains("there is no medium to boot"), "{}", said.err);
}

/// Step `disk` with a root in ZFS, its tools below `tools`.
fn zfs(tools: &str) -> [String; 4] {
    let argument = format!("root=zfs\" \"tools={tools}");
    ["disk", "Disk image creation", "create_disk", &argument].map(str::to_owned)
}

/// Needs LAMPLIGHTER_LINUX: where the packages of Debian were unpacked (`packaging/soak images`).
#[test]
fn a_root_in_zfs_without_root() {
    let yard = Yard::new();
    let step = zfs("/none");
    yard.manifest("m", &[SLIM[0], step.each_ref().map(String::as_str)]);
    let said = yard.run(&["build", "m.xml"]);
    let why = "step disk: root zfs: boot/vmlinuz-VERSION is not below /none: install the packages";
    assert!(said.status == 1 && said.err.starts_with(why), "{}", said.err);
    let Ok(linux) = std::env::var("LAMPLIGHTER_LINUX") else {
        eprintln!("SKIPPED: LAMPLIGHTER_LINUX is not set");
        return;
    };
    let step = zfs(&linux);
    let step = step.each_ref().map(String::as_str);
    let steps = [&SLIM[..10], &[step], &SLIM[10..]].concat();
    yard.manifest("m", &steps);
    let said = yard.run(&["build", "m.xml"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let disk = yard.path("area/media/Orchard.raw");
    assert_eq!(table(&disk).partitions[2].kind, Guid::ZFS);
    // GRUB's reader finds what the image had before post-mod packed it.
    for (path, wanted) in [("etc/release", "  Orchard 1\n"), ("usr/bin/sh", "a shell")] {
        let place = format!("(loop0,gpt3)/ROOT/Orchard@/{path}");
        let mut cat = Command::new("grub-fstest");
        let said = cat.arg(&disk).args(["cat", &place]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), wanted, "{said:?}");
    }

    let late = [&SLIM[..], &[step]].concat();
    yard.manifest("m", &late);
    let said = yard.run(&["build", "m.xml"]);
    assert!(said.err.contains("the step comes before post-mod"), "{}", said.err);
}
