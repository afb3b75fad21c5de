//! propagate - what follows when an instance enters a state.
//!
//! The caller has recorded the new state already.  These functions read and flag the graph and
//! answer with orders; they never carry one out.  Stops are ordered whether or not the dependent
//! runs: it may be starting just now, and the order waits for that.

use crate::evaluate::{Evaluation, reckon, reckon_after};
use crate::graph::{Descent, Graph, Grouping};
use crate::state::{Order, Severity, State};

/// Orders, in the order they are to be given: (instance, order).
pub type Orders = Vec<(String, Order)>;

/// A change of state.
#[derive(Debug, Clone, Copy)]
pub struct Transition<'a> {
    /// The instance.
    pub fmri: &'a str,
    /// What it was.
    pub from: State,
    /// What it is now.
    pub to: State,
    /// If it stopped running: why.
    pub severity: Severity,
}

/// An instance entered a state: what it needs itself, then what its dependents need.
#[must_use]
pub fn entered(graph: &mut Graph, t: Transition<'_>, exists: &dyn Fn(&str) -> bool) -> Orders {
    let mut orders = Orders::new();
    let descended = match graph.node_mut(t.fmri) {
        None => return orders,
        Some(node) => node.descent != Descent::None && !t.to.is_running(),
    };
    if descended {
        graph.flag(t.fmri, Descent::None);
    }
    reckon(graph, t.fmri, exists);
    own(graph, t, descended, exists, &mut orders);
    dependents(graph, t, exists, &mut orders);
    if graph.flagged().next().is_none() {
        return orders;
    }
    // It may have been what held those it stands on.
    let mut beneath: Vec<String> = graph.successors(t.fmri).into_iter().cloned().collect();
    beneath.push(t.fmri.to_owned());
    orders.extend(descend(graph, beneath.iter()));
    orders
}

/// What the instance itself needs next.
fn own(
    graph: &Graph,
    t: Transition<'_>,
    descended: bool,
    exists: &dyn Fn(&str) -> bool,
    orders: &mut Orders,
) {
    let Some(node) = graph.node(t.fmri) else { return };
    let order = match (t.to, node.enabled) {
        (State::Uninitialized | State::Disabled, true) => Some(Order::Enable),
        (State::Uninitialized | State::Offline | State::Online | State::Degraded, false) => {
            Some(Order::Disable)
        }
        // It went down for the sake of another, which is still to go: not up again yet.
        (State::Offline, true) if descended && graph.stands_on_descending(t.fmri) => None,
        (State::Offline, true) => startable(graph, t.fmri, exists),
        // What it excludes may have come while it started.
        (State::Online | State::Degraded, true) => {
            let excluded = !Evaluation::new(graph, exists).excludes_nothing(t.fmri);
            (!t.from.is_running() && excluded).then_some(Order::StopReset)
        }
        (State::Disabled, false) | (State::Maintenance | State::None, _) => None,
    };
    orders.extend(order.map(|order| (t.fmri.to_owned(), order)));
}

/// The order to start, if the instance waits for nothing but that.
#[must_use]
pub fn startable(graph: &Graph, fmri: &str, exists: &dyn Fn(&str) -> bool) -> Option<Order> {
    let node = graph.node(fmri)?;
    let waits = node.state == State::Offline && node.enabled && node.descent == Descent::None;
    (waits && Evaluation::new(graph, exists).ready(fmri)).then_some(Order::Start)
}

fn dependents(
    graph: &mut Graph,
    t: Transition<'_>,
    exists: &dyn Fn(&str) -> bool,
    orders: &mut Orders,
) {
    let stopped = t.from.is_running() && !t.to.is_running();
    for (dependent, groups) in graph.dependents(t.fmri) {
        let running = graph.node(dependent).is_some_and(|node| node.state.is_running());
        let stop = groups.iter().filter_map(|group| match group.grouping {
            // What it excludes is there or about to be.
            Grouping::ExcludeAll => {
                (!t.from.is_running() && t.to != State::Uninitialized && running)
                    .then_some(Order::StopReset)
            }
            Grouping::RequireAll | Grouping::RequireAny | Grouping::OptionalAll => {
                let listens = group.restart_on >= Severity::Restart;
                if stopped {
                    (t.severity <= group.restart_on).then_some(if listens {
                        Order::StopReset
                    } else {
                        Order::Stop
                    })
                } else {
                    let moved = !t.from.is_running() && t.to != State::Uninitialized;
                    (moved && running && listens).then_some(Order::StopReset)
                }
            }
        });
        // One stop is enough, and the stamps are forgotten if any group says so.
        let stop = stop.reduce(|a, b| if a == Order::StopReset { a } else { b });
        orders.extend(stop.map(|order| (dependent.clone(), order)));
    }
    reconsider(graph, t.fmri, exists, orders);
}

