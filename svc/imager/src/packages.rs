//! packages.rs - packages into an image root, by our own client.
//!
//! The image is a full one that knows its packages, without privilege: owners and modes are in the
//! table that comes back.  Every time in it is that of the newest package there is, so the same
//! packages give the same image, wherever and whenever a repository got them.
//!
//! What comes by a network is asked for again when the network was lost; payloads that came before
//! a build failed are kept for the next one, which looks at each of them again.
//!
//! Law: one call installs everything; a publisher of the build that the installed system has not
//! is taken out at the end, as are caches and history.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use image_manifest::{Authority, Image as Wanted};
use image_rooted::removal;
use image_tree::Tree;
use ips_client::change::{ChangeError, Order as Change, Resolved, Want, carry_out, plan, resolve};
use ips_client::image::{
    Change as Record, Configuration, CreateOptions, Image, ImageKind, ImageLock, Publisher,
    PublisherUri, Refresh, Surroundings,
};
use ips_client::{Control, Donor, Origin, PopulateOptions, Progress, SolveError, Source};
use ips_model::{Fmri, Pattern, Timestamp};
use process::Cancel;

use crate::build::room::says_full;
use crate::network::{again, is_lost};

/// What is to be filled.
pub struct Order<'a> {
    /// What the manifest says.
    pub image: &'a Wanted,
    /// The root; an empty directory.
    pub root: &'a Path,
    /// A root that was filled before and is not needed any more.
    pub donor: Option<&'a Donor>,
    /// Takes a line for whoever watches.
    pub say: &'a dyn Fn(&str),
    /// Takes what is for the detail log.
    pub debug: &'a dyn Fn(&str),
    /// Hears how far it is: phase, done, total.
    pub progress: &'a (dyn Fn(&str, u64, u64) + Sync),
}

/// A root that was filled.
pub struct Filled {
    /// Its metadata, of what packages brought.
    pub tree: Tree,
    /// The FMRIs of its packages, with publisher and time stamp.
    pub packages: Vec<String>,
    /// By path, the hashes of files as packages delivered them.
    pub payloads: BTreeMap<String, String>,
    /// Where the image's own records lie, of which the tree has nothing.
    pub records: String,
}

/// The seam to the packages.
pub trait Packages {
    /// A text that is another when the repositories have something else.
    fn digest(&self, image: &Wanted) -> Result<String>;

    /// Fills a root.
    fn fill(&self, order: &Order<'_>) -> Result<Filled>;
}

/// Repositories: the manifest's, or one instead of them all.
pub struct Repositories<'a> {
    /// Where all packages are instead of where the manifest says.
    pub instead: Option<Origin>,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// How depots are spoken to.
    pub surroundings: Surroundings,
    /// Where payloads wait for the next build; none: they go.
    pub kept: Option<PathBuf>,
}

/// The time of an image without packages: never seen, for nothing can be installed then.
const NEVER: i64 = 0;

