//! boot_test.rs - the medium starts, or the build fails.
//!
//! It is booted without a screen, by BIOS and by UEFI, and its serial line is read until a line
//! contains the pattern: `boot_test_pattern` among the manifest's pairs, else what the kernel of
//! the sample distribution says when its archive is whole.  What was said is kept.

use anyhow::{Context, Result, bail};
use image_boot::{Boot, Drive, Firmware, Verdict, Way};

use super::Work;
use crate::plain::Trial;

/// The key of the pattern.
pub const PATTERN: &str = "boot_test_pattern";
/// What a line of the sample's guest contains when all is well.
const CONFIRMED: &str = "boot_archive.hash: ok";
/// Memory beyond what kernel and loader need for the archive, in MiB.
const GUEST_MB: u64 = 192;

const WAYS: [(Way, &str); 2] = [
    (Way { firmware: Firmware::Bios, drive: Drive::Cd }, "boot-test.log"),
    (Way { firmware: Firmware::Uefi, drive: Drive::Cd }, "boot-test-uefi.log"),
];

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let Some(trial) = work.world.trial else {
        work.say("boot test: not wanted");
        return Ok(());
    };
    let pattern = work.image.pairs.get(PATTERN).map_or(CONFIRMED, String::as_str);
    for (number, (way, log)) in (1..).zip(WAYS) {
        work.progress(number - 1, WAYS.len() as u64, "boots");
        try_way(work, trial, way, log, pattern)?;
        work.progress(number, WAYS.len() as u64, "boots");
    }
    Ok(())
}

fn try_way(work: &Work<'_>, trial: Trial, way: Way, log: &str, pattern: &str) -> Result<()> {
    let media = &work.places.media;
    let medium = media.join(format!("{}.iso", work.image.name));
    // The loader holds the packed and the unpacked archive at once.
    let memory = GUEST_MB + 3 * (work.facts()?.archive_bytes >> 20);
    let memory_mb = u32::try_from(memory).context("the archive is too large to boot")?;
    let Trial { accelerator, time } = trial;
    let asked = Boot { iso: &medium, way, memory_mb, accelerator, time, pattern };
    let booted = image_boot::boot(&asked, work.world.emulator)?;
    crate::archive::write_file(&media.join(log), booted.text.as_bytes())?;
    match booted.verdict {
        Verdict::Seen => {
            work.say(&format!("boot test ({way}): {pattern}"));
            Ok(())
        }
        Verdict::Missed(ended) => {
            booted.text.lines().for_each(|line| work.debug(line));
            let lines = || booted.text.lines().rev();
            let last = lines().find(|line| line.contains("boot_archive")).or(lines().next());
            let last = last.unwrap_or("nothing");
            bail!(
                "boot test ({way}): no \"{pattern}\" from the guest (QEMU {ended}); it said: {last}"
            )
        }
    }
}
