//! The sample kernel built, put onto a medium with a small archive, and booted by QEMU.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image_boot::{Accelerator, Boot, Booted, Ended, Qemu, Verdict, Way, boot};
use image_formats::iso::Platform;
use image_formats::{archive, fat, iso};
use process::Cancel;

mod sample;
use sample::{absent, kernel, run, ufs_archive};

const VOLUME_SET: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// A medium in `work` whose hash file holds `hash`.
fn medium(work: &Path, kernel: &Path, archive: &[u8], hash: &str) -> PathBuf {
    let media = work.join("media");
    let laid_out = Duration::from_secs(1_600_000_000 + work.as_os_str().len() as u64 * 100_000);
    let put = |path: &str, bytes: &[u8]| {
        std::fs::create_dir_all(media.join(path).parent().unwrap()).unwrap();
        std::fs::write(media.join(path), bytes).unwrap();
        // The medium must not show when its files were laid out.
        let laid_out = std::time::SystemTime::UNIX_EPOCH + laid_out;
        std::fs::File::options()
            .append(true)
            .open(media.join(path))
            .unwrap()
            .set_modified(laid_out)
            .unwrap();
    };
    put(iso::KERNEL, &std::fs::read(kernel).unwrap());
    put(iso::BOOT_ARCHIVE, &archive::gzip(archive, 6));
    put(iso::BOOT_ARCHIVE_HASH, hash.as_bytes());
    put(iso::MENU, iso::menu("Sample", "-B console=ttya").as_bytes());
    put(&iso::mark(VOLUME_SET), b"");
    let script = work.join("script");
    std::fs::write(&script, iso::find_medium(VOLUME_SET)).unwrap();
    let grub = Path::new("/usr/lib/grub");
    let modules = |platform: Platform| grub.join(platform.name());
    let loader = media.join(iso::EL_TORITO);
    let bios = Platform::Bios;
    run("grub-mkimage", &iso::grub_arguments(bios, &modules(bios), None, &loader));
    let (uefi, program) = (Platform::Uefi, work.join("bootx64.efi"));
    run("grub-mkimage", &iso::grub_arguments(uefi, &modules(uefi), Some(&script), &program));
    let program = std::fs::read(program).unwrap();
    put(iso::EFI_IMAGE, &fat::efi_system_partition(&program, 7, 1_700_000_000).unwrap());
    let output = work.join("sample.iso");
    let hybrid = modules(bios).join("boot_hybrid.img");
    run(
        "xorriso",
        &iso::xorriso_arguments(&iso::Medium {
            root: &media,
            output: &output,
            name: "Sample",
            volume_set: VOLUME_SET,
            hybrid: &hybrid,
            time: 1_700_000_000,
        }),
    );
    output
}

fn boot_it(iso: &Path, way: Way) -> Booted {
    let time = Duration::from_secs(120);
    let pattern = "boot_archive.hash: ok";
    let accelerator = Accelerator::Tcg;
    boot(
        &Boot { iso, way, memory_mb: 256, accelerator, time, pattern },
        &Qemu { cancel: &Cancel::new().unwrap() },
    )
    .unwrap()
}

#[test]
fn a_medium_boots_and_its_archive_is_whole() {
    if let Some(program) = absent() {
        eprintln!("SKIPPED: {program} is absent");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let kernel = kernel(&scratch.path().join("obj"));
    let archive = ufs_archive();
    let hash = archive::hash(archive.as_slice()).unwrap();

    let mut media = Vec::new();
    for name in ["first", "second"] {
        let work = scratch.path().join(name);
        std::fs::create_dir(&work).unwrap();
        media.push(medium(&work, &kernel, &archive, &hash));
    }
    let bytes: Vec<Vec<u8>> = media.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(bytes[0] == bytes[1], "the same input gives the same medium");

    for way in Way::ALL {
        let start = Instant::now();
        let booted = boot_it(&media[0], way);
        let said = format!("{way}: {}", booted.text);
        assert_eq!((booted.verdict, booted.ended), (Verdict::Seen, Ended::Exited(33)), "{said}");
        eprintln!("{way}: {:.1} s", start.elapsed().as_secs_f32());
        for line in [
            "command line: /platform/i86pc/kernel/amd64/unix -B console=ttya",
            "etc/release:\nSample 1.0\n  second line\n",
            "boot_archive files: 703",
            "unix: done",
        ] {
            assert!(booted.text.contains(line), "{line}: {said}");
        }
        let screen = booted.screen.unwrap();
        assert_eq!(screen[..8], *b"\x89PNG\r\n\x1a\n", "{way}");
    }

    let work = scratch.path().join("wrong");
    std::fs::create_dir(&work).unwrap();
    let wrong = medium(&work, &kernel, &archive, &format!("{}\n", "0".repeat(40)));
    let booted = boot_it(&wrong, Way::default());
    assert_eq!(booted.verdict, Verdict::Missed(Ended::Exited(97)), "{}", booted.text);
    assert!(booted.text.contains("boot_archive.hash: WRONG"), "{}", booted.text);
}
