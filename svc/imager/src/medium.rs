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

    /// The first line of what `program` says of its version.
    fn version(&self, program: &str) -> Result<String>;
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
    let put = |path: &str, text: &str| -> Result<()> {
        let to = place(&media, path)?;
        std::fs::write(&to, text).with_context(|| to.display().to_string())
    };
    put(iso::VOLUME_SET_ID, &format!("{}\n", contents.volume_set))?;
    put(iso::MENU, &iso::menu(contents.title, "-B console=ttya"))?;

    let Contents { name, volume_set, time, .. } = *contents;
    let grub = Grub { volume_set, work, tools, time };
    for (path, bytes) in grub.files()? {
        let to = place(&media, &path)?;
        std::fs::write(&to, bytes).with_context(|| to.display().to_string())?;
    }
    let hybrid = Grub::hybrid()?;
    write(&Medium { root: &media, output, name, volume_set, hybrid: &hybrid, time }, tools)
}

/// Has xorriso write a medium, anew.
pub fn write(medium: &Medium<'_>, tools: &dyn Tools) -> Result<()> {
    let output = medium.output;
    match std::fs::remove_file(output) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| output.display().to_string());
        }
        Ok(()) | Err(_) => {}
    }
    tools.run("xorriso", &iso::xorriso_arguments(medium), &environment(medium.time))?;
    let made = std::fs::File::open(output).with_context(|| output.display().to_string())?;
    made.sync_all().with_context(|| output.display().to_string())
}

/// What every tool must know of time.
pub fn environment(time: i64) -> [(&'static str, String); 1] {
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

/// The host's GRUB 2, for each of a medium's ways to start.
pub struct Grub<'a> {
    /// The volume set's id: GRUB looks for it.
    pub volume_set: &'a str,
    /// Where to work.
    pub work: &'a Path,
    /// Runs grub-mkimage.
    pub tools: &'a dyn Tools,
    /// Every time in what is made.
    pub time: i64,
}

impl Grub<'_> {
    /// Its files by their paths on the medium.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
        let bios = self.work.join("eltorito.img");
        self.make(Platform::Bios, None, &bios)?;
        let (script, program) = (self.work.join("find-medium"), self.work.join("bootx64.efi"));
        std::fs::write(&script, iso::find_medium(self.volume_set))
            .with_context(|| script.display().to_string())?;
        self.make(Platform::Uefi, Some(&script), &program)?;
        let id = u32::from_str_radix(self.volume_set.get(..8).unwrap_or(""), 16);
        let id = id.with_context(|| format!("volume set {}", self.volume_set))?;
        let partition = fat::efi_system_partition(&read(&program)?, id, self.time)?;
        Ok(vec![
            (iso::EL_TORITO.to_string(), read(&bios)?),
            (iso::mark(self.volume_set), Vec::new()),
            (iso::EFI_IMAGE.to_string(), partition),
        ])
    }

    /// The code in the master boot record.
    pub fn hybrid() -> Result<PathBuf> {
        Ok(modules(Platform::Bios)?.join("boot_hybrid.img"))
    }

    fn make(&self, platform: Platform, script: Option<&Path>, output: &Path) -> Result<()> {
        let arguments = iso::grub_arguments(platform, &modules(platform)?, script, output);
        self.tools.run("grub-mkimage", &arguments, &environment(self.time))
    }
}

/// The path of `name` below `media`, its parents made.
fn place(media: &Path, name: &str) -> Result<PathBuf> {
    let path = media.join(name);
    let parent = path.parent().unwrap_or(media);
    std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    Ok(path)
}
