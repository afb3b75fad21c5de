//! gpt.rs - a disk that starts by itself: GPT, EFI system partition, loader, and a root in UFS.
//!
//! ```text
//! 1  efi    the loader's programs for UEFI
//! 2  boot   what the master boot record starts: GRUB's core, or the loader's second stage
//! 3  root   UFS, or a pool that somebody else made
//! ```
//!
//! By the image's own loader where it ships one, else by the host's GRUB 2.  The disk's id follows
//! from the volume set and the disk's name; a file called by it is how GRUB knows the root among
//! others.
//!
//! Law: the same root gives the same bytes; what is written to the disk alone (`Root::put`) does not
//! touch the image.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use image_formats::disk::{self, Gpt, Guid, SECTOR, Section, Want};
use image_formats::iso::{self, Platform};
use image_formats::{fat, ufs};
use image_manifest::Image;
use image_tree::{Kind, Tree};

use super::menu::{HARD_DISK, LOADER_HARD_DISK, LOADER_MENU};
use super::{Work, World};
use image_rooted::medium;
use image_rooted::{Owned, Rooted};

/// What the second stage for a BIOS gets at least.
const BOOT_BYTES: u64 = 1 << 20;
/// Inodes for what a running system makes.
const SPARE_INODES: u32 = 4096;

/// The second stage of illumos' loader for disks, in an image's root.
const STAGE2: &str = "boot/gptzfsboot";
/// GRUB's menu of old, which offers what a disk is already.
const MENU_LST: &str = "boot/grub/menu.lst";

/// Whatever makes another disk of the same root.
pub(super) fn options(image: &Image, world: &World<'_>) -> Result<String> {
    let mut text = format!("{} {}", image.name, world.tools.version("grub-mkimage")?);
    for platform in Platform::ALL {
        text.push_str(&stage::recipe::sha256(&medium::about_modules(platform)?));
    }
    Ok(text)
}

/// What is to be on a disk.
pub(super) struct Root<'a> {
    root: &'a Rooted,
    /// Its rows.
    pub tree: Tree,
    own: BTreeMap<String, Vec<u8>>,
    /// The disk's id.
    pub id: Guid,
}

impl<'a> Root<'a> {
    /// The image's root, on a disk called `name`.
    pub fn of(root: &'a Rooted, volume_set: &str, name: &str) -> Result<Self> {
        let set = Guid::parse(volume_set);
        let set = set.with_context(|| format!("volume set {volume_set} is no UUID"))?;
        let (tree, own) = (root.tree.clone(), BTreeMap::new());
        let mut disk = Self { root, tree, own, id: set.derived(name) };
        disk.put(&iso::mark(&disk.id.to_string()), Vec::new())?;
        if let Some(menu) = root.text(MENU_LST)? {
            disk.put(MENU_LST, without_hard_disk(&menu).into_bytes())?;
        }
        if let Some(menu) = root.text(iso::MENU)? {
            let menu = menu.replace(&iso::menu_of_disk(HARD_DISK), "");
            disk.put(iso::MENU, menu.into_bytes())?;
        }
        if root.text(LOADER_MENU)?.is_some_and(|menu| menu == LOADER_HARD_DISK) {
            disk.put(LOADER_MENU, Vec::new())?;
        }
        Ok(disk)
    }

    /// Puts a file onto the disk alone.
    pub fn put(&mut self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let time = self.root.time();
        for (end, _) in path.match_indices('/') {
            if self.tree.get(&path[..end]).is_none() {
                self.tree.insert(&path[..end], Owned::sys(0o755).entry(Kind::Directory, time))?;
            }
        }
        let kind = Kind::File { size: bytes.len() as u64 };
        self.tree.insert(path, Owned::root(0o444).entry(kind, time))?;
        self.own.insert(path.to_owned(), bytes);
        Ok(())
    }

    /// Whether the image brings a loader for disks.
    pub fn has_loader(&self) -> bool {
        [iso::PMBR, STAGE2].into_iter().all(|path| self.root.is_file(path))
    }

