//! iso.rs - the medium: an ISO 9660 image of what is left of the image's root.
//!
//! It starts by the image's own boot loader where it ships one, else by the host's GRUB 2.

use anyhow::{Context, Result, bail};
use image_formats::iso::{self, VolumeError};
use image_manifest::Image;

use super::{Work, World};
use crate::medium::{self, Grub};
use crate::rooted::{Owned, Rooted};

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

/// The id of the volume set, in the image's root: the archive's.
fn volume_set(work: &Work<'_>, root: &mut Rooted) -> Result<String> {
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
    for path in [iso::KERNEL, iso::BOOT_ARCHIVE, iso::BOOT_ARCHIVE_HASH, iso::MENU] {
        if !root.is_file(path) {
            bail!("{path} is not in {}: the medium could not start", root.dir().display());
        }
    }
    let (tmp, time) = (&work.places.tmp, root.time());
    std::fs::create_dir_all(tmp).with_context(|| tmp.display().to_string())?;
    let grub = Grub { volume_set: &volume_set, work: tmp, tools: work.world.tools, time };
    for (path, bytes) in grub.files()? {
        root.put(&path, &bytes, Owned::root(0o444))?;
    }
    root.save()?;
    let media = &work.places.media;
    let (beside, output) =
        (media.join(format!(".{name}.iso.new")), media.join(format!("{name}.iso")));
    let hybrid = Grub::hybrid()?;
    let made = iso::Medium {
        root: root.dir(),
        output: &beside,
        name,
        volume_set: &volume_set,
        hybrid: &hybrid,
        time,
    };
    medium::write(&made, work.world.tools)?;
    std::fs::rename(&beside, &output).with_context(|| output.display().to_string())?;
    let size = std::fs::metadata(&output).with_context(|| output.display().to_string())?.len();
    work.debug(&format!("{}: {size} bytes", output.display()));
    Ok(())
}
