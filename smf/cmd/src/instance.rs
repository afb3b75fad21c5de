//! instance.rs - an instance with its properties, read once.
//!
//! What an administrator or the restarter decides at once (general, general_ovr, restarter) is
//! read live; everything else is what runs: the running snapshot, or the live groups of an
//! instance that has none.  Composition is by property: those of the instance hide those of the
//! service.

use std::collections::HashMap;

use smf_scf::import::merge::{Group, Groups, Property};
use smf_scf::protocol::{Choice, Composed, Query, Wanted};

use crate::repository::{Repository, RepositoryError};
use crate::states::State;

/// An instance, composed; of what was not asked for it holds nothing.
#[derive(Debug, Clone, Default)]
pub struct Instance {
    /// Canonical FMRI.
    pub fmri: String,
    /// The live groups.
    pub live: Groups,
    /// What it runs with: the running snapshot, or the live groups where there is none.
    pub running: Groups,
}

/// How much of an instance is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Dependencies only.
    Dependencies,
    /// Dependencies and the restarter.
    Requirements,
    /// States, whether it is enabled and why, dependencies and templates.
    Causes,
    /// All there is.
    Everything,
}

impl Depth {
    fn query(self, instances: Option<Vec<String>>) -> Query {
        let group = |name: &str| Wanted::Group(name.to_owned());
        let (live, running) = match self {
            Self::Dependencies => {
                (Choice::Nothing, Choice::These(vec![Wanted::Kind("dependency".into())]))
            }
            Self::Requirements => {
                let restarter = Wanted::Property("general".into(), "restarter".into());
                let dependencies = Wanted::Kind("dependency".into());
                (Choice::These(vec![restarter]), Choice::These(vec![dependencies]))
            }
            Self::Causes => {
                let live = ["restarter", "general", "general_ovr", "msg"].map(group).to_vec();
                let kinds = ["dependency", "template"];
                let running = kinds.map(|kind| Wanted::Kind(kind.into())).to_vec();
                (Choice::These(live), Choice::These(running))
            }
            Self::Everything => (Choice::Everything, Choice::Everything),
        };
        Query { instances, live, running }
    }
}

/// So far `within_reach` goes step by step.
const STEPS: usize = 8;

/// The restarter of whatever names none.
pub const MASTER_RESTARTER: &str = "svc:/system/svc/restarter:default";

/// Lays the groups of an instance over those of its service.
#[must_use]
pub fn compose(instance: Groups, service: Groups) -> Groups {
    let mut composed = instance;
    for (name, group) in service {
        match composed.get_mut(&name) {
            None => {
                composed.insert(name, group);
            }
            // Type and persistence are those of the instance's group.
            Some(own) => {
                for (property, value) in group.properties {
                    own.properties.entry(property).or_insert(value);
                }
            }
        }
    }
    composed
}

fn property<'a>(groups: &'a Groups, group: &str, name: &str) -> Option<&'a Property> {
    groups.get(group)?.properties.get(name)
}

impl From<State> for Instance {
    /// An instance of which nothing is known but its state.
    fn from(state: State) -> Self {
        let property =
            |kind: &str, value: String| Property { kind: kind.into(), values: vec![value] };
        let group = |properties: Vec<(&str, Property)>| Group {
            kind: "framework".into(),
            properties: properties.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            ..Group::default()
        };
        let enabled = |enabled: Option<bool>| {
            enabled.map(|on| ("enabled", property("boolean", on.to_string())))
        };
        let mut live = Groups::new();
        if !state.state.is_empty() {
            let states = vec![
                ("state", property("astring", state.state)),
                ("next_state", property("astring", state.next_state)),
            ];
            live.insert("restarter".into(), group(states));
        }
        let general = enabled(state.enabled).into_iter();
        let restarter = [("restarter", property("fmri", state.restarter))];
        live.insert("general".into(), group(general.chain(restarter).collect()));
        let temporary = enabled(state.enabled_temporarily).into_iter().collect();
        live.insert("general_ovr".into(), group(temporary));
        Self { fmri: state.fmri, live, running: Groups::new() }
    }
}

impl From<Composed> for Instance {
    fn from(found: Composed) -> Self {
        Self { fmri: found.instance, live: found.live, running: found.running }
    }
}

impl Instance {
    /// Reads an instance.
    ///
    /// # Errors
    /// It does not exist, or the repository cannot be read.
    pub fn read(repository: &mut Repository, fmri: &str) -> Result<Self, RepositoryError> {
        let mut found = Self::of(repository, &[fmri.to_owned()], Depth::Everything)?;
        found.pop().ok_or_else(|| RepositoryError::NotFound(fmri.to_owned()))
    }

