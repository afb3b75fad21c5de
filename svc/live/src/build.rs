//! build.rs - one build, from a manifest and places to a platform.
//!
//! ```text
//! read the manifest → find every file → made already? → scripts, standard steps → kernel
//!   → boot archive, and meanwhile the digests, of which the archive's listing is the last to know
//!   → tgz → media → nothing changed meanwhile? → into place
//! ```
//!
//! A platform that may be there already is compared with first, so then the digests come first.
//! All that is wrong is in the log before the build fails, and the last line says what, and where the
//! log is.  A build that fails or dies leaves nothing beside `.build_live` and the log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use image_formats::iso;
use image_rooted::kept::Kept;
use image_rooted::{Owned, parallel};
use image_tree::{Entry, Kind};
use live_manifest::{Manifest, Stamp, nearest};
use process::Cancel;

use crate::archive::{self, Form};
use crate::customize::{self, Scripts, Standard};
use crate::digests::{ByPath, Digests, Known};
use crate::gather::{self, Gathered, Wanted};
use crate::image::{Body, Image};
use crate::inputs;
use crate::listing::{self, Listings, MANIFEST};
use crate::log::Log;
use crate::media::{self, Media};
use crate::output::Output;
use crate::places::Place;
use crate::sources;
use crate::tarball::{self, Packing};
use crate::workshop::{Extent, Workshop};

/// MiB of room in an archive, unless others are asked for.
pub const PAD_MB: u64 = 32;

/// What is asked for.
pub struct Request {
    /// The live workspace.
    pub top: PathBuf,
    /// The manifests; several are one.
    pub manifests: Vec<PathBuf>,
    /// Where files are looked for, in this order.
    pub places: Vec<Place>,
    /// The first lines of the log: what was asked for.
    pub header: Vec<String>,
    /// Where the platform is put.
    pub output: PathBuf,
    /// Where the log is.
    pub logs: PathBuf,
    /// The stamp.
    pub stamp: Stamp,
    /// What stands before the stamp in names, if anything.
    pub version: Option<String>,
    /// The time in what is made.
    pub time: i64,
    /// Root's password; none: as the image has it.
    pub password: Option<String>,
    /// The folder of `customize` and `customize.*`.
    pub scripts: PathBuf,
    /// Their second argument.
    pub second: String,
    /// The kind of boot archive.
    pub form: Form,
    /// MiB of room in it for a running system.
    pub pad_mb: u64,
    /// The media.
    pub media: Media,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The platform's folder, `platform-STAMP`.
    pub name: String,
    /// Whether it was there already.
    pub was_made: bool,
    /// Files of the image.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many files were read, and not known from an earlier build.
    pub read: usize,
    /// The log.
    pub log: PathBuf,
}

/// The seams to the world.
pub struct World<'a> {
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// Hears every line of the log.
    pub hear: &'a dyn Fn(&str),
    /// Hears how far it is: phase, done, total, unit.
    pub progress: &'a dyn Fn(&str, u64, u64, &str),
    /// The host's tools, for media.
    pub tools: &'a dyn image_rooted::medium::Tools,
    /// Runs QEMU, for media.
    pub emulator: &'a dyn image_boot::Emulator,
}

/// Builds a platform.
///
/// # Errors
/// Something is missing, wrong or refused; the text names it and the log.
pub fn build(request: &Request, world: &World<'_>) -> Result<Built> {
    let log = Log::begin(&request.logs, &request.stamp, world.hear)?;
    let built = work(request, world, &log);
    match built {
        Ok(built) => {
            log.flush()?;
            Ok(built)
        }
        Err(error) => {
            let text = format!("{error:#}; log: {}", log.path().display());
            log.say(&format!("build_live: ERROR: {text}"));
            // The failure itself matters more than a log that cannot tell of it.
            let _full = log.flush();
            bail!("{text}")
        }
    }
}

