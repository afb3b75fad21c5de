//! boot_test.rs - the medium starts, or the build fails.
//!
//! It is booted without a screen, by BIOS and by UEFI, and its serial line is read until a line
//! contains the pattern: the step's `pattern=TEXT`, else `boot_test_pattern` among the manifest's pairs, else what the kernel of
//! the sample distribution says when its archive is whole.  What was said is kept.

use anyhow::{Context, Result, bail};
use image_boot::{Boot, BootError, Drive, Firmware, Verdict, Way};

use super::{Trial, Work};

/// The key of the pattern.
pub const PATTERN: &str = "boot_test_pattern";
/// What a line of the sample's guest contains when all is well.
const CONFIRMED: &str = "boot_archive.hash: ok";
/// Memory beyond what kernel and loader need for the archive, in MiB.
const GUEST_MB: u64 = 192;

/// Both firmwares, from the medium as a CD.
const WAYS: [Way; 2] = [
    Way { firmware: Firmware::Bios, drive: Drive::Cd },
    Way { firmware: Firmware::Uefi, drive: Drive::Cd },
];
const LOG: &str = "boot-test.log";

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let Some(trial) = work.world.trial else {
        work.say("boot test: not wanted");
        return Ok(());
    };
    let given = work.step.arguments.iter().find_map(|word| word.strip_prefix("pattern="));
    let paired = || work.image.pairs.get(PATTERN).map(String::as_str);
    let pattern = given.or_else(paired).unwrap_or(CONFIRMED);
    let mut said = String::new();
    for (number, way) in (1..).zip(WAYS) {
        work.progress(number - 1, WAYS.len() as u64, "boots");
        let tried = try_way(work, trial, way, pattern, &mut said);
        image_rooted::archive::write_file(&work.places.media.join(LOG), said.as_bytes())?;
        tried?;
        work.progress(number, WAYS.len() as u64, "boots");
    }
    Ok(())
}

fn try_way(
    work: &Work<'_>,
    trial: Trial,
    way: Way,
    pattern: &str,
    said: &mut String,
) -> Result<()> {
    let media = &work.places.media;
    let medium = media.join(format!("{}.iso", work.image.name));
    // The loader holds the packed and the unpacked archive at once.
    let memory = GUEST_MB + 3 * (work.facts()?.archive_bytes >> 20);
    let memory_mb = u32::try_from(memory).context("the archive is too large to boot")?;
    let Trial { accelerator, time } = trial;
    let asked = Boot { iso: &medium, way, memory_mb, accelerator, time, pattern };
    let booted = match image_boot::boot(&asked, work.world.emulator) {
        Err(error @ BootError::NoUefi) => {
            work.say(&format!("boot test ({way}): not tried: {error}"));
            return Ok(());
        }
        booted => booted?,
    };
    said.push_str(&booted.text);
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
