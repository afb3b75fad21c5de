//! import - what a service bundle does to a repository.
//!
//! Reading order: `held` (what was read, and what has been planned since), `merge` (three-way merge
//! of groups, pure), `planner` (a plan as it grows), `dependents`, `plan` (a manifest), `profile`,
//! `batch` (many bundles at once).
//!
//! What must hold: an import is planned as a whole from what the repository holds, and only then
//! handed over as one list of operations.  A repository carries out all of them or none, so
//! nothing is ever half imported.  In the list a new instance gets general/enabled last: until
//! then the restarter does not see it.  What is as it should be already is no operation, so a
//! second import of the same bundle comes to nothing.
//!
//! What is not here: reading files, refreshing, and printing, which are svccfg's.

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub mod batch;
mod dependents;
pub mod held;
pub mod merge;
mod plan;
mod planner;
mod profile;

use held::{Found, FoundInstance, Held, SNAPSHOTS};
use merge::{Group, Groups, Property};
use planner::Planner;
use smf_model::bundle::value::valid_name;
use smf_model::bundle::{Bundle, Kind};

/// Reading what a repository holds.  Entities are canonical FMRIs.
pub trait Source {
    /// What reading can fail with.
    type Error: std::error::Error + 'static;

    /// Whether the service is there.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn has_service(&mut self, service: &str) -> Result<bool, Self::Error>;

    /// The instances of a service, none if it is not there.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn instances(&mut self, service: &str) -> Result<Vec<String>, Self::Error>;

    /// The live groups of an entity itself, none if it is not there.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn live(&mut self, entity: &str) -> Result<Groups, Self::Error>;

    /// A snapshot: the groups of the instance and of its service.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn snapshot(
        &mut self,
        instance: &str,
        name: &str,
    ) -> Result<Option<(Groups, Groups)>, Self::Error>;

    /// Services with all that an import looks at; those that are not there are left out.  A source
    /// that can answer for many at once does.
    ///
    /// # Errors
    /// The repository cannot be read.
    fn found(&mut self, services: &[String]) -> Result<Vec<Found>, Self::Error> {
        let mut found = Vec::new();
        for service in services {
            if !self.has_service(service)? {
                continue;
            }
            let mut of = Found { service: service.clone(), ..Found::default() };
            of.groups = self.live(service)?;
            for instance in self.instances(service)? {
                let mut own = FoundInstance { instance, ..FoundInstance::default() };
                own.groups = self.live(&own.instance)?;
                for name in SNAPSHOTS {
                    let snapshot = self.snapshot(&own.instance, name)?;
                    own.snapshots.extend(snapshot.map(|snapshot| (name.to_owned(), snapshot)));
                }
                of.instances.push(own);
            }
            found.push(of);
        }
        Ok(found)
    }
}

/// One change to a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Make a service or an instance.
    Add(String),
    /// Make a group with its properties: entity, name, group.
    AddGroup(String, String, Group),
    /// Remove a group: entity, name.
    RemoveGroup(String, String),
    /// Set a property: entity, group, property, value.
    Set(String, String, String, Property),
    /// Remove a property: entity, group, property.
    Unset(String, String, String),
    /// Take a snapshot of what an instance is now: instance, name.
    Take(String, String),
    /// Record a snapshot with these contents.
    Record {
        /// The instance.
        instance: String,
        /// The snapshot's name.
        name: String,
        /// Groups of the instance.
        own: Groups,
        /// Groups of the service.
        service: Groups,
    },
}

/// What a bundle comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be carried out together.
    pub operations: Vec<Operation>,
    /// What could not be taken over; to be said always.
    pub conflicts: Vec<String>,
    /// What is done and refused; to be said with -v.
    pub notes: Vec<String>,
    /// Instances that are to be refreshed afterwards.
    pub touched: Vec<String>,
}

/// A bundle, and what is known of it besides.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The bundle.
    pub bundle: &'a Bundle,
    /// The file it came in: the name of the property that records it, and its path.
    pub file: Option<(&'a str, &'a str)>,
    /// The package it came in (`PKGINST`).
    pub package: Option<&'a str>,
}

/// The service that holds the hashes of the files that were imported.
pub const HASHES: &str = "svc:/smf/manifest";

