//! medium.rs - the ISO made of a root, by its own loader or by the host's GRUB 2.
//!
//! The host's GRUB 2 stands in for a boot loader where the image ships none.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_formats::fat;
use image_formats::iso::{self, Platform};

use crate::poured::{Head, Pouring};
use crate::root::{Owned, Rooted};

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

/// The number of a medium's file systems, from its volume set.
pub fn volume_id(volume_set: &str) -> Result<u32> {
    let id = u32::from_str_radix(volume_set.get(..8).unwrap_or(""), 16);
    id.with_context(|| format!("volume set {volume_set}"))
}

/// What every tool must know of time.
pub fn environment(time: i64) -> [(&'static str, String); 1] {
    [("SOURCE_DATE_EPOCH", time.to_string())]
}

/// GRUB's modules for a platform, where all that is needed is there.
pub fn modules(platform: Platform) -> Result<PathBuf> {
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
        let id = volume_id(self.volume_set)?;
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

/// A medium to be made of a root that has kernel, archive and menu.
pub struct Making<'a> {
    /// Its name, which is the volume's.
    pub name: &'a str,
    /// The id of its volume set.
    pub volume_set: &'a str,
    /// Where to work.
    pub work: &'a Path,
    /// The file to write.
    pub output: &'a Path,
    /// Runs the host's tools.
    pub tools: &'a dyn Tools,
}

impl Making<'_> {
    /// Makes it: by the loader that the root has, else by the host's GRUB 2.
    pub fn run(&self, root: &mut Rooted) -> Result<()> {
        self.run_and(root, &mut |_| {})
    }

    /// The same; `see` is shown all bytes of it, in order.
    pub fn run_and(&self, root: &mut Rooted, see: &mut (dyn FnMut(&[u8]) + Send)) -> Result<()> {
        std::fs::create_dir_all(self.work).with_context(|| self.work.display().to_string())?;
        match root.is_file(iso::CDBOOT) {
            true => self.by_own_loader(root, see),
            false => self.by_grub(root, see),
        }
    }

    fn by_grub(&self, root: &mut Rooted, see: &mut (dyn FnMut(&[u8]) + Send)) -> Result<()> {
        let Self { name, volume_set, work, tools, .. } = *self;
        let time = root.time();
        let grub = Grub { volume_set, work, tools, time };
        for (path, bytes) in grub.files()? {
            root.put(&path, &bytes, Owned::root(0o444))?;
        }
        root.save()?;
        let hybrid = Grub::hybrid()?;
        self.pour(time, None, see, |output| {
            iso::xorriso_arguments(&iso::Medium {
                root: root.dir(),
                output,
                name,
                volume_set,
                hybrid: &hybrid,
                time,
            })
        })
    }

    /// By the loader that the image ships, from CDs and from disks.
    fn by_own_loader(&self, root: &mut Rooted, see: &mut (dyn FnMut(&[u8]) + Send)) -> Result<()> {
        let Self { name, volume_set, .. } = *self;
        let time = root.time();
        let mut programs = Vec::new();
        for (path, name) in iso::EFI_LOADERS {
            programs.extend(root.read(path)?.map(|bytes| (name, bytes)));
        }
        let programs: Vec<fat::Program<'_>> =
            programs.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        let partition = fat::boot_partition(&programs, volume_id(volume_set)?, time)?;
        root.put(iso::EFIBOOT, &partition, Owned::root(0o444))?;
        root.save()?;
        let starts = (root.read(iso::PMBR)?, root.read(iso::ISOBOOT)?);
        let head = match &starts {
            (Some(pmbr), Some(isoboot)) => Some(Head { pmbr, isoboot }),
            _ => None,
        };
        self.pour(time, head, see, |output| {
            iso::volume_arguments(&iso::Volume {
                root: root.dir(),
                output,
                name,
                volume_set: Some(volume_set),
                starts: iso::Starts::Loader,
                weights: None,
                time,
            })
        })
    }

    /// Has xorriso write it, with the arguments for an output.
    fn pour(
        &self,
        time: i64,
        head: Option<Head<'_>>,
        see: &mut (dyn FnMut(&[u8]) + Send),
        arguments: impl FnOnce(&Path) -> Vec<String>,
    ) -> Result<()> {
        let pouring = Pouring { pipe: &self.work.join("medium"), output: self.output, head };
        pouring.run(see, |pipe| self.tools.run("xorriso", &arguments(pipe), &environment(time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a medium.
    struct Xorriso {
        fails: bool,
    }

    impl Tools for Xorriso {
        fn run(&self, program: &str, words: &[String], _: &[(&str, String)]) -> Result<()> {
            assert_eq!(program, "xorriso");
            let output = words.iter().skip_while(|word| *word != "-o").nth(1).unwrap();
            std::fs::write(output, "medium")?;
            if self.fails { bail!("no more words") } else { Ok(()) }
        }

        fn version(&self, _: &str) -> Result<String> {
            Ok(String::new())
        }
    }

    #[test]
    fn a_medium_is_seen_as_it_is_written() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("r");
        let mut root = Rooted::create(&dir, &scratch.path().join("t"), 1_700_000_000).unwrap();
        for path in [iso::CDBOOT, iso::EFI_LOADERS[0].0] {
            root.put(path, &[7; 2048], Owned::root(0o444)).unwrap();
        }
        let (output, work) = (scratch.path().join("out.iso"), &scratch.path().join("work"));
        std::fs::write(&output, "the last one, which is longer").unwrap();
        let volume_set = &iso::volume_set_id(&"ab".repeat(16));
        for fails in [true, false] {
            let tools = &Xorriso { fails };
            let making = Making { name: "M", volume_set, work, output: &output, tools };
            let mut seen = Vec::new();
            let made = making.run_and(&mut root, &mut |bytes| seen.extend_from_slice(bytes));
            assert_eq!(
                made.map_err(|error| error.to_string()).err().as_deref(),
                match fails {
                    true => Some("no more words"),
                    false => None,
                }
            );
            assert_eq!(seen, b"medium");
            assert_eq!(std::fs::read(&output).unwrap(), b"medium");
            assert_eq!(std::fs::read_dir(work).unwrap().count(), 0);
        }
    }
}
