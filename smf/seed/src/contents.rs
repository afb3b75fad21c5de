//! contents.rs - what the bundles of an image come to.
//!
//! Each bundle is planned by `smf_scf::import` against what those before it made, and carried out; then
//! the instances it touched get their `running` snapshot, as a refresh gives it.  The file's hash is kept on
//! svc:/smf/manifest, where the first boot looks whether the file has anything new.

use std::collections::BTreeSet;
use std::convert::Infallible;

use md5::{Digest, Md5};

use smf_model::bundle::{self, Bundle, BundleError, Included};
use smf_model::group::{Group, Groups, Property};
use smf_scf::import::held::{Held, SNAPSHOTS};
use smf_scf::import::{self, Delivery, Operation, Plan, Refused, Source, batch};
use thiserror::Error;

/// A file of the image.
#[derive(Debug, Clone, Copy)]
pub struct Delivered<'a> {
    /// Where it is in the image, beginning with a slash; where links lead, not the links.
    pub path: &'a str,
    /// Its contents.
    pub bytes: &'a [u8],
}

/// Why a repository cannot be made.
#[derive(Debug, Error)]
pub enum SeedError {
    /// The file is no service bundle.
    #[error("{path}: {source}")]
    Bundle {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: BundleError,
    },
    /// The bundle cannot be taken over.
    #[error("{path}: {source}")]
    Refused {
        /// The file.
        path: String,
        /// Why.
        source: Refused,
    },
}

/// Entities with their groups and snapshots.
#[derive(Debug, Default)]
pub struct Contents {
    held: Held,
    entities: BTreeSet<String>,
    conflicts: Vec<String>,
}

impl Contents {
    /// Imports a manifest.
    ///
    /// # Errors
    /// The file is no bundle, or cannot be taken over; nothing of it is.
    pub fn import(&mut self, file: &Delivered<'_>) -> Result<(), SeedError> {
        self.take_over(file, &[], |held, bundle, name| {
            let file = name.map(|name| (name, file.path));
            held.import(&Delivery { bundle, file, package: None })
        })
    }

    /// Applies a profile.  `included` are files that it may include.
    ///
    /// # Errors
    /// The file is no profile, or cannot be taken over; nothing of it is.
    pub fn apply(
        &mut self,
        file: &Delivered<'_>,
        included: &[Delivered<'_>],
    ) -> Result<(), SeedError> {
        self.take_over(file, included, |held, bundle, _| held.apply(bundle))
    }

    fn take_over(
        &mut self,
        file: &Delivered<'_>,
        included: &[Delivered<'_>],
        plan: impl FnOnce(&mut Held, &Bundle, Option<&str>) -> Result<Plan, Refused>,
    ) -> Result<(), SeedError> {
        let path = || file.path.to_owned();
        let bundle =
            parse(file, included).map_err(|source| SeedError::Bundle { path: path(), source })?;
        let name = import::file_property(file.path);
        let Ok(mut held) = batch::read(self, [&bundle]);
        let plan = plan(&mut held, &bundle, name.as_deref())
            .map_err(|source| SeedError::Refused { path: path(), source })?;
        self.conflicts.extend(plan.conflicts);
        plan.operations.iter().for_each(|operation| self.carry_out(operation));
        for instance in plan.touched {
            let running = Operation::Take(instance, "running".into());
            self.carry_out(&running);
        }
        if let Some(name) = name {
            self.keep_hash(&name, file);
        }
        Ok(())
    }

    fn carry_out(&mut self, operation: &Operation) {
        if let Operation::Add(entity) = operation {
            self.entities.insert(entity.clone());
        }
        self.held.carry_out(operation);
    }

    fn keep_hash(&mut self, name: &str, file: &Delivered<'_>) {
        let service = import::HASHES.to_owned();
        if !self.held.has(&service) {
            self.carry_out(&Operation::Add(service.clone()));
        }
        let sum: String =
            Md5::digest(file.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = ("manifestfile".to_owned(), Property::one("astring", file.path));
        let sum = ("md5sum".to_owned(), Property::one("opaque", sum));
        let properties = [path, sum].into();
        let group = Group { kind: "framework".into(), volatile: false, properties };
        self.carry_out(&Operation::AddGroup(service, name.to_owned(), group));
    }

    /// What could not be taken over, as svccfg says it.
    #[must_use]
    pub fn conflicts(&self) -> &[String] {
        &self.conflicts
    }

    /// Canonical FMRIs of services and instances, in their order: a service before its instances.
    pub fn entities(&self) -> impl Iterator<Item = &str> {
        self.entities.iter().map(String::as_str)
    }

    /// The groups of an entity.
    pub fn groups(&self, entity: &str) -> impl Iterator<Item = (&String, &Group)> {
        let groups = self.held.groups(entity).into_iter().flatten();
        groups.filter(|(_, group)| !group.volatile)
    }

    /// The snapshots of an instance: name, groups of the instance, groups of its service.
    pub fn snapshots(
        &self,
        instance: &str,
    ) -> impl Iterator<Item = (&'static str, &(Groups, Groups))> {
        let names = SNAPSHOTS.into_iter().chain(["initial"]);
        names.filter_map(move |name| Some((name, self.held.snapshot(instance, name)?)))
    }
}

fn parse(file: &Delivered<'_>, included: &[Delivered<'_>]) -> Result<Bundle, BundleError> {
    let text = bundle::decode(file.bytes.to_vec())?;
    bundle::parse_with(&text, bundle::Validation::Dtd, &mut |include| {
        let path = include.path();
        let found = included.iter().find(|file| file.path == path);
        let found = found.ok_or_else(|| format!("{path}: not in the image"))?;
        let text = bundle::decode(found.bytes.to_vec()).map_err(|error| error.to_string())?;
        Ok(Included { name: path, text })
    })
}

impl Source for Contents {
    type Error = Infallible;

    fn has_service(&mut self, service: &str) -> Result<bool, Infallible> {
        Ok(self.held.has(service))
    }

    fn instances(&mut self, service: &str) -> Result<Vec<String>, Infallible> {
        Ok(self.held.instances(service))
    }

    fn live(&mut self, entity: &str) -> Result<Groups, Infallible> {
        Ok(self.held.groups(entity).cloned().unwrap_or_default())
    }

    fn snapshot(&mut self, i: &str, name: &str) -> Result<Option<(Groups, Groups)>, Infallible> {
        Ok(self.held.snapshot(i, name).cloned())
    }
}
