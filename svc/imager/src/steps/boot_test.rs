//! boot_test.rs - the media start, or the build fails.
//!
//! Each medium that a step of the manifest makes is booted, by BIOS and by UEFI, and its serial line
//! is read until a line contains the pattern: the step's `pattern=TEXT`, else `boot_test_pattern`
//! among the manifest's pairs, else what the kernel of the sample distribution says when its archive
//! is whole.  The argument `media` (iso, usb, disk, netboot; with commas) takes some of them.
//!
//! ```text
//! AREA/media/boot-test.log                  what was said, boot after boot
//! AREA/media/boot-test-MEDIUM-FIRMWARE.png  the last that was seen of each
//! ```

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use image_boot::{Boot, BootError, Booted, Drive, Firmware, Verdict, Way};
use image_manifest::{Image, Native, Step};

use super::{Trial, Work, disk, netboot};

/// The key of the pattern.
pub const PATTERN: &str = "boot_test_pattern";
/// What a line of the sample's guest contains when all is well.
const CONFIRMED: &str = "boot_archive.hash: ok";
/// Memory beyond what kernel and loader need for the archive, in MiB.
const GUEST_MB: u64 = 192;
const LOG: &str = "boot-test.log";
/// Lines of the console that a failure shows.
const SHOWN: usize = 10;

/// What can be tried: the word for it, the step that makes it, and as what it is put in.
const MEDIA: [(&str, Native, Drive); 4] = [
    ("iso", Native::Iso, Drive::Cd),
    ("usb", Native::Usb, Drive::Disk),
    ("disk", Native::Disk, Drive::Disk),
    ("netboot", Native::Netboot, Drive::Network),
];

/// A boot to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Try {
    /// The medium, below the folder of media.
    medium: String,
    /// The picture's name.
    picture: String,
    way: Way,
}

/// Whether what is asked can be.
pub(super) fn check(step: &Step) -> Result<()> {
    for word in super::values(step, "media") {
        if !MEDIA.iter().any(|(known, ..)| *known == word) {
            let known: Vec<&str> = MEDIA.iter().map(|(known, ..)| *known).collect();
            bail!("media {word} is not known: {}", known.join(", "));
        }
    }
    Ok(())
}

/// All that a manifest's media are tried with.
fn tries(image: &Image, step: &Step) -> Vec<Try> {
    let wanted = super::values(step, "media");
    let before = image.steps.iter().take_while(|one| one.name != step.name);
    let made: Vec<Native> = before.filter_map(|one| one.native).collect();
    let mut tries = Vec::new();
    for (word, native, drive) in MEDIA {
        let asked = wanted.is_empty() || wanted.iter().any(|one| one == word);
        if !asked || !made.contains(&native) {
            continue;
        }
        let name = &image.name;
        let medium = match native {
            Native::Disk => disk::tried(image).unwrap_or_else(|| format!("{name}.raw")),
            Native::Netboot => netboot::name(name),
            _ => format!("{name}.{word}"),
        };
        for firmware in [Firmware::Bios, Firmware::Uefi] {
            let by = match firmware {
                Firmware::Bios => "bios",
                Firmware::Uefi => "uefi",
            };
            let picture = format!("boot-test-{word}-{by}.png");
            tries.push(Try { medium: medium.clone(), picture, way: Way { firmware, drive } });
        }
    }
    tries
}

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let Some(trial) = work.world.trial else {
        work.say("boot test: not wanted");
        return Ok(());
    };
    let tries = tries(work.image, work.step);
    if tries.is_empty() {
        bail!("there is no medium to boot: no step before this one makes one");
    }
    let mut said = String::new();
    let total = tries.len() as u64;
    for (number, one) in (0..).zip(&tries) {
        work.progress(number, total, "boots");
        let tried = try_it(work, trial, one, &mut said);
        image_rooted::archive::write_file(&work.places.media.join(LOG), said.as_bytes())?;
        tried?;
    }
    work.progress(total, total, "boots");
    Ok(())
}

fn pattern<'a>(work: &'a Work<'_>) -> &'a str {
    let given = work.step.arguments.iter().find_map(|word| word.strip_prefix("pattern="));
    let paired = || work.image.pairs.get(PATTERN).map(String::as_str);
    given.or_else(paired).unwrap_or(CONFIRMED)
}

fn try_it(work: &Work<'_>, trial: Trial, one: &Try, said: &mut String) -> Result<()> {
    let (media, way, pattern) = (&work.places.media, one.way, pattern(work));
    let medium = media.join(&one.medium);
    // The loader holds the packed and the unpacked archive at once.
    let memory = GUEST_MB + 3 * (work.facts()?.archive_bytes >> 20);
    let memory_mb = u32::try_from(memory).context("the archive is too large to boot")?;
    let Trial { accelerator, time } = trial;
    let asked = Boot { iso: &medium, way, memory_mb, accelerator, time, pattern };
    let name = &one.medium;
    let booted = match image_boot::boot(&asked, work.world.emulator) {
        Err(error @ (BootError::NoUefi | BootError::NoNetwork)) => {
            work.say(&format!("boot test of {name} ({way}): not tried: {error}"));
            return Ok(());
        }
        booted => booted?,
    };
    said.push_str(&format!("==== {name} ({way})\n{}", booted.text));
    let picture = kept(work, one, &booted)?;
    let ended = match booted.verdict {
        Verdict::Seen => {
            work.say(&format!("boot test of {name} ({way}): {pattern}"));
            return Ok(());
        }
        Verdict::Missed(ended) => ended,
    };
    booted.text.lines().for_each(|line| work.debug(line));
    let lines: Vec<&str> = booted.text.lines().collect();
    for line in &lines[lines.len().saturating_sub(SHOWN)..] {
        work.say(&format!("  console: {line}"));
    }
    let of_archive = lines.iter().rev().find(|line| line.contains("boot_archive"));
    let last = of_archive.or(lines.last()).copied().unwrap_or("nothing");
    let screen = picture.map_or_else(
        || "there is no picture of the screen".to_owned(),
        |path| format!("the screen: {}", path.display()),
    );
    bail!(
        "boot test of {name} ({way}): no \"{pattern}\" from the guest (QEMU {ended}); it said: {last}; \
         all of it: {}; {screen}",
        media.join(LOG).display()
    )
}

/// Keeps the picture; one of an earlier boot goes.
fn kept(work: &Work<'_>, one: &Try, booted: &Booted) -> Result<Option<PathBuf>> {
    let path = work.places.media.join(&one.picture);
    match &booted.screen {
        Some(bytes) => image_rooted::archive::write_file(&path, bytes).map(|()| Some(path)),
        None => {
            let removed = image_rooted::removal::remove(&path);
            removed.map(|()| None).with_context(|| path.display().to_string())
        }
    }
}
