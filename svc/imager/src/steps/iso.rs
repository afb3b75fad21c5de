//! iso.rs - the medium: an ISO 9660 image of what is left of the image's root.
//!
//! It starts by the image's own boot loader where it ships one, else by the host's GRUB 2.

use anyhow::{Context, Result, bail};
use image_formats::iso::{self, VolumeError};
use image_manifest::Image;

use super::{Work, World};
use crate::evidence;
use image_rooted::medium::{self, Making};
use image_rooted::{Owned, Rooted};

pub(super) fn options(image: &Image, world: &World<'_>) -> Result<String> {
    check_name(&image.name)?;
    let mut text = image.name.clone();
    text.push_str(&world.tools.version("xorriso")?);
    text.push_str(&world.tools.version("grub-mkimage")?);
    for platform in iso::Platform::ALL {
        text.push_str(&stage::recipe::sha256(&medium::about_modules(platform)?));
    }
    Ok(text)
}

fn check_name(name: &str) -> Result<()> {
    match iso::check_volume_id(name) {
        Err(VolumeError::Long(_)) => bail!("Volume ID string {name} is too long"),
        Err(error @ VolumeError::Name(_)) => Err(error.into()),
        Ok(()) => Ok(()),
    }
}

/// Whether what a medium starts by is in the root; `menu`: GRUB's, where it is GRUB that starts.
pub(super) fn check_starts(root: &Rooted, menu: Option<&str>) -> Result<()> {
    let needed = [iso::KERNEL, iso::BOOT_ARCHIVE, iso::BOOT_ARCHIVE_HASH];
    for path in needed.into_iter().chain(menu) {
        if !root.is_file(path) {
            bail!("{path} is not in {}: the medium could not start", root.dir().display());
        }
    }
    Ok(())
}

/// The id of the volume set, in the image's root: the archive's.
pub(super) fn volume_set(work: &Work<'_>, root: &mut Rooted) -> Result<String> {
    if root.read(iso::VOLUME_SET_ID)?.is_none() {
        if let Some(id) = work.archive()?.read(iso::VOLUME_SET_ID)? {
            root.put(iso::VOLUME_SET_ID, &id, Owned::root(0o444))?;
        }
    }
    let text = root.text(iso::VOLUME_SET_ID)?;
    let text = text.with_context(|| format!("{}: no step has made it", iso::VOLUME_SET_ID))?;
    Ok(text.trim().to_string())
}

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let name = &work.image.name;
    check_name(name)?;
    let mut root = work.root()?;
    let volume_set = volume_set(work, &mut root)?;
    let own = root.is_file(iso::CDBOOT);
    check_starts(&root, (!own).then_some(iso::MENU))?;
    let media = &work.places.media;
    let beside = media.join(format!(".{name}.iso.new"));
    let output = media.join(format!("{name}.iso"));
    let tmp = &work.places.tmp;
    let tools = work.world.tools;
    let making = Making { name, volume_set: &volume_set, work: tmp, output: &beside, tools };
    let mut sum = evidence::media::Sum::default();
    making.run_and(&mut root, &mut |bytes| sum.add(bytes))?;
    std::fs::rename(&beside, &output).with_context(|| output.display().to_string())?;
    evidence::media::keep(work, &output, &sum.sha256())?;
    let size = std::fs::metadata(&output).with_context(|| output.display().to_string())?.len();
    work.debug(&format!("{}: {size} bytes", output.display()));
    Ok(())
}
