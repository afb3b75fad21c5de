//! medium.rs - the medium's directory, and the ISO made of it.
//!
//! ```text
//! media/.volsetid
//!       boot/grub/{eltorito.img,grub.cfg}
//!       platform/i86pc/kernel/amd64/unix
//!       platform/i86pc/amd64/{boot_archive,boot_archive.hash}
//! ```
//!
//! The host's GRUB 2 stands in for a boot loader where the image ships none.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_formats::iso::{self, Medium};

use crate::archive::Archive;

/// Where Debian and others keep GRUB's modules for BIOS.
pub const GRUB: &str = "/usr/lib/grub/i386-pc";

/// The seam to the host's programs: runs one, fails when it does.
pub trait Tools {
    /// Runs `program` with `arguments`; `environment` is added to a clean one.
    fn run(
        &self,
        program: &str,
        arguments: &[String],
        environment: &[(&str, String)],
    ) -> Result<()>;
}

/// What goes onto a medium.
pub struct Contents<'a> {
    /// The populated root; the kernel is taken from it.
    pub root: &'a Path,
    /// The boot archive.
    pub archive: &'a Archive,
    /// Volume id.
    pub name: &'a str,
    /// Volume set id.
    pub volume_set: &'a str,
    /// Title in the boot menu.
    pub title: &'a str,
    /// Every date on the medium.
    pub time: i64,
}

/// Lays out the medium's directory in `work` and makes `output` of it.
pub fn make(contents: &Contents<'_>, work: &Path, output: &Path, tools: &dyn Tools) -> Result<()> {
    let media = work.join("media");
    if media.exists() {
        std::fs::remove_dir_all(&media).with_context(|| media.display().to_string())?;
    }
    let kernel = contents.root.join(iso::KERNEL);
    for (from, to) in [
        (kernel.as_path(), iso::KERNEL),
        (&contents.archive.stored, iso::BOOT_ARCHIVE),
        (&contents.archive.hash, iso::BOOT_ARCHIVE_HASH),
    ] {
        let to = place(&media, to)?;
        std::fs::copy(from, &to).with_context(|| from.display().to_string())?;
    }
    let write = |path: &str, text: &str| -> Result<()> {
        let to = place(&media, path)?;
        std::fs::write(&to, text).with_context(|| to.display().to_string())
    };
    write(iso::VOLUME_SET_ID, &format!("{}\n", contents.volume_set))?;
    write(iso::MENU, &iso::menu(contents.title, "-B console=ttya"))?;

    let grub = Path::new(GRUB);
    if !grub.join("multiboot.mod").exists() {
        bail!("{GRUB}/multiboot.mod is absent: apt-get install grub-pc-bin");
    }
    let environment = [("SOURCE_DATE_EPOCH", contents.time.to_string())];
    let loader = place(&media, iso::EL_TORITO)?;
    tools.run("grub-mkimage", &iso::grub_arguments(grub, &loader), &environment)?;

    let hybrid = grub.join("boot_hybrid.img");
    let medium = Medium {
        root: &media,
        output,
        name: contents.name,
        volume_set: contents.volume_set,
        hybrid: hybrid.exists().then_some(hybrid.as_path()),
        time: contents.time,
    };
    match std::fs::remove_file(output) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| output.display().to_string());
        }
        Ok(()) | Err(_) => {}
    }
    tools.run("xorriso", &iso::xorriso_arguments(&medium), &environment)?;
    let made = std::fs::File::open(output).with_context(|| output.display().to_string())?;
    made.sync_all().with_context(|| output.display().to_string())
}

/// The path of `name` below `media`, its parents made.
fn place(media: &Path, name: &str) -> Result<PathBuf> {
    let path = media.join(name);
    let parent = path.parent().unwrap_or(media);
    std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    Ok(path)
}
