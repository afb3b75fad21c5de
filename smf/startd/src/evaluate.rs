//! evaluate - whether dependencies are satisfied.
//!
//! Two questions: is it satisfied now, and could it become so without the administrator.  The second
//! leads through everything beneath; its answer is kept with each node and found anew where
//! something changed ([`reckon`]), so that neither question is recursive.  Pure: the graph, and a
//! function that says whether a file exists.

use std::cell::Cell;

use crate::graph::{Dependency, Descent, Entity, Graph, Grouping, Node};
use crate::state::{Severity, State};

/// The value of a dependency or of one of its entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Satisfied {
    /// It cannot be without the administrator.
    Never,
    /// Not now.
    NotNow,
    /// It is.
    Yes,
}

use Satisfied::{Never, NotNow, Yes};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Now,
    Ever,
}

/// The evaluation of one graph at one moment.
pub struct Evaluation<'a> {
    graph: &'a Graph,
    exists: &'a dyn Fn(&str) -> bool,
}

/// Whether `stands_in_the_way` of anything a node names.  A group that is not require_all is asked
/// about as a whole, by its first entity.  The search begins where the last one ended: of thousands
/// that come up one after the other only the one that is waited for is looked at.
fn search(
    node: &Node,
    begin: &Cell<(usize, usize)>,
    stands_in_the_way: impl Fn(&Dependency, usize) -> bool,
) -> bool {
    let groups = &node.dependencies;
    let (first, inside) = begin.get();
    for step in 0..=groups.len() {
        let Some(group) = groups.get((first + step) % groups.len().max(1)) else { return false };
        let count = match group.grouping {
            Grouping::RequireAll => group.entities.len(),
            Grouping::RequireAny | Grouping::OptionalAll | Grouping::ExcludeAll => 1,
        };
        // The first group is looked at twice: from where the search begins, and before that.
        let range = match step {
            0 => inside.min(count)..count,
            last if last == groups.len() => 0..inside.min(count),
            _ => 0..count,
        };
        for number in range {
            if stands_in_the_way(group, number) {
                begin.set(((first + step) % groups.len(), number));
                return true;
            }
        }
    }
    false
}

/// Finds anew whether an instance, being offline, cannot come up without the administrator; true
/// when that has changed.  Those who depend on it are to be asked again then.
pub fn reckon(graph: &mut Graph, fmri: &str, exists: &dyn Fn(&str) -> bool) -> bool {
    let Some(node) = graph.node(fmri) else { return false };
    let never = Evaluation::new(graph, exists).never(node);
    let changed = node.never != never;
    if let Some(node) = graph.node_mut(fmri) {
        node.never = never;
    }
    changed
}

/// The same after something about one of those it depends on, `changed`, has changed: if nothing
/// barred it before, nothing but that one can now, however many it depends on.
pub fn reckon_after(
    graph: &mut Graph,
    fmri: &str,
    changed: &str,
    exists: &dyn Fn(&str) -> bool,
) -> bool {
    if graph.node(fmri).is_none_or(|node| node.never || node.on_files) {
        return reckon(graph, fmri, exists);
    }
    let evaluation = Evaluation::new(graph, exists);
    let bars = |(entity, group): (Entity, &Dependency)| match group.grouping {
        Grouping::RequireAll => evaluation.entity(&entity, Question::Ever) == Never,
        Grouping::RequireAny | Grouping::OptionalAll | Grouping::ExcludeAll => {
            evaluation.group(group, Question::Ever) == Never
        }
    };
    let never = graph.named_by(fmri, changed).into_iter().any(bars);
    if let Some(node) = graph.node_mut(fmri).filter(|_| never) {
        node.never = true;
    }
    never
}

