//! resolve - dependencies on files made dependencies on packages: `pkgdepend resolve` without the
//! files.
//!
//! `deliveries` (who delivers what, under which variants, and where links lead), `group` (the same
//! answers under different variants, taken apart), `find` (the packages that meet one need),
//! `combine` with `collapse` and `unneeded` (many dependencies as few), `told` (how they are
//! told), `run` (all manifests).
//!
//! The packages that are resolved come first; only what they leave open is looked for among those
//! that are there already.

mod collapse;
mod combine;
pub(crate) mod deliveries;
mod find;
mod group;
mod run;
mod told;
mod unneeded;

pub use run::{Installed, ResolveError, Resolved, Subject, Undeclared, Warning, pruned, resolve};

use ips_model::Fmri;
use ips_model::action::Action;

use crate::variants::Combinations;

/// A dependency and the variants it holds under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) action: Action,
    pub(crate) holds: Combinations,
}

impl Dependency {
    fn kind(&self) -> &str {
        self.action.get("type").unwrap_or_default()
    }

    fn is(&self, kind: &str) -> bool {
        self.kind() == kind
    }

    fn path_id(&self) -> &str {
        self.action.get(crate::depend::attribute::PATH_ID).unwrap_or_default()
    }

    fn predicate(&self) -> &str {
        self.action.get("predicate").unwrap_or_default()
    }

    /// The packages it names; what is no FMRI names none.
    fn fmris(&self) -> Vec<Fmri> {
        self.action.values("fmri").iter().filter_map(|text| Fmri::parse(text).ok()).collect()
    }
}
