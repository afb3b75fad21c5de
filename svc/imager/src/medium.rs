//! medium.rs - the medium's directory, and the ISO made of it.
//!
//! ```text
//! media/.volsetid
//!       boot/grub/{eltorito.img,efi.img,grub.cfg}
//!       boot/grub/VOLUME-SET-ID                    empty; GRUB looks for it under UEFI
//!       platform/i86pc/kernel/amd64/unix
//!       platform/i86pc/amd64/{boot_archive,boot_archive.hash}
//! ```
//!
//! The host's GRUB 2 stands in for a boot loader where the image ships none.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_formats::fat;
use image_formats::iso::{self, Medium, Platform};

use crate::archive::Archive;

/// Where Debian and others keep GRUB's modules, a folder for each platform.
const GRUB: &str = "/usr/lib/grub";

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

    let loaders = Loaders { contents, work, media: &media, tools };
    loaders.bios()?;
    loaders.uefi()?;
    let hybrid = modules(Platform::Bios)?.join("boot_hybrid.img");
    let medium = Medium {
        root: &media,
        output,
        name: contents.name,
        volume_set: contents.volume_set,
        hybrid: &hybrid,
        time: contents.time,
    };
    match std::fs::remove_file(output) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| output.display().to_string());
        }
        Ok(()) | Err(_) => {}
    }
    tools.run("xorriso", &iso::xorriso_arguments(&medium), &environment(contents.time))?;
    let made = std::fs::File::open(output).with_context(|| output.display().to_string())?;
    made.sync_all().with_context(|| output.display().to_string())
}

/// What every tool must know of time.
fn environment(time: i64) -> [(&'static str, String); 1] {
    [("SOURCE_DATE_EPOCH", time.to_string())]
}

/// GRUB's modules for a platform, where all that is needed is there.
fn modules(platform: Platform) -> Result<PathBuf> {
    let (file, package) = match platform {
        Platform::Bios => ("boot_hybrid.img", "grub-pc-bin"),
        Platform::Uefi => ("multiboot.mod", "grub-efi-amd64-bin"),
    };
    let modules = Path::new(GRUB).join(platform.name());
    let file = modules.join(file);
    if !file.exists() {
        bail!("{} is absent: apt-get install {package}", file.display());
    }
    Ok(modules)
}

/// What GRUB's modules for a platform say of themselves: version, package, compiler.
pub fn about_modules(platform: Platform) -> Result<Vec<u8>> {
    let path = modules(platform)?.join("modinfo.sh");
    std::fs::read(&path).with_context(|| path.display().to_string())
}

/// GRUB, for each of the medium's ways to start.
struct Loaders<'a> {
    contents: &'a Contents<'a>,
    work: &'a Path,
    media: &'a Path,
    tools: &'a dyn Tools,
}

impl Loaders<'_> {
    fn bios(&self) -> Result<()> {
        let loader = place(self.media, iso::EL_TORITO)?;
        self.make(Platform::Bios, None, &loader)
    }

    fn uefi(&self) -> Result<()> {
        let Contents { volume_set, time, .. } = *self.contents;
        let put = |to: &Path, bytes: &[u8]| {
            std::fs::write(to, bytes).with_context(|| to.display().to_string())
        };
        put(&place(self.media, &iso::mark(volume_set))?, b"")?;
        let (script, program) = (self.work.join("find-medium"), self.work.join("bootx64.efi"));
        put(&script, iso::find_medium(volume_set).as_bytes())?;
        self.make(Platform::Uefi, Some(&script), &program)?;
        let made = std::fs::read(&program).with_context(|| program.display().to_string())?;
        let id = u32::from_str_radix(volume_set.get(..8).unwrap_or(""), 16);
        let id = id.with_context(|| format!("volume set {volume_set}"))?;
        let partition = fat::efi_system_partition(&made, id, time)?;
        put(&place(self.media, iso::EFI_IMAGE)?, &partition)
    }

    fn make(&self, platform: Platform, script: Option<&Path>, output: &Path) -> Result<()> {
        let arguments = iso::grub_arguments(platform, &modules(platform)?, script, output);
        self.tools.run("grub-mkimage", &arguments, &environment(self.contents.time))
    }
}

/// The path of `name` below `media`, its parents made.
fn place(media: &Path, name: &str) -> Result<PathBuf> {
    let path = media.join(name);
    let parent = path.parent().unwrap_or(media);
    std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    Ok(path)
}
