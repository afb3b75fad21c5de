//! seeds.rs - who delivers what, as it will be when the checked packages are published.
//!
//! A package of the reference counts unless one that is checked takes its place.

use std::collections::{BTreeMap, HashMap};

use ips_model::Kind;
use ips_model::action::Action;

use super::package::{World, succeeds};
use super::{Config, Package};
use crate::variants::Template;

/// An action of a package.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery<'a> {
    pub(super) package: &'a Package,
    pub(super) action: &'a Action,
}

impl Delivery<'_> {
    pub(super) fn tags(&self) -> Template {
        self.package.tags(self.action)
    }

    pub(super) fn fmri(&self) -> String {
        self.package.fmri.to_string()
    }

    pub(super) fn is_mediated(&self) -> bool {
        matches!(self.action.kind, Kind::Link | Kind::Hardlink)
            && self.action.get("mediator").is_some()
    }
}

/// By the value of an attribute.
pub(super) type Deliveries<'a> = HashMap<String, Vec<Delivery<'a>>>;

/// What may be delivered once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Path,
    Driver,
    UserName,
    UserId,
    GroupName,
    GroupId,
    Legacy,
}

impl Thing {
    const ALL: [Thing; 7] = [
        Thing::Path,
        Thing::Driver,
        Thing::UserName,
        Thing::UserId,
        Thing::GroupName,
        Thing::GroupId,
        Thing::Legacy,
    ];

    pub(super) fn attribute(self) -> &'static str {
        match self {
            Thing::Path => "path",
            Thing::Driver => "name",
            Thing::UserName => "username",
            Thing::UserId => "uid",
            Thing::GroupName => "groupname",
            Thing::GroupId => "gid",
            Thing::Legacy => "pkg",
        }
    }

    fn is_in(self, action: &Action) -> bool {
        match self {
            Thing::Path => true,
            Thing::Driver => action.kind == Kind::Driver,
            Thing::UserName | Thing::UserId => action.kind == Kind::User,
            Thing::GroupName | Thing::GroupId => action.kind == Kind::Group,
            Thing::Legacy => action.kind == Kind::Legacy,
        }
    }
}

/// Everything that is delivered.
#[derive(Debug, Default)]
pub(super) struct Seeds<'a> {
    known: BTreeMap<Thing, Deliveries<'a>>,
    /// Last parts of names → packages that have them.
    pub(super) leaves: BTreeMap<String, Vec<&'a Package>>,
    /// Names → packages that depend on them.
    pub(super) dependents: BTreeMap<String, Vec<&'a Package>>,
    /// Names → the package, where it is not renamed.
    pub(super) plain: BTreeMap<String, &'a Package>,
}

fn gather<'a>(packages: impl Iterator<Item = &'a Package>, thing: Thing) -> Deliveries<'a> {
    let mut found = Deliveries::new();
    for package in packages {
        for action in package.manifest.actions.iter().filter(|action| thing.is_in(action)) {
            if let Some(value) = action.get(thing.attribute()) {
                found.entry(value.to_string()).or_default().push(Delivery { package, action });
            }
        }
    }
    found
}

impl<'a> Seeds<'a> {
    pub(super) fn new(world: &'a World, config: &Config) -> Seeds<'a> {
        let any_publisher = config.any_publisher();
        let mut by_name: HashMap<&str, Vec<&Package>> = HashMap::new();
        for package in world.checked() {
            by_name.entry(&package.fmri.name).or_default().push(package);
        }
        let stays = |old: &&'a Package| {
            let new = by_name.get(old.fmri.name.as_str());
            !new.is_some_and(|new| new.iter().any(|new| succeeds(&new.fmri, &old.fmri, true)))
        };
        let reference: Vec<&Package> = world.reference.iter().filter(stays).collect();
        let mut seeds = Seeds::default();
        for thing in Thing::ALL {
            let mut known = gather(reference.iter().copied(), thing);
            let checked = gather(world.lint.iter().chain(&world.local), thing);
            for (value, new) in checked {
                let old = known.entry(value).or_default();
                // Of an older package of the same name nothing is left.
                old.retain(|old| {
                    let gone = |new: &Delivery<'_>| {
                        succeeds(&new.package.fmri, &old.package.fmri, any_publisher)
                    };
                    !new.iter().any(gone)
                });
                old.extend(new);
            }
            seeds.known.insert(thing, known);
        }
        seeds.names(world, any_publisher);
        seeds
    }

    fn names(&mut self, world: &'a World, any_publisher: bool) {
        let all = world.reference.iter().chain(&world.lint).chain(&world.local);
        for package in all.clone() {
            for action in package.manifest.of_kind(Kind::Depend) {
                if action.get("type") == Some("incorporate") {
                    continue;
                }
                for name in action.values("fmri").iter().filter_map(|text| name_of(text)) {
                    self.dependents.entry(name).or_default().push(package);
                }
            }
            let name = package.fmri.name.clone();
            if package.is("pkg.obsolete") || !package.is("pkg.renamed") {
                self.plain.insert(name, package);
            }
        }
        let lasting =
            |package: &&Package| !package.has("pkg.renamed") && !package.has("pkg.obsolete");
        let leaf = |package: &Package| {
            package.fmri.name.rsplit('/').next().unwrap_or_default().to_string()
        };
        for package in world.reference.iter().filter(lasting) {
            self.leaves.entry(leaf(package)).or_default().push(package);
        }
        for package in world.lint.iter().chain(&world.local).filter(lasting) {
            let known = self.leaves.entry(leaf(package)).or_default();
            known.retain(|old| !succeeds(&package.fmri, &old.fmri, any_publisher));
            known.push(package);
        }
    }

    /// Who delivers a thing of this name.
    pub(super) fn of(&self, thing: Thing, value: &str) -> &[Delivery<'a>] {
        self.known.get(&thing).and_then(|known| known.get(value)).map_or(&[], Vec::as_slice)
    }
}

/// The name in a dependency's FMRI.
pub(super) fn name_of(text: &str) -> Option<String> {
    ips_model::Fmri::parse(text).ok().map(|fmri| fmri.name)
}
