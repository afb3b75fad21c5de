//! The steps that are built in, one file each.
//!
//! | file | steps |
//! |---|---|
//! | `im_pop.rs` | im-pop: packages into the image |
//! | `im_mod.rs` | im-mod: the password of root |
//! | `live.rs` | slim-im-mod, tm-im-mod, ai-im-mod, slim-ba-config, ai-ba-config: what a live system has otherwise |
//! | `agent.rs`, `agent/` | metadata-agent: a service by which an instance becomes itself |
//! | `ba_init.rs` | ba-init: files into the boot archive |
//! | `ba_config.rs` | ba-config: marker, volume set, links to what is not in the archive |
//! | `profiles.rs`, `profiles/` | profiles that the machine that builds lends an image |
//! | `ba_arch.rs` | ba-arch, ba-arch-32: the archive as one file |
//! | `strip.rs` | slim-post-mod, post-mod-custom: what a medium does not need |
//! | `menu.rs` | grub-setup, loader-setup: the boot menu |
//! | `post_mod.rs` | post-mod: what is left of the image, compressed |
//! | `contents.rs` | gen-cd-cont: the list of the medium's files |
//! | `iso.rs` | iso |
//! | `gpt.rs` | a disk that starts by itself, for the two that follow |
//! | `pool/` | a ZFS root pool, for disk |
//! | `usb.rs` | usb |
//! | `disk.rs` | disk: raw, qcow2, vmdk |
//! | `netboot.rs` | netboot |
//! | `publish.rs` | ai-publish-pkg: the image as a package |
//! | `boot_test.rs` | boot-test |
//!
//! Law: a step reads the area and its own part of the manifest, changes the area, returns.  It
//! does nothing that a repetition from its checkpoint would not do again, byte for byte: no clock,
//! no random number, no path of this host in what it makes.

mod agent;
mod ba_arch;
mod ba_config;
mod ba_init;
mod boot_test;
mod contents;
mod disk;
mod gpt;
mod im_mod;
mod im_pop;
mod iso;
mod live;
mod menu;
mod netboot;
mod pool;
mod post_mod;
mod profiles;
mod publish;
mod strip;
mod usb;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use image_boot::{Accelerator, Emulator};
use image_checkpoint::{Area, spare_name};
use image_manifest::{Image, Native, Step};
use serde::{Deserialize, Serialize};

use crate::build::logs::Logs;
use crate::evidence::{self, Ahead, Policy};
use crate::packages::Packages;
use image_rooted::Rooted;
use image_rooted::kept::Kept;
use image_rooted::medium::Tools;

pub use boot_test::PATTERN;

/// Where a build works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `AREA/build_data`: what checkpoints keep.
    pub build_data: PathBuf,
    /// `AREA/build_data/pkg_image`: the root of the image.
    pub pkg_image: PathBuf,
    /// `AREA/build_data/tmp`.
    pub tmp: PathBuf,
    /// `AREA/build_data/boot_archive`: the root of the boot archive.
    pub boot_archive: PathBuf,
    /// `AREA/media`: what a build is for.
    pub media: PathBuf,
    /// `AREA/.pieces`: pieces of what was packed, for the next build; never rolled back.
    pub pieces: PathBuf,
    /// Where directories go that a step is done with: a rollback takes them back.
    pub spare: PathBuf,
}

impl Places {
    /// The places in an area.
    pub fn of(area: &Area) -> Self {
        let (build_data, media) = (area.build_data(), area.media());
        let below = |name: &str| build_data.join(name);
        Self {
            build_data: build_data.to_path_buf(),
            pkg_image: below("pkg_image"),
            tmp: below("tmp"),
            boot_archive: below("boot_archive"),
            media: media.to_path_buf(),
            pieces: area.root().join(".pieces"),
            spare: area.spare().to_path_buf(),
        }
    }

    /// Where the boot archive of the last build waits: a rollback takes it back, or ba-init takes
    /// what it needs.
    pub fn spare_archive(&self) -> PathBuf {
        self.spare.join(spare_name("boot_archive"))
    }

    fn facts(&self) -> PathBuf {
        self.build_data.join("facts.json")
    }

    /// What packages delivered, by path (payloads.rs).
    pub fn payloads(&self) -> PathBuf {
        self.build_data.join("payloads")
    }