    /// Reads those of these instances that are there, in this order.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn of(
        repository: &mut Repository,
        fmris: &[String],
        depth: Depth,
    ) -> Result<Vec<Self>, RepositoryError> {
        let found = repository.composed(&depth.query(Some(fmris.to_vec())))?;
        let mut by_name: HashMap<String, Composed> =
            found.into_iter().map(|one| (one.instance.clone(), one)).collect();
        Ok(fmris.iter().filter_map(|fmri| by_name.remove(fmri)).map(Self::from).collect())
    }

    /// Reads these instances and, from each, where `next` leads, until nothing new is found; maybe
    /// more than that.  All that is at one distance is one question, and so is what is farther
    /// than a few steps: it is all there is.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn within_reach(
        repository: &mut Repository,
        fmris: &[String],
        depth: Depth,
        next: impl Fn(&Self) -> Vec<String>,
    ) -> Result<HashMap<String, Self>, RepositoryError> {
        let mut known: HashMap<String, Self> = HashMap::new();
        let mut new = fmris.to_vec();
        for _ in 0..STEPS {
            let found = Self::of(repository, &new, depth)?;
            new = found.iter().flat_map(&next).collect();
            known.extend(found.into_iter().map(|one| (one.fmri.clone(), one)));
            new.retain(|fmri| !known.contains_key(fmri));
            new.sort_unstable();
            new.dedup();
            if new.is_empty() {
                return Ok(known);
            }
        }
        let every = Self::every(repository, depth)?;
        known.extend(every.into_iter().map(|one| (one.fmri.clone(), one)));
        Ok(known)
    }

    /// Reads every instance, in the order of their names.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn every(repository: &mut Repository, depth: Depth) -> Result<Vec<Self>, RepositoryError> {
        let found = repository.composed(&depth.query(None))?;
        Ok(found.into_iter().map(Self::from).collect())
    }

    /// The first value of a live property.
    #[must_use]
    pub fn live(&self, group: &str, name: &str) -> Option<&str> {
        property(&self.live, group, name)?.values.first().map(String::as_str)
    }

    /// The first value of a property of general.
    #[must_use]
    pub fn general(&self, name: &str) -> Option<&str> {
        self.live("general", name).filter(|value| !value.is_empty())
    }

    /// restarter/state, none when the restarter does not know the instance.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.live("restarter", "state").filter(|state| !state.is_empty())
    }

    /// restarter/next_state, none when no transition is under way.
    #[must_use]
    pub fn next_state(&self) -> Option<&str> {
        self.live("restarter", "next_state").filter(|state| !matches!(*state, "" | "none"))
    }

    /// When the state was written.
    #[must_use]
    pub fn state_seconds(&self) -> Option<i64> {
        self.live("restarter", "state_timestamp").and_then(crate::clock::seconds)
    }

    /// general/enabled, none for an instance nobody manages.
    #[must_use]
    pub fn enabled(&self) -> Option<bool> {
        self.live("general", "enabled").map(|value| value == "true")
    }

    /// general_ovr/enabled.
    #[must_use]
    pub fn enabled_temporarily(&self) -> Option<bool> {
        self.live("general_ovr", "enabled").map(|value| value == "true")
    }

    /// What counts: the temporary order, else the permanent one.
    #[must_use]
    pub fn effectively_enabled(&self) -> Option<bool> {
        self.enabled_temporarily().or_else(|| self.enabled())
    }

    /// Whether a temporary order stands that is not the permanent one.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.enabled_temporarily().is_some_and(|now| self.enabled() != Some(now))
    }

    /// What the administrator said when disabling it.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        let group = if self.enabled_temporarily().is_some() { "general_ovr" } else { "general" };
        self.live(group, "comment").filter(|comment| !comment.is_empty())
    }

    /// online or degraded.
    #[must_use]
    pub fn runs(&self) -> bool {
        matches!(self.state(), Some("online" | "degraded"))
    }

    /// The identifiers of its contracts; none when the restarter never had one for it.
    #[must_use]
    pub fn contracts(&self) -> Option<&[String]> {
        property(&self.live, "restarter", "contract").map(|property| property.values.as_slice())
    }

    /// The contracts whose processes are its own: those of the service, and of a method that runs.
    pub fn all_contracts(&self) -> impl Iterator<Item = &str> {
        let of = |name| property(&self.live, "restarter", name).map(|p| p.values.as_slice());
        let all = [of("contract"), of("transient_contract")].into_iter().flatten().flatten();
        all.map(String::as_str)
    }

    /// Its restarter.
    #[must_use]
    pub fn restarter(&self) -> &str {
        self.general("restarter").unwrap_or(MASTER_RESTARTER)
    }

    /// The template's name of the service, in the locale, else in C.
    #[must_use]
    pub fn common_name(&self, locale: &str) -> Option<&str> {
        let value = |locale| property(&self.running, "tm_common_name", locale)?.values.first();
        value(locale).or_else(|| value("C")).map(String::as_str)
    }

    /// Its dependencies as they run.
    #[must_use]
    pub fn dependencies(&self) -> Vec<Dependency> {
        let groups = self.running.iter().filter(|(_, group)| group.kind == "dependency");
        groups
            .map(|(name, group)| {
                let values = |name: &str| group.properties.get(name).map(|p| p.values.as_slice());
                let text = |name| values(name).and_then(<[String]>::first).cloned();
                Dependency {
                    name: name.clone(),
                    grouping: text("grouping").unwrap_or_default(),
                    restart_on: text("restart_on").unwrap_or_default(),
                    kind: text("type").unwrap_or_default(),
                    entities: values("entities").unwrap_or_default().to_vec(),
                }
            })
            .collect()
    }
}

/// A dependency group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The name of its group.
    pub name: String,
    /// `require_all`, ...
    pub grouping: String,
    /// `none`, ...
    pub restart_on: String,
    /// `service` or `path`.
    pub kind: String,
    /// FMRIs.
    pub entities: Vec<String>,
}

impl Dependency {
    /// Whether its entities are files.
    #[must_use]
    pub fn is_path(&self) -> bool {
        self.kind == "path"
    }
}
