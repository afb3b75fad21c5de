//! graph.rs - what keeps offline instances down: root causes, and whom each of them hits.
//!
//! Of each offline instance the instances that block it are found first, from states alone.  Then
//! causes are handed down: an instance that is not offline, or is offline for reasons of its own,
//! is its own cause, and whoever it blocks has its causes.  Each cause remembers the next hop, so
//! that the way to it can be told.
//!
//! Pure but for files, which are looked at as they are.  Chains may be as long as they like: nothing
//! here calls itself.

use std::collections::{BTreeSet, HashMap, HashSet};

use smf_cmd::instance::{Dependency, Instance, MASTER_RESTARTER};
use smf_cmd::operand::{self, service_of};

/// A number of a node.
pub type Id = usize;

/// One of the instances at the end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    pub node: Id,
    /// Where the way to it leads first; none when it is the instance itself.
    pub next: Option<Id>,
}

/// What is wrong with the restarter of an offline instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestarterFault {
    Invalid,
    Absent,
}

/// An instance, and what was found out about it.
#[derive(Debug, Default)]
pub struct Node {
    pub instance: Instance,
    /// Entities that are not there (or, excluded files, are).
    pub absent: Vec<String>,
    /// The ends of the chains that keep it down, or itself.
    pub causes: Vec<Cause>,
    pub restarter_fault: Option<RestarterFault>,
    /// The offline instances that this one blocks.
    dependents: Vec<Id>,
    /// The instances that block it.
    blockers: Vec<Id>,
    walk: Walk,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Walk {
    #[default]
    New,
    Active,
    Done,
}

/// All instances that a restarter knows, in the order of their names.
#[derive(Debug, Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    /// What is to be said on standard error.
    pub complaints: Vec<String>,
    by_name: HashMap<String, Id>,
    services: HashMap<String, Vec<Id>>,
    roots: BTreeSet<Id>,
}

/// What a dependency names.
enum Found {
    Instances(Vec<Id>),
    Absent,
    Invalid,
}

impl Graph {
    /// Finds out about all of them.
    pub fn new(instances: Vec<Instance>) -> Self {
        let mut graph = Self::default();
        for instance in instances {
            if !instance.live.contains_key("restarter") {
                let fmri = &instance.fmri;
                let text = format!("{fmri} has no \"restarter\" property group; ignoring.");
                graph.complaints.push(text);
            } else if instance.state().is_some() && instance.enabled().is_some() {
                graph.add(instance);
            }
        }
        for id in 0..graph.nodes.len() {
            graph.look(id);
        }
        for id in 0..graph.nodes.len() {
            graph.determine(id);
        }
        graph
    }

    fn add(&mut self, instance: Instance) {
        let id = self.nodes.len();
        self.by_name.insert(instance.fmri.clone(), id);
        self.services.entry(service_of(&instance.fmri).to_owned()).or_default().push(id);
        self.nodes.push(Node { instance, ..Node::default() });
    }

    /// The node of this name.
    pub fn id(&self, fmri: &str) -> Option<Id> {
        self.by_name.get(fmri).copied()
    }

    /// The instances that need a hand, those first that hit most.
    pub fn roots(&self) -> Vec<Id> {
        let mut roots: Vec<Id> = self.roots.iter().copied().collect();
        roots.sort_by_cached_key(|id| std::cmp::Reverse(self.impact(*id).len()));
        roots
    }

    /// The offline instances that this one keeps down, at whatever distance.
    pub fn impact(&self, id: Id) -> BTreeSet<Id> {
        let (mut hit, mut left) = (BTreeSet::new(), vec![id]);
        while let Some(next) = left.pop() {
            for dependent in &self.nodes[next].dependents {
                if hit.insert(*dependent) {
                    left.push(*dependent);
                }
            }
        }
        hit
    }

    /// The way to a cause, which ends with it.
    pub fn path(&self, id: Id, cause: Cause) -> Vec<Id> {
        let (mut path, mut next) = (vec![id], cause.next);
        while let Some(hop) = next {
            path.push(hop);
            let onward = self.nodes[hop].causes.iter().find(|other| other.node == cause.node);
            next = onward.and_then(|other| other.next);
        }
        path
    }

    fn runs(&self, id: Id) -> bool {
        self.nodes[id].instance.runs()
    }

    fn find(&self, entity: &str) -> Found {
        let Some(fmri) = operand::canonical(entity) else {
            // A file is no service, so as a service it is not there.
            let file = operand::file_path(entity).is_some();
            return if file { Found::Absent } else { Found::Invalid };
        };
        let found = match operand::is_instance(&fmri) {
            true => self.id(&fmri).map(|id| vec![id]),
            false => self.services.get(&fmri).cloned(),
        };
        found.map_or(Found::Absent, Found::Instances)
    }

    /// What blocks an instance that waits for something.
    fn look(&mut self, id: Id) {
        let instance = &self.nodes[id].instance;
        if instance.state() != Some("offline") || instance.next_state().is_some() {
            return;
        }
        let mut seen = Seen::default();
        for dependency in instance.dependencies() {
            match dependency.kind.as_str() {
                "path" => look_at_files(instance, &dependency, &mut seen),
                "service" => self.look_at_services(instance, &dependency, &mut seen),
                other => {
                    let fmri = &instance.fmri;
                    let text = "has dependency group with invalid type";
                    seen.complaints.push(format!("{fmri} {text} \"{other}\"."));
                }
            }
        }
        let mut fault = None;
        if seen.blockers.is_empty() && seen.absent.is_empty() {
            let restarter = instance.restarter();
            match self.find(restarter) {
                // It is at work, whether or not it is among the services it cares for.
                _ if restarter == MASTER_RESTARTER => {}
                Found::Invalid => fault = Some(RestarterFault::Invalid),
                Found::Absent => fault = Some(RestarterFault::Absent),
                Found::Instances(found) => {
                    seen.blockers.extend(found.into_iter().filter(|id| !self.runs(*id)));
                }
            }
        }
        self.complaints.extend(seen.complaints);
        let node = &mut self.nodes[id];
        (node.blockers, node.absent) = (seen.blockers, seen.absent);
        node.restarter_fault = fault;
    }