impl<'a> Evaluation<'a> {
    /// Of a graph, with a function that says whether a file exists.
    #[must_use]
    pub fn new(graph: &'a Graph, exists: &'a dyn Fn(&str) -> bool) -> Evaluation<'a> {
        Evaluation { graph, exists }
    }

    /// Whether all dependencies of an instance are satisfied now.
    #[must_use]
    pub fn ready(&self, fmri: &str) -> bool {
        let Some(node) = self.graph.node(fmri) else { return false };
        let fails = |group: &Dependency, number: usize| match group.grouping {
            Grouping::RequireAll => self.entity(&group.entities[number], Question::Now) != Yes,
            Grouping::RequireAny | Grouping::OptionalAll | Grouping::ExcludeAll => {
                self.group(group, Question::Now) != Yes
            }
        };
        !search(node, &node.waits, fails)
    }

    /// Whether an offline instance cannot come up without the administrator.
    fn never(&self, node: &Node) -> bool {
        let bars = |group: &Dependency, number: usize| match group.grouping {
            Grouping::RequireAll => self.entity(&group.entities[number], Question::Ever) == Never,
            Grouping::RequireAny | Grouping::OptionalAll | Grouping::ExcludeAll => {
                self.group(group, Question::Ever) == Never
            }
        };
        search(node, &node.bars, bars)
    }

    /// Whether an instance may go on running, as far as can be told without having seen what
    /// happened: what it requires and whose stops it listens to runs, what it excludes does not.
    /// Files are not watched.
    #[must_use]
    pub fn may_go_on(&self, fmri: &str) -> bool {
        let groups = self.graph.node(fmri).map_or(&[][..], |node| &node.dependencies);
        groups.iter().all(|group| {
            let counts = match group.grouping {
                Grouping::RequireAll | Grouping::RequireAny => {
                    group.restart_on >= Severity::Restart
                }
                Grouping::OptionalAll => false,
                Grouping::ExcludeAll => true,
            };
            let files = group.entities.iter().any(|entity| matches!(entity, Entity::File(_)));
            !counts || files || self.group(group, Question::Now) == Yes
        })
    }

    /// Whether nothing that an instance excludes is there.
    #[must_use]
    pub fn excludes_nothing(&self, fmri: &str) -> bool {
        let groups = self.graph.node(fmri).map_or(&[][..], |node| &node.dependencies);
        let mut excluding = groups.iter().filter(|group| group.grouping == Grouping::ExcludeAll);
        excluding.all(|group| self.group(group, Question::Now) == Yes)
    }

    fn group(&self, group: &Dependency, question: Question) -> Satisfied {
        let entities = group.entities.iter();
        match group.grouping {
            Grouping::RequireAll => {
                entities.map(|entity| self.entity(entity, question)).min().unwrap_or(Yes)
            }
            Grouping::RequireAny => {
                entities.map(|entity| self.entity(entity, question)).max().unwrap_or(Yes)
            }
            Grouping::OptionalAll => {
                entities.map(|entity| self.optional(entity)).min().unwrap_or(Yes)
            }
            Grouping::ExcludeAll => {
                entities.map(|entity| self.excluded(entity)).min().unwrap_or(Yes)
            }
        }
    }

    fn entity(&self, entity: &Entity, question: Question) -> Satisfied {
        match entity {
            Entity::Instance(fmri) => self.instance(fmri, question),
            Entity::Service(service) => {
                let instances = self.graph.instances(service);
                instances.map(|fmri| self.instance(fmri, question)).max().unwrap_or(Never)
            }
            Entity::File(path) => {
                if (self.exists)(path) {
                    Yes
                } else {
                    Never
                }
            }
        }
    }

    fn instance(&self, fmri: &str, question: Question) -> Satisfied {
        let Some(node) = self.graph.node(fmri) else {
            let gone = self.graph.is_condemned(fmri) && question == Question::Now;
            return if gone { Yes } else { Never };
        };
        match (node.state, question) {
            (State::Online | State::Degraded, _) => match node.descent {
                Descent::None => Yes,
                Descent::Offline | Descent::TakeDown => NotNow,
                // Enabled again on its way down, it comes up from there.
                Descent::Disable | Descent::Leave if node.enabled => NotNow,
                Descent::Disable | Descent::Leave => Never,
            },
            (State::Offline, Question::Ever) if node.never => Never,
            (State::Disabled, Question::Ever) if !node.enabled => Never,
            (State::Maintenance, _) => Never,
            (State::None | State::Uninitialized | State::Offline | State::Disabled, _) => NotNow,
        }
    }

    /// Absent, in maintenance and unable to start all count as satisfied.
    fn optional(&self, entity: &Entity) -> Satisfied {
        match entity {
            Entity::File(path) => {
                if (self.exists)(path) {
                    Yes
                } else {
                    Never
                }
            }
            Entity::Instance(fmri) => self.optional_instance(fmri),
            Entity::Service(service) => {
                let instances = self.graph.instances(service);
                instances.map(|fmri| self.optional_instance(fmri)).min().unwrap_or(Yes)
            }
        }
    }

    fn optional_instance(&self, fmri: &str) -> Satisfied {
        let Some(node) = self.graph.node(fmri) else { return Yes };
        match node.state {
            State::Maintenance => Yes,
            State::Offline | State::Disabled => match self.instance(fmri, Question::Ever) {
                Never | Yes => Yes,
                NotNow => NotNow,
            },
            // On its way to be disabled it is still waited for: nobody waits for it then.
            State::Online | State::Degraded => self.instance(fmri, Question::Now).max(NotNow),
            State::None | State::Uninitialized => NotNow,
        }
    }

    fn excluded(&self, entity: &Entity) -> Satisfied {
        let of = |fmri: &str| match self.graph.node(fmri).map(|node| node.state) {
            Some(State::Online | State::Degraded) => Never,
            Some(State::Offline | State::Uninitialized | State::None) => NotNow,
            Some(State::Disabled | State::Maintenance) | None => Yes,
        };
        match entity {
            Entity::Instance(fmri) => of(fmri),
            Entity::Service(service) => {
                self.graph.instances(service).map(|fmri| of(fmri)).min().unwrap_or(Yes)
            }
            Entity::File(path) => {
                if (self.exists)(path) {
                    Never
                } else {
                    Yes
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Severity;

    fn depend(graph: &mut Graph, fmri: &str, grouping: Grouping, entities: Vec<Entity>) {
        let restart_on = Severity::None;
        let group = Dependency { name: "d".into(), grouping, restart_on, entities };
        graph.depend(fmri, vec![group]);
    }

    fn instance(fmri: &str) -> Entity {
        Entity::Instance(fmri.into())
    }

    #[test]
    fn one_entity_in_every_state() {
        // Columns: require_all, require_any, optional_all, exclude_all.
        for (state, enabled, want) in [
            (Some(State::Online), true, [true, true, true, false]),
            (Some(State::Degraded), true, [true, true, true, false]),
            (Some(State::Offline), true, [false, false, false, false]),
            (Some(State::Uninitialized), true, [false, false, false, false]),
            (Some(State::Disabled), false, [false, false, true, true]),
            (Some(State::Disabled), true, [false, false, false, true]),
            (Some(State::Maintenance), true, [false, false, true, true]),
            (None, false, [false, false, true, true]),
        ] {
            for (column, grouping) in [
                Grouping::RequireAll,
                Grouping::RequireAny,
                Grouping::OptionalAll,
                Grouping::ExcludeAll,
            ]
            .into_iter()
            .enumerate()
            {
                for entity in [instance("svc:/a:x"), Entity::Service("svc:/a".into())] {
                    let mut graph = Graph::default();
                    if let Some(state) = state {
                        graph.add("svc:/a:x", state, enabled);
                    }
                    graph.add("svc:/b:x", State::Offline, true);
                    depend(&mut graph, "svc:/b:x", grouping, vec![entity]);
                    let ready = Evaluation::new(&graph, &|_| false).ready("svc:/b:x");
                    assert_eq!(want[column], ready, "{state:?} {grouping:?}");
                }
            }
        }
    }

    #[test]
    fn empty_groups_and_files() {
        for (grouping, empty, present, absent) in [
            (Grouping::RequireAll, true, true, false),
            (Grouping::RequireAny, true, true, false),
            (Grouping::OptionalAll, true, true, false),
            (Grouping::ExcludeAll, true, false, true),
        ] {
            let mut graph = Graph::default();
            graph.add("svc:/b:x", State::Offline, true);
            depend(&mut graph, "svc:/b:x", grouping, vec![]);
            assert_eq!(empty, Evaluation::new(&graph, &|_| false).ready("svc:/b:x"));
            depend(&mut graph, "svc:/b:x", grouping, vec![Entity::File("/f".into())]);
            assert_eq!(present, Evaluation::new(&graph, &|_| true).ready("svc:/b:x"));
            assert_eq!(absent, Evaluation::new(&graph, &|_| false).ready("svc:/b:x"));
        }
    }

    #[test]
    fn who_is_to_be_deleted_is_not_waited_for() {
        let mut graph = Graph::default();
        graph.add("svc:/b:x", State::Offline, true);
        depend(&mut graph, "svc:/b:x", Grouping::RequireAll, vec![instance("svc:/a:x")]);
        for (condemned, want) in [(false, false), (true, true), (false, false)] {
            graph.condemn("svc:/a:x", condemned);
            assert_eq!(want, Evaluation::new(&graph, &|_| false).ready("svc:/b:x"));
        }
    }

    #[test]
    fn the_search_begins_where_it_ended() {
        let mut graph = Graph::default();
        let names: Vec<String> = (0..5).map(|number| format!("svc:/s{number}:x")).collect();
        names.iter().for_each(|fmri| graph.add(fmri, State::Offline, true));
        graph.add("svc:/b:x", State::Offline, true);
        let all =
            |some: &[String]| some.iter().map(|name| Entity::Instance(name.clone())).collect();
        let group = |entities| Dependency {
            name: "d".into(),
            grouping: Grouping::RequireAll,
            restart_on: Severity::None,
            entities,
        };
        graph.depend("svc:/b:x", vec![group(all(&names[..2])), group(all(&names[2..]))]);
        // Whatever comes up last and goes first, it is seen.
        for last in &names {
            for fmri in names.iter().filter(|fmri| *fmri != last).chain([last]) {
                assert!(!Evaluation::new(&graph, &|_| false).ready("svc:/b:x"), "{last} {fmri}");
                graph.node_mut(fmri).unwrap().state = State::Online;
            }
            assert!(Evaluation::new(&graph, &|_| false).ready("svc:/b:x"), "{last}");
            for fmri in names.iter().filter(|fmri| *fmri != last).chain([last]) {
                graph.node_mut(last).unwrap().state = State::Offline;
                graph.node_mut(fmri).unwrap().state = State::Offline;
                assert!(!Evaluation::new(&graph, &|_| false).ready("svc:/b:x"), "{last} {fmri}");
            }
        }
    }

    #[test]
    fn one_change_is_as_good_as_a_look_at_all() {
        use Grouping::{OptionalAll, RequireAll, RequireAny};
        for grouping in [RequireAll, RequireAny, OptionalAll] {
            for state in [State::Maintenance, State::Disabled, State::Offline, State::Online] {
                for (entity, want) in
                    [(instance("svc:/a:x"), true), (Entity::Service("svc:/a".into()), false)]
                {
                    let mut graph = Graph::default();
                    for fmri in ["svc:/a:x", "svc:/a:y", "svc:/b:x"] {
                        graph.add(fmri, State::Offline, true);
                    }
                    depend(&mut graph, "svc:/b:x", grouping, vec![entity]);
                    assert!(!reckon(&mut graph, "svc:/b:x", &|_| false));
                    let node = graph.node_mut("svc:/a:x").unwrap();
                    (node.state, node.enabled) = (state, false);
                    reckon_after(&mut graph, "svc:/b:x", "svc:/a:x", &|_| false);
                    let never = graph.node("svc:/b:x").unwrap().never;
                    let bars = matches!(state, State::Maintenance | State::Disabled);
                    assert_eq!(never, want && bars && grouping != OptionalAll, "{state}");
                    assert!(!reckon(&mut graph, "svc:/b:x", &|_| false), "{grouping:?} {state}");
                }
            }
        }
    }

    #[test]
    fn optional_looks_through_what_cannot_start() {
        // b waits optionally for a, a waits for c: in maintenance there is nothing to wait for.
        for (state, want) in [
            (State::Maintenance, true),
            (State::Disabled, true),
            (State::Offline, false),
            (State::Online, false),
        ] {
            let mut graph = Graph::default();
            graph.add("svc:/a:x", State::Offline, true);
            graph.add("svc:/b:x", State::Offline, true);
            graph.add("svc:/c:x", state, false);
            depend(&mut graph, "svc:/a:x", Grouping::RequireAll, vec![instance("svc:/c:x")]);
            depend(&mut graph, "svc:/b:x", Grouping::OptionalAll, vec![instance("svc:/a:x")]);
            reckon(&mut graph, "svc:/a:x", &|_| false);
            assert_eq!(want, Evaluation::new(&graph, &|_| false).ready("svc:/b:x"), "{state}");
        }
    }
}