impl Repositories<'_> {
    /// The publishers of the build with their opened origins, asked again where the network was
    /// lost.  Without stop_on_error an alternate one that cannot be had is left out.
    fn reached(
        &self,
        wanted: &Wanted,
        say: &dyn Fn(&str),
    ) -> Result<Vec<(Authority, Vec<Source>)>> {
        let all = again(self.cancel, say, || self.publishers(wanted, &|_, error| Err(error)));
        if wanted.flags.stop_on_error || all.is_ok() || self.cancel.is_set() {
            return all;
        }
        self.publishers(wanted, &|name, error| {
            say(&format!("Unable to set alternate publisher for IPS image: {name}: {error:#}"));
            Ok(())
        })
    }

    /// The same, asked once; an alternate one that cannot be had is left out if `lacking` says so.
    fn publishers(
        &self,
        wanted: &Wanted,
        lacking: &dyn Fn(&str, anyhow::Error) -> Result<()>,
    ) -> Result<Vec<(Authority, Vec<Source>)>> {
        if let Some(origin) = &self.instead {
            let source = Source::open(origin)?;
            let named = |name: &str| Authority {
                name: name.to_string(),
                origins: vec![origin.uri().to_string()],
                mirrors: Vec::new(),
            };
            let mut names: Vec<String> =
                source.catalogs().iter().map(|one| one.publisher.clone()).collect();
            // The manifest's preferred publisher comes first where it is one of them.
            let preferred = &wanted.publishers.preferred.name;
            names.sort_by_key(|name| (name != preferred, name.clone()));
            let mut all: Vec<(Authority, Vec<Source>)> =
                names.iter().map(|name| (named(name), Vec::new())).collect();
            if let Some(first) = all.first_mut() {
                first.1.push(source);
            }
            return Ok(all);
        }
        let publishers = &wanted.publishers;
        let mut all = Vec::new();
        let authorities = std::iter::once(&publishers.preferred).chain(&publishers.additional);
        for (number, authority) in authorities.enumerate() {
            let open = |text: &String| {
                let origin = Origin::parse(text).with_context(|| format!("origin {text}"))?;
                let source = Source::open_by(&origin, &(self.surroundings)(text)?);
                // What is wrong names the origin itself.
                source.with_context(|| format!("publisher {}", authority.name))
            };
            match authority.origins.iter().map(open).collect::<Result<Vec<_>>>() {
                Ok(sources) => all.push((authority.clone(), sources)),
                Err(error) if number > 0 => lacking(&authority.name, error)?,
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

/// The newest package's time; a catalog's own tells when its repository was changed.
fn newest(publishers: &[(Authority, Vec<Source>)]) -> Timestamp {
    let sources = publishers.iter().flat_map(|(_, sources)| sources);
    let stamp = |fmri: Fmri| Timestamp::parse(fmri.version?.timestamp.as_deref()?).ok();
    let times = sources.flat_map(Source::packages).filter_map(stamp);
    times.max().unwrap_or_else(|| Timestamp::from_seconds(NEVER))
}

impl Packages for Repositories<'_> {
    fn digest(&self, image: &Wanted) -> Result<String> {
        let mut text = String::new();
        for (authority, sources) in self.reached(image, &|_| {})? {
            text.push_str(&format!("{}\n", authority.name));
            for source in sources {
                let mut packages: Vec<String> =
                    source.packages().iter().map(ToString::to_string).collect();
                packages.sort_unstable();
                text.push_str(&packages.join("\n"));
            }
        }
        Ok(stage::recipe::sha256(text.as_bytes()))
    }

    fn fill(&self, order: &Order<'_>) -> Result<Filled> {
        let publishers = self.reached(order.image, order.say)?;
        let time = newest(&publishers);
        let tell = |now: &Progress| (order.progress)(now.phase.name(), now.done, now.total);
        let control = Control::new(&tell, self.cancel.flag());
        let mut filling = Filling::begin(order, &publishers, (time, self.surroundings), control)?;
        if let Some(kept) = &self.kept {
            move_if_there(kept, &filling.stage())?;
        }
        let filled = self.fill_it(order, &mut filling);
        // Of one that found no room nothing is kept: there would be less of it.
        let lost = filled.as_ref().err().is_some_and(is_lost);
        if let (true, Some(kept)) = (lost, &self.kept) {
            // What failed is more important than what could not be kept.
            let _gone = move_if_there(&filling.stage(), kept);
        }
        filled?;
        filling.finish(order, &publishers)
    }
}

impl Repositories<'_> {
    fn fill_it(&self, order: &Order<'_>, filling: &mut Filling<'_>) -> Result<()> {
        again(self.cancel, order.say, || filling.refresh())?;
        (order.say)("Verifying the contents of the IPS repository");
        filling.verify(&order.image.packages)?;
        (order.say)("Installing the designated packages");
        let install = || filling.change(Want::Install(order.image.packages.clone()));
        again(self.cancel, order.say, install)
            .map_err(|error| reasoned(error, order))
            .context("Unable to retrieve all of the specified packages")?;
        let removed = &order.image.removed_packages;
        if !removed.is_empty() {
            (order.say)("Uninstalling the designated packages");
            for name in removed {
                let gone = filling
                    .change(Want::Uninstall(vec![name.clone()]))
                    .map_err(|error| reasoned(error, order))
                    .context("Unable to uninstall all of the specified packages");
                match gone {
                    // What stays is too much, and no reason to have nothing.
                    Err(error) if !order.image.flags.stop_on_error && !self.cancel.is_set() => {
                        (order.say)(&format!("{error:#}"));
                    }
                    other => other?,
                }
            }
        }
        Ok(())
    }
}

/// Why there is no choice of packages, in short; at length in the detail log.
fn reasoned(error: anyhow::Error, order: &Order<'_>) -> anyhow::Error {
    let Some(ChangeError::Solve(why)) = error.downcast_ref::<ChangeError>() else { return error };
    let mut text = why.cause();
    if let SolveError::NoVersion { .. } = why {
        (order.debug)(&why.at_length());
        text.push_str("\nThe detail log has all of the rejected packages and detailed reasons.");
    }
    anyhow!(text)
}

/// A cause that tells how many bytes a piece of work takes.
#[derive(Debug, thiserror::Error)]
#[error("the packages take {} KiB", .0.div_ceil(1 << 10))]
pub struct Takes(pub u64);

/// Bytes of the files that packages are to have.
fn bytes(resolved: &Resolved) -> u64 {
    let actions = resolved.side(&resolved.after).flat_map(|package| &package.manifest.actions);
    actions.filter_map(|action| action.get("pkg.size")?.parse::<u64>().ok()).sum()
}

/// Moves a folder; what was at the new place goes.
fn move_if_there(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    let moved = || {
        removal::remove(to)?;
        to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        match std::fs::rename(from, to) {
            // Another file system: they come once more.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                std::fs::remove_dir_all(from)
            }
            other => other,
        }
    };
    moved().with_context(|| to.display().to_string())
}

