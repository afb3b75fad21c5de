//! archive.rs - the boot archive of an image.
//!
//! | form | boot_archive |
//! |---|---|
//! | `ufs` | gzip of one UFS file system |
//! | `ufs+usr-lofi` | a UFS file system without /usr, which lies in it as `usr.lgz`, a UFS compressed for lofi |
//!
//! In the second form the files that run before /usr is mounted are below the mount point too.  Sizes
//! follow from the content, blocks and inodes both, with room to spare for a running system: what is
//! asked for, and 4096 inodes.
//! `boot_archive.hash` is of the file system, not of its gzip form.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};
use image_formats::lofi::{self, Algorithm};
use image_formats::ufs::{Inodes, Space, Written};
use image_rooted::archive;
use image_rooted::kept::Kept;
use image_tree::{Entry, Kind};

use crate::image::{Body, Image};
use stage::seen::About;

/// What a running system may make.
const SPARE_INODES: u32 = 4096;
/// gzip's, for the first form.
const LEVEL: u8 = 6;

/// What of /usr runs before it is mounted.
const EARLY: [&str; 37] = [
    "bin/[",
    "bin/cat",
    "bin/head",
    "bin/i86/ksh93",
    "bin/ls",
    "kernel/sched/amd64/FSS",
    "lib/fm/libfmevent.so",
    "lib/fm/libfmevent.so.1",
    "lib/fm/libtopo.so",
    "lib/fm/libtopo.so.1",
    "lib/libast.so",
    "lib/libast.so.1",
    "lib/libcmd.so",
    "lib/libcmd.so.1",
    "lib/libdll.so",
    "lib/libdll.so.1",
    "lib/libexacct.so",
    "lib/libexacct.so.1",
    "lib/libfstyp.so",
    "lib/libfstyp.so.1",
    "lib/libidmap.so",
    "lib/libidmap.so.1",
    "lib/libipmi.so",
    "lib/libipmi.so.1",
    "lib/libpkcs11.so",
    "lib/libpkcs11.so.1",
    "lib/libpool.so",
    "lib/libpool.so.1",
    "lib/libproject.so",
    "lib/libproject.so.1",
    "lib/libshell.so",
    "lib/libshell.so.1",
    "lib/libsmbios.so",
    "lib/libsmbios.so.1",
    "lib/libsum.so",
    "lib/libsum.so.1",
    "sbin/lofiadm",
];
/// The shell that these need.
const SHELL: (&str, &str) = ("usr/bin/i86/ksh93", "usr/bin/sh");

/// What kind of archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// One file system, packed by gzip.
    #[default]
    Ufs,
    /// /usr apart, compressed for lofi.
    UsrLofi,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Form, String> {
        match text {
            "ufs" => Ok(Form::Ufs),
            "ufs+usr-lofi" => Ok(Form::UsrLofi),
            other => Err(format!("{other}: boot archives are ufs or ufs+usr-lofi")),
        }
    }
}

/// An archive that was made.
pub struct Made {
    /// The text of `boot_archive.hash`.
    pub hash: String,
    /// The file system.
    pub written: Written,
}

/// An archive to be made.
pub struct Making<'a> {
    /// Its form.
    pub form: Form,
    /// MiB of room for a running system.
    pub pad_mb: u64,
    /// Every time in it.
    pub time: i64,
    /// Where to work.
    pub work: &'a Path,
    /// Where packed pieces are kept for the next archive.
    pub pieces: &'a Path,
    /// The file to make.
    pub to: &'a Path,
    /// Hears what begins.
    pub begins: &'a dyn Fn(&str),
}