    fn look_at_services(&self, instance: &Instance, dependency: &Dependency, seen: &mut Seen) {
        let found: Vec<(&String, Found)> =
            dependency.entities.iter().map(|entity| (entity, self.find(entity))).collect();
        let grouping = dependency.grouping.as_str();
        let any = found.iter().any(|(_, found)| match found {
            Found::Instances(ids) => ids.iter().any(|id| self.runs(*id)),
            Found::Absent | Found::Invalid => false,
        });
        if grouping == "require_any" && any {
            return;
        }
        for (entity, found) in found {
            let ids = match found {
                Found::Instances(ids) => ids,
                Found::Absent => {
                    if grouping.starts_with("require") {
                        seen.absent.push(entity.clone());
                    }
                    continue;
                }
                Found::Invalid => {
                    seen.invalid(instance, entity);
                    continue;
                }
            };
            let one_runs = ids.iter().any(|id| self.runs(*id));
            seen.blockers.extend(ids.into_iter().filter(|id| match grouping {
                "require_all" => !one_runs,
                "require_any" => true,
                "optional_all" => self.is_awaited(*id),
                "exclude_all" => self.runs(*id),
                _ => false,
            }));
        }
    }

    /// An optional dependency waits only for what is on its way.
    fn is_awaited(&self, id: Id) -> bool {
        let instance = &self.nodes[id].instance;
        let settled = instance.runs() || instance.state() == Some("maintenance");
        instance.effectively_enabled() == Some(true) && !settled
    }

    /// Hands the causes of whatever blocks an instance down to it, the farthest first.
    fn determine(&mut self, id: Id) {
        let mut path: Vec<(Id, usize)> = Vec::new();
        self.enter(id, &mut path);
        while let Some((node, at)) = path.last_mut() {
            let (node, blocker) = (*node, self.nodes[*node].blockers.get(*at).copied());
            *at += 1;
            match blocker {
                None => {
                    path.pop();
                    self.merge(node);
                }
                Some(blocker) => match self.nodes[blocker].walk {
                    Walk::New => self.enter(blocker, &mut path),
                    Walk::Active => self.cycle(blocker, &path),
                    Walk::Done => {}
                },
            }
        }
    }

    fn enter(&mut self, id: Id, path: &mut Vec<(Id, usize)>) {
        if self.nodes[id].walk == Walk::New {
            self.nodes[id].walk = Walk::Active;
            path.push((id, 0));
        }
    }

    fn cycle(&mut self, id: Id, path: &[(Id, usize)]) {
        let start = path.iter().position(|(other, _)| *other == id).unwrap_or(0);
        let members = path[start..].iter().map(|(other, _)| &self.nodes[*other].instance.fmri);
        let text: String = members.map(|fmri| format!("\n  {fmri}")).collect();
        self.complaints.push(format!("Dependency cycle detected:{text}"));
    }

    fn merge(&mut self, id: Id) {
        let mut causes: Vec<Cause> = Vec::new();
        let mut known = HashSet::new();
        for blocker in self.nodes[id].blockers.clone() {
            let of_blocker = &self.nodes[blocker].causes;
            for cause in of_blocker.iter().filter(|cause| known.insert(cause.node)) {
                causes.push(Cause { node: cause.node, next: Some(blocker) });
                self.roots.insert(cause.node);
            }
            self.nodes[blocker].dependents.push(id);
        }
        if causes.is_empty() {
            causes.push(Cause { node: id, next: None });
            if self.is_root(id) {
                self.roots.insert(id);
            }
        }
        self.nodes[id].causes = causes;
        self.nodes[id].walk = Walk::Done;
    }

    /// Whether an instance that nothing blocks needs a hand itself.
    fn is_root(&mut self, id: Id) -> bool {
        let instance = &self.nodes[id].instance;
        match instance.state() {
            Some("online" | "degraded" | "uninitialized") | None => false,
            Some("maintenance" | "offline") => true,
            Some("disabled") => instance.effectively_enabled() == Some(true),
            Some(other) => {
                let text = format!("{} has invalid state \"{other}\".", instance.fmri);
                self.complaints.push(text);
                true
            }
        }
    }
}

/// What looking at dependencies brings.
#[derive(Default)]
struct Seen {
    blockers: Vec<Id>,
    absent: Vec<String>,
    complaints: Vec<String>,
}

impl Seen {
    fn invalid(&mut self, instance: &Instance, entity: &str) {
        let text = format!("{} has invalid dependency \"{entity}\".", instance.fmri);
        self.complaints.push(text);
    }
}

fn look_at_files(instance: &Instance, dependency: &Dependency, seen: &mut Seen) {
    let mut files = Vec::new();
    for entity in &dependency.entities {
        match operand::file_path(entity) {
            Some(path) => files.push((entity, path.exists())),
            None => seen.invalid(instance, entity),
        }
    }
    let any = files.iter().any(|(_, there)| *there);
    let wrong = files.into_iter().filter(|(_, there)| match dependency.grouping.as_str() {
        "require_all" | "optional_all" => !there,
        "require_any" => !any,
        "exclude_all" => *there,
        _ => false,
    });
    seen.absent.extend(wrong.map(|(entity, _)| entity.clone()));
}

#[cfg(test)]
mod tests;
