//! import - what a service bundle does to a repository.
//!
//! Reading order: `merge` (three-way merge of groups, pure), `plan` (a manifest), `profile`.
//!
//! What must hold: an import is planned as a whole from what the repository holds, and only then
//! handed over as one list of operations.  A repository carries out all of them or none, so
//! nothing is ever half imported.  In the list a new instance gets general/enabled last: until
//! then the restarter does not see it.
//!
//! What is not here: reading files, refreshing, and printing, which are svccfg's.

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub mod merge;
mod plan;
mod profile;

use merge::{Group, Groups, Property};
use smf_model::bundle::{self, Bundle, Kind, Values};

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

impl Plan {
    fn touch(&mut self, instance: &str) {
        if !self.touched.iter().any(|other| other == instance) {
            self.touched.push(instance.to_owned());
        }
    }
}

/// Why a bundle cannot be imported.
#[derive(Debug, Error)]
pub enum PlanError<E: std::error::Error + 'static> {
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(E),
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
    /// A profile leaves the type of something out that the repository does not have either.
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
}

impl<E: std::error::Error + 'static> From<E> for PlanError<E> {
    fn from(error: E) -> Self {
        Self::Repository(error)
    }
}

/// Plans what a manifest or an archive does.
///
/// # Errors
/// The repository cannot be read, or the bundle is a profile.
pub fn import<S: Source>(source: &mut S, bundle: &Bundle) -> Result<Plan, PlanError<S::Error>> {
    if bundle.kind == Kind::Profile {
        let name = bundle.name.clone();
        return Err(PlanError::Kind { name, found: "profile", wanted: "manifest" });
    }
    let mut plan = Plan::default();
    for service in &bundle.services {
        plan::service(source, service, &mut plan)?;
    }
    Ok(plan)
}

/// Plans what a profile does.
///
/// # Errors
/// The repository cannot be read, the bundle is no profile, or a type is known nowhere.
pub fn apply<S: Source>(source: &mut S, bundle: &Bundle) -> Result<Plan, PlanError<S::Error>> {
    if bundle.kind != Kind::Profile {
        let name = bundle.name.clone();
        return Err(PlanError::Kind { name, found: "manifest", wanted: "profile" });
    }
    let mut plan = Plan::default();
    for service in &bundle.services {
        profile::service(source, service, &mut plan)?;
    }
    Ok(plan)
}

/// A property of a bundle whose type is known.
fn property(property: &bundle::Property) -> Property {
    match &property.values {
        Values::Typed(kind, values) => Property {
            kind: kind.to_string(),
            values: values.iter().map(ToString::to_string).collect(),
        },
        // Only a profile has these, and it looks the type up first.
        Values::Untyped(values) => Property { kind: "astring".into(), values: values.clone() },
    }
}

/// A group of a bundle.
fn group(group: &bundle::Group) -> Group {
    Group {
        kind: group.kind.clone().unwrap_or_default(),
        volatile: false,
        properties: group.properties.iter().map(|p| (p.name.clone(), property(p))).collect(),
    }
}

#[cfg(test)]
mod tests;