/// An image that is being filled.
struct Filling<'a> {
    image: Image,
    lock: ImageLock,
    time: Timestamp,
    control: Control<'a>,
    donor: Option<&'a Donor>,
    payloads: BTreeMap<String, String>,
}

impl<'a> Filling<'a> {
    fn begin(
        order: &Order<'a>,
        publishers: &[(Authority, Vec<Source>)],
        (time, surroundings): (Timestamp, Surroundings),
        control: Control<'a>,
    ) -> Result<Self> {
        let variants = PopulateOptions::default().variants;
        let mut configuration = Configuration::new(&variants);
        configuration.set_property("flush-content-cache-on-success", "True");
        for (name, value) in &order.image.properties {
            configuration.set_property(name, value);
        }
        for (name, set) in &order.image.facets {
            let name = name.strip_prefix("facet.").unwrap_or(name);
            configuration.set_facet(&format!("facet.{name}"), Some(*set));
        }
        for (authority, _) in publishers {
            configuration.set_publisher(publisher(authority));
        }
        let kind = ImageKind::Full;
        // A build that the power leaves begins the step anew.
        let lasting = false;
        let options =
            CreateOptions { kind, configuration, force: false, rootless: true, lasting, time };
        let mut image = Image::create(order.root, "pkg", &options)?.within(surroundings);
        let lock = image.lock()?;
        Ok(Self { image, lock, time, control, donor: order.donor, payloads: BTreeMap::new() })
    }

    /// Where payloads come to.
    fn stage(&self) -> PathBuf {
        self.image.metadata().join("cache/stage")
    }

