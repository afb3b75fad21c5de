//! lookup.rs - which pattern holds for a group, and which for a property.
//!
//! Nearest first: the instance composed with its service, its restarter, svc:/system/svc/global.
//! Of the patterns that fit, the one with name and type wins over the one with a name, that over
//! the one with a type, that over the one with neither; among equals the nearest.

use std::sync::{Arc, OnceLock};

use super::builtin;
use super::pattern::{GroupPattern, Level, PropertyPattern, Target};
use crate::bundle::Bundle;
use crate::bundle::value::PropertyType;
use crate::group::{Groups, composed};

/// The restarter of an instance that names none.
pub const STARTD: &str = "svc:/system/svc/restarter:default";

/// An entity that has patterns for others; clones are the same one.
#[derive(Debug, Clone)]
pub struct Owner {
    owned: Arc<Owned>,
}

#[derive(Debug)]
struct Owned {
    fmri: String,
    groups: Groups,
    /// Read when they are first asked for: there are many, and they hold for many entities.
    as_restarter: OnceLock<Patterns>,
    as_global: OnceLock<Patterns>,
}

/// Patterns for groups, and for properties.
type Patterns = (Vec<Arc<GroupPattern>>, Vec<Arc<PropertyPattern>>);

impl Owner {
    /// With its name and its groups, composed.
    #[must_use]
    pub fn new(fmri: impl Into<String>, groups: Groups) -> Self {
        let (as_restarter, as_global) = <(OnceLock<_>, OnceLock<_>)>::default();
        let owned = Owned { fmri: fmri.into(), groups, as_restarter, as_global };
        Self { owned: Arc::new(owned) }
    }

    /// Its name.
    #[must_use]
    pub fn fmri(&self) -> &str {
        &self.owned.fmri
    }

    /// Its groups, composed.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.owned.groups
    }

    fn as_restarter(&self) -> &Patterns {
        let read = || read(self.fmri(), Level::Restarter, self.groups());
        self.owned.as_restarter.get_or_init(read)
    }

    fn as_global(&self) -> &Patterns {
        let read = || read(self.fmri(), Level::Global, self.groups());
        self.owned.as_global.get_or_init(read)
    }
}

/// The levels at which patterns are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Levels<'a> {
    /// The service.
    pub service: (&'a str, &'a Groups),
    /// The instance, if it is one that is looked at.
    pub instance: Option<(&'a str, &'a Groups)>,
    /// The restarter; the built-in patterns without one.
    pub restarter: Option<&'a Owner>,
    /// The global service; the built-in patterns without one.
    pub global: Option<&'a Owner>,
}

impl Levels<'_> {
    /// The entity that is looked at.
    pub(super) fn fmri(&self) -> &str {
        self.instance.map_or(self.service.0, |(fmri, _)| fmri)
    }

    /// Its groups as they are composed.
    pub(super) fn composed(&self) -> Groups {
        match self.instance {
            Some((_, own)) => composed(own, self.service.1),
            None => self.service.1.clone(),
        }
    }
}

/// The restarter of an instance: its own, its service's, or svc.startd.
#[must_use]
pub fn restarter_of<'a>(instance: &'a Groups, service: &'a Groups) -> &'a str {
    let named = |groups: &'a Groups| {
        groups.get("general")?.single("restarter", "fmri").filter(|fmri| !fmri.is_empty())
    };
    named(instance).or_else(|| named(service)).unwrap_or(STARTD)
}

/// Whether a bundle brings patterns that hold for the entities of others.
#[must_use]
pub fn serves_others(bundle: &Bundle) -> bool {
    bundle.services.iter().any(|service| {
        let own = service.instances.iter().map(|instance| &instance.entity);
        own.chain([&service.entity]).flat_map(|entity| &entity.groups).any(|group| {
            let read = GroupPattern::read("", Level::Service, &group.name, &group.held());
            read.is_some_and(|read| matches!(read.target, Target::Delegate | Target::All))
        })
    })
}

/// All patterns that hold for an entity, nearest first.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    pub(super) groups: Vec<Arc<GroupPattern>>,
    pub(super) properties: Vec<Arc<PropertyPattern>>,
    /// Those of the instance and its service as each has them, not composed.
    pub(super) declared: Patterns,
}