    /// The table of what packages brought, before other steps changed it.
    pub fn root_table(&self) -> PathBuf {
        self.build_data.join("root.table")
    }
}

/// What later steps must know of earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The time of the newest package: every time in the image that is not a package's own.
    pub time: i64,
    /// The packages, with publisher and time stamp.
    pub packages: Vec<String>,
    /// The id of the volume set, once it is chosen.
    pub volume_set: String,
    /// The title in the boot menu, once it is written.
    pub title: String,
    /// Bytes of the boot archive, unpacked.
    pub archive_bytes: u64,
}

impl Facts {
    /// What the steps of an area left to be known.
    pub fn read(places: &Places) -> Result<Self> {
        let path = places.facts();
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }
}

/// How a medium is tried.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// How QEMU runs the guest.
    pub accelerator: Accelerator,
    /// How long it may take.
    pub time: Duration,
}

/// The seams to the world.
pub struct World<'a> {
    /// Where packages come from.
    pub packages: &'a dyn Packages,
    /// Runs the host's tools.
    pub tools: &'a dyn Tools,
    /// Runs QEMU.
    pub emulator: &'a dyn Emulator,
    /// How a medium is tried; none: not at all.
    pub trial: Option<Trial>,
    /// What the documents beside the media say.
    pub evidence: Policy<'a>,
    /// Hears how far a step is: phase, done, total, unit.
    pub progress: &'a (dyn Fn(&str, u64, u64, &str) + Sync),
}

/// A step at work.
pub struct Work<'a> {
    /// What the manifest says.
    pub image: &'a Image,
    /// The step.
    pub step: &'a Step,
    /// Where.
    pub places: &'a Places,
    /// The id of the state that the step leads to, in hexadecimal.
    pub id: &'a str,
    /// The world.
    pub world: &'a World<'a>,
    /// Who hashes what packages delivered while steps run.
    pub ahead: &'a Ahead,
    /// Who hears of it.
    pub logs: &'a Logs<'a>,
}

impl Work<'_> {
    /// The image's root.
    pub fn root(&self) -> Result<Rooted> {
        self.rooted(&self.places.pkg_image)
    }

    /// The boot archive's root.
    pub fn archive(&self) -> Result<Rooted> {
        self.rooted(&self.places.boot_archive)
    }

    fn rooted(&self, dir: &Path) -> Result<Rooted> {
        let table = dir.with_extension("table");
        let time = self.facts()?.time;
        if table.exists() {
            return Ok(Rooted::open(dir, &table, time)?);
        }
        Ok(Rooted::create(dir, &table, time)?)
    }

    /// What earlier steps left to be known.
    pub fn facts(&self) -> Result<Facts> {
        Facts::read(self.places)
    }

    /// Leaves facts to be known.
    pub fn keep(&self, facts: &Facts) -> Result<()> {
        image_rooted::archive::write_file(&self.places.facts(), &serde_json::to_vec_pretty(facts)?)
    }

    /// The pieces of what was packed under a name in the last build.
    pub fn kept(&self, name: &str) -> Kept {
        Kept::open(&self.places.pieces, name)
    }

    /// Takes a directory of the image's root away, with all below it.
    pub fn set_aside(&self, root: &mut Rooted, path: &str) -> Result<()> {
        let below = root.dir().strip_prefix(&self.places.build_data).ok().and_then(Path::to_str);
        let name = spare_name(&format!("{}/{path}", below.context("a root is in build_data")?));
        Ok(root.set_aside(path, &self.places.spare.join(name))?)
    }

    /// A line for whoever watches: what a script of the original writes to standard error.
    pub fn say(&self, line: &str) {
        self.logs.info(line);
    }

    /// A line for the detail log: what a script writes to standard output.
    pub fn debug(&self, line: &str) {
        self.logs.debug(line);
    }

    /// How far it is.
    pub fn progress(&self, done: u64, total: u64, unit: &str) {
        (self.world.progress)(&self.step.name, done, total, unit);
    }
}