/// Makes the boot archive of an image.
///
/// # Errors
/// A file cannot be read or written, or the image does not fit into a file system.
pub fn make(image: &Image, making: &Making<'_>) -> Result<Made> {
    let Making { form, pad_mb, time, work, pieces, to, begins } = *making;
    let plain = work.join("boot_archive.ufs");
    begins("file system");
    let (written, hash) = match form {
        Form::Ufs => {
            let written = write(image, time, SPARE_INODES, pad_mb, &plain)?;
            begins("compression");
            let kept = Kept::open(pieces, "boot_archive");
            (written, archive::pack(&plain, Some(LEVEL), kept, to)?)
        }
        Form::UsrLofi => {
            let (usr, mut root) = image.parted("usr");
            let packed = usr_image(&usr, making)?;
            let kind = Kind::File { size: packed.about.size };
            root.tree
                .insert("usr.lgz", Entry { kind, mode: 0o644, uid: 0, gid: 0, mtime: time })?;
            root.bodies.insert("usr.lgz".to_owned(), packed);
            early(&usr, &mut root, time)?;
            let written = write(&root, time, SPARE_INODES, pad_mb, &plain)?;
            (written, archive::pack(&plain, None, Kept::open(pieces, "boot_archive"), to)?)
        }
    };
    Ok(Made { hash, written })
}

fn write(image: &Image, time: i64, inodes: u32, pad_mb: u64, plain: &Path) -> Result<Written> {
    let (space, inodes) = (Space::Content { pad_mb }, Inodes::Spare(inodes));
    archive::write(&image.tree, image, (space, inodes), time, plain)
}

/// /usr as a compressed file system of its own, read-only: no room to spare.
fn usr_image(usr: &Image, making: &Making<'_>) -> Result<Body> {
    let Making { time, work, pieces, begins, .. } = *making;
    let mut own = Image::default();
    let inside =
        |path: &str| path.strip_prefix("usr").unwrap_or(path).trim_start_matches('/').to_owned();
    for (path, entry) in usr.tree.iter() {
        let mut entry = entry.clone();
        if let Kind::HardLink { target } = &entry.kind {
            entry.kind = Kind::HardLink { target: inside(target) };
        }
        own.tree.insert(&inside(path), entry)?;
    }
    own.bodies = usr.bodies.iter().map(|(path, body)| (inside(path), body.clone())).collect();
    let (plain, packed) = (work.join("usr.ufs"), work.join("usr.lgz"));
    write(&own, time, 0, 0, &plain)?;
    begins("compression");
    let named = || plain.display().to_string();
    let mut from = File::open(&plain).with_context(named)?;
    let length = from.metadata().with_context(named)?.len();
    let mut out =
        BufWriter::new(File::create(&packed).with_context(|| packed.display().to_string())?);
    let kept = Kept::open(pieces, "usr.lgz");
    let (algorithm, segment) = (Algorithm::Gzip, lofi::SEGMENT);
    let made = lofi::compress_after(Some(&kept), &mut from, length, algorithm, segment, &mut out);
    let (_, pieces) = made.context("compression of usr.lgz")?;
    drop(out);
    kept.replace(&packed, &pieces)?;
    fs::remove_file(&plain).with_context(named)?;
    let about = About::of(&fs::metadata(&packed).with_context(|| packed.display().to_string())?);
    Ok(Body { path: packed, about })
}

/// Puts the mount point, and what runs before it is one, into the root.
fn early(usr: &Image, root: &mut Image, time: i64) -> Result<()> {
    let mut put = |path: &str| -> Result<()> {
        for (end, _) in path.match_indices('/') {
            if let Some(row) = usr.tree.get(&path[..end]) {
                root.tree.insert(&path[..end], row.clone())?;
            }
        }
        if let Some((row, body)) = usr.file(path) {
            root.tree.insert(path, row.clone())?;
            root.bodies.insert(path.to_owned(), body.clone());
        } else if let Some(row) = usr.tree.get(path) {
            root.tree.insert(path, row.clone())?;
        }
        Ok(())
    };
    put("usr")?;
    for path in EARLY.map(|path| format!("usr/{path}")) {
        if usr.tree.get(&path).is_some() {
            put(&path)?;
        }
    }
    let (shell, link) = SHELL;
    if root.tree.get(shell).is_some() && root.tree.get(link).is_none() {
        let kind = Kind::Symlink { target: "i86/ksh93".to_owned() };
        root.tree.insert(link, Entry { kind, mode: 0o777, uid: 0, gid: 0, mtime: time })?;
    }
    Ok(())
}