fn work(request: &Request, world: &World<'_>, log: &Log<'_>) -> Result<Built> {
    log.say("=== Options/ ===");
    request.header.iter().for_each(|line| log.say(line));
    log.say("=== /Options ===");
    let output = Output::take(&request.output, world.cancel, &|line| log.say(line))?;
    let made = make(request, world, log, &output);
    // Also what a failure left: nothing there is a platform.
    let cleared = output.clear();
    let built = made?;
    cleared?;
    Ok(built)
}

fn make(request: &Request, world: &World<'_>, log: &Log<'_>, output: &Output) -> Result<Built> {
    let manifest = read(&request.manifests, log)?;
    let mut known = Known::open(&output.digests())?;
    let wanted = Wanted { manifest: &manifest, places: &request.places, time: request.time };
    (world.progress)("files", 0, manifest.entries.len() as u64, "entries");
    let gathered = wanted.gather(&known, log)?;
    let scripts = customize::scripts(&request.scripts)?;
    let commits = sources::status(&request.top)?;
    let recipe = inputs::recipe(request, &manifest, &scripts, &commits)?;
    let name = inputs::name(request);
    let mut built = Built {
        name: name.clone(),
        was_made: false,
        files: gathered.files.len(),
        bytes: gathered.files.values().map(|file| file.about.size).sum(),
        read: 0,
        log: log.path().to_owned(),
    };
    if output.has_record(&name) {
        let digests = known.by_path(gathered.sources())?;
        save(&known, &gathered, &digests)?;
        built.read = known.files_read();
        built.was_made = output.is_made(&name, &inputs::digest(&recipe, &gathered, &digests));
    }
    if built.was_made {
        log.say(&format!("{} is up to date", output.dir().join(&name).display()));
        return Ok(built);
    }
    let job = Job { request, world, log, output, gathered: &gathered, name: &name };
    let (image, listing) = job.image(&scripts)?;
    built.files = image.bodies.len() + usize::from(image.listing.is_some());
    built.bytes = image.bytes();
    let digests = job.platform(&image, listing, &commits, &mut known)?;
    built.read = known.files_read();
    wanted.check_unchanged(&gathered.files)?;
    wanted_still(world)?;
    log.say(&format!("creating {}", output.dir().join(&name).display()));
    // A platform whose log cannot be written is none.
    log.flush()?;
    output.finish(&name, &inputs::digest(&recipe, &gathered, &digests))?;
    Ok(built)
}

/// Keeps the digests of the sources for the next build.
fn save(known: &Known, gathered: &Gathered, digests: &ByPath<'_>) -> Result<()> {
    let files = gathered.files.values();
    known.save(files.filter_map(|file| {
        Some((file.path.as_path(), &file.about, digests.get(file.path.as_os_str())?))
    }))
}

fn wanted_still(world: &World<'_>) -> Result<()> {
    if world.cancel.is_set() { bail!("no longer wanted") } else { Ok(()) }
}

/// The manifests as one.
fn read(paths: &[PathBuf], log: &Log<'_>) -> Result<Manifest> {
    let mut manifest = Manifest::default();
    let mut problems = Vec::new();
    for path in paths {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let (one, wrong) = Manifest::parse(&path.display().to_string(), &text);
        manifest.append(one);
        problems.extend(wrong);
    }
    gather::refuse(&problems, log)?;
    if manifest.entries.is_empty() {
        bail!("the manifest is empty");
    }
    Ok(manifest)
}

/// A build at work.
struct Job<'a> {
    request: &'a Request,
    world: &'a World<'a>,
    log: &'a Log<'a>,
    output: &'a Output,
    gathered: &'a Gathered,
    name: &'a str,
}

