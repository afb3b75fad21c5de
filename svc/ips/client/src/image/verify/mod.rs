//! Whether what is installed is as its packages say: every check of every action, with pkg5's words.
//!
//! In reading order: here, what is checked and in which order; `paths` (files, directories and
//! links), `content` (what is in files), `tables` (users, groups and drivers), `unpackaged` (what is
//! nobody's).
//!
//! Owners and modes of a rootless image come from its table, everything else from the disk.  Nothing
//! is changed.  Paths are looked at without following links (root.rs).

mod content;
mod paths;
mod tables;
mod unpackaged;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use image_tree::Tree;
use ips_model::action::{Action, Kind};
use ips_model::version::DotSequence;
use ips_model::{Fmri, Manifest};
use ips_repository::Room;
use rayon::prelude::*;

use super::{Image, ImageError, ManifestError, MediatorSetting, TrustError};
use crate::accounts::Accounts;
use crate::conditions::Conditions;
use crate::control::{Control, Phase};
use crate::edits::{FTPUSERS, GROUP, PASSWD, SHADOW};
use crate::owners::Owners;
use crate::root::{Root, RootError};

pub use unpackaged::{Stray, Unpackaged};

/// What is wrong with an action's object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// It is not as the package says.
    pub errors: Vec<String>,
    /// It is, and more.
    pub warnings: Vec<String>,
    /// What the administrator may have done.
    pub info: Vec<String>,
}

impl Report {
    fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.warnings.is_empty() && self.info.is_empty()
    }

    fn error(&mut self, text: impl Into<String>) {
        self.errors.push(text.into());
    }
}

/// An action with something to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its type.
    pub kind: Kind,
    /// Its key attribute.
    pub key: String,
    /// Whether it is a file that may be edited.
    pub is_editable: bool,
    /// What is said.
    pub report: Report,
}

/// A package that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPackage {
    /// The package.
    pub fmri: Fmri,
    /// What is wrong with the package, and with no action of it: a signature that is missing.
    pub errors: Vec<String>,
    /// In the order of its manifest.
    pub findings: Vec<Finding>,
    /// Which of the paths asked for it was asked for: of those that several packages deliver, the
    /// first is.
    pub paths: BTreeSet<String>,
}

impl VerifiedPackage {
    /// `ERROR`, `WARNING` or `OK`.
    pub fn status(&self) -> &'static str {
        let has = |of: fn(&Report) -> &Vec<String>| {
            self.findings.iter().any(|finding| !of(&finding.report).is_empty())
        };
        let wrong = !self.errors.is_empty() || has(|report| &report.errors);
        match (wrong, has(|report| &report.warnings)) {
            (true, _) => "ERROR",
            (false, true) => "WARNING",
            (false, false) => "OK",
        }
    }
}

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Only these paths; empty: everything.
    pub paths: BTreeSet<String>,
    /// Whether files that may be edited are read, too.
    pub editable: bool,
    /// Only what has no path: users, groups, drivers, licences, SVR4 entries.
    pub entries: bool,
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A package's manifest is not to be had.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The image's own files are damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The root could not be opened.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Whom the image trusts cannot be said.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The caller wanted the end.
    #[error("cancelled")]
    Cancelled,
}

/// What every check needs.
struct Disk<'a> {
    image: &'a Image,
    root: Root,
    table: Option<Tree>,
    owners: Owners<'a>,
    passwd: String,
    group: String,
    editable: bool,
}

/// A package with the actions that are to be looked at.
struct Loaded {
    fmri: Fmri,
    manifest: Manifest,
}