/// Whether the arguments of a manifest's steps make sense: asked before the first of them runs.
pub fn check(image: &Image) -> Result<()> {
    for step in &image.steps {
        let checked = match step.native {
            Some(Native::BaConfig) => profiles::lent(image).map(|_| ()),
            Some(Native::Disk) => disk::check(step),
            Some(Native::MetadataAgent) => agent::check(step),
            Some(Native::Netboot) => netboot::check(step),
            Some(Native::BootTest) => boot_test::check(step),
            Some(Native::AiPublishPkg) => publish::check(image, step),
            _ => Ok(()),
        };
        checked.with_context(|| format!("step {}", step.name))?;
    }
    Ok(())
}

/// The values of a step's argument: of the old form `NAME=VALUE,VALUE`, of the newer a named one.
fn values(step: &Step, name: &str) -> Vec<String> {
    let named = step.named.iter().filter(|(one, _)| one == name).flat_map(|(_, values)| values);
    let words = step.arguments.iter().filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let all = named.map(String::as_str).chain(words);
    let all = all.flat_map(|text| text.split(',')).map(str::trim);
    all.filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// The first of them.
fn value(step: &Step, name: &str) -> Option<String> {
    values(step, name).into_iter().next()
}

/// Runs a step that is built in.
pub fn run(native: Native, work: &Work<'_>) -> Result<()> {
    if matches!(native, Native::Iso | Native::Usb | Native::Disk | Native::Netboot) {
        work.ahead.draft(work.places);
    }
    match native {
        Native::ImPop => {
            im_pop::run(work)?;
            evidence::keep(work)?;
            work.ahead.begin(work.places)
        }
        // The image was installed with what the installed system starts with.
        Native::SetIpsAttributes => Ok(()),
        Native::ImMod => im_mod::run(work),
        Native::SlimImMod => live::slim_root(work),
        Native::TmImMod | Native::AiImMod => live::installer_root(work),
        Native::BaInit => ba_init::run(work),
        Native::SlimBaConfig => live::slim_archive(work),
        Native::AiBaConfig => live::auto_archive(work),
        Native::BaConfig => ba_config::run(work),
        Native::BaArch => ba_arch::run(work),
        Native::SlimPostMod => strip::slim(work),
        Native::PostModCustom => strip::custom(work),
        Native::PlatSetup => strip::platform(work),
        Native::GrubSetup => menu::grub(work),
        Native::LoaderSetup => menu::loader(work),
        Native::PostMod => {
            let known = evidence::record(work)?;
            post_mod::run(work, &known)
        }
        Native::GenCdCont => contents::run(work),
        Native::Iso => iso::run(work),
        Native::Usb => usb::run(work),
        Native::MetadataAgent => agent::run(work),
        Native::Disk => disk::run(work),
        Native::Netboot => netboot::run(work),
        Native::AiPublishPkg => publish::run(work),
        Native::BootTest => boot_test::run(work),
    }
}

/// What a step reads beside the area and the state before it; another text is another result.
pub fn options(native: Native, image: &Image, step: &Step, world: &World<'_>) -> Result<String> {
    let arguments = format!("{:?} {:?}", step.arguments, step.named);
    let own = match native {
        Native::ImPop => im_pop::options(image, world)?,
        Native::ImMod => im_mod::options(image),
        Native::BaInit => format!("{:?}", image.boot_archive.contents),
        Native::BaConfig => ba_config::options(image)?,
        Native::BaArch => {
            let archive = &image.boot_archive;
            format!("{} {} {:?}", archive.size_pad_mb, archive.nbpi, archive.compression)
        }
        Native::GrubSetup | Native::LoaderSetup => format!("{:?}", image.boot_menu),
        Native::PostMod => post_mod::options(image)?,
        Native::Iso => iso::options(image, world)?,
        Native::Usb => gpt::options(image, world)?,
        Native::Disk => disk::options(image, step, world)?,
        Native::Netboot => netboot::options(world)?,
        Native::AiPublishPkg => format!("{} {}", image.name, image.publishers.installed.name),
        Native::BootTest => format!("{:?} {:?}", world.trial, image.pairs.get(PATTERN)),
        Native::SetIpsAttributes
        | Native::SlimImMod
        | Native::TmImMod
        | Native::AiImMod
        | Native::SlimBaConfig
        | Native::AiBaConfig
        | Native::SlimPostMod
        | Native::PostModCustom
        | Native::PlatSetup
        | Native::MetadataAgent
        | Native::GenCdCont => String::new(),
    };
    Ok(format!("{native:?} {arguments} {own}"))
}