impl Job<'_> {
    /// The image with all that was done to it, and where it expects its own listing.
    fn image(&self, scripts: &[PathBuf]) -> Result<(Image, Sender<String>)> {
        let work = self.output.work();
        let extent = if scripts.is_empty() { Extent::Part } else { Extent::Whole };
        let request = self.request;
        let mut workshop = Workshop::open(&work.join("root"), self.gathered, extent, request.time)?;
        if !scripts.is_empty() {
            (self.world.progress)("customize", 0, scripts.len() as u64, "scripts");
            let scripts = Scripts {
                files: scripts,
                second: &request.second,
                top: &request.top,
                tmp: &work.join("tmp"),
                cancel: self.world.cancel,
            };
            scripts.run(&mut workshop, &request.stamp, self.log)?;
        }
        let standard = Standard { stamp: &request.stamp, password: request.password.as_deref() };
        standard.run(&mut workshop, self.log)?;
        let image = workshop.image(self.gathered)?;
        self.listed(image, &mut workshop)
    }

    fn listed(&self, mut image: Image, workshop: &mut Workshop) -> Result<(Image, Sender<String>)> {
        self.log.say("Writing manifest..");
        let (to, coming) = channel();
        let folder = MANIFEST.rsplit_once('/').map_or("", |(folder, _)| folder);
        if workshop.root.is_directory(folder) {
            workshop.put(MANIFEST, b"", Owned::root(0o644))?;
            let row = workshop.root.tree.get(MANIFEST).context("the listing has no row")?;
            // All digests are of one length.
            let nothing = Digests::of(b"");
            let text = listing::list(&image, &self.gathered.accounts, &|_| nothing);
            let kind = Kind::File { size: text.manifest.len() as u64 };
            image.tree.insert(MANIFEST, Entry { kind, ..row.clone() })?;
            image.bodies.remove(MANIFEST);
            image.listing = Some(Arc::new(Mutex::new(coming)));
        }
        Ok((image, to))
    }

    fn write_listings(&self, listings: &Listings) -> Result<()> {
        for (suffix, text) in [
            ("manifest", &listings.manifest),
            ("md5sum", &listings.md5sum),
            ("sha256sum", &listings.sha256sum),
        ] {
            self.beside(suffix, text)?;
        }
        Ok(())
    }

    /// Where the platform's folder is made.
    fn folder(&self) -> PathBuf {
        self.output.work().join("out").join(self.name)
    }

    fn archive(&self) -> PathBuf {
        self.folder().join("i86pc/amd64/boot_archive")
    }

    fn beside(&self, suffix: &str, text: &str) -> Result<()> {
        let path = self.archive().with_extension(suffix);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// The boot archive, whose listing waits for the digests; they are made meanwhile.
    fn boot_archive<'a>(
        &'a self,
        image: &'a Image,
        listing: Sender<String>,
        known: &mut Known,
    ) -> Result<(archive::Made, ByPath<'a>)> {
        let (request, work) = (self.request, self.output.work());
        let archive = self.archive();
        let above = archive.parent().context("the archive's folder")?;
        fs::create_dir_all(above).with_context(|| above.display().to_string())?;
        self.log.say(&format!(
            "creating {}",
            self.output.dir().join(self.name).join("i86pc/amd64/boot_archive").display()
        ));
        let making = archive::Making {
            form: request.form,
            pad_mb: request.pad_mb,
            time: request.time,
            work: &work,
            pieces: &self.output.pieces(),
            to: &archive,
            begins: &|what| (self.world.progress)(what, 0, image.bytes(), "bytes"),
        };
        let gathered = self.gathered;
        let (made, listed) = parallel::both(
            || archive::make(image, &making),
            move || digested(gathered, image, listing, known),
        );
        // A file without digests is why there is no archive, not the other way round.
        let (listings, digests) = listed?;
        let made = made?;
        self.log.say(&format!(
            "boot archive: {} files, {} bytes",
            made.written.files, made.written.bytes
        ));
        self.write_listings(&listings)?;
        Ok((made, digests))
    }

    /// The folder, the tgz and the media; the digests of what is in them.
    fn platform<'a>(
        &'a self,
        image: &'a Image,
        listing: Sender<String>,
        commits: &str,
        known: &mut Known,
    ) -> Result<ByPath<'a>> {
        let (request, work) = (self.request, self.output.work());
        self.kernel(image)?;
        wanted_still(self.world)?;
        let (made, digests) = self.boot_archive(image, listing, known)?;
        self.beside("hash", &made.hash)?;
        self.beside("gitstatus", commits)?;
        wanted_still(self.world)?;
        (self.world.progress)("tgz", 0, 1, "files");
        let out = work.join("out");
        let tgz = out.join(format!("{}.tgz", self.name));
        // An archive that is packed itself becomes no smaller.
        let packing = match request.form {
            Form::Ufs => Packing::Stored,
            Form::UsrLofi => Packing::Fast(Kept::open(&self.output.pieces(), "tgz")),
        };
        tarball::pack(&out, self.name, request.time, packing, &tgz)?;
        let stamp = out.join("buildstamp");
        fs::write(&stamp, format!("{}\n", request.stamp))
            .with_context(|| stamp.display().to_string())?;
        let asked = media::Asked {
            folder: &self.folder(),
            image,
            archive_bytes: made.written.bytes,
            hash: &made.hash,
            time: request.time,
            work: &work,
        };
        media::make(&request.media, &asked, self.world, self.log)?;
        Ok(digests)
    }

    /// The kernel comes out of the image, so that it is the archive's own.
    fn kernel(&self, image: &Image) -> Result<()> {
        let Some((_, body)) = image.file(iso::KERNEL) else {
            let near = nearest(iso::KERNEL, image.bodies.keys().map(String::as_str));
            let near = near.map(|near| format!("; there is {near}")).unwrap_or_default();
            bail!("the image has no kernel: {}{near}", iso::KERNEL);
        };
        let bytes = fs::read(&body.path).with_context(|| body.path.display().to_string())?;
        if let Err(why) = check_kernel(&bytes) {
            bail!("{} ({}): {why}", iso::KERNEL, body.path.display());
        }
        let to = self.folder().join("i86pc/kernel/amd64/unix");
        let above = to.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(above).with_context(|| above.display().to_string())?;
        fs::write(&to, bytes).with_context(|| to.display().to_string())
    }
}

