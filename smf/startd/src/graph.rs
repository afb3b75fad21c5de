//! graph - the instances and what they depend on.
//!
//! Invariants: `dependents` is exactly the reverse of the nodes' groups.  `flagged` names exactly the
//! nodes whose descent is not none.  Nothing here looks at nodes that have nothing to do with the
//! one in question: what one change costs does not grow with what there is beside it.  A node that is named by a
//! dependency but is not in the repository, or has no general/enabled, is absent here.  The states
//! are those the restarter has recorded; the graph never changes one by itself.
//!
//! Not here: what follows from a change of state (propagate.rs), whether a dependency is satisfied
//! (evaluate.rs), reading groups from properties (config.rs).

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use smf_model::fmri::service_of;

use crate::state::{Severity, State};

/// How a dependency looks at its entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// All must run.
    RequireAll,
    /// One must run.
    RequireAny,
    /// Those that could run must.
    OptionalAll,
    /// None may run.
    ExcludeAll,
}

/// What a dependency names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// `svc:/service:instance`
    Instance(String),
    /// `svc:/service`: any of its instances.
    Service(String),
    /// A path.
    File(String),
}

/// One dependency property group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The name of the property group.
    pub name: String,
    /// How it looks at its entities.
    pub grouping: Grouping,
    /// Which stops pass.
    pub restart_on: Severity,
    /// What it names.
    pub entities: Vec<Entity>,
}

/// What is under way with a running node because something beneath it is being disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descent {
    /// Nothing.
    None,
    /// It goes offline first.
    Offline,
    /// It is the one being disabled.
    Disable,
    /// It is not part of the milestone.
    Leave,
    /// The engine ends: it goes offline.
    TakeDown,
}

/// A managed instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// As recorded.
    pub state: State,
    /// Whether it is to run.
    pub enabled: bool,
    /// general/enabled alone: what an override, a milestone's too, leaves as it is.
    pub lasting: bool,
    /// Another restarter runs it: no order reaches it.
    pub delegated: bool,
    /// Its dependencies.
    pub dependencies: Vec<Dependency>,
    /// Being taken down.  Changes by [`Graph::flag`] only.
    pub descent: Descent,
    /// The order for that has been given.
    pub descending: bool,
    /// While it is offline: whether it cannot come up without the administrator, as
    /// [`crate::evaluate::reckon`] found last.
    pub never: bool,
    /// Whether it depends on a file: nobody tells when those come and go.
    pub(crate) on_files: bool,
    /// Where the search for what it waits for begins: what stood in the way the last time, as the
    /// number of the group and of the entity in it.
    pub(crate) waits: Cell<(usize, usize)>,
    /// The same for what makes it `never`.
    pub(crate) bars: Cell<(usize, usize)>,
}

/// All managed instances.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: BTreeMap<String, Node>,
    services: BTreeMap<String, BTreeSet<String>>,
    /// By what is named: who names it, in which of his groups.
    dependents: HashMap<Entity, BTreeMap<String, Vec<usize>>>,
    condemned: BTreeSet<String>,
    flagged: BTreeSet<String>,
}

impl Graph {
    /// Whether an instance is about to be deleted (`deathrow/deathrow`): nobody waits for one that
    /// is not managed any more.
    #[must_use]
    pub fn is_condemned(&self, fmri: &str) -> bool {
        self.condemned.contains(fmri)
    }

    /// Notes that; true if it is news.
    pub fn condemn(&mut self, fmri: &str, condemned: bool) -> bool {
        if condemned { self.condemned.insert(fmri.to_owned()) } else { self.condemned.remove(fmri) }
    }

    /// An instance and all it depends on: optionally only on what is enabled, whatever overrides
    /// that, by exclusion on nothing.  That is what runs in a milestone.
    #[must_use]
    pub fn subgraph(&self, fmri: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut rest = vec![fmri.to_owned()];
        while let Some(next) = rest.pop() {
            let Some(node) = self.nodes.get(&next) else { continue };
            for group in node.dependencies.iter().filter(|g| g.grouping != Grouping::ExcludeAll) {
                let optional = group.grouping == Grouping::OptionalAll;
                let targets = group.entities.iter().flat_map(|entity| self.targets(entity));
                let counts = |fmri: &&String| {
                    !optional || self.nodes.get(*fmri).is_some_and(|node| node.lasting)
                };
                rest.extend(targets.filter(counts).filter(|to| !found.contains(*to)).cloned());
            }
            found.insert(next);
        }
        found
    }
    /// A node.
    #[must_use]
    pub fn node(&self, fmri: &str) -> Option<&Node> {
        self.nodes.get(fmri)
    }

