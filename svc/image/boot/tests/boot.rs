//! The sample kernel built, put onto a medium with a small archive, and booted by QEMU.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image_boot::{Accelerator, Boot, Booted, Ended, QEMU, Qemu, Verdict, Way, boot};
use image_formats::iso::Platform;
use image_formats::{archive, fat, iso, ufs};
use image_tree::{Entry, Kind, Tree};
use process::Cancel;

/// The first of the programs a boot needs that is not here.
fn absent() -> Option<&'static str> {
    ["make", "gcc", "xorriso", "grub-mkimage", QEMU].into_iter().find(|program| {
        let asked = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_err()
    })
}

fn run(program: &str, arguments: &[String]) {
    let out = Command::new(program)
        .args(arguments)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {arguments:?}: {text}");
}

/// Builds the kernel into `to`.
fn kernel(to: &Path) -> PathBuf {
    let uts =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../packaging/gates/illumos/usr/src/uts");
    let words = ["-s", "-C", uts.to_str().unwrap()].map(str::to_string);
    let obj = format!("OBJ={}", to.display());
    let root = format!("ROOT={}", to.join("proto").display());
    run("make", &[words.to_vec(), vec![obj, root, "install".to_string()]].concat());
    to.join("proto").join(iso::KERNEL)
}

fn ufs_archive() -> Vec<u8> {
    let mut tree = Tree::new();
    let mut add = |path: &str, kind: Kind| {
        tree.insert(path, Entry { kind, mode: 0o755, uid: 0, gid: 3, mtime: 1 }).unwrap();
    };
    let release = "Sample 1.0\n  second line\n";
    let large = (12 + 2048 + 3) * 8192 + 5;
    for path in ["", "etc", "usr", "usr/bin"] {
        add(path, Kind::Directory);
    }
    add("etc/release", Kind::File { size: release.len() as u64 });
    add("usr/large", Kind::File { size: large });
    for index in 0..700 {
        add(&format!("usr/bin/program{index:04}"), Kind::File { size: 0 });
    }
    add("bin", Kind::Symlink { target: "usr/bin".to_string() });
    let content = |path: &str| -> io::Result<Box<dyn Read>> {
        match path {
            "etc/release" => Ok(Box::new(release.as_bytes())),
            "usr/large" => Ok(Box::new(io::repeat(b'x').take(large))),
            _ => Ok(Box::new(io::empty())),
        }
    };
    let space = ufs::Space::Content { pad_mb: 0 };
    let options = ufs::Options {
        space,
        inodes: ufs::Inodes::Content,
        zeros: ufs::Zeros::Stored,
        time: 1_700_000_000,
    };
    let mut out = Cursor::new(Vec::new());
    ufs::write(&tree, &content, &options, &mut out).unwrap();
    out.into_inner()
}

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
    }

    let work = scratch.path().join("wrong");
    std::fs::create_dir(&work).unwrap();
    let wrong = medium(&work, &kernel, &archive, &format!("{}\n", "0".repeat(40)));
    let booted = boot_it(&wrong, Way::default());
    assert_eq!(booted.verdict, Verdict::Missed(Ended::Exited(97)), "{}", booted.text);
    assert!(booted.text.contains("boot_archive.hash: WRONG"), "{}", booted.text);
}
