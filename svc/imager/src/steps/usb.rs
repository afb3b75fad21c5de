//! usb.rs - the USB image: a disk whose root holds what the medium holds.
//!
//! A live system looks for its medium on CDs by their volume set, and on sticks only in UFS: a stick
//! with the ISO's bytes would start and then not find /usr.  So a stick is a disk of its own, with a
//! fifth more room than its content, as the constructor of old gave it.

use anyhow::{Context, Result};
use image_formats::iso;

use super::gpt::{self, Root, Size};
use super::{Work, iso as medium};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let (media, name) = (&work.places.media, &work.image.name);
    let mut root = work.root()?;
    let volume_set = medium::volume_set(work, &mut root)?;
    root.save()?;
    let disk = Root::of(&root, &volume_set, "usb")?;
    medium::check_starts(&root, if disk.has_loader() { None } else { Some(iso::MENU) })?;
    let (beside, usb) = (media.join(format!(".{name}.usb.new")), media.join(format!("{name}.usb")));
    let free = (root.bytes() / 5) >> 20;
    let bytes = gpt::write(work, &disk, Size::Free(free), &beside)?;
    std::fs::rename(&beside, &usb).with_context(|| usb.display().to_string())?;
    work.debug(&format!("{}: {bytes} bytes", usb.display()));
    Ok(())
}