    /// The time of what is made.
    pub fn time(&self) -> i64 {
        self.root.time()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let bytes = self.root.read(path)?;
        bytes.with_context(|| format!("{path} is not in {}", self.root.dir().display()))
    }

    /// The bytes of a file.
    pub fn content(&self, path: &str) -> io::Result<Box<dyn Read>> {
        match self.own.get(path) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            None => self.root.open_file(path),
        }
    }
}

/// The entry that starts the next disk is left out: this one is a disk.
fn without_hard_disk(menu: &str) -> String {
    let mut kept = Vec::new();
    let mut inside = false;
    let disk = format!("title {HARD_DISK}");
    for line in menu.lines() {
        let title = line.starts_with("title ");
        inside = if title { line == disk } else { inside && !line.is_empty() };
        if !inside {
            kept.push(line);
        }
    }
    while kept.last().is_some_and(|line| line.is_empty()) {
        kept.pop();
    }
    kept.join("\n") + "\n"
}

/// What starts a disk.
struct Start {
    efi: Vec<u8>,
    first: Vec<u8>,
    second: Vec<u8>,
    by_loader: bool,
}

/// How large the root becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// What it holds, and so many MiB.
    Free(u64),
    /// So many MiB.
    Whole(u64),
}

/// Writes the disk; gives its length.
pub(super) fn write(work: &Work<'_>, root: &Root<'_>, size: Size, to: &Path) -> Result<u64> {
    let script = iso::find_medium(&root.id.to_string());
    let start = start(work, root, &script, &["ufs1"])?;
    let named = || to.display().to_string();
    let mut out = File::options();
    let out = out.read(true).write(true).create(true).truncate(true).open(to);
    let mut out = out.with_context(named)?;
    // Where the root begins does not depend on how long it is.
    let at = lay_out(root, &start, Guid::ROOT, 1)?.partitions[2].first * SECTOR;
    let space = match size {
        Size::Free(pad_mb) => ufs::Space::Content { pad_mb },
        Size::Whole(mb) => ufs::Space::Bytes(mb << 20),
    };
    let time = u32::try_from(root.root.time()).context("the time of the image")?;
    let inodes = ufs::Inodes::Spare(SPARE_INODES);
    let options = ufs::Options { space, inodes, zeros: ufs::Zeros::Holes, time };
    let content = |path: &str| root.content(path);
    let mut part = Section::of(&mut out, at, i64::MAX as u64 / 2).with_context(named)?;
    let written = ufs::write(&root.tree, &content, &options, &mut part);
    let written = written.context("the disk's root")?;
    let part = Section::of(&mut out, at, written.bytes).with_context(named)?;
    let faults = ufs::check(&mut ufs::Image::open(part).with_context(named)?);
    if let Some(first) = faults.with_context(named)?.first() {
        bail!("the disk's root is inconsistent: {first}");
    }
    let gpt = lay_out(root, &start, Guid::ROOT, written.bytes)?;
    finish(&gpt, &start, &mut out).with_context(named)?;
    Ok(gpt.sectors * SECTOR)
}

/// Writes a disk whose root is the pool in a file; gives its length.
///
/// `dataset`: the one in the pool that is the root.
pub(super) fn write_pool(
    work: &Work<'_>,
    root: &Root<'_>,
    (pool, dataset): (&Path, &str),
    to: &Path,
) -> Result<u64> {
    let script = find_dataset(&root.id.to_string(), dataset);
    let start = start(work, root, &script, &["zfs", "zfsinfo"])?;
    let named = || to.display().to_string();
    let mut out = File::create(to).with_context(named)?;
    let mut from = File::open(pool).with_context(|| pool.display().to_string())?;
    let bytes = from.metadata().with_context(|| pool.display().to_string())?.len();
    let gpt = lay_out(root, &start, Guid::ZFS, bytes)?;
    let part = &gpt.partitions[2];
    let mut section =
        Section::of(&mut out, part.first * SECTOR, part.sectors * SECTOR).with_context(named)?;
    sparse_copy(&mut from, &mut section).with_context(named)?;
    finish(&gpt, &start, &mut out).with_context(named)?;
    Ok(gpt.sectors * SECTOR)
}

