//! lookup.rs - which pattern holds for a group, and which for a property.
//!
//! Nearest first: the instance composed with its service, its restarter, svc:/system/svc/global.
//! Of the patterns that fit, the one with name and type wins over the one with a name, that over
//! the one with a type, that over the one with neither; among equals the nearest.

use super::builtin;
use super::pattern::{GroupPattern, Level, PropertyPattern};
use crate::bundle::value::PropertyType;
use crate::group::{Groups, composed};

/// The restarter of an instance that names none.
pub const STARTD: &str = "svc:/system/svc/restarter:default";

/// An entity that has patterns for others.
#[derive(Debug, Clone, PartialEq)]
pub struct Owner {
    /// Its name.
    pub fmri: String,
    /// Its groups, composed.
    pub groups: Groups,
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

/// All patterns that hold for an entity, nearest first.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    pub(super) groups: Vec<GroupPattern>,
    pub(super) properties: Vec<PropertyPattern>,
    /// Those of the instance and its service as each has them, not composed.
    pub(super) declared: (Vec<GroupPattern>, Vec<PropertyPattern>),
}

impl Templates {
    /// The patterns at these levels.
    #[must_use]
    pub fn of(levels: &Levels<'_>) -> Self {
        let mut templates = Self::default();
        templates.add_own(levels);
        let restarter = levels.restarter.unwrap_or_else(|| builtin::restarter());
        let global = levels.global.unwrap_or_else(|| builtin::global());
        templates.add(&restarter.fmri, Level::Restarter, &restarter.groups);
        // The global service has its patterns already, as its own.
        if global.fmri != levels.fmri() && global.fmri != levels.service.0 {
            templates.add(&global.fmri, Level::Global, &global.groups);
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
            self.add(fmri, Level::Instance, &of_instance);
            let (groups, properties) = read(fmri, Level::Instance, own);
            self.declared = (groups, properties);
        }
        self.add(service, Level::Service, &of_service);
        let (groups, properties) = read(service, Level::Service, inherited);
        self.declared.0.extend(groups);
        self.declared.1.extend(properties);
    }

    fn add(&mut self, source: &str, level: Level, groups: &Groups) {
        let (groups, properties) = read(source, level, groups);
        self.groups.extend(groups);
        self.properties.extend(properties);
    }

    /// The patterns for groups that reach the entity, nearest first.
    pub fn groups(&self) -> impl Iterator<Item = &GroupPattern> {
        self.groups.iter().filter(|pattern| pattern.target.reaches_from(pattern.level))
    }

    /// The pattern for a group of this name and type.
    #[must_use]
    pub fn group(&self, name: &str, kind: &str) -> Option<&GroupPattern> {
        let wanted = [
            format!("tm_pgpatnt_{name}"),
            format!("tm_pgpatn_{name}"),
            format!("tm_pgpatt_{kind}"),
            "tm_pgpat_".to_owned(),
        ];
        wanted.iter().find_map(|wanted| self.groups().find(|pattern| pattern.group == *wanted))
    }

    /// The patterns for properties of a group pattern, nearest first.
    pub fn properties(&self, of: &GroupPattern) -> impl Iterator<Item = &PropertyPattern> {
        let name = of.group.clone();
        self.properties.iter().filter(move |pattern| pattern.of == name)
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
fn read(source: &str, level: Level, groups: &Groups) -> (Vec<GroupPattern>, Vec<PropertyPattern>) {
    let of_groups = groups.iter().filter_map(|(n, g)| GroupPattern::read(source, level, n, g));
    let of_properties =
        groups.iter().filter_map(|(n, g)| PropertyPattern::read(source, level, n, g));
    (of_groups.collect(), of_properties.collect())
}
