//! A large file system as Linux's own driver reads it (ufstype=sunx86), in QEMU: every name, mode,
//! owner, time, device, link and hash.
//!
//! Needs LAMPLIGHTER_LINUX: where a kernel package of Debian was unpacked (`packaging/soak images`
//! does that); QEMU and busybox.  The initial file system is our own cpio in our own gzip.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use image_formats::archive;
use image_formats::cpio::{self, Format};
use image_formats::ufs::{self, Inodes, Options, Space, Zeros};
use image_tree::{Entry, Kind};
use sha1::{Digest, Sha1};

mod world;
use world::{Random, World, bytes};

const MODULES: [&str; 7] = [
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/block/virtio_blk.ko",
    "fs/ufs/ufs.ko",
];

const INIT: &str = "#!/bin/sh
for module in /modules/*; do insmod $module || echo FAILED $module; done
mkdir -p /dev /mnt
mount -t devtmpfs dev /dev
mount -t ufs -o ro,ufstype=sunx86 /dev/vda /mnt || echo FAILED mount
cd /mnt
echo BEGIN
find . -exec stat -c 'stat|%a|%u|%g|%s|%Y|%F|%t|%T|%n' {} +
find . -type l -exec sh -c 'for l; do echo \"link|$(readlink \"$l\")|$l\"; done' sh {} +
find . -type f -exec sha1sum {} + | sed 's/^\\([0-9a-f]*\\)  /hash|\\1|/'
echo END
poweroff -f
";

/// The first file below `top` that begins so.
fn find(top: &Path, begin: &str) -> PathBuf {
    let entries =
        std::fs::read_dir(top).unwrap_or_else(|error| panic!("{}: {error}", top.display()));
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all.into_iter()
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(begin))
        .unwrap()
}

/// The initial file system of the guest.
fn initrd(linux: &Path, to: &Path) {
    let modules = find(&linux.join("lib/modules"), "").join("kernel");
    let mut world = World::new();
    let executable = |world: &mut World, path: &str, bytes: Vec<u8>| {
        world.file(path, bytes);
        world.tree.get_mut(path).unwrap().mode = 0o755;
    };
    for directory in ["bin", "modules", "dev"] {
        let kind = Kind::Directory;
        let entry = Entry { kind, mode: 0o755, uid: 0, gid: 0, mtime: 0 };
        world.tree.insert(directory, entry).unwrap();
    }
    let console = Kind::CharacterDevice { major: 5, minor: 1 };
    let entry = Entry { kind: console, mode: 0o600, uid: 0, gid: 0, mtime: 0 };
    world.tree.insert("dev/console", entry).unwrap();
    executable(&mut world, "bin/busybox", std::fs::read("/bin/busybox").unwrap());
    for name in
        ["sh", "insmod", "mkdir", "mount", "find", "stat", "readlink", "sha1sum", "sed", "poweroff"]
    {
        let kind = Kind::HardLink { target: "bin/busybox".to_string() };
        let entry = Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 };
        world.tree.insert(&format!("bin/{name}"), entry).unwrap();
    }
    executable(&mut world, "init", INIT.as_bytes().to_vec());
    for (number, module) in MODULES.iter().enumerate() {
        let bytes = std::fs::read(modules.join(module)).unwrap();
        world.file(&format!("modules/{number}.ko"), bytes);
    }
    let mut plain = Vec::new();
    cpio::write(&world.tree, &world.content(), Format::Newc, &mut plain).unwrap();
    archive::pack(&mut plain.as_slice(), 6, &mut File::create(to).unwrap()).unwrap();
}

/// What the guest says between BEGIN and END.
fn boot(linux: &Path, initrd: &Path, image: &Path) -> String {
    let kernel = find(&linux.join("boot"), "vmlinuz-");
    let drive = format!("file={},format=raw,if=virtio,readonly=on", image.display());
    let out = Command::new("timeout")
        .args([
            "300",
            "qemu-system-x86_64",
            "-M",
            "pc",
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-m",
            "1024",
        ])
        .args(["-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"])
        .args(["-net", "none", "-append", "console=ttyS0 quiet panic=-1", "-drive", &drive])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initrd)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).replace('\r', "");
    let said = text.split_once("BEGIN\n").and_then(|(_, rest)| rest.split_once("END\n"));
    let (said, _) =
        said.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&out.stderr)));
    assert!(!text.contains("FAILED"), "{text}");
    said.to_string()
}

/// What it should say.
fn expected(world: &World) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for (path, entry) in world.tree.iter() {
        let (first, entry) = match &entry.kind {
            Kind::HardLink { target } => (target.as_str(), world.tree.get(target).unwrap()),
            _ => (path, entry),
        };
        let name = if path.is_empty() { ".".to_string() } else { format!("./{path}") };
        let data = world.files.get(first);
        let (kind, device) = match &entry.kind {
            Kind::Directory | Kind::HardLink { .. } => ("directory", (0, 0)),
            Kind::File { size: 0 } => ("regular empty file", (0, 0)),
            Kind::File { .. } => ("regular file", (0, 0)),
            Kind::Symlink { .. } => ("symbolic link", (0, 0)),
            Kind::CharacterDevice { major, minor } => ("character special file", (*major, *minor)),
            Kind::BlockDevice { major, minor } => ("block special file", (*major, *minor)),
            Kind::Fifo => ("fifo", (0, 0)),
        };
        let size = match &entry.kind {
            // Directories are as long as they are.
            Kind::Directory => None,
            Kind::File { size } => Some(*size),
            Kind::Symlink { target } => Some(target.len() as u64),
            _ => Some(0),
        };
        let Entry { mode, uid, gid, mtime, .. } = entry;
        let size = size.map_or("-".to_string(), |size| size.to_string());
        let text =
            format!("{mode:o}|{uid}|{gid}|{size}|{mtime}|{kind}|{:x}|{:x}", device.0, device.1);
        lines.insert(format!("stat {name}"), text);
        if let Kind::Symlink { target } = &entry.kind {
            lines.insert(format!("link {name}"), target.clone());
        }
        if let Some(data) = data {
            let hash = Sha1::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
            lines.insert(format!("hash {name}"), hash);
        }
    }
    lines
}

fn said(text: &str) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        let (word, rest) = line.split_once('|').unwrap_or_else(|| panic!("{line}"));
        let (mut value, name) = match word {
            "stat" => {
                let at = rest.match_indices('|').nth(7).unwrap().0;
                (rest[..at].to_string(), &rest[at + 1..])
            }
            _ => rest.split_once('|').map(|(value, name)| (value.to_string(), name)).unwrap(),
        };
        if word == "stat" && value.contains("|directory|") {
            let mut fields: Vec<&str> = value.split('|').collect();
            fields[3] = "-";
            value = fields.join("|");
        }
        lines.insert(format!("{word} {name}"), value);
    }
    lines
}

/// A tree that Linux can tell all of: its driver takes seven bits of a major number.
fn world() -> World {
    let mut world = World::random(21, 1_000, 1_500_000);
    let paths: Vec<String> = world.tree.iter().map(|(path, _)| path.to_string()).collect();
    for path in paths {
        let entry = world.tree.get_mut(&path).unwrap();
        if let Kind::CharacterDevice { major, .. } = &mut entry.kind {
            *major &= 0x7f;
        }
    }
    world.file("large", bytes(&mut Random(5), (12 + 2048 + 700) * 8192 + 17));
    world
}

#[test]
fn linux_reads_every_file() {
    let Some(linux) = std::env::var_os("LAMPLIGHTER_LINUX").map(PathBuf::from) else {
        eprintln!("SKIPPED: LAMPLIGHTER_LINUX is not set (packaging/soak images sets it)");
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let world = world();
    let image = scratch.path().join("image");
    let options = Options {
        space: Space::Content { pad_mb: 0 },
        inodes: Inodes::Content,
        zeros: Zeros::Holes,
        time: 1_700_000_000,
    };
    let content = world.content();
    let content = |path: &str| -> std::io::Result<Box<dyn Read>> { content(path) };
    let made = ufs::write(&world.tree, &content, &options, &mut File::create(&image).unwrap());
    println!("{} bytes, {} files", made.as_ref().unwrap().bytes, world.tree.len());
    let guest = scratch.path().join("initrd");
    initrd(&linux, &guest);
    let have = said(&boot(&linux, &guest, &image));
    let want = expected(&world);
    for (name, value) in &want {
        assert_eq!(have.get(name), Some(value), "{name}");
    }
    assert_eq!(have.len(), want.len());
}
