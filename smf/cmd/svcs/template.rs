//! template.rs - what the templates say of property groups and properties.
//!
//! A pattern is looked up where smf_template(7) says: with the instance and its service, then with
//! its restarter (patterns for its delegates), then with svc:/system/svc/global:default (patterns
//! for all).  Everything is read as it runs.

use smf_cmd::instance::{Depth, Instance};
use smf_cmd::repository::RepositoryError;
use smf_scf::import::merge::{Group, Groups};

use crate::world::World;

const GLOBAL: &str = "svc:/system/svc/global:default";

/// Where patterns are looked up for one instance, in order; with the targets that count there.
pub struct Templates {
    places: Vec<(Groups, &'static [&'static str])>,
    locale: String,
}

/// A pattern that describes a group: its own group's name, and where it stands.
#[derive(Clone, Copy)]
pub struct Pattern<'a> {
    name: &'a str,
    place: &'a Groups,
    locale: &'a str,
}

fn text<'a>(group: &'a Group, property: &str) -> Option<&'a str> {
    group.properties.get(property)?.values.first().map(String::as_str)
}

/// A text in the locale, else in C.
fn localised<'a>(group: &'a Group, what: &str, locale: &str) -> Option<&'a str> {
    text(group, &format!("{what}_{locale}")).or_else(|| text(group, &format!("{what}_C")))
}

impl Templates {
    /// Those that describe an instance.
    pub fn of(world: &mut World, instance: &Instance) -> Result<Self, RepositoryError> {
        let restarter = instance.restarter();
        let others = [restarter.to_owned(), GLOBAL.to_owned()];
        let found = Instance::of(&mut world.repository, &others, Depth::Everything)?;
        let mut places = vec![(instance.running.clone(), &["", "this", "instance"][..])];
        for other in found {
            let targets = if other.fmri == GLOBAL { &["all"][..] } else { &["delegate"][..] };
            places.push((other.running, targets));
        }
        Ok(Self { places, locale: world.locale.clone() })
    }

    /// The pattern that describes a group of this name and type.
    pub fn group(&self, name: &str, kind: &str) -> Option<Pattern<'_>> {
        self.places.iter().find_map(|(place, targets)| {
            let fits = |group: &Group| {
                group.kind == "template_pg_pattern"
                    && text(group, "name").is_none_or(|own| own.is_empty() || own == name)
                    && text(group, "type").is_none_or(|own| own.is_empty() || own == kind)
                    && targets.contains(&text(group, "target").unwrap_or_default())
            };
            let (own, _) = place.iter().find(|(_, group)| fits(group))?;
            Some(Pattern { name: own, place, locale: &self.locale })
        })
    }
}

impl<'a> Pattern<'a> {
    /// What it says of the group.
    pub fn description(self) -> Option<&'a str> {
        localised(self.place.get(self.name)?, "description", self.locale)
    }

    fn property(self, property: &str) -> Option<&'a Group> {
        self.place.values().find(|group| {
            group.kind == "template_prop_pattern"
                && text(group, "name") == Some(property)
                && text(group, "pg_pattern") == Some(self.name)
        })
    }

    /// Whether a property is not to be shown.
    pub fn hides(self, property: &str) -> bool {
        self.property(property).is_some_and(|group| text(group, "visibility") == Some("hidden"))
    }

    /// What it says of a property.
    pub fn property_description(self, property: &str) -> Option<&'a str> {
        localised(self.property(property)?, "description", self.locale)
    }
}
