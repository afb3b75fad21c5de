//! change - from what a user wants of an image to what is done to it.
//!
//! In three stages, each of which only looks: `resolve` finds the packages the image is to have and
//! reads their manifests and looks at their signatures; `plan` says what that means for every path, user and driver; `carry_out` looks
//! at the disk, stages what is to be put, and has it executed.
//!
//! In reading order: `wish` (patterns, the solver's task), `triggers` (what removals
//! bring with them), `resolve`, `difference` (old actions against
//! new ones), `plan` (with `notes`: which release notes are due), `files` (what becomes of files that may have been edited), `prepare` (differences as
//! steps), `tables` (account, driver and other files that are edited), `run`; beside them `unneeded` (what could go).

mod difference;
mod files;
mod notes;
mod plan;
mod prepare;
mod resolve;
mod run;
mod tables;
mod triggers;
mod universe;
mod unneeded;
mod whole;
mod wish;

use std::collections::{BTreeMap, BTreeSet};

use ips_model::Fmri;
use ips_model::pattern::PatternError;

use crate::accounts::AccountError;
use crate::donor::Donor;
use crate::drivers::DriverError;
use crate::execute::ExecuteError;
use crate::image::{
    ImageError, LinkedError, ManifestError, MediatorSetting, RecordError, TrustError, VerifyError,
};
use crate::owners::OwnerError;
use crate::plan::ConflictError;
use crate::populate::PopulateError;
use crate::root::RootError;
use crate::signature::SignatureError;
use crate::solve::SolveError;
use crate::source::{Source, SourceError};

pub use plan::{Hydration, License, PackageChange, Planned, plan};
pub use resolve::{Resolved, resolve};
pub use run::{Done, Editables, carry_out, editables, free_space, payload_text, pending};
pub use triggers::Triggered;
pub use unneeded::{removable, unneeded};

/// What is wanted of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// These packages, and what they need.
    Install(Vec<String>),
    /// Not these.
    Uninstall(Vec<String>),
    /// Everything, or these, as new as can be.
    Update(Vec<String>),
    /// These, what they need, and nothing else.
    ExactInstall(Vec<String>),
    /// `variant.X` → value.
    Variants(BTreeMap<String, String>),
    /// `facet.X` → wanted or not; `None`: as if it had never been set.
    Facets(BTreeMap<String, Option<bool>>),
    /// Mediator → what the administrator sets; `None`: nothing any more.
    Mediators(BTreeMap<String, Option<MediatorSetting>>),
    /// What the parent image, which has these packages, asks of this one.
    Sync(BTreeMap<String, Fmri>),
    /// What these packages (all, if none is named) deliver, as they deliver it.
    Fix(Vec<String>),
    /// These files as their packages deliver them.
    Revert(Reverted),
    /// Just these publishers dehydrated.
    Dehydrated(BTreeSet<String>),
}

impl Want {
    /// Whether it may change which packages the image has.
    pub fn solves(&self) -> bool {
        match self {
            Self::Install(_)
            | Self::Uninstall(_)
            | Self::Update(_)
            | Self::ExactInstall(_)
            | Self::Variants(_)
            | Self::Sync(_)
            | Self::Facets(_) => true,
            Self::Mediators(_) | Self::Fix(_) | Self::Revert(_) | Self::Dehydrated(_) => false,
        }
    }
}

/// Files to be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reverted {
    /// By path.
    Paths(Vec<String>),
    /// By the tags of `revert-tag`.
    Tags(Vec<String>),
}

/// An operation.
pub struct Order<'a> {
    /// What is wanted.
    pub want: Want,
    /// Patterns of packages that must not be there afterwards.
    pub reject: Vec<String>,
    /// Further sources, for this operation.
    pub sources: &'a [Source],
    /// Where payloads lie that need not be fetched.
    pub donor: Option<&'a Donor>,
    /// The packages of the parent image, if they are not to be what the image knows of it.
    pub parent: Option<BTreeMap<String, Fmri>>,
    /// Whether packages that are taken away may bring further changes with them.
    pub triggers: bool,
}

impl Order<'_> {
    /// An operation without extras.
    pub fn of(want: Want) -> Self {
        Self { want, reject: Vec::new(), sources: &[], donor: None, parent: None, triggers: true }
    }
}

/// Why an image is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Patterns that match nothing.
    #[error(
        "The following pattern(s) did not match any allowable packages.  Try\n\
         using a different matching pattern, or refreshing publisher information:\n\n{}",
        tabbed(.0)
    )]
    NoMatch(Vec<String>),
    /// Patterns that match nothing installed.
    #[error(
        "The following pattern(s) did not match any packages currently installed in the\n\
         image:\n\n{}",
        tabbed(.0)
    )]
    NotInstalled(Vec<String>),
    /// A pattern that matches several stems.
    #[error(
        "'{pattern}' matches multiple packages\n{}\n\n\
         Please provide one of the package FMRIs listed above to the install command.",
        tabbed(.names)
    )]
    Ambiguous {
        /// The pattern.
        pattern: String,
        /// The packages.
        names: Vec<String>,
    },
    /// A file to be reverted belongs to no installed package.
    #[error("The following files or tags are not packaged in this image:\n\n{}", tabbed(.0))]
    NotPackaged(Vec<String>),
    /// There is no such set of packages.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// A package is not signed as is asked for.
    #[error("{source}")]
    Signature {
        /// The package.
        fmri: Box<Fmri>,
        /// Why it is refused.
        source: Box<SignatureError>,
    },
    /// What is asked of signatures makes no sense, or whom they are believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Packages are in each other's way.
    #[error(transparent)]
    Conflict(#[from] ConflictError),
    /// The way to a path leads through a link or file.
    #[error(
        "Cannot install '{path}'; parent directory {parent} is a link to {target}. To\n\
         continue, move the directory to its original location and try again."
    )]
    Barred {
        /// The path.
        path: String,
        /// What bars the way.
        parent: String,
        /// Where it leads.
        target: String,
    },
    /// A hard link's target is no file of the image.
    #[error("{fmri}: {path}: the hard link's target {target} is no file of the image")]
    HardLink {
        /// The package.
        fmri: String,
        /// The link.
        path: String,
        /// Its target.
        target: String,
    },
    /// The image's state is damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// What is to be mended cannot be looked at.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// What the image hangs on cannot be said.
    #[error(transparent)]
    Linked(#[from] LinkedError),
    /// A manifest cannot be had.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An origin did not give what it should.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file of the root could not be looked at.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A user or group cannot be made.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A driver cannot be added.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A path belongs to nobody.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// A user, group or driver action makes no sense.
    #[error(transparent)]
    Attribute(#[from] PopulateError),
    /// A file of the image's own could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The plan is not done, or not to its end.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

fn tabbed(names: &[String]) -> String {
    names.iter().map(|name| format!("\t{name}")).collect::<Vec<_>>().join("\n")
}
