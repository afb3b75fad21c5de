//! usb.rs - the USB image: the hybrid ISO under the name that is written to a stick.
//!
//! The medium carries a partition table that starts it from a disk by BIOS and UEFI, so one file
//! serves both; a stick gets the same bytes.

use anyhow::{Context, Result};

use super::Work;

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let (media, name) = (&work.places.media, &work.image.name);
    let iso = media.join(format!("{name}.iso"));
    let (beside, usb) = (media.join(format!(".{name}.usb.new")), media.join(format!("{name}.usb")));
    std::fs::copy(&iso, &beside).with_context(|| format!("{}: no medium", iso.display()))?;
    std::fs::rename(&beside, &usb).with_context(|| usb.display().to_string())
}