/// Copies what is not NUL; the rest stays a hole.
fn sparse_copy(from: &mut impl Read, to: &mut (impl Write + Seek)) -> io::Result<()> {
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = from.read(&mut piece)?;
        let read = &piece[..count];
        match read.iter().any(|byte| *byte != 0) {
            _ if count == 0 => return Ok(()),
            true => to.write_all(read)?,
            false => to.seek(SeekFrom::Current(count as i64)).map(|_| ())?,
        }
    }
}

/// GRUB's first script where the root is a dataset.
fn find_dataset(id: &str, dataset: &str) -> String {
    let mark = iso::mark(id);
    format!(
        "search --no-floppy --set=root --file /{dataset}@/{mark}\n\
         set prefix=($root)/{dataset}@/boot/grub\n"
    )
}

/// GRUB's menu where the root is a dataset: its paths begin there, and the kernel is told of it.
pub(super) fn menu_of_dataset(menu: &str, dataset: &str) -> String {
    let menu = menu.replace("\tmultiboot /", &format!("\tmultiboot /{dataset}@/"));
    let menu = menu.replace("\tmodule /", &format!("\tmodule /{dataset}@/"));
    let menu = menu.replace(" -B ", " -B \"$bootfs\",");
    format!("zfs-bootfs ($root)/{dataset}@ bootfs\n{menu}")
}

fn lay_out(root: &Root<'_>, start: &Start, kind: Guid, bytes: u64) -> Result<Gpt> {
    let boot = if start.by_loader { Guid::BOOT } else { Guid::BIOS_BOOT };
    let want = |name, kind, bytes| Want { name, kind, bytes };
    let wants = [
        want("efi", Guid::EFI_SYSTEM, start.efi.len() as u64),
        want("boot", boot, BOOT_BYTES.max(start.second.len() as u64)),
        want("root", kind, bytes),
    ];
    Ok(disk::lay_out(root.id, &wants)?)
}

/// Everything but the root.
fn finish(gpt: &Gpt, start: &Start, out: &mut File) -> Result<()> {
    let [efi, boot, root] = gpt.partitions.as_slice() else { bail!("a disk has three partitions") };
    let (first, second) = if start.by_loader {
        let (at, target) = ((boot.first, boot.sectors), (root.id, root.first));
        disk::loader(&start.first, &start.second, at, target)?
    } else {
        disk::grub(&start.first, &start.second, boot.first, boot.sectors)?
    };
    out.set_len(gpt.sectors * SECTOR)?;
    disk::write_tables(gpt, &first, out)?;
    for (part, bytes) in [(efi, &start.efi), (boot, &second)] {
        Section::of(out, part.first * SECTOR, part.sectors * SECTOR)?.write_all(bytes)?;
    }
    out.sync_all()?;
    Ok(())
}

