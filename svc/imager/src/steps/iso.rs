//! iso.rs - the medium: an ISO 9660 image of what is left of the image's root.
//!
//! It starts by the image's own boot loader where it ships one, else by the host's GRUB 2.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use image_formats::fat;
use image_formats::iso::{self, VolumeError};
use image_manifest::Image;

use super::{Work, World};
use image_rooted::medium::{self, Grub};
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
    let own = root.is_file(iso::CDBOOT);
    let menu = (!own).then_some(iso::MENU);
    let needed = [iso::KERNEL, iso::BOOT_ARCHIVE, iso::BOOT_ARCHIVE_HASH];
    for path in needed.into_iter().chain(menu) {
        if !root.is_file(path) {
            bail!("{path} is not in {}: the medium could not start", root.dir().display());
        }
    }
    let media = &work.places.media;
    let beside = media.join(format!(".{name}.iso.new"));
    let output = media.join(format!("{name}.iso"));
    if own {
        by_own_loader(work, &mut root, &volume_set, &beside)?;
    } else {
        by_grub(work, &mut root, &volume_set, &beside)?;
    }
    std::fs::rename(&beside, &output).with_context(|| output.display().to_string())?;
    let size = std::fs::metadata(&output).with_context(|| output.display().to_string())?.len();
    work.debug(&format!("{}: {size} bytes", output.display()));
    Ok(())
}

fn by_grub(work: &Work<'_>, root: &mut Rooted, volume_set: &str, output: &Path) -> Result<()> {
    let (tmp, time) = (&work.places.tmp, root.time());
    std::fs::create_dir_all(tmp).with_context(|| tmp.display().to_string())?;
    let tools = work.world.tools;
    let grub = Grub { volume_set, work: tmp, tools, time };
    for (path, bytes) in grub.files()? {
        root.put(&path, &bytes, Owned::root(0o444))?;
    }
    root.save()?;
    let (name, hybrid) = (&work.image.name, Grub::hybrid()?);
    let made = iso::Medium { root: root.dir(), output, name, volume_set, hybrid: &hybrid, time };
    medium::write(output, &iso::xorriso_arguments(&made), time, tools)
}

/// By the loader that the image ships, from CDs and from disks.
fn by_own_loader(
    work: &Work<'_>,
    root: &mut Rooted,
    volume_set: &str,
    output: &Path,
) -> Result<()> {
    let time = root.time();
    let mut programs = Vec::new();
    for (path, name) in iso::EFI_LOADERS {
        programs.extend(root.read(path)?.map(|bytes| (name, bytes)));
    }
    let programs: Vec<fat::Program<'_>> =
        programs.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let partition = fat::boot_partition(&programs, medium::volume_id(volume_set)?, time)?;
    root.put(iso::EFIBOOT, &partition, Owned::root(0o444))?;
    root.save()?;
    let volume = iso::Volume {
        root: root.dir(),
        output,
        name: &work.image.name,
        volume_set: Some(volume_set),
        starts: iso::Starts::Loader,
        weights: None,
        time,
    };
    medium::write(output, &iso::volume_arguments(&volume), time, work.world.tools)?;
    if let (Some(pmbr), Some(isoboot)) = (root.read(iso::PMBR)?, root.read(iso::ISOBOOT)?) {
        let named = || output.display().to_string();
        let mut image = File::options().read(true).write(true).open(output).with_context(named)?;
        iso::hybrid(&mut image, &pmbr, &isoboot).with_context(named)?;
        image.sync_all().with_context(named)?;
    }
    Ok(())
}
