//! view.rs - a repository as one caller sees it: values that the caller may not read are left out.
//!
//! A group is hidden in a snapshot if it is hidden there or as it is now, so protecting a group
//! protects what it was before.  The properties and their types stay visible, as they are in
//! svccfg describe.

use std::collections::BTreeSet;
use std::sync::Arc;

use smf_model::fmri::{is_instance, service_of};
use smf_scf::import::held::{Found, FoundInstance, SNAPSHOTS};
use smf_scf::import::merge::Groups;
use smf_scf::protocol::{Choice, Composed, Packed, Query, Refusal};

use crate::authorization::may_read;
use crate::repository::Repository;
use crate::rights::Caller;
use crate::version::{self, Snapshot, Version};

/// A repository, to one caller.
#[derive(Debug, Clone, Copy)]
pub struct View<'r> {
    pub(crate) repository: &'r Repository,
    pub(crate) caller: &'r Caller,
}

/// Names of groups.
type Names = BTreeSet<String>;

impl<'r> View<'r> {
    pub(crate) fn new(repository: &'r Repository, caller: &'r Caller) -> Self {
        Self { repository, caller }
    }

    /// The live groups of an entity itself.
    ///
    /// # Errors
    /// There is no such entity.
    pub fn groups(&self, entity: &str) -> Result<Groups, Refusal> {
        let mut groups = self.repository.groups(entity)?;
        conceal(&mut groups, &self.hidden(entity)?);
        Ok(groups)
    }

    /// Of its own live groups what is chosen, as `packed` text; none when it is not there.
    #[must_use]
    pub fn own(&self, entity: &str, choice: &Choice) -> Option<String> {
        let hidden = self.hidden(entity).ok()?;
        let level = &self.repository.entity(entity).ok()?.level;
        Some(version::chosen((level, &[]), choice, &hidden))
    }

    /// The names of the groups of an entity whose values the caller may not read; for an instance
    /// also of those that only its service has.
    ///
    /// # Errors
    /// There is no such entity.
    pub fn hidden(&self, entity: &str) -> Result<Names, Refusal> {
        if *self.caller == Caller::Owner {
            return Ok(Names::new());
        }
        let own = &self.repository.entity(entity)?.level;
        let service = &self.repository.entity(service_of(entity))?.level;
        Ok(self.hidden_of(own, service))
    }

    fn hidden_of(&self, own: &[Arc<Version>], service: &[Arc<Version>]) -> Names {
        let below = |version: &Version| version::find(service, version.name()).map(Arc::as_ref);
        let hidden = |version: &&Arc<Version>| !may_read(self.caller, version, below(version));
        own.iter().chain(service).filter(hidden).map(|version| version.name().to_owned()).collect()
    }

    pub(crate) fn hidden_in(
        &self,
        instance: &str,
        snapshot: Option<&Snapshot>,
    ) -> Result<Names, Refusal> {
        let mut hidden = self.hidden(instance)?;
        if *self.caller != Caller::Owner {
            let then = snapshot.map(|then| self.hidden_of(&then.own, &then.service));
            hidden.extend(then.into_iter().flatten());
        }
        Ok(hidden)
    }

    /// A snapshot: the groups of the instance, and those of its service.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn snapshot(
        &self,
        instance: &str,
        name: &str,
    ) -> Result<Option<(Groups, Groups)>, Refusal> {
        let snapshot = self.repository.entity(instance)?.snapshot(name);
        let hidden = self.hidden_in(instance, snapshot)?;
        let mut groups = self.repository.snapshot(instance, name)?;
        for level in groups.iter_mut().flat_map(|(own, service)| [own, service]) {
            conceal(level, &hidden);
        }
        Ok(groups)
    }

    /// A service with all that an import looks at, if it is there.
    #[must_use]
    pub fn found(&self, service: &str) -> Option<Found> {
        let groups = self.groups(service).ok().filter(|_| !is_instance(service))?;
        let mut found = Found { service: service.to_owned(), groups, instances: Vec::new() };
        for instance in self.repository.instances_of(service) {
            let groups = self.groups(&instance).ok()?;
            let snapshot =
                |name: &str| Some((name.to_owned(), self.snapshot(&instance, name).ok()??));
            let snapshots = SNAPSHOTS.into_iter().filter_map(snapshot).collect();
            found.instances.push(FoundInstance { instance, groups, snapshots });
        }
        Some(found)
    }

    /// Many instances, composed; those that are not there are left out.
    #[must_use]
    pub fn composed(&self, query: &Query) -> Vec<Composed> {
        let fmris = self.repository.instances(query).into_iter();
        fmris.filter_map(|fmri| self.compose(&fmri, query)?.unpack()).collect()
    }

    /// One instance, composed, if it is there.
    pub(crate) fn compose(&self, fmri: &str, query: &Query) -> Option<Packed> {
        let own = self.repository.entity(fmri).ok().filter(|_| is_instance(fmri))?;
        let service = self.repository.entity(service_of(fmri)).ok()?;
        let running = own.snapshot("running");
        let levels = running
            .map_or((&*own.level, &*service.level), |running| (&*running.own, &*running.service));
        let hidden = self.hidden_in(fmri, running).ok()?;
        let live = version::chosen((&own.level, &service.level), &query.live, &hidden);
        let running = version::chosen(levels, &query.running, &hidden);
        Some(Packed(fmri.to_owned(), live, running))
    }
}

fn conceal(groups: &mut Groups, hidden: &Names) {
    for (_, group) in groups.iter_mut().filter(|(name, _)| hidden.contains(*name)) {
        group.properties.values_mut().for_each(|property| property.values.clear());
    }
}