/// Starts what can start now because something about this instance changed: also through
/// dependents that are offline themselves, where their chances have changed with it.
pub fn reconsider(
    graph: &mut Graph,
    fmri: &str,
    exists: &dyn Fn(&str) -> bool,
    orders: &mut Orders,
) {
    let mut rest = vec![fmri.to_owned()];
    while let Some(next) = rest.pop() {
        let offline =
            |fmri: &&String| graph.node(fmri).is_some_and(|node| node.state == State::Offline);
        let dependents = graph.dependents(&next).into_iter().map(|(dependent, _)| dependent);
        let dependents: Vec<String> = dependents.filter(offline).cloned().collect();
        for dependent in dependents {
            let order = startable(graph, &dependent, exists);
            orders.extend(order.map(|order| (dependent.clone(), order)));
            if reckon_after(graph, &dependent, &next, exists) {
                rest.push(dependent);
            }
        }
    }
}

/// A running instance was refreshed: what follows for those who listen to that.
#[must_use]
pub fn refreshed(graph: &Graph, fmri: &str) -> Orders {
    if !graph.node(fmri).is_some_and(|node| node.state.is_running()) {
        return Orders::new();
    }
    let listens = |group: &crate::graph::Dependency| {
        group.grouping != Grouping::ExcludeAll && group.restart_on >= Severity::Refresh
    };
    let stopped = running_dependents(graph, fmri, listens).into_iter();
    stopped.map(|dependent| (dependent, Order::StopReset)).collect()
}

/// The administrator disabled an instance: whoever listens to its stops goes offline first, the
/// leaves before what they depend on, the instance last.
#[must_use]
pub fn disable(graph: &mut Graph, fmri: &str) -> Orders {
    let mut rest = vec![fmri.to_owned()];
    match graph.node(fmri) {
        Some(node) if node.state.is_running() => {
            // Once more, it is not ordered again.
            if node.descent != Descent::Disable || !node.descending {
                graph.flag(fmri, Descent::Disable);
            }
        }
        Some(_) | None => return vec![(fmri.to_owned(), Order::AdminDisable)],
    }
    let mut flagged = rest.clone();
    while let Some(next) = rest.pop() {
        for dependent in listeners(graph, &next) {
            if graph.node(&dependent).is_some_and(|node| node.descent == Descent::None) {
                graph.flag(&dependent, Descent::Offline);
                flagged.push(dependent.clone());
                rest.push(dependent);
            }
        }
    }
    descend(graph, flagged.iter())
}

/// The engine ends: everything that runs goes down, dependents first.
#[must_use]
pub fn take_down(graph: &mut Graph) -> Orders {
    let running: Vec<String> = graph
        .nodes()
        .filter(|(_, node)| node.state.is_running() && !node.delegated)
        .map(|(fmri, _)| fmri.clone())
        .collect();
    for fmri in &running {
        graph.flag(fmri, Descent::TakeDown);
    }
    descend(graph, running.iter())
}

/// These are not part of the milestone: what runs goes down, dependents first whether they listen
/// or not; what does not run is disabled at once.
#[must_use]
pub fn leave(graph: &mut Graph, fmris: &[String]) -> Orders {
    let mut orders = Orders::new();
    for fmri in fmris {
        let Some(node) = graph.node_mut(fmri) else { continue };
        node.enabled = false;
        if node.state.is_running() && !node.delegated {
            graph.flag(fmri, Descent::Leave);
        } else {
            orders.push((fmri.clone(), Order::Disable));
        }
    }
    orders.extend(descend_all(graph));
    orders
}

/// The administrator changed his mind about a disable that is still waiting for others.
pub fn forget_disable(graph: &mut Graph, fmri: &str) {
    let waits = graph.node(fmri).is_some_and(|node| {
        matches!(node.descent, Descent::Disable | Descent::Leave) && !node.descending
    });
    if waits {
        graph.flag(fmri, Descent::None);
    }
    if graph.flagged().any(|(_, node)| node.descent == Descent::Disable) {
        return;
    }
    // Nothing is to be disabled any more: those that were to go first may stay.
    let spared: Vec<String> = graph
        .flagged()
        .filter(|(_, node)| node.descent == Descent::Offline && !node.descending)
        .map(|(fmri, _)| fmri.clone())
        .collect();
    for fmri in spared {
        graph.flag(&fmri, Descent::None);
    }
}

