//! The EFI system partition as a reader that is not ours finds it: mtools.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

use image_formats::fat;

/// A program of mtools on an image; `None` where it is not installed.
fn mtools(program: &str, image: &Path, arguments: &[&str]) -> Option<Output> {
    let said = Command::new(program)
        .arg("-i")
        .arg(image)
        .args(arguments)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{program} {arguments:?}: {text}");
    Some(said)
}

#[test]
fn mtools_reads_the_partition() {
    let scratch = tempfile::tempdir().unwrap();
    let image = scratch.path().join("efi.img");
    for length in [1, 2048, 2049, 300_001, 5_000_000] {
        let program: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
        let bytes = fat::efi_system_partition(&program, 0x0123_abcd, 1_700_000_000).unwrap();
        std::fs::write(&image, bytes).unwrap();
        let Some(out) = mtools("mtype", &image, &["::EFI/BOOT/BOOTX64.EFI"]) else {
            eprintln!("SKIPPED: mtype (mtools) is absent");
            return;
        };
        assert!(out.stdout == program, "{length} bytes");
        let listed = mtools("mdir", &image, &["-/", "-a", "::"]).unwrap();
        let text = String::from_utf8(listed.stdout).unwrap();
        for part in ["Volume in drive : is EFI SYSTEM", "0123-ABCD", "2023-11-14  22:13"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // Nothing else is in it, and nothing is left of the room.
        assert!(text.contains("1 file ") && text.contains(" 0 bytes free"), "{text}");
    }
}

#[test]
fn mtools_reads_several_programs() {
    let scratch = tempfile::tempdir().unwrap();
    let image = scratch.path().join("efi.img");
    let (one, other) = (vec![1u8; 300_001], vec![2u8; 70_000]);
    let programs: [fat::Program<'_>; 3] =
        [("BOOTX64.EFI", &one), ("EMPTY.EFI", &[]), ("BOOTIA32.EFI", &other)];
    std::fs::write(&image, fat::boot_partition(&programs, 7, 1_700_000_000).unwrap()).unwrap();
    for (name, bytes) in programs {
        let Some(out) = mtools("mtype", &image, &[&format!("::EFI/BOOT/{name}")]) else {
            eprintln!("SKIPPED: mtype (mtools) is absent");
            return;
        };
        assert!(out.stdout == bytes, "{name}");
    }
}