    /// A node, to change its state or flags.  Its dependencies change by [`Graph::depend`] only.
    pub fn node_mut(&mut self, fmri: &str) -> Option<&mut Node> {
        self.nodes.get_mut(fmri)
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.nodes.iter()
    }

    /// The instances of a service.
    pub fn instances(&self, service: &str) -> impl Iterator<Item = &String> {
        self.services.get(service).into_iter().flatten()
    }

    /// Adds a node without dependencies.
    pub fn add(&mut self, fmri: &str, state: State, enabled: bool) {
        let node = Node {
            state,
            enabled,
            lasting: enabled,
            delegated: false,
            dependencies: Vec::new(),
            descent: Descent::None,
            descending: false,
            never: false,
            on_files: false,
            waits: Cell::new((0, 0)),
            bars: Cell::new((0, 0)),
        };
        self.flagged.remove(fmri);
        self.nodes.insert(fmri.to_owned(), node);
        self.services.entry(service_of(fmri).to_owned()).or_default().insert(fmri.to_owned());
    }

    /// Removes a node.
    pub fn remove(&mut self, fmri: &str) {
        self.depend(fmri, Vec::new());
        self.flagged.remove(fmri);
        self.nodes.remove(fmri);
        if let Some(instances) = self.services.get_mut(service_of(fmri)) {
            instances.remove(fmri);
        }
    }

    /// Replaces the dependencies of a node.
    pub fn depend(&mut self, fmri: &str, dependencies: Vec<Dependency>) {
        let Some(node) = self.nodes.get_mut(fmri) else { return };
        for entity in node.dependencies.iter().flat_map(|group| &group.entities) {
            if let Some(dependents) = self.dependents.get_mut(entity) {
                dependents.remove(fmri);
            }
        }
        for (number, group) in dependencies.iter().enumerate() {
            for entity in &group.entities {
                let of_it = self.dependents.entry(entity.clone()).or_default();
                let groups = of_it.entry(fmri.to_owned()).or_default();
                if groups.last() != Some(&number) {
                    groups.push(number);
                }
            }
        }
        let mut entities = dependencies.iter().flat_map(|group| &group.entities);
        node.on_files = entities.any(|entity| matches!(entity, Entity::File(_)));
        node.dependencies = dependencies;
        node.waits.set((0, 0));
        node.bars.set((0, 0));
    }

    /// Changes what is under way with a node; the order for it is still to be given.
    pub fn flag(&mut self, fmri: &str, descent: Descent) {
        let Some(node) = self.nodes.get_mut(fmri) else { return };
        node.descent = descent;
        node.descending = false;
        if descent == Descent::None {
            self.flagged.remove(fmri);
        } else {
            self.flagged.insert(fmri.to_owned());
        }
    }

    /// The nodes that something is under way with.
    pub fn flagged(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.flagged.iter().filter_map(|fmri| self.nodes.get_key_value(fmri))
    }

    /// The nodes with a dependency that names this instance or its service, each with those
    /// dependencies.
    #[must_use]
    pub fn dependents(&self, fmri: &str) -> Vec<(&String, Vec<&Dependency>)> {
        let mut found: BTreeMap<&String, Vec<&Dependency>> = BTreeMap::new();
        for (dependent, groups) in self.naming(fmri) {
            let Some(node) = self.nodes.get(dependent) else { continue };
            let mine = found.entry(dependent).or_default();
            mine.extend(groups.iter().filter_map(|number| node.dependencies.get(*number)));
        }
        found.into_iter().collect()
    }

    /// Who names this instance or its service, and in which groups.
    fn naming(&self, fmri: &str) -> impl Iterator<Item = (&String, &Vec<usize>)> {
        let names =
            [Entity::Instance(fmri.to_owned()), Entity::Service(service_of(fmri).to_owned())];
        names.into_iter().filter_map(|name| self.dependents.get(&name)).flatten()
    }

    /// By which of its dependencies, and as what, a node names this instance.
    #[must_use]
    pub fn named_by(&self, dependent: &str, fmri: &str) -> Vec<(Entity, &Dependency)> {
        let Some(node) = self.nodes.get(dependent) else { return Vec::new() };
        let names =
            [Entity::Instance(fmri.to_owned()), Entity::Service(service_of(fmri).to_owned())];
        let groups = |name: Entity| {
            let numbers = self.dependents.get(&name).and_then(|of_it| of_it.get(dependent));
            let groups = numbers.into_iter().flatten();
            groups.filter_map(move |at| Some((name.clone(), node.dependencies.get(*at)?)))
        };
        names.into_iter().flat_map(groups).collect()
    }

    /// The instances a dependency leads to.
    fn targets<'a>(&'a self, entity: &'a Entity) -> Vec<&'a String> {
        match entity {
            Entity::Instance(fmri) => vec![fmri],
            Entity::Service(service) => self.instances(service).collect(),
            Entity::File(_) => Vec::new(),
        }
    }