    fn refresh(&mut self) -> Result<()> {
        let refreshed = self.image.refresh(&self.lock, &[], Refresh::Now, self.time)?;
        let Some((name, _, failures)) = refreshed.failed.into_iter().next() else { return Ok(()) };
        let Some(first) = failures.into_iter().next() else { bail!("publisher {name}") };
        Err(anyhow::Error::from(*first.error).context(format!("publisher {name}")))
    }

    /// Every name must be one of a package that can be had.
    fn verify(&self, names: &[String]) -> Result<()> {
        let known: Vec<_> = self.image.known()?.packages().map(|(fmri, _)| fmri).collect();
        for name in names {
            let pattern = Pattern::parse(name).with_context(|| format!("package {name}"))?;
            if pattern.select(&known).is_empty() {
                bail!("package {name} is not in the repositories of the manifest");
            }
        }
        Ok(())
    }

    fn change(&mut self, want: Want) -> Result<()> {
        let change = Change { donor: self.donor, ..Change::of(want) };
        let resolved = resolve(&self.image, &change, &self.control)?;
        let planned = plan(&self.image, &resolved)?;
        if planned.is_empty() {
            return Ok(());
        }
        let Self { image, lock, time, control, payloads, .. } = self;
        let done = match carry_out(image, lock, &change, &planned, *time, control) {
            Ok(done) => done,
            Err(error) => {
                let error = anyhow::Error::from(error);
                // Payloads wait in the stage while files are made of them.
                let full = says_full(&error);
                return Err(if full { error.context(Takes(2 * bytes(&resolved))) } else { error });
            }
        };
        for (path, hash) in done.put {
            match hash {
                Some(hash) => payloads.insert(path, hash),
                None => payloads.remove(&path),
            };
        }
        Ok(())
    }

    fn finish(
        mut self,
        order: &Order<'_>,
        publishers: &[(Authority, Vec<Source>)],
    ) -> Result<Filled> {
        let installed: Vec<String> =
            self.image.installed()?.packages().map(|(fmri, _)| fmri.to_string()).collect();
        let tree = self.image.table()?.context("the image has no table")?;
        let mut configuration = self.image.configuration().clone();
        let future = &order.image.publishers;
        let kept = || std::iter::once(&future.installed).chain(&future.installed_additional);
        for (authority, _) in publishers {
            if kept().all(|one| one.name != authority.name) {
                configuration.remove_publisher(&authority.name);
                self.image.forget_publisher(&self.lock, &authority.name)?;
            }
        }
        for authority in kept().filter(|authority| !authority.name.is_empty()) {
            configuration.set_publisher(publisher(authority));
        }
        configuration.move_publisher(&future.installed.name, 0);
        let mut record = Record::at(self.time);
        record.configuration = Some(configuration);
        self.image.record(&self.lock, &record)?;
        self.image.purge_history()?;
        let metadata = self.image.metadata().to_path_buf();
        drop(self.lock);
        // The table goes where the build keeps it; what is left of fetching is nobody's, and what
        // is kept by origin is of the build's, which the installed system does not know.
        let own = ["state/table", "lock", "cache", "journal"].map(|name| metadata.join(name));
        let kept = kept().map(|one| metadata.join("publisher").join(&one.name));
        let fetched = kept.flat_map(|publisher| {
            ["catalog", "origins", "last_refreshed"].map(|name| publisher.join(name))
        });
        for path in own.into_iter().chain(fetched) {
            removal::remove(&path).with_context(|| path.display().to_string())?;
        }
        let records = self.image.kind().folder().to_owned();
        Ok(Filled { tree, packages: installed, payloads: self.payloads, records })
    }
}

fn publisher(authority: &Authority) -> Publisher {
    let mut publisher = Publisher::new(&authority.name);
    let uri = |text: &String| PublisherUri::new(text);
    publisher.origins = authority.origins.iter().map(uri).collect();
    publisher.mirrors = authority.mirrors.iter().map(uri).collect();
    publisher
}
