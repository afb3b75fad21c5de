//! netboot.rs - what a server offers to machines that start over the network, as a folder.
//!
//! `AREA/media/NAME.netboot` has iPXE's script, kernel, boot archive and hash, what the running
//! system fetches, and the image's own loader with its files where it ships one.  Served as it is
//! by HTTP or TFTP, its `boot.ipxe` starts the image.  UEFI starts the loader, or the host's GRUB 2
//! where there is none; both fetch by TFTP.  The argument `console` is the kernel's console.
//!
//! The boot archive lies there unpacked: loaders unpack it for the kernel, iPXE does not.
//!
//! The folder appears whole, under its name by one rename.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use image_formats::iso::Platform;
use image_formats::{iso, netboot};
use image_manifest::Step;

use super::{Work, World};
use image_rooted::{Rooted, medium};

/// The arguments of the kernel.
fn arguments(step: &Step) -> String {
    let console = super::value(step, "console").unwrap_or_else(|| "ttya".to_owned());
    if console.is_empty() { String::new() } else { format!("-B console={console}") }
}

/// Whatever makes another tree of the same root.
pub(super) fn options(world: &World<'_>) -> Result<String> {
    let modules = stage::recipe::sha256(&medium::about_modules(Platform::Uefi)?);
    Ok(format!("{} {modules}", world.tools.version("grub-mkimage")?))
}

/// Whether what is asked can be.
pub(super) fn check(step: &Step) -> Result<()> {
    netboot::script(&[], &arguments(step)).map(|_| ()).context("console")
}

/// The folder's name among the media.
pub(super) fn name(image: &str) -> String {
    format!("{image}.netboot")
}

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let root = work.root()?;
    let files = netboot::files(&root.tree)?;
    let script = netboot::script(&files, &arguments(work.step))?;
    let media = &work.places.media;
    let to = media.join(name(&work.image.name));
    let beside = media.join(format!(".{}.new", name(&work.image.name)));
    remove(&beside)?;
    for (number, path) in (1..).zip(&files) {
        copy(&root, path, &beside)?;
        work.progress(number, files.len() as u64, "files");
    }
    put(&beside, netboot::SCRIPT, &script)?;
    if !netboot::has_loader(&files) {
        let title = Some(work.facts()?.title).filter(|title| !title.is_empty());
        let title = title.unwrap_or_else(|| work.image.name.clone());
        put(&beside, netboot::MENU, &netboot::menu(&files, &title, &arguments(work.step)))?;
        grub(work, root.time(), &beside)?;
    }
    remove(&to)?;
    std::fs::rename(&beside, &to).with_context(|| to.display().to_string())?;
    work.debug(&format!("{}: {} files of the image", to.display(), files.len()));
    Ok(())
}

fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    let place = folder.join(name);
    std::fs::write(&place, text).with_context(|| place.display().to_string())
}

/// The host's GRUB 2 for UEFI.
fn grub(work: &Work<'_>, time: i64, folder: &Path) -> Result<()> {
    let tmp = &work.places.tmp;
    std::fs::create_dir_all(tmp).with_context(|| tmp.display().to_string())?;
    put(tmp, "find-menu", netboot::FIND_MENU)?;
    let (modules, output) = (medium::modules(Platform::Uefi)?, folder.join(netboot::GRUB));
    let arguments = iso::grub_net_arguments(&modules, &tmp.join("find-menu"), &output);
    work.world.tools.run("grub-mkimage", &arguments, &medium::environment(time))?;
    // A server's user reads it, whatever the builder's mask.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&output, mode).with_context(|| output.display().to_string())
}

fn remove(folder: &Path) -> Result<()> {
    image_rooted::removal::remove(folder).with_context(|| folder.display().to_string())
}

fn is_gzip(path: &Path) -> Result<bool> {
    let mut magic = Vec::new();
    let from = File::open(path).with_context(|| path.display().to_string())?;
    from.take(2).read_to_end(&mut magic).with_context(|| path.display().to_string())?;
    Ok(magic == [0x1f, 0x8b])
}

fn copy(root: &Rooted, path: &str, folder: &Path) -> Result<()> {
    let (from, to) = (root.on_disk(path)?, folder.join(path));
    let named = || to.display().to_string();
    if !std::fs::symlink_metadata(&from).with_context(|| from.display().to_string())?.is_file() {
        bail!("{path} is no file of the image");
    }
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).with_context(named)?;
    }
    let packed = path == iso::BOOT_ARCHIVE && is_gzip(&from)?;
    if packed {
        let from = File::open(&from).with_context(|| from.display().to_string())?;
        let mut out = File::create(&to).with_context(named)?;
        std::io::copy(&mut MultiGzDecoder::new(BufReader::new(from)), &mut out)
            .with_context(|| format!("{path}: it cannot be unpacked"))?;
    } else {
        std::fs::copy(&from, &to).with_context(named)?;
    }
    // A server's user reads them, whoever may write the image's.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&to, mode).with_context(named)
}