/// The running dependents that listen to stops of an instance.
fn listeners(graph: &Graph, fmri: &str) -> Vec<String> {
    let listens = |group: &crate::graph::Dependency| {
        group.grouping != Grouping::ExcludeAll && group.restart_on >= Severity::Restart
    };
    running_dependents(graph, fmri, listens)
}

fn running_dependents(
    graph: &Graph,
    fmri: &str,
    counts: impl Fn(&crate::graph::Dependency) -> bool,
) -> Vec<String> {
    let dependents = graph.dependents(fmri).into_iter();
    dependents
        .filter(|(dependent, groups)| {
            let runs = graph.node(dependent).filter(|node| !node.delegated);
            let runs = runs.is_some_and(|node| node.state.is_running());
            runs && *dependent != fmri && groups.iter().any(|group| counts(group))
        })
        .map(|(dependent, _)| dependent.clone())
        .collect()
}

fn every_running_dependent(graph: &Graph, fmri: &str) -> Vec<String> {
    running_dependents(graph, fmri, |group| group.grouping != Grouping::ExcludeAll)
}

/// Orders all that are on their way down and that nobody above them holds any more.
#[must_use]
pub fn descend_all(graph: &mut Graph) -> Orders {
    let flagged: Vec<String> = graph.flagged().map(|(fmri, _)| fmri.clone()).collect();
    descend(graph, flagged.iter())
}