/// The digests of the sources, and the listings, of which one is awaited in the image.
fn digested<'a>(
    gathered: &'a Gathered,
    image: &'a Image,
    listing: Sender<String>,
    known: &mut Known,
) -> Result<(Listings, ByPath<'a>)> {
    let bodies = image.bodies.values().map(|body| (body.path.as_path(), body.about));
    let digests = known.by_path(gathered.sources().chain(bodies))?;
    let of_body = |body: &Body| digests[body.path.as_os_str()];
    let listings = listing::list(image, &gathered.accounts, &of_body);
    // An image without a place for it awaits none.
    let _awaited = listing.send(listings.manifest.clone());
    save(known, gathered, &digests)?;
    Ok((listings, digests))
}

/// A kernel must be an ELF file of class 64 for x86-64.
fn check_kernel(bytes: &[u8]) -> Result<(), &'static str> {
    match bytes {
        [0x7f, b'E', b'L', b'F', 2, 1, ..] if bytes.get(18..20) == Some(&[0x3e, 0]) => Ok(()),
        [0x7f, b'E', b'L', b'F', 1, ..] => {
            Err("the kernel is a 32-bit one; platforms are of 64 bits")
        }
        [0x7f, b'E', b'L', b'F', ..] => Err("the kernel is not one for x86-64"),
        _ => Err("the kernel is not an ELF file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels() {
        let elf = |class: u8, machine: u8| {
            let mut bytes = vec![0x7f, b'E', b'L', b'F', class, 1];
            bytes.resize(64, 0);
            bytes[18] = machine;
            bytes
        };
        for (bytes, wanted) in [
            (elf(2, 0x3e), "Ok(())"),
            (elf(1, 3), "32-bit"),
            (elf(2, 0xb7), "not one for x86-64"),
            (b"#!/bin/sh".to_vec(), "not an ELF file"),
            (vec![], "not an ELF file"),
        ] {
            let told = format!("{:?}", check_kernel(&bytes));
            assert!(told.contains(wanted), "{told}");
        }
    }
}
