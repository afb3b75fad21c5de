//! Whether what is installed is as its packages say: every check of every action, with pkg5's words.
//!
//! In reading order: here, what is checked and in which order; `paths` (files, directories and
//! links), `content` (what is in files), `tables` (users, groups and drivers).
//!
//! Owners and modes of a rootless image come from its table, everything else from the disk.  Nothing
//! is changed.  Paths are looked at without following links (root.rs).

mod content;
mod paths;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use image_tree::Tree;
use ips_model::action::{Action, Kind};
use ips_model::version::DotSequence;
use ips_model::{Fmri, Manifest};
use rayon::prelude::*;

use super::{Image, ImageError, ManifestError, MediatorSetting, TrustError};
use crate::accounts::Accounts;
use crate::conditions::Conditions;
use crate::control::{Control, Phase};
use crate::edits::{FTPUSERS, GROUP, PASSWD, SHADOW};
use crate::owners::Owners;
use crate::root::{Root, RootError};

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
        let chosen = self.chosen(&loaded, options);
        let reports = disk.reports(&loaded, &chosen, &tables, control)?;
        let mut verified: Vec<VerifiedPackage> = loaded
            .iter()
            .map(|one| VerifiedPackage {
                fmri: one.fmri.clone(),
                errors: Vec::new(),
                findings: Vec::new(),
            })
            .collect();
        if options.paths.is_empty() {
            self.verify_signatures(&loaded, &mut verified)?;
        }
        for ((package, at), report) in reports {
            let action = &loaded[package].manifest.actions[at];
            let key = action.key().unwrap_or_default().to_string();
            verified[package].findings.push(Finding { kind: action.kind, key, report });
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
                    verified[package].findings.push(Finding { kind, key, report });
                }
                None => verified[package].errors.push(told),
            }
        }
        Ok(())
    }

    /// The actions to look at, as package and place in it, with what is to be asked of them.
    fn chosen(&self, loaded: &[Loaded], options: &VerifyOptions) -> Vec<(usize, usize, Ask)> {
        let conditions = self.configuration().conditions();
        let variants =
            Conditions { variants: conditions.variants.clone(), facets: BTreeMap::new() };
        let mediators = self.configuration().mediators();
        let all = || {
            loaded.iter().enumerate().flat_map(|(package, one)| {
                let actions = one.manifest.actions.iter().enumerate();
                actions.map(move |(at, action)| (package, at, action))
            })
        };
        let taken = |action: &Action| conditions.allow(action) && mediated(action, &mediators);
        let mut overlaid: BTreeSet<&str> = BTreeSet::new();
        let mut delivered: BTreeSet<&str> = BTreeSet::new();
        for (_, _, action) in all().filter(|(_, _, action)| taken(action)) {
            delivered.extend(action.get("path"));
            if action.get("overlay") == Some("true") {
                overlaid.extend(action.get("path"));
            }
        }
        let mut chosen = Vec::new();
        for (package, at, action) in all() {
            let path = action.get("path");
            let wanted = path.is_some_and(|path| options.paths.contains(path));
            if !options.paths.is_empty() && !wanted {
                continue;
            }
            if taken(action) {
                let hidden = action.get("overlay") == Some("allow")
                    && path.is_some_and(|path| overlaid.contains(path));
                if !hidden {
                    chosen.push((package, at, Ask::Everything));
                }
            } else if action.kind == Kind::File
                && !conditions.allow(action)
                && variants_allow(&variants, action)
                && path.is_some_and(|path| !delivered.contains(path))
            {
                chosen.push((package, at, Ask::Absence));
            }
        }
        chosen
    }
}

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
                // One that cannot be opened is told of by each of its objects.
                let directory = self.root.existing(parent);
                objects
                    .par_iter()
                    .map(|&(package, at, ask)| {
                        if control.is_cancelled() {
                            return Err(VerifyError::Cancelled);
                        }
                        let action = &loaded[package].manifest.actions[at];
                        let report = self.path(&directory, action, ask);
                        control.count(Phase::Actions, &done, total, &loaded[package].fmri.name);
                        Ok(((package, at), report))
                    })
                    .collect::<Result<Vec<_>, VerifyError>>()
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
