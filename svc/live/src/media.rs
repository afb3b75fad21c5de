//! media.rs - ISO and USB media of a platform, tried before they count as made.
//!
//! ```text
//! platform/i86pc/kernel/amd64/unix, platform/i86pc/amd64/boot_archive and .hash
//! boot/...            the image's own, where it ships a loader; else the host's GRUB 2 with one entry
//! ```
//!
//! The USB image is the hybrid ISO under another name: the same bytes start from both.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use image_boot::{Accelerator, Boot, BootError, Drive, Firmware, Verdict, Way};
use image_formats::iso;
use image_rooted::medium::Making;
use image_rooted::{Owned, Rooted};
use image_tree::Kind;

use crate::build::World;
use crate::image::Image;
use crate::log::Log;

/// Memory of the guest beyond what kernel and loader need for the archive, in MiB.
const GUEST_MB: u64 = 192;
/// What the kernel of the sample distribution says when its archive is whole.
pub const CONFIRMED: &str = "boot_archive.hash: ok";

/// How media are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What a line of a good guest contains.
    pub pattern: String,
    /// How long a guest may take.
    pub time: Duration,
}

/// Which media are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Media {
    /// An ISO image.
    pub iso: bool,
    /// An image for sticks.
    pub usb: bool,
    /// How they are tried; none: not at all.
    pub trial: Option<Trial>,
}

impl Media {
    /// The suffixes of the files.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static str> {
        let kinds = [("iso", self.iso), ("usb", self.usb)];
        kinds.iter().filter(|(_, wanted)| *wanted).map(|(kind, _)| *kind).collect()
    }
}

/// A platform that gets media.
pub struct Asked<'a> {
    /// Its folder, `platform-STAMP`, beside which the media are put.
    pub folder: &'a Path,
    /// Its image.
    pub image: &'a Image,
    /// Bytes of the archive, unpacked.
    pub archive_bytes: u64,
    /// The text of its hash.
    pub hash: &'a str,
    /// The time of all that is made.
    pub time: i64,
    /// Where to work.
    pub work: &'a Path,
}

/// Makes the media that are wanted.
///
/// # Errors
/// A tool is absent or fails, or a guest does not start.
pub fn make(media: &Media, asked: &Asked<'_>, world: &World<'_>, log: &Log<'_>) -> Result<()> {
    if media.kinds().is_empty() {
        return Ok(());
    }
    let output = asked.beside("iso");
    (world.progress)("media", 0, 1, "media");
    log.say("Creating the medium");
    let mut root = asked.root()?;
    let name = asked.name();
    let digest = stage::recipe::sha256(format!("{name} {}", asked.hash).as_bytes());
    let volume_set = iso::volume_set_id(&digest);
    root.put(iso::VOLUME_SET_ID, format!("{volume_set}\n").as_bytes(), Owned::root(0o444))?;
    if !root.is_file(iso::CDBOOT) {
        let menu = iso::menu(&name, "-B console=ttya");
        root.put(iso::MENU, menu.as_bytes(), Owned::root(0o644))?;
    }
    let (tmp, tools) = (asked.work.join("tmp"), world.tools);
    Making { name: &name, volume_set: &volume_set, work: &tmp, output: &output, tools }
        .run(&mut root)?;
    if let Some(trial) = &media.trial {
        asked.boot(&output, trial, media, world, log)?;
    }
    let usb = asked.beside("usb");
    match (media.iso, media.usb) {
        (true, true) => drop(fs::copy(&output, &usb).with_context(|| usb.display().to_string())?),
        (false, true) => fs::rename(&output, &usb).with_context(|| usb.display().to_string())?,
        (_, false) => {}
    }
    Ok(())
}

impl Asked<'_> {
    /// A medium's file.
    fn beside(&self, suffix: &str) -> PathBuf {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        self.folder.with_file_name(format!("{name}.{suffix}"))
    }

    /// The volume's name.
    fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A version in front may make it too long for a volume.
        match iso::check_volume_id(&name) {
            Ok(()) => name,
            Err(_) => name.chars().skip(name.len().saturating_sub(16)).collect(),
        }
    }

    /// What is on the medium.
    fn root(&self) -> Result<Rooted> {
        let dir = self.work.join("medium");
        let mut root = Rooted::create(&dir, &dir.with_extension("table"), self.time)?;
        for file in ["kernel/amd64/unix", "amd64/boot_archive", "amd64/boot_archive.hash"] {
            let (from, to) =
                (self.folder.join("i86pc").join(file), format!("platform/i86pc/{file}"));
            root.directory(to.rsplit_once('/').map_or("", |(above, _)| above), Owned::root(0o755))?;
            // Nobody writes to either name.
            fs::hard_link(&from, dir.join(&to)).with_context(|| to.clone())?;
        }
        if self.image.file(iso::CDBOOT).is_some() {
            for (path, entry) in self.image.tree.below("boot") {
                match (&entry.kind, self.image.file(path)) {
                    (Kind::Directory, _) => root.directory(path, Owned::root(0o755))?,
                    (Kind::Symlink { target }, _) => root.link(path, target)?,
                    (_, Some((_, body))) => {
                        let bytes = fs::read(&body.path)
                            .with_context(|| body.path.display().to_string())?;
                        root.put(path, &bytes, Owned::root(0o444))?;
                    }
                    (_, None) => {}
                }
            }
        }
        Ok(root)
    }

    fn boot(
        &self,
        medium: &Path,
        trial: &Trial,
        media: &Media,
        world: &World<'_>,
        log: &Log<'_>,
    ) -> Result<()> {
        let memory = GUEST_MB + 3 * (self.archive_bytes >> 20);
        let memory_mb = u32::try_from(memory).context("the archive is too large to boot")?;
        let drives = [(Drive::Cd, media.iso), (Drive::Disk, media.usb)];
        let drives = drives.iter().filter(|(_, wanted)| *wanted).map(|(drive, _)| *drive);
        let ways = drives.flat_map(|drive| {
            [Firmware::Bios, Firmware::Uefi].map(|firmware| Way { firmware, drive })
        });
        for way in ways {
            let accelerator = Accelerator::Tcg;
            let (time, pattern) = (trial.time, trial.pattern.as_str());
            let asked = Boot { iso: medium, way, memory_mb, accelerator, time, pattern };
            let booted = match image_boot::boot(&asked, world.emulator) {
                Err(error @ BootError::NoUefi) => {
                    log.say(&format!("boot test ({way}): not tried: {error}"));
                    continue;
                }
                booted => booted?,
            };
            booted.text.lines().for_each(|line| log.say(&format!("| {line}")));
            match booted.verdict {
                Verdict::Seen => log.say(&format!("boot test ({way}): {pattern}")),
                Verdict::Missed(ended) => {
                    let last = booted.text.lines().next_back().unwrap_or("nothing");
                    bail!(
                        "boot test ({way}): no \"{pattern}\" from the guest (QEMU {ended}); it said: {last}"
                    )
                }
            }
        }
        Ok(())
    }
}