/// The same for some: those that may have been waiting for what has happened.
fn descend<'a>(graph: &mut Graph, some: impl Iterator<Item = &'a String>) -> Orders {
    let mut orders = Orders::new();
    for fmri in some {
        let Some(node) = graph.node(fmri).filter(|node| !node.descending) else { continue };
        let (held, order) = match node.descent {
            Descent::None => continue,
            Descent::Offline => (listeners(graph, fmri), Order::StopReset),
            Descent::Disable => (listeners(graph, fmri), Order::AdminDisable),
            Descent::Leave => (every_running_dependent(graph, fmri), Order::Disable),
            Descent::TakeDown => (every_running_dependent(graph, fmri), Order::TakeDown),
        };
        let waits = held
            .iter()
            .any(|above| graph.node(above).is_some_and(|node| node.descent != Descent::None));
        if !waits {
            if let Some(node) = graph.node_mut(fmri) {
                node.descending = true;
            }
            orders.push((fmri.clone(), order));
        }
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Dependency, Entity};

    const A: &str = "svc:/a:x";
    const B: &str = "svc:/b:x";
    const C: &str = "svc:/c:x";

    fn depend(graph: &mut Graph, fmri: &str, on: &str, grouping: Grouping, level: &str) {
        let restart_on = Severity::parse(level).unwrap();
        let entities = vec![Entity::Instance(on.into())];
        graph.depend(fmri, vec![Dependency { name: "d".into(), grouping, restart_on, entities }]);
    }

    fn order_to(orders: &Orders, fmri: &str) -> Option<Order> {
        orders.iter().find(|(to, _)| to == fmri).map(|(_, order)| order.clone())
    }

    #[test]
    fn stops_pass_by_severity() {
        for (level, severity, want) in [
            ("none", Severity::Error, None),
            ("none", Severity::Restart, None),
            ("error", Severity::Error, Some(Order::Stop)),
            ("error", Severity::Restart, None),
            ("restart", Severity::Error, Some(Order::StopReset)),
            ("restart", Severity::Restart, Some(Order::StopReset)),
            ("refresh", Severity::Restart, Some(Order::StopReset)),
            ("refresh", Severity::Refresh, Some(Order::StopReset)),
            ("restart", Severity::Refresh, None),
        ] {
            for grouping in [Grouping::RequireAll, Grouping::RequireAny, Grouping::OptionalAll] {
                let mut graph = Graph::default();
                graph.add(A, State::Offline, true);
                graph.add(B, State::Online, true);
                depend(&mut graph, B, A, grouping, level);
                let t = Transition { fmri: A, from: State::Online, to: State::Offline, severity };
                let orders = entered(&mut graph, t, &|_| false);
                assert_eq!(want, order_to(&orders, B), "{level} {severity:?}");
            }
        }
    }

    #[test]
    fn coming_online_starts_and_restarts() {
        for (state, level, want) in [
            (State::Offline, "none", Some(Order::Start)),
            (State::Online, "none", None),
            (State::Online, "error", None),
            (State::Online, "restart", Some(Order::StopReset)),
            (State::Online, "refresh", Some(Order::StopReset)),
            (State::Maintenance, "restart", None),
        ] {
            let mut graph = Graph::default();
            graph.add(A, State::Online, true);
            graph.add(B, state, true);
            depend(&mut graph, B, A, Grouping::OptionalAll, level);
            let (from, to) = (State::Offline, State::Online);
            let t = Transition { fmri: A, from, to, severity: Severity::None };
            assert_eq!(want, order_to(&entered(&mut graph, t, &|_| false), B), "{state} {level}");
        }
    }

    #[test]
    fn a_refresh_passes_to_those_who_listen_to_it() {
        for (state, grouping, level, want) in [
            (State::Online, Grouping::RequireAll, "restart", None),
            (State::Online, Grouping::RequireAll, "refresh", Some(Order::StopReset)),
            (State::Degraded, Grouping::OptionalAll, "refresh", Some(Order::StopReset)),
            (State::Online, Grouping::ExcludeAll, "refresh", None),
            (State::Offline, Grouping::OptionalAll, "refresh", None),
        ] {
            let mut graph = Graph::default();
            graph.add(A, state, true);
            graph.add(B, State::Online, true);
            depend(&mut graph, B, A, grouping, level);
            assert_eq!(want, order_to(&refreshed(&graph, A), B), "{state} {grouping:?} {level}");
        }
    }

    #[test]
    fn a_clear_by_itself_stops_nobody() {
        let mut graph = Graph::default();
        graph.add(A, State::Uninitialized, true);
        graph.add(B, State::Online, true);
        depend(&mut graph, B, A, Grouping::OptionalAll, "refresh");
        let (from, to) = (State::Maintenance, State::Uninitialized);
        let t = Transition { fmri: A, from, to, severity: Severity::None };
        assert_eq!(None, order_to(&entered(&mut graph, t, &|_| false), B));
    }

    #[test]
    fn excluded_instances_stop_their_dependents() {
        for (from, to, running, want) in [
            (State::Disabled, State::Offline, State::Online, Some(Order::StopReset)),
            (State::Offline, State::Online, State::Online, Some(Order::StopReset)),
            (State::Online, State::Disabled, State::Offline, Some(Order::Start)),
            (State::Offline, State::Disabled, State::Offline, Some(Order::Start)),
            (State::Online, State::Offline, State::Offline, None),
        ] {
            let mut graph = Graph::default();
            graph.add(A, to, true);
            graph.add(B, running, true);
            depend(&mut graph, B, A, Grouping::ExcludeAll, "none");
            let t = Transition { fmri: A, from, to, severity: Severity::Restart };
            assert_eq!(want, order_to(&entered(&mut graph, t, &|_| false), B), "{from} {to}");
        }
    }

    #[test]
    fn a_disable_takes_the_leaves_first() {
        let mut graph = Graph::default();
        for fmri in [A, B, C] {
            graph.add(fmri, State::Online, true);
        }
        depend(&mut graph, B, A, Grouping::RequireAll, "restart");
        depend(&mut graph, C, B, Grouping::RequireAll, "refresh");
        graph.node_mut(A).unwrap().enabled = false;
        assert_eq!(vec![(C.to_owned(), Order::StopReset)], disable(&mut graph, A));
        for (fmri, next, order) in [(C, B, Order::StopReset), (B, A, Order::AdminDisable)] {
            graph.node_mut(fmri).unwrap().state = State::Offline;
            let (from, to) = (State::Online, State::Offline);
            let t = Transition { fmri, from, to, severity: Severity::Restart };
            let orders = entered(&mut graph, t, &|_| false);
            assert_eq!(Some(order), order_to(&orders, next), "{fmri}");
            assert_eq!(Some(&next.to_owned()), orders.last().map(|(to, _)| to));
        }
    }

    #[test]
    fn a_disable_leaves_those_who_do_not_listen() {
        for level in ["none", "error"] {
            let mut graph = Graph::default();
            graph.add(A, State::Online, false);
            graph.add(B, State::Online, true);
            depend(&mut graph, B, A, Grouping::RequireAll, level);
            assert_eq!(vec![(A.to_owned(), Order::AdminDisable)], disable(&mut graph, A));
        }
    }

    #[test]
    fn the_end_takes_all_dependents_first() {
        let mut graph = Graph::default();
        graph.add(A, State::Online, true);
        graph.add(B, State::Online, true);
        depend(&mut graph, B, A, Grouping::RequireAll, "none");
        assert_eq!(vec![(B.to_owned(), Order::TakeDown)], take_down(&mut graph));
    }
}
