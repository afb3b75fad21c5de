//! steps.rs - from a repository to a medium, step by step.
//!
//! populate, archive, medium, boot.  Each reads the work directory of the one before and says
//! how far it is.  What is not here: properties, locks, outputs (`main.rs`), the formats.
//!
//! Law: everything in the outputs follows from the job; the newest package's time is the only
//! time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use image_boot::{Accelerator, Boot, Emulator, Verdict, Way};
use image_formats::iso;
use image_tree::Tree;
use ips_model::{Fmri, Timestamp};

use crate::archive::{self, Archive};
use crate::manifest::Manifest;
use crate::medium::{self, Contents, Tools};

/// What a line of a guest with the right archive contains.
const CONFIRMED: &str = "boot_archive.hash: ok";

/// Memory beyond what kernel and loader need for the archive, in MiB.
const GUEST_MB: u64 = 192;

/// How the medium is tried.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// How QEMU runs the guest.
    pub accelerator: Accelerator,
    /// How long it may take.
    pub time: Duration,
}

/// What is to be made.
pub struct Job<'a> {
    /// The image manifest.
    pub manifest: &'a Manifest,
    /// Digest of all that is read, in hexadecimal; names the volume set.
    pub digest: &'a str,
    /// Where to work; empty at the start.
    pub work: &'a Path,
    /// The boot test; `None`: not wanted.
    pub trial: Option<Trial>,
}

/// A root that was filled.
pub struct Populated {
    /// Its metadata.
    pub tree: Tree,
    /// The FMRIs of its packages, with publisher and time stamp.
    pub packages: Vec<String>,
}

/// The seam to the packages.
pub trait Packages {
    /// Fills the empty directory `root` with what `patterns` and their dependencies deliver.
    fn populate(&self, patterns: &[String], root: &Path) -> Result<Populated>;
}

/// The seams to the world.
pub struct World<'a> {
    /// Where packages come from.
    pub packages: &'a dyn Packages,
    /// Runs grub-mkimage and xorriso.
    pub tools: &'a dyn Tools,
    /// Runs QEMU.
    pub emulator: &'a dyn Emulator,
    /// Hears of each step: its name, done, total, unit.
    pub progress: &'a dyn Fn(&str, u64, u64, &str),
    /// Takes a line for the log.
    pub log: &'a dyn Fn(&str),
}

/// The files that were made, all in the work directory.
pub struct Made {
    /// The outputs, to be moved under their own names.
    pub files: Vec<PathBuf>,
    /// Packages in the image.
    pub packages: Vec<String>,
}

/// Makes the medium.
pub fn make(job: &Job<'_>, world: &World<'_>) -> Result<Made> {
    let root = job.work.join("root");
    std::fs::create_dir(&root).with_context(|| root.display().to_string())?;
    (world.progress)("populate", 0, 1, "roots");
    let Populated { mut tree, packages } =
        world.packages.populate(&job.manifest.packages, &root)?;
    (world.log)(&format!("populate: {} packages, {} paths", packages.len(), tree.len()));
    let time = newest(&packages)?;
    archive::check_root(&tree)?;
    archive::set_times(&mut tree, time);
    let volume_set = iso::volume_set_id(job.digest);
    let text = format!("{volume_set}\n");
    archive::add_file(&mut tree, &root, iso::VOLUME_SET_ID, &text, time)?;

    (world.progress)("boot archive", 0, 1, "archives");
    let archive = archive::make(&tree, &root, job.work, job.manifest, time)?;
    let files = archive.written.files;
    (world.log)(&format!("boot archive: {files} files, {} bytes", archive.written.bytes));
    let table = job.work.join("root.table");
    archive::write_file(&table, tree.to_string().as_bytes())?;

    (world.progress)("medium", 0, 1, "media");
    let output = job.work.join(format!("{}.iso", job.manifest.name));
    let title = title(job.manifest, &root)?;
    let contents = Contents {
        root: &root,
        archive: &archive,
        name: &job.manifest.name,
        volume_set: &volume_set,
        title: &title,
        time,
    };
    medium::make(&contents, job.work, &output, world.tools)?;

    let mut files = vec![output.clone(), table, archive.stored.clone(), archive.hash.clone()];
    match &job.trial {
        Some(trial) => files.push(boot(job, trial, &output, &archive, world)?),
        None => (world.log)("boot test: not wanted (image/boot_test is false)"),
    }
    Ok(Made { files, packages })
}

/// The newest time stamp of the packages, seconds since the epoch.
fn newest(packages: &[String]) -> Result<i64> {
    let mut newest = None;
    for text in packages {
        let fmri = Fmri::parse(text).with_context(|| text.clone())?;
        let stamp = fmri.version.as_ref().and_then(|version| version.timestamp.as_deref());
        let stamp = stamp.with_context(|| format!("{text} has no time stamp"))?;
        let time = Timestamp::parse(stamp).with_context(|| text.clone())?;
        newest = newest.max(Some(time.seconds()));
    }
    newest.context("the image has no package")
}

/// The manifest's title, else the first line of the image's release that says something.
fn title(manifest: &Manifest, root: &Path) -> Result<String> {
    if let Some(title) = &manifest.title {
        return Ok(title.clone());
    }
    let path = root.join("etc/release");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    Ok(line.unwrap_or(&manifest.name).to_string())
}

fn boot(
    job: &Job<'_>,
    trial: &Trial,
    iso: &Path,
    archive: &Archive,
    world: &World<'_>,
) -> Result<PathBuf> {
    (world.progress)("boot test", 0, 1, "boots");
    // GRUB holds the packed and the unpacked archive at once.
    let memory_mb = GUEST_MB + 3 * (archive.written.bytes >> 20);
    let Trial { accelerator, time } = *trial;
    let memory_mb = u32::try_from(memory_mb).context("the archive is too large to boot")?;
    let way = Way::default();
    let asked = Boot { iso, way, memory_mb, accelerator, time, pattern: CONFIRMED };
    let booted = image_boot::boot(&asked, world.emulator)?;
    let log = job.work.join("boot-test.log");
    archive::write_file(&log, booted.text.as_bytes())?;
    let said = |word: &str| booted.text.lines().rev().find(|line| line.contains(word));
    match booted.verdict {
        Verdict::Seen => {
            (world.log)(&format!("boot test: {CONFIRMED}"));
            Ok(log)
        }
        Verdict::Missed(ended) => {
            booted.text.lines().for_each(|line| (world.log)(line));
            let last = said("boot_archive").or(booted.text.lines().last());
            let last = last.unwrap_or("nothing");
            bail!("boot test: no \"{CONFIRMED}\" from the guest (QEMU {ended}); it said: {last}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_package_gives_the_time() {
        let packages = [
            "pkg://a/x@1.0,5.11-0:20231114T221320Z".to_string(),
            "pkg://a/y@2.0,5.11-0:20231114T221319Z".to_string(),
        ];
        assert_eq!(newest(&packages).unwrap(), 1_700_000_000);
        assert!(newest(&[]).is_err());
        assert!(newest(&["pkg://a/x@1.0".to_string()]).is_err());
    }
}