impl Image {
    /// Looks at installed packages.
    pub fn verify(
        &self,
        packages: &[Fmri],
        options: &VerifyOptions,
        control: &Control<'_>,
    ) -> Result<Vec<VerifiedPackage>, VerifyError> {
        let loaded: Vec<Loaded> = packages
            .par_iter()
            .map(|fmri| Ok(Loaded { fmri: fmri.clone(), manifest: self.manifest(fmri)? }))
            .collect::<Result<_, ManifestError>>()?;
        let root = Root::open(self.root())?;
        let text = |path: &str| -> Result<Option<String>, RootError> {
            Ok(root.bytes(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let (passwd, group) = (text(PASSWD)?, text(GROUP)?);
        let has = (passwd.is_some(), group.is_some());
        let (passwd, group) = (passwd.unwrap_or_default(), group.unwrap_or_default());
        let (shadow, ftpusers) =
            (text(SHADOW)?.unwrap_or_default(), text(FTPUSERS)?.unwrap_or_default());
        let accounts = Accounts::parse(&passwd, &shadow, &group, &ftpusers);
        let tables = tables::Tables::read(&root, &passwd, &shadow, &group, &ftpusers)?;
        let owners = Owners::new(&accounts, has.0, has.1);
        let (table, editable) = (self.table()?, options.editable);
        let disk = Disk { image: self, root, table, owners, passwd, group, editable };
        let (mut chosen, paths) = self.chosen(&loaded, options);
        if options.entries {
            chosen.retain(|(package, at, _)| {
                loaded[*package].manifest.actions[*at].get("path").is_none()
            });
        }
        let reports = disk.reports(&loaded, &chosen, &tables, control)?;
        let mut verified: Vec<VerifiedPackage> = loaded
            .iter()
            .zip(paths)
            .map(|(one, paths)| VerifiedPackage {
                fmri: one.fmri.clone(),
                errors: Vec::new(),
                findings: Vec::new(),
                paths,
            })
            .collect();
        if options.paths.is_empty() && !options.entries {
            self.verify_signatures(&loaded, &mut verified)?;
        }
        for ((package, at), report) in reports {
            let action = &loaded[package].manifest.actions[at];
            let key = action.key().unwrap_or_default().to_string();
            let is_editable = action.kind == Kind::File && action.get("preserve").is_some();
            verified[package].findings.push(Finding {
                kind: action.kind,
                key,
                is_editable,
                report,
            });
        }
        Ok(verified)
    }

    fn verify_signatures(
        &self,
        loaded: &[Loaded],
        verified: &mut [VerifiedPackage],
    ) -> Result<(), VerifyError> {
        let packages: Vec<_> = loaded.iter().map(|one| (&one.fmri, &one.manifest)).collect();
        for (package, error) in self.trusted(&packages, &[])?.refused {
            let told = error.to_string();
            match error.signature() {
                Some(value) => {
                    let report = Report { errors: vec![told], ..Report::default() };
                    let (kind, key) = (Kind::Signature, value.to_string());
                    let finding = Finding { kind, key, is_editable: false, report };
                    verified[package].findings.push(finding);
                }
                None => verified[package].errors.push(told),
            }
        }
        Ok(())
    }

    /// The actions to look at, as package and place in it, with what is to be asked of them; and of
    /// which of the wanted paths each package is asked.
    fn chosen(
        &self,
        loaded: &[Loaded],
        options: &VerifyOptions,
    ) -> (Chosen, Vec<BTreeSet<String>>) {
        let conditions = self.configuration().conditions();
        let variants =
            Conditions { variants: conditions.variants.clone(), ..Conditions::default() };
        let mediators = self.configuration().mediators();
        let all = || {
            loaded.iter().enumerate().flat_map(|(package, one)| {
                let actions = one.manifest.actions.iter().enumerate();
                actions.map(move |(at, action)| (package, at, action))
            })
        };
        let taken = |package: usize, action: &Action| {
            conditions.allow(action)
                && mediated(action, &mediators)
                && !conditions.leaves_out(&loaded[package].fmri, action)
        };
        let mut overlaid: BTreeSet<&str> = BTreeSet::new();
        let mut delivered: BTreeSet<&str> = BTreeSet::new();
        for (_, _, action) in all().filter(|(package, _, action)| taken(*package, action)) {
            delivered.extend(action.get("path"));
            if action.get("overlay") == Some("true") {
                overlaid.extend(action.get("path"));
            }
        }
        let mut chosen = Vec::new();
        let mut asked: Vec<BTreeSet<String>> = vec![BTreeSet::new(); loaded.len()];
        let mut left = options.paths.clone();
        for (package, at, action) in all() {
            let path = action.get("path");
            if !options.paths.is_empty() && !path.is_some_and(|path| left.contains(path)) {
                continue;
            }
            if taken(package, action) {
                let hidden = action.get("overlay") == Some("allow")
                    && path.is_some_and(|path| overlaid.contains(path));
                if !hidden {
                    chosen.push((package, at, Ask::Everything));
                    asked[package].extend(path.and_then(|path| left.take(path)));
                }
            } else if action.kind == Kind::File
                && !conditions.allow(action)
                && variants_allow(&variants, action)
                && path.is_some_and(|path| !delivered.contains(path))
            {
                chosen.push((package, at, Ask::Absence));
                asked[package].extend(path.and_then(|path| left.take(path)));
            }
        }
        (chosen, asked)
    }
}

/// Actions with what is asked of them: package, place in it.
type Chosen = Vec<(usize, usize, Ask)>;

/// What is asked of an action's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Whether it is as the action says.
    Everything,
    /// Whether it is not there: the image does not want the action's facets.
    Absence,
}

/// Whether variants alone let an action in.
fn variants_allow(variants: &Conditions, action: &Action) -> bool {
    let mut bare = action.clone();
    bare.attributes.retain(|name, _| !name.starts_with("facet."));
    variants.allow(&bare)
}

/// Whether the image's choice among mediated links is this one.
fn mediated(action: &Action, set: &BTreeMap<String, MediatorSetting>) -> bool {
    let links = matches!(action.kind, Kind::Link | Kind::Hardlink);
    let Some(setting) = action.get("mediator").filter(|_| links).and_then(|name| set.get(name))
    else {
        return true;
    };
    let sequence = |text: Option<&str>| text.and_then(|text| DotSequence::parse(text).ok());
    let version = sequence(action.get("mediator-version")) == sequence(setting.version.as_deref());
    let own = action.get("mediator-implementation");
    let (name, number) = match own.map(|text| text.split_once('@')) {
        Some(Some((name, number))) => (Some(name), Some(number)),
        Some(None) => (own, None),
        None => (None, None),
    };
    let chosen = setting.implementation_version.as_deref();
    let number = chosen.is_none() || sequence(number) == sequence(chosen);
    version && name == setting.implementation.as_deref() && number
}

type Reports = BTreeMap<(usize, usize), Report>;

impl Disk<'_> {
    /// Looks at everything; objects in one directory are looked at from there.
    fn reports(
        &self,
        loaded: &[Loaded],
        chosen: &[(usize, usize, Ask)],
        tables: &tables::Tables,
        control: &Control<'_>,
    ) -> Result<Reports, VerifyError> {
        let mut directories: BTreeMap<&str, Vec<(usize, usize, Ask)>> = BTreeMap::new();
        let mut others = Vec::new();
        for &(package, at, ask) in chosen {
            match loaded[package].manifest.actions[at].get("path") {
                Some(path) => {
                    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                    directories.entry(parent).or_default().push((package, at, ask));
                }
                None => others.push((package, at)),
            }
        }
        let (total, done) = (chosen.len() as u64, std::sync::atomic::AtomicU64::new(0));
        let directories: Vec<_> = directories.into_iter().collect();
        let found: Vec<((usize, usize), Report)> = directories
            .par_iter()
            .map(|(parent, objects)| {
                if control.is_cancelled() {
                    return Err(VerifyError::Cancelled);
                }
                let seen = self.directory(parent, loaded, objects);
                for (package, ..) in objects {
                    control.count(Phase::Actions, &done, total, &loaded[*package].fmri.name);
                }
                Ok(seen)
            })
            .collect::<Result<Vec<_>, VerifyError>>()?
            .into_iter()
            .flatten()
            .collect();
        let mut reports: Reports =
            found.into_iter().filter(|(_, report)| !report.is_empty()).collect();
        for (package, at) in others {
            let one = &loaded[package];
            let report = self.other(&one.fmri, &one.manifest.actions[at], tables);
            if !report.is_empty() {
                reports.insert((package, at), report);
            }
        }
        Ok(reports)
    }

    /// The objects in one directory: all are looked at, then files are read by groups.
    fn directory(
        &self,
        parent: &str,
        loaded: &[Loaded],
        objects: &[(usize, usize, Ask)],
    ) -> Vec<((usize, usize), Report)> {
        // One that cannot be opened is told of by each of its objects.
        let directory = self.root.existing(parent);
        let action = |package: usize, at: usize| &loaded[package].manifest.actions[at];
        let looked: Vec<(Report, Option<u64>)> = objects
            .par_iter()
            .map(|&(package, at, ask)| self.path(&directory, action(package, at), ask))
            .collect();
        let mut seen = Vec::new();
        let mut files = Vec::new();
        for (&(package, at, _), (report, size)) in objects.iter().zip(looked) {
            if let Some(size) = size {
                let action = action(package, at);
                let path = action.get("path").unwrap_or_default();
                let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
                files.push((seen.len(), content::Wanted { name, action, size }));
            }
            seen.push(((package, at), report));
        }
        let Ok(Some(directory)) = directory else { return seen };
        // Digests of texts that are about as long are made side by side.
        files.sort_by_key(|(_, file)| Reverse(file.size));
        let size = |(_, file): &(usize, content::Wanted<'_>)| {
            usize::try_from(file.size).unwrap_or(usize::MAX)
        };
        let told: Vec<(usize, Report)> = ips_repository::groups(&files, size)
            .into_par_iter()
            .map_init(Room::default, |room, group| {
                let wanted: Vec<&content::Wanted<'_>> = group.iter().map(|(_, one)| one).collect();
                let reports = content::check_all(&directory, &wanted, room);
                group.iter().map(|(place, _)| *place).zip(reports).collect::<Vec<_>>()
            })
            .flatten_iter()
            .collect();
        for (place, report) in told {
            let whole = &mut seen[place].1;
            whole.errors.extend(report.errors);
            whole.warnings.extend(report.warnings);
            whole.info.extend(report.info);
        }
        seen
    }

    /// What has no path of its own.
    fn other(&self, fmri: &Fmri, action: &Action, tables: &tables::Tables) -> Report {
        match action.kind {
            Kind::User => tables.user(action),
            Kind::Group => tables.group(action),
            Kind::Driver if self.is_zone() => Report::default(),
            Kind::Driver => tables.driver(action),
            Kind::License => self.license(fmri, action),
            Kind::Legacy => self.legacy(action),
            Kind::Set
            | Kind::Depend
            | Kind::Signature
            | Kind::Dir
            | Kind::File
            | Kind::Hardlink
            | Kind::Link => Report::default(),
        }
    }

    fn is_zone(&self) -> bool {
        let variants = self.image.configuration().variants();
        variants.get("variant.opensolaris.zone").is_some_and(|zone| zone == "nonglobal")
    }
}
