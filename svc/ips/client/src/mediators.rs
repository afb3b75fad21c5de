//! mediators.rs - which of several links with one path an image gets.
//!
//! A mediator is decided once for the whole image: first by priority (site, vendor, none), then by
//! the higher version, then without implementation before any, by the implementation's name, by
//! its higher version.  What the administrator set (source `local`) comes before all of that: where no
//! link is of the version or implementation set, none is delivered.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use ips_model::action::{Action, Kind};
use ips_model::version::DotSequence;

use crate::image::MediatorSetting;

/// One way to have a mediator.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way<'a> {
    priority: u8,
    version: Option<DotSequence>,
    /// Name and version of the implementation.
    implementation: Option<(&'a str, Option<DotSequence>)>,
}

impl<'a> Way<'a> {
    fn of(action: &'a Action) -> Self {
        let priority = match action.get("mediator-priority") {
            Some("site") => 0,
            Some("vendor") => 1,
            Some(_) | None => 2,
        };
        let sequence = |text: &str| DotSequence::parse(text).ok();
        let implementation = action.get("mediator-implementation").map(|text| {
            text.split_once('@').map_or((text, None), |(name, version)| (name, sequence(version)))
        });
        let version = action.get("mediator-version").and_then(sequence);
        Self { priority, version, implementation }
    }

    /// Less is better.
    fn order(&self, other: &Self) -> Ordering {
        let versions = Reverse(&self.version).cmp(&Reverse(&other.version));
        let name = |way: &Self| way.implementation.as_ref().map(|(name, _)| name.to_string());
        let last = |way: &Self| way.implementation.as_ref().and_then(|(_, last)| last.clone());
        let implementations = name(self).cmp(&name(other));
        self.priority
            .cmp(&other.priority)
            .then(versions)
            .then(implementations)
            .then_with(|| Reverse(last(self)).cmp(&Reverse(last(other))))
    }

    /// Whether it is what an administrator asks for.
    fn suits(&self, set: &MediatorSetting) -> bool {
        let local = |source: &Option<String>| source.as_deref() == Some("local");
        let version = set.version.as_deref().filter(|_| local(&set.version_source));
        let name = set.implementation.as_deref().filter(|_| local(&set.implementation_source));
        let number = set.implementation_version.as_deref().filter(|_| name.is_some());
        let own = self.implementation.as_ref();
        let own_number = own.and_then(|(_, number)| number.as_ref());
        let none = local(&set.implementation_source) && name.is_none();
        version.is_none_or(|text| self.version.as_ref().is_some_and(|v| v.as_str() == text))
            && name.is_none_or(|name| own.is_some_and(|(own, _)| *own == name))
            && number.is_none_or(|text| own_number.is_some_and(|v| v.as_str() == text))
            && (!none || own.is_none())
    }

    fn same(&self, other: &Self) -> bool {
        self.version == other.version && self.implementation == other.implementation
    }
}

fn mediator(action: &Action) -> Option<&str> {
    let links = matches!(action.kind, Kind::Link | Kind::Hardlink);
    action.get("mediator").filter(|_| links)
}

/// The decisions of an image.
#[derive(Debug, Default)]
pub struct Mediators<'a> {
    chosen: BTreeMap<&'a str, Way<'a>>,
}

impl<'a> Mediators<'a> {
    /// Decides over every link that the image's packages deliver.
    pub fn decide(
        actions: impl Iterator<Item = &'a Action>,
        set: &BTreeMap<String, MediatorSetting>,
    ) -> Self {
        let mut chosen: BTreeMap<&str, Way<'_>> = BTreeMap::new();
        for action in actions {
            let Some(name) = mediator(action) else { continue };
            let way = Way::of(action);
            if set.get(name).is_some_and(|set| !way.suits(set)) {
                continue;
            }
            match chosen.get(name) {
                Some(best) if best.order(&way) != Ordering::Greater => {}
                Some(_) | None => {
                    chosen.insert(name, way);
                }
            }
        }
        Self { chosen }
    }

    /// What an image stores of it: for each mediator what is in force and who said so.
    pub fn settings(
        &self,
        set: &BTreeMap<String, MediatorSetting>,
    ) -> BTreeMap<String, MediatorSetting> {
        let local = |source: &Option<String>| source.as_deref() == Some("local");
        let by_hand =
            |one: &MediatorSetting| local(&one.version_source) || local(&one.implementation_source);
        let mut settings: BTreeMap<String, MediatorSetting> = set
            .iter()
            .filter(|(_, one)| by_hand(one))
            .map(|(name, one)| (name.clone(), one.clone()))
            .collect();
        for (name, way) in &self.chosen {
            let source = ["site", "vendor", "system"][usize::from(way.priority)];
            let before = settings.remove(*name).unwrap_or_default();
            let said = |is: bool| if is { "local" } else { source }.to_string();
            let version = way.version.as_ref().map(|version| version.as_str().to_string());
            let implementation = way.implementation.as_ref();
            let number = implementation.and_then(|(_, number)| number.as_ref());
            let one = MediatorSetting {
                version,
                version_source: Some(said(local(&before.version_source))),
                implementation: implementation.map(|(name, _)| name.to_string()),
                implementation_version: number.map(|number| number.as_str().to_string()),
                implementation_source: Some(said(local(&before.implementation_source))),
            };
            settings.insert(name.to_string(), one);
        }
        settings
    }

    /// Whether an action is delivered.
    pub fn allow(&self, action: &Action) -> bool {
        let Some(name) = mediator(action) else { return true };
        self.chosen.get(name).is_some_and(|way| way.same(&Way::of(action)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_for_the_whole_image() {
        let links: Vec<Action> = [
            "mediator-version=1.9 target=a",
            "mediator-version=1.10 target=b",
            "mediator-version=1.10 mediator-implementation=fast@2 target=c",
            "mediator-priority=vendor mediator-version=1.2 target=d",
            "mediator-implementation=zeta target=e",
            "mediator-implementation=alpha@1.9 target=f",
            "mediator-implementation=alpha@1.10 target=g",
        ]
        .iter()
        .map(|text| Action::parse(&format!("link path=usr/bin/x mediator=m {text}")).unwrap())
        .collect();
        for (among, expected) in
            [(&links[..2], "b"), (&links[..3], "b"), (&links[..4], "d"), (&links[4..], "g")]
        {
            for turned in [false, true] {
                let mut actions: Vec<&Action> = among.iter().collect();
                if turned {
                    actions.reverse();
                }
                let mediators = Mediators::decide(actions.iter().copied(), &BTreeMap::new());
                actions.retain(|action| mediators.allow(action));
                let targets: Vec<_> = actions.iter().map(|a| a.get("target").unwrap()).collect();
                assert_eq!(targets, [expected]);
            }
        }
    }
}
