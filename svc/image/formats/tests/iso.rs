//! Media by xorriso for the image's own loader: the catalog, the order of files, the hybrid.  The
//! loader's programs are not here; bytes stand for them.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;

use image_formats::disk::{Active, MbrEntry, mbr};
use image_formats::fat;
use image_formats::iso::{self, BootEntry, IsoError, Starts, Volume};

fn xorriso(arguments: &[String]) -> Option<String> {
    let out = Command::new("xorriso")
        .args(arguments)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .ok()?;
    let text =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{arguments:?}: {text}");
    Some(text)
}

fn volume<'a>(root: &'a Path, output: &'a Path, starts: Starts) -> Volume<'a> {
    let (name, volume_set) = ("OpenSolaris", Some("11111111-2222-3333-4444-555555555555"));
    Volume { root, output, name, volume_set, starts, weights: None, time: 1_700_000_000 }
}

fn put(root: &Path, path: &str, bytes: &[u8]) {
    std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
    std::fs::write(root.join(path), bytes).unwrap();
}

/// A medium's root with everything that it may start by.
fn root(at: &Path) {
    put(at, iso::CDBOOT, &[0xcd; 30_000]);
    put(at, iso::STAGE2, &[0x52; 100_000]);
    let efi = fat::boot_partition(
        &[("BOOTX64.EFI", &[1; 400_000]), ("BOOTIA32.EFI", &[2; 300_000])],
        7,
        1_700_000_000,
    );
    put(at, iso::EFIBOOT, &efi.unwrap());
    put(at, "usr/bin/late", &[1; 5_000]);
    put(at, "usr/bin/early", &[2; 5_000]);
}

#[test]
fn the_loaders_medium_starts_from_a_cd_and_from_a_disk() {
    let scratch = tempfile::tempdir().unwrap();
    let (top, output) = (scratch.path().join("root"), scratch.path().join("a.iso"));
    root(&top);
    if xorriso(&iso::volume_arguments(&volume(&top, &output, Starts::Loader))).is_none() {
        eprintln!("SKIPPED: xorriso is absent");
        return;
    }
    let again = scratch.path().join("b.iso");
    xorriso(&iso::volume_arguments(&volume(&top, &again, Starts::Loader)));
    let before = std::fs::read(&output).unwrap();
    assert!(before == std::fs::read(&again).unwrap(), "the same again");

    let mut image = OpenOptions::new().read(true).write(true).open(&output).unwrap();
    let entries = iso::catalog(&mut image).unwrap();
    let efi_length = std::fs::metadata(top.join(iso::EFIBOOT)).unwrap().len();
    let [bios, efi] = entries[..] else { panic!("{entries:?}") };
    assert!(matches!(bios, BootEntry { platform: 0, bootable: true, media: 0, .. }), "{bios:?}");
    // All of cdboot, in sectors of 512 filled up to a block.
    assert!((59..=60).contains(&bios.sectors), "{bios:?}");
    assert!(matches!(efi, BootEntry { platform: 0xef, bootable: true, media: 0, .. }), "{efi:?}");
    assert_eq!(u64::from(efi.sectors) * 512, efi_length);
    let at = efi.block as usize * 2048;
    assert!(
        before[at..at + efi_length as usize] == std::fs::read(top.join(iso::EFIBOOT)).unwrap()[..]
    );
    let cdboot = bios.block as usize * 2048;
    let own_block = u32::from_le_bytes(before[cdboot + 12..cdboot + 16].try_into().unwrap());
    assert_eq!(own_block, bios.block, "the boot information table tells cdboot where it is");

    let mut isoboot = vec![0x15; 20_000];
    isoboot[400..404].copy_from_slice(&0x1bad_b002_u32.to_le_bytes());
    let pmbr = vec![0xbb; 512];
    iso::hybrid(&mut image, &pmbr, &isoboot).unwrap();
    let after = std::fs::read(&output).unwrap();
    assert!(after[64 * 512..] == before[64 * 512..], "nothing of the ISO is touched");
    let entry = |kind, first, sectors| MbrEntry { kind, first, sectors, active: Active::No };
    let efi = entry(0xef, efi.block * 4, u32::from(efi.sectors));
    assert_eq!(mbr(&after[..512]), Some(vec![entry(0xbe, 3, 60), efi]));
    assert_eq!(after[0xfc..0x106], [1, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(after[3 * 512 + 0xfc..3 * 512 + 0x106], [40, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    let stage2 = &after[4 * 512..4 * 512 + 20_000];
    assert_eq!(stage2[424..432], [3, 0, 0, 0, 0, 0, 0, 0]);
    assert!(stage2[432..] == isoboot[432..]);
    // A second time is the same as once.
    iso::hybrid(&mut image, &pmbr, &isoboot).unwrap();
    assert!(after == std::fs::read(&output).unwrap());

    for (pmbr, isoboot) in [(&pmbr[1..], &isoboot[..]), (&pmbr, &[]), (&pmbr, &[0; 60 * 512])] {
        assert!(matches!(iso::hybrid(&mut image, pmbr, isoboot), Err(IsoError::Boot(..))));
    }
}

#[test]
fn grubs_medium_of_old_and_one_that_does_not_start() {
    let scratch = tempfile::tempdir().unwrap();
    let (top, output) = (scratch.path().join("root"), scratch.path().join("a.iso"));
    root(&top);
    if xorriso(&iso::volume_arguments(&volume(&top, &output, Starts::Grub))).is_none() {
        eprintln!("SKIPPED: xorriso is absent");
        return;
    }
    let entries = iso::catalog(&mut File::open(&output).unwrap()).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].platform, entries[0].sectors), (0, 4));
    let read = ["-indev", output.to_str().unwrap(), "-pvd_info"].map(str::to_string);
    let said = xorriso(&read).unwrap();
    for line in ["OpenSolaris", "11111111-2222-3333-4444-555555555555"] {
        assert!(said.contains(line), "{said}");
    }

    // One for lofi; of files with weights the heaviest comes first.
    let sort = scratch.path().join("sort");
    let mut place = Vec::new();
    for text in ["usr/bin/early 9\nusr/bin/late 1\n", "usr/bin/early 1\nusr/bin/late 9\n"] {
        std::fs::write(&sort, iso::weights(text, "usr")).unwrap();
        let usr = top.join("usr");
        let plain = Volume { weights: Some(&sort), ..volume(&usr, &output, Starts::Not) };
        xorriso(&iso::volume_arguments(&plain));
        let bytes = std::fs::read(&output).unwrap();
        let at = |byte: u8| {
            bytes.windows(5_000).step_by(2048).position(|w| w.iter().all(|&b| b == byte))
        };
        place.push((at(2).unwrap() < at(1).unwrap(), bytes.len() % 2048));
    }
    assert_eq!(place, [(true, 0), (false, 0)]);
    assert!(iso::catalog(&mut File::open(&output).unwrap()).is_err());
}