impl Templates {
    /// The patterns at these levels.
    #[must_use]
    pub fn of(levels: &Levels<'_>) -> Self {
        let mut templates = Self::default();
        templates.add_own(levels);
        let restarter = levels.restarter.unwrap_or_else(|| builtin::restarter());
        let global = levels.global.unwrap_or_else(|| builtin::global());
        templates.add(restarter.as_restarter());
        // The global service has its patterns already, as its own.
        if global.fmri() != levels.fmri() && global.fmri() != levels.service.0 {
            templates.add(global.as_global());
        }
        templates
    }

    /// The instance and its service are one level, composed; each pattern knows whose it is.
    fn add_own(&mut self, levels: &Levels<'_>) {
        let none = Groups::new();
        let (_, own) = levels.instance.unwrap_or(("", &none));
        let (mut of_instance, mut of_service) = (Groups::new(), Groups::new());
        for (name, group) in levels.composed() {
            let into = if own.contains_key(&name) { &mut of_instance } else { &mut of_service };
            into.insert(name, group);
        }
        let (service, inherited) = levels.service;
        if let Some((fmri, own)) = levels.instance {
            self.add(&read(fmri, Level::Instance, &of_instance));
            self.declared = read(fmri, Level::Instance, own);
        }
        self.add(&read(service, Level::Service, &of_service));
        let (groups, properties) = read(service, Level::Service, inherited);
        self.declared.0.extend(groups);
        self.declared.1.extend(properties);
    }

    fn add(&mut self, (groups, properties): &Patterns) {
        self.groups.extend(groups.iter().cloned());
        self.properties.extend(properties.iter().cloned());
    }

    /// The patterns for groups that reach the entity, nearest first.
    pub fn groups(&self) -> impl Iterator<Item = &GroupPattern> {
        let all = self.groups.iter().map(Arc::as_ref);
        all.filter(|pattern: &&GroupPattern| pattern.target.reaches_from(pattern.level))
    }

    /// The pattern for a group of this name and type.
    #[must_use]
    pub fn group(&self, name: &str, kind: &str) -> Option<&GroupPattern> {
        let wanted = [("nt_", name), ("n_", name), ("t_", kind), ("_", "")];
        wanted.iter().find_map(|(what, of)| {
            let is = |pattern: &&GroupPattern| {
                let rest = pattern.group.strip_prefix("tm_pgpat");
                rest.and_then(|rest| rest.strip_prefix(what)) == Some(of)
            };
            self.groups().find(is)
        })
    }

    /// The patterns for properties of a group pattern, nearest first.
    pub fn properties(&self, of: &GroupPattern) -> impl Iterator<Item = &PropertyPattern> {
        let name = of.group.clone();
        let all = self.properties.iter().map(Arc::as_ref);
        all.filter(move |pattern: &&PropertyPattern| pattern.of == name)
    }

    /// The pattern for a property of a group that has this pattern.
    #[must_use]
    pub fn property(&self, of: &GroupPattern, name: &str) -> Option<&PropertyPattern> {
        self.properties(of).find(|pattern| pattern.name == name)
    }

    /// The type that a pattern gives groups of this name.
    #[must_use]
    pub fn group_type(&self, name: &str) -> Option<&str> {
        let mut named = self.groups().filter(|pattern| pattern.name.as_deref() == Some(name));
        named.find_map(|pattern| pattern.kind.as_deref())
    }

    /// The type that a pattern gives a property: what setprop takes when none is named.
    #[must_use]
    pub fn property_type(&self, group: &str, kind: &str, name: &str) -> Option<PropertyType> {
        let pattern = self.property(self.group(group, kind)?, name)?;
        PropertyType::from_name(pattern.kind.as_deref()?)
    }
}

/// The patterns among the groups of one entity.
fn read(source: &str, level: Level, groups: &Groups) -> Patterns {
    let of_groups = groups.iter().filter_map(|(n, g)| GroupPattern::read(source, level, n, g));
    let of_properties =
        groups.iter().filter_map(|(n, g)| PropertyPattern::read(source, level, n, g));
    (of_groups.map(Arc::new).collect(), of_properties.map(Arc::new).collect())
}