/// What starts the disk: the image's loader, or GRUB that runs `script` first and knows `modules`.
fn start(work: &Work<'_>, root: &Root<'_>, script: &str, modules: &[&str]) -> Result<Start> {
    let (time, volume) = (root.root.time(), medium::volume_id(&root.id.to_string())?);
    if root.has_loader() {
        let mut programs = Vec::new();
        for (path, name) in iso::EFI_LOADERS {
            programs.extend(root.root.read(path)?.map(|bytes| (name, bytes)));
        }
        let programs: Vec<fat::Program<'_>> =
            programs.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        let efi = fat::boot_partition(&programs, volume, time)?;
        let (first, second) = (root.read(iso::PMBR)?, root.read(STAGE2)?);
        return Ok(Start { efi, first, second, by_loader: true });
    }
    let tmp = &work.places.tmp;
    let named = |path: &Path| path.display().to_string();
    std::fs::create_dir_all(tmp).with_context(|| named(tmp))?;
    let file = tmp.join("find-disk");
    std::fs::write(&file, script).with_context(|| named(&file))?;
    let made = |platform: Platform| -> Result<Vec<u8>> {
        let (folder, output) = (medium::modules(platform)?, tmp.join(platform.name()));
        let mut arguments = iso::grub_disk_arguments(platform, &folder, &file, &output);
        let more = modules.iter().filter(|one| !arguments.iter().any(|word| word == *one));
        arguments.extend(more.map(|one| (*one).to_owned()).collect::<Vec<_>>());
        work.world.tools.run("grub-mkimage", &arguments, &medium::environment(time))?;
        std::fs::read(&output).with_context(|| named(&output))
    };
    let first = medium::modules(Platform::Bios)?.join("boot.img");
    Ok(Start {
        efi: fat::efi_system_partition(&made(Platform::Uefi)?, volume, time)?,
        first: std::fs::read(&first).with_context(|| named(&first))?,
        second: made(Platform::Bios)?,
        by_loader: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_does_not_offer_the_disk() {
        let menu = "default=0\n\ntitle T\n\tkernel$ x\n\ntitle Boot from Hard Disk\n\
                    \trootnoverify (hd0)\n\tchainloader +1\n\ntitle T ssh\n\tkernel$ y\n";
        let left = "default=0\n\ntitle T\n\tkernel$ x\n\n\ntitle T ssh\n\tkernel$ y\n";
        assert_eq!(without_hard_disk(menu), left);
        let (last, _) = menu.split_once("\ntitle T ssh").unwrap();
        assert_eq!(without_hard_disk(last), "default=0\n\ntitle T\n\tkernel$ x\n");
        assert_eq!(without_hard_disk("title T\n"), "title T\n");
    }

    #[test]
    fn a_menu_of_a_dataset() {
        let menu = iso::menu("T", "-B console=ttya");
        let menu = menu_of_dataset(&menu, "ROOT/x");
        let lines = [
            format!("\tmultiboot /ROOT/x@/{0} /{0} -B \"$bootfs\",console=ttya", iso::KERNEL),
            format!("\tmodule /ROOT/x@/{} type=rootfs name=ramdisk", iso::BOOT_ARCHIVE),
        ];
        assert!(menu.starts_with("zfs-bootfs ($root)/ROOT/x@ bootfs\n"), "{menu}");
        assert!(lines.iter().all(|line| menu.lines().any(|one| one == line)), "{menu}");
        let mut out = Cursor::new(Vec::new());
        let bytes = [vec![0; 3 << 20], vec![1; 5]].concat();
        sparse_copy(&mut bytes.as_slice(), &mut out).unwrap();
        assert!(out.into_inner() == bytes);
    }

    #[test]
    fn what_is_put_onto_a_disk_is_not_in_the_image() {
        let scratch = tempfile::tempdir().unwrap();
        let (dir, table) = (scratch.path().join("r"), scratch.path().join("r.table"));
        let mut image = Rooted::create(&dir, &table, 5).unwrap();
        image.put("etc/x", b"of the image", Owned::sys(0o644)).unwrap();
        let set = "01234567-89ab-cdef-0123-456789abcdef";
        let mut root = Root::of(&image, set, "usb").unwrap();
        root.put("etc/x", b"of the disk".to_vec()).unwrap();
        let text = |path: &str| io::read_to_string(root.content(path).unwrap()).unwrap();
        assert_eq!(text("etc/x"), "of the disk");
        assert_eq!(image.text("etc/x").unwrap().as_deref(), Some("of the image"));
        assert!(root.tree.get(&iso::mark(&root.id.to_string())).is_some());
        assert!(Root::of(&image, "no uuid", "usb").is_err());
        assert_ne!(Root::of(&image, set, "disk").unwrap().id, root.id);
    }
}