    /// The cycle that a node is part of, beginning with the node; exclude_all is not followed.
    #[must_use]
    pub fn cycle(&self, fmri: &str) -> Option<Vec<String>> {
        if !self.leads_back(fmri) {
            return None;
        }
        // Depth first, with a stack of (node, its successors not yet visited).
        let mut seen = HashSet::new();
        let mut path: Vec<(&String, Vec<&String>)> = Vec::new();
        let (start, _) = self.nodes.get_key_value(fmri)?;
        path.push((start, self.successors(start)));
        while let Some((_, rest)) = path.last_mut() {
            let Some(next) = rest.pop() else {
                path.pop();
                continue;
            };
            if next == fmri {
                return Some(path.into_iter().map(|(node, _)| node.clone()).collect());
            }
            if seen.insert(next) {
                path.push((next, self.successors(next)));
            }
        }
        None
    }

    /// Whether a node is reached from itself.  It is looked for from both sides in turn, so that it
    /// costs no more than twice the smaller one: what depends on the node, or what it depends on.
    fn leads_back(&self, fmri: &str) -> bool {
        let Some((start, _)) = self.nodes.get_key_value(fmri) else { return false };
        let (mut above, mut below) = (HashSet::from([start]), HashSet::new());
        let (mut up, mut down) = (self.predecessors(start), self.successors(start));
        loop {
            let (dependent, dependency) = match (up.pop(), down.pop()) {
                (Some(dependent), Some(dependency)) => (dependent, dependency),
                // All that depends on it is known, or all that it depends on.
                (None, _) => return self.successors(start).iter().any(|one| above.contains(one)),
                (_, None) => return below.contains(start),
            };
            if above.contains(dependency) || below.contains(dependent) || dependent == dependency {
                return true;
            }
            if above.insert(dependent) {
                up.extend(self.predecessors(dependent));
            }
            if below.insert(dependency) {
                down.extend(self.successors(dependency));
            }
        }
    }

