//! im_pop.rs - packages into the image.
//!
//! One call installs all; packages that were only a means are taken out afterwards; the image is
//! left with the publishers of the installed system, and without the history of how it came about.
//! Where the step begins with the image of the last build, it is made anew all the same, but files that
//! are delivered as before are moved from there.
//!
//! At its end `.image_info` tells the size, as every entry's rounded up to 1 KiB.

use std::path::PathBuf;

use anyhow::{Context, Result};
use image_manifest::{Authority, Image};
use image_tree::{Kind, Tree};
use ips_client::Donor;
use ips_model::{Fmri, Timestamp};

use super::{Facts, Places, Work, World};
use crate::packages::{Filled, Order};
use crate::payloads;
use image_rooted::{Owned, Rooted, removal};

/// Facts about the image, for the installer, at its top.
pub const IMAGE_INFO: &str = ".image_info";

pub(super) fn options(image: &Image, world: &World<'_>) -> Result<String> {
    let found = world.packages.digest(image)?;
    let publishers = &image.publishers;
    let installed = (&publishers.installed, &publishers.installed_additional);
    let lists = (&image.packages, &image.removed_packages, image.search_index);
    let conditions = (&image.facets, &image.properties);
    Ok(format!("{found} {installed:?} {lists:?} {conditions:?}"))
}

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let (image, dir) = (work.image, &work.places.pkg_image);
    let table = dir.with_extension("table");
    let earlier = Earlier::take(work.places)?;
    Rooted::create(dir, &table, 0)?;
    work.say(&format!("Initializing the IPS package image area: {}", dir.display()));
    let publishers = &image.publishers;
    tell(work, "Setting preferred publisher", &publishers.preferred);
    for publisher in &publishers.additional {
        tell(work, "Setting alternate publisher", publisher);
    }
    let order = Order {
        image,
        root: dir,
        donor: earlier.donor.as_ref(),
        say: &|line| work.say(line),
        debug: &|line| work.debug(line),
        progress: &|phase, done, total| {
            (work.world.progress)(&work.step.name, done, total, phase);
        },
    };
    let Filled { mut tree, packages, payloads, records } = work.world.packages.fill(&order)?;
    earlier.remove()?;
    work.debug(&format!("{} packages, {} paths", packages.len(), tree.len()));
    let time = newest(&packages)?;
    no_later(&mut tree, time);
    let mut root = Rooted::of(dir, &table, tree, time);
    // What the packages' own records are is on the disk alone.
    root.reconcile_below(&records)?;
    tell(work, "Setting post-install preferred publisher", &publishers.installed);
    for publisher in &publishers.installed_additional {
        tell(work, "Setting post-install alternate publisher", publisher);
    }
    let info = format!("IMAGE_SIZE={}\n", kilobytes(&root));
    root.put(IMAGE_INFO, info.as_bytes(), Owned::root(0o644))?;
    root.save()?;
    payloads::write(&work.places.payloads(), &payloads)?;
    let kept = work.places.root_table();
    image_rooted::archive::write_file(&kept, root.tree.to_string().as_bytes())?;
    work.keep(&Facts { time, packages, ..Facts::default() })
}

/// The root of the last build, where the step begins with one: what stays the same is taken from it.
struct Earlier {
    root: PathBuf,
    donor: Option<Donor>,
}

impl Earlier {
    fn take(places: &Places) -> Result<Self> {
        let root = places.build_data.join("earlier");
        removal::remove(&root).with_context(|| root.display().to_string())?;
        let Some(payloads) = payloads::read(&places.payloads())? else {
            return Ok(Self { root, donor: None });
        };
        // If the step fails, nobody believes it of what is left.
        let told = places.payloads();
        std::fs::remove_file(&told).with_context(|| told.display().to_string())?;
        std::fs::rename(&places.pkg_image, &root)
            .with_context(|| places.pkg_image.display().to_string())?;
        let donor = Some(Donor::open(&root, payloads)?);
        Ok(Self { root, donor })
    }

    fn remove(self) -> Result<()> {
        removal::remove(&self.root).with_context(|| self.root.display().to_string())
    }
}

fn tell(work: &Work<'_>, what: &str, publisher: &Authority) {
    work.say(&format!("{what}: {}", publisher.name));
    for origin in &publisher.origins {
        work.say(&format!("\tOrigin repository: {origin}"));
    }
    for mirror in &publisher.mirrors {
        work.say(&format!("\tMirror repository: {mirror}"));
    }
}

fn kilobytes(root: &Rooted) -> u64 {
    let size = |kind: &Kind| match kind {
        Kind::File { size } => size.div_ceil(1024),
        Kind::HardLink { .. } => 0,
        _ => 1,
    };
    root.tree.iter().map(|(_, entry)| size(&entry.kind)).sum()
}

/// What has a later time gets this one: a package that is not in the image leaves no trace in it.
fn no_later(tree: &mut Tree, time: i64) {
    let late = tree.iter().filter(|(_, entry)| entry.mtime > time);
    for path in late.map(|(path, _)| path.to_owned()).collect::<Vec<_>>() {
        if let Some(entry) = tree.get_mut(&path) {
            entry.mtime = time;
        }
    }
}

/// The newest time stamp of the packages, seconds since the epoch.
fn newest(packages: &[String]) -> Result<i64> {
    let mut newest = None;
    for text in packages {
        let fmri = Fmri::parse(text).with_context(|| text.clone())?;
        let stamp = fmri.version.as_ref().and_then(|version| version.timestamp.as_deref());
        let stamp = stamp.with_context(|| format!("{text} has no time stamp"))?;
        let time = Timestamp::parse(stamp).with_context(|| text.clone())?;
        newest = newest.max(Some(time.seconds()));
    }
    newest.context("the image has no package")
}