/// The name by which a file is recorded, on the services that came in it and in [`HASHES`]: its path
/// with `_` for all that is no letter and no digit.  None if that is no name: at most 119 bytes,
/// beginning with a letter.
#[must_use]
pub fn file_property(path: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = path.trim_start_matches('/').chars().map(plain).collect();
    valid_name(&name).then_some(name)
}

impl<'a> From<&'a Bundle> for Delivery<'a> {
    fn from(bundle: &'a Bundle) -> Self {
        Self { bundle, file: None, package: None }
    }
}

/// Why a bundle cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// A bundle of this kind has another verb.
    #[error("bundle {name} is a {found}, not a {wanted}")]
    Kind {
        /// Its name.
        name: String,
        /// What it is.
        found: &'static str,
        /// What was wanted.
        wanted: &'static str,
    },
    /// A profile leaves the type of something out that neither the repository nor a template has.
    #[error("line {line}: {entity}: the type of {what} is not known")]
    UnknownType {
        /// Line in the profile.
        line: usize,
        /// The entity.
        entity: String,
        /// Group or group/property.
        what: String,
    },
    /// A profile's value is not one of the type that the repository has.
    #[error("line {line}: illegal value \"{value}\" for {kind} (Illegal character)")]
    Value {
        /// Line in the profile.
        line: usize,
        /// The text.
        value: String,
        /// The type.
        kind: String,
    },
    /// A dependent is to be placed on what is neither a service nor an instance.
    #[error(
        "line {line}: The FMRI \"{target}\" for the \"{name}\" dependent specifies neither a \
         service nor an instance."
    )]
    Target {
        /// Line in the bundle.
        line: usize,
        /// What it names.
        target: String,
        /// The dependent.
        name: String,
    },
    /// A dependent would have to replace a group that is not its own.
    #[error("Could not create \"{name}\" dependency in {target} (already exists).")]
    Taken {
        /// The dependent.
        name: String,
        /// Its target.
        target: String,
    },
}

/// Why there is no plan for a bundle.
#[derive(Debug, Error)]
pub enum PlanError<E: std::error::Error + 'static> {
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(E),
    /// The bundle cannot be taken over.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Plans what a manifest or an archive does.
///
/// # Errors
/// The repository cannot be read, or the bundle cannot be taken over.
pub fn import<S: Source>(source: &mut S, bundle: &Bundle) -> Result<Plan, PlanError<S::Error>> {
    let delivery = Delivery::from(bundle);
    let mut held = batch::read(source, [bundle]).map_err(PlanError::Repository)?;
    Ok(held.import(&delivery)?)
}

/// Plans what a profile does.
///
/// # Errors
/// The repository cannot be read, or the bundle cannot be taken over.
pub fn apply<S: Source>(source: &mut S, bundle: &Bundle) -> Result<Plan, PlanError<S::Error>> {
    let mut held = batch::read(source, [bundle]).map_err(PlanError::Repository)?;
    Ok(held.apply(bundle)?)
}

impl Held {
    /// Plans what a manifest or an archive does, and holds the outcome from now on.
    ///
    /// # Errors
    /// The bundle cannot be taken over; nothing of it is held.
    pub fn import(&mut self, delivery: &Delivery<'_>) -> Result<Plan, Refused> {
        let bundle = delivery.bundle;
        if bundle.kind == Kind::Profile {
            let name = bundle.name.clone();
            return Err(Refused::Kind { name, found: "profile", wanted: "manifest" });
        }
        self.plan(|planner| {
            let mut services = bundle.services.iter();
            services.try_for_each(|service| plan::service(planner, service, delivery))
        })
    }

    /// Plans what a profile does, and holds the outcome from now on.
    ///
    /// # Errors
    /// The bundle cannot be taken over; nothing of it is held.
    pub fn apply(&mut self, bundle: &Bundle) -> Result<Plan, Refused> {
        if bundle.kind != Kind::Profile {
            let name = bundle.name.clone();
            return Err(Refused::Kind { name, found: "manifest", wanted: "profile" });
        }
        self.plan(|planner| {
            bundle.services.iter().try_for_each(|service| profile::service(planner, service))
        })
    }

    fn plan(
        &mut self,
        act: impl FnOnce(&mut Planner<'_>) -> Result<(), Refused>,
    ) -> Result<Plan, Refused> {
        let mut planner = Planner::new(self);
        match act(&mut planner) {
            Ok(()) => Ok(planner.finish()),
            Err(refused) => {
                planner.undo();
                Err(refused)
            }
        }
    }
}