    /// The instances that depend on a node; exclude_all is not followed.
    fn predecessors<'a>(&'a self, fmri: &str) -> Vec<&'a String> {
        let follows = |(dependent, groups): &(&String, &Vec<usize>)| {
            let Some(node) = self.nodes.get(*dependent) else { return false };
            let of = |number: &usize| node.dependencies.get(*number);
            groups.iter().filter_map(of).any(|group| group.grouping != Grouping::ExcludeAll)
        };
        self.naming(fmri).filter(follows).map(|(dependent, _)| dependent).collect()
    }

    /// Whether there is any cycle: one look at everything, where asking for each node would be one
    /// look at everything for each.
    #[must_use]
    pub fn is_cyclic(&self) -> bool {
        // Those whose successors are all known to be in no cycle are in none either.
        let mut left: HashMap<&String, usize> = HashMap::new();
        let mut above: HashMap<&String, Vec<&String>> = HashMap::new();
        let mut free = Vec::new();
        for fmri in self.nodes.keys() {
            let known = self.successors(fmri).into_iter().filter(|to| self.nodes.contains_key(*to));
            let successors: HashSet<&String> = known.collect();
            successors.iter().for_each(|to| above.entry(to).or_default().push(fmri));
            match successors.len() {
                0 => free.push(fmri),
                some => drop(left.insert(fmri, some)),
            }
        }
        while let Some(fmri) = free.pop() {
            for dependent in above.remove(fmri).unwrap_or_default() {
                let Some(some) = left.get_mut(dependent) else { continue };
                *some -= 1;
                if *some == 0 {
                    left.remove(dependent);
                    free.push(dependent);
                }
            }
        }
        !left.is_empty()
    }

    /// Whether something this node depends on is being taken down.
    #[must_use]
    pub fn stands_on_descending(&self, fmri: &str) -> bool {
        let descends = |fmri: &&String| {
            self.nodes.get(*fmri).is_some_and(|node| node.descent != Descent::None)
        };
        self.successors(fmri).iter().any(descends)
    }

    /// The instances a node depends on; exclude_all is not followed.
    #[must_use]
    pub fn successors<'a>(&'a self, fmri: &str) -> Vec<&'a String> {
        let groups = self.nodes.get(fmri).map_or(&[][..], |node| &node.dependencies);
        groups
            .iter()
            .filter(|group| group.grouping != Grouping::ExcludeAll)
            .flat_map(|group| &group.entities)
            .flat_map(|entity| self.targets(entity))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(name: &str, grouping: Grouping) -> Dependency {
        let entity = if name[4..].contains(':') {
            Entity::Instance(name.to_owned())
        } else {
            Entity::Service(name.to_owned())
        };
        let entities = vec![entity];
        Dependency { name: "d".into(), grouping, restart_on: Severity::None, entities }
    }

    #[test]
    fn dependents_follow_the_groups() {
        let mut graph = Graph::default();
        graph.add("svc:/a:x", State::Offline, true);
        graph.add("svc:/b:x", State::Offline, true);
        graph.depend("svc:/b:x", vec![on("svc:/a", Grouping::RequireAll)]);
        assert_eq!(1, graph.dependents("svc:/a:x").len());
        graph.depend("svc:/b:x", Vec::new());
        assert!(graph.dependents("svc:/a:x").is_empty());
        graph.depend("svc:/b:x", vec![on("svc:/a:x", Grouping::RequireAll)]);
        graph.remove("svc:/b:x");
        assert!(graph.dependents("svc:/a:x").is_empty());
    }

    #[test]
    fn a_milestone_is_what_it_depends_on() {
        let mut graph = Graph::default();
        for (fmri, enabled) in
            [("m:x", true), ("a:x", false), ("b:x", true), ("c:x", false), ("d:x", true)]
        {
            graph.add(&format!("svc:/{fmri}"), State::Offline, enabled);
        }
        let groups = vec![
            on("svc:/a", Grouping::RequireAll),
            on("svc:/c:x", Grouping::OptionalAll),
            on("svc:/d", Grouping::ExcludeAll),
        ];
        graph.depend("svc:/m:x", groups);
        graph.depend("svc:/a:x", vec![on("svc:/b:x", Grouping::OptionalAll)]);
        graph.depend("svc:/b:x", vec![on("svc:/m:x", Grouping::RequireAny)]);
        let subgraph = |graph: &Graph| graph.subgraph("svc:/m:x").into_iter().collect::<Vec<_>>();
        assert_eq!(subgraph(&graph), ["svc:/a:x", "svc:/b:x", "svc:/m:x"]);
        // Disabled by the milestone before this one, or enabled for now.
        graph.node_mut("svc:/b:x").unwrap().enabled = false;
        graph.node_mut("svc:/c:x").unwrap().enabled = true;
        assert_eq!(subgraph(&graph), ["svc:/a:x", "svc:/b:x", "svc:/m:x"]);
    }

    #[test]
    fn cycles_are_found_except_by_exclusion() {
        let mut graph = Graph::default();
        for fmri in ["svc:/a:x", "svc:/b:x", "svc:/c:x"] {
            graph.add(fmri, State::Offline, true);
        }
        graph.depend("svc:/a:x", vec![on("svc:/b", Grouping::OptionalAll)]);
        graph.depend("svc:/b:x", vec![on("svc:/c:x", Grouping::RequireAny)]);
        assert_eq!(None, graph.cycle("svc:/a:x"));
        graph.depend("svc:/c:x", vec![on("svc:/a:x", Grouping::ExcludeAll)]);
        assert_eq!(None, graph.cycle("svc:/c:x"));
        assert!(!graph.is_cyclic());
        graph.depend("svc:/c:x", vec![on("svc:/a:x", Grouping::RequireAll)]);
        assert_eq!(3, graph.cycle("svc:/c:x").unwrap().len());
        assert!(graph.is_cyclic());
    }

    #[test]
    fn a_cycle_is_found_from_wherever_it_is_entered() {
        // A ring of nodes, a tail that leads to it, one that comes from it, and one that names itself.
        let name = |number: usize| format!("svc:/n{number}:x");
        for length in [1, 2, 3, 8, 9] {
            let mut graph = Graph::default();
            (0..length + 10).for_each(|number| graph.add(&name(number), State::Offline, true));
            for number in 0..length {
                let mut groups = vec![on(&name((number + 1) % length), Grouping::RequireAll)];
                if number == 0 {
                    // Many more that lead nowhere, on either side of the one that matters.
                    let more = |at: usize| on(&format!("svc:/m{at}:x"), Grouping::RequireAll);
                    groups.extend((0..20).map(more));
                    groups.push(on(&name(length), Grouping::RequireAll));
                    groups.rotate_right(7);
                }
                graph.depend(&name(number), groups);
            }
            for number in length..length + 4 {
                graph.depend(&name(number), vec![on(&name(number + 1), Grouping::RequireAll)]);
            }
            for number in length + 5..length + 10 {
                let to = if number == length + 9 { 0 } else { number + 1 };
                graph.depend(&name(number), vec![on(&name(to), Grouping::RequireAll)]);
            }
            for number in 0..length + 10 {
                let found = graph.cycle(&name(number)).map(|cycle| cycle.len());
                assert_eq!(found, (number < length).then_some(length), "{number} of {length}");
            }
        }
    }
}
