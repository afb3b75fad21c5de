//! The engine in a simulated world: the state table, failures, propagation, death and return.

#![allow(clippy::unwrap_used)]

mod world;

use std::time::Duration;

use smf_startd::state::State;
use smf_startd::sys::Happened;
use world::{Service, World};

const A: &str = "svc:/a:x";
const B: &str = "svc:/b:x";
const C: &str = "svc:/c:x";

fn online(services: &[Service]) -> World {
    let mut world = World::new(services);
    for service in services.iter().filter(|service| service.enabled) {
        world.exit(service.fmri, 0, service.model != "transient");
        assert_eq!(State::Online, world.state(service.fmri));
        world.log(service.fmri);
    }
    world
}

#[test]
fn enable_start_disable() {
    let mut world = World::new(&[Service::new(A).disabled()]);
    assert_eq!(State::Disabled, world.state(A));
    assert_eq!("per_configuration", world.property(A, "restarter/auxiliary_state"));
    assert_eq!(vec!["Disabled."], world.log(A));
    world.enable(A, true);
    assert_eq!(State::Offline, world.state(A));
    assert_eq!("online", world.property(A, "restarter/next_state"));
    assert_eq!("dependencies_satisfied", world.property(A, "restarter/auxiliary_state"));
    world.exit(A, 0, true);
    assert_eq!(State::Online, world.state(A));
    assert_eq!("none", world.property(A, "restarter/next_state"));
    assert_eq!(
        vec![
            "Enabled.",
            "Executing start method (\"/start\").",
            "Method \"start\" exited with status 0."
        ],
        world.log(A)
    );
    world.enable(A, false);
    assert_eq!("disabled", world.property(A, "restarter/next_state"));
    world.empty(A);
    assert_eq!(State::Disabled, world.state(A));
    assert_eq!("", world.property(A, "restarter/contract"));
    assert_eq!(
        vec!["Stopping because service disabled.", "Executing stop method (:kill)."],
        world.log(A)
    );
}

#[test]
fn exit_statuses() {
    for (code, tries, aux) in [
        (95, 1, "method_failed"),
        (96, 1, "method_failed"),
        (99, 1, "method_failed"),
        (100, 1, "method_failed"),
        (98, 3, "fault_threshold_reached"),
        (1, 3, "fault_threshold_reached"),
    ] {
        let mut world = World::new(&[Service::transient(A)]);
        for done in 0..tries {
            assert_eq!(State::Offline, world.state(A), "{code} after {done}");
            world.exit(A, code, false);
        }
        assert_eq!(State::Maintenance, world.state(A), "{code}");
        assert_eq!(aux, world.property(A, "restarter/auxiliary_state"));
        assert_eq!(tries, world.spawned());
        // The counter survives clear: after the threshold, the first failure is the last.
        world.order(A, "maint_off");
        assert_eq!("clear_request", world.property(A, "restarter/auxiliary_state"));
        assert_eq!(tries + 1, world.spawned());
        if tries == 3 {
            world.exit(A, code, false);
            assert_eq!(State::Maintenance, world.state(A), "{code}");
        }
    }
}

#[test]
fn orders_wait_while_a_method_runs() {
    let mut world = World::new(&[Service::transient(A)]);
    world.order(A, "restart");
    world.enable(A, false);
    world.order(A, "refresh");
    assert_eq!((State::Offline, 1), (world.state(A), world.spawned()));
    world.log(A);
    world.exit(A, 0, false);
    // restart, start again, then disable: one after the other.
    let log = world.log(A);
    assert!(log.contains(&"Stopping because service restarting.".to_owned()), "{log:?}");
    assert_eq!(State::Disabled, world.state(A), "{log:?}");
    assert!(log.contains(&"Rereading configuration.".to_owned()), "{log:?}");
}

#[test]
fn timeouts_kill_and_retry() {
    let mut world = World::new(&[Service { timeout: "5", ..Service::transient(A) }]);
    world.log(A);
    for _ in 0..3 {
        world.log(A);
        let contract = world.method(A).unwrap().1.contract;
        world.pass(Duration::from_secs(4));
        assert!(!world.engine.sys().signals.contains(&(contract, 9)));
        world.pass(Duration::from_secs(1));
        assert!(world.engine.sys().signals.contains(&(contract, 9)));
        world.end(A, 9, false);
        let log = world.log(A);
        let killed = format!("Method or service exit timed out.  Killing contract {contract}.");
        assert_eq!(killed, log[0]);
        assert_eq!("Method \"start\" failed due to signal KILL.", log[1]);
    }
    assert_eq!(State::Maintenance, world.state(A));
}

#[test]
fn a_drain_that_times_out_ends_in_maintenance() {
    let mut world = online(&[Service { timeout: "5", ..Service::new(A) }]);
    world.enable(A, false);
    world.pass(Duration::from_secs(6));
    world.empty(A);
    assert_eq!(State::Maintenance, world.state(A));
    assert_eq!("method_failed", world.property(A, "restarter/auxiliary_state"));
}

#[test]
fn the_last_process_and_the_rate_limit() {
    let mut world = online(&[Service::new(A)]);
    for _ in 0..3 {
        world.empty(A);
        let log = world.log(A);
        assert_eq!("Stopping because all processes in service exited.", log[0]);
        world.exit(A, 0, true);
        assert_eq!(State::Online, world.state(A));
        world.log(A);
    }
    world.empty(A);
    assert_eq!(State::Maintenance, world.state(A), "the fifth start in no time");
    assert_eq!("restarting_too_quickly", world.property(A, "restarter/auxiliary_state"));
}

#[test]
fn restart_resets_the_stamps() {
    let mut world = online(&[Service::transient(A)]);
    for _ in 0..10 {
        world.order(A, "restart");
        world.exit(A, 0, false);
        assert_eq!(State::Online, world.state(A));
    }
    assert_eq!("restart_request", world.property(A, "restarter/auxiliary_state"));
}

#[test]
fn members_killed_or_dumped() {
    for (status, message) in [
        (11 | 0x80, "Stopping because process dumped core."),
        (9, "Stopping because process received fatal signal from outside the service."),
    ] {
        let mut world = online(&[Service::new(A)]);
        let contract = world.property(A, "restarter/contract").parse().unwrap();
        world.engine.happened(Happened::MemberEnded { contract, status });
        assert_eq!(message, world.log(A)[0]);
        world.empty(A);
        assert_eq!("online", world.property(A, "restarter/next_state"));
    }
}

#[test]
fn stops_and_starts_travel() {
    for (level, stops) in [("none", false), ("error", false), ("restart", true), ("refresh", true)]
    {
        let mut world = online(&[
            Service::transient(A),
            Service::transient(B).needs("require_all", level, "svc:/a:x"),
        ]);
        world.order(A, "restart");
        let want = if stops { State::Offline } else { State::Online };
        assert_eq!(want, world.state(B), "{level}");
        world.exit(A, 0, false);
        if stops {
            let log = world.log(B);
            assert_eq!("Stopping because dependency activity requires stop.", log[0]);
            world.exit(B, 0, false);
        }
        assert_eq!(State::Online, world.state(B), "{level}");
    }
}

#[test]
fn a_consumer_at_work_restarts_after_its_method() {
    let mut world = World::new(&[
        Service::transient(A),
        Service::transient(B).needs("require_all", "restart", "svc:/a:x"),
    ]);
    world.exit(A, 0, false);
    world.order(A, "restart");
    assert_eq!(2, world.spawned() - 1, "A again, B still at its first");
    let of_b = world.method(B).unwrap();
    world.exit(A, 0, false);
    assert_eq!(of_b.0, world.method(B).unwrap().0);
    world.exit(B, 0, false);
    assert_ne!(of_b.0, world.method(B).unwrap().0, "its deferred restart");
    world.exit(B, 0, false);
    assert_eq!(State::Online, world.state(B));
}

#[test]
fn a_disable_goes_leaf_first() {
    let mut world = online(&[
        Service::new(A),
        Service::new(B).needs("require_all", "restart", "svc:/a:x"),
        Service::new(C).needs("require_all", "none", "svc:/a:x"),
    ]);
    world.enable(A, false);
    assert_eq!(State::Online, world.state(A), "it waits for B");
    assert_eq!(vec!["Stopping because dependency activity requires stop."], world.log(B)[..1]);
    world.empty(B);
    assert_eq!(State::Offline, world.state(B));
    world.empty(A);
    assert_eq!(State::Disabled, world.state(A));
    assert_eq!((State::Offline, State::Online), (world.state(B), world.state(C)));
    world.enable(A, true);
    world.exit(A, 0, true);
    assert_eq!("online", world.property(B, "restarter/next_state"));
}

#[test]
fn maintenance_by_request_and_back() {
    let mut world = online(&[Service::transient(A)]);
    world.order(A, "maint_on");
    assert_eq!(State::Maintenance, world.state(A));
    assert_eq!("service_request", world.property(A, "restarter/auxiliary_state"));
    assert_eq!("", world.property(A, "restarter_actions/maint_on"), "value removed");
    assert_eq!("Stopping for maintenance due to service_request.", world.log(A)[0]);
    world.enable(A, true);
    assert_eq!(State::Maintenance, world.state(A), "enable changes nothing");
    world.enable(A, false);
    assert_eq!(State::Disabled, world.state(A));
    assert_eq!(vec!["Leaving maintenance because disable requested.", "Disabled."], world.log(A));
}

#[test]
fn refresh_takes_the_snapshot_in_any_state() {
    let mut world = World::new(&[Service::new(A).disabled()]);
    let before = world.engine.store().snapshots.len();
    world.put(A, "start/exec", "astring", &["/other"]);
    world.order(A, "refresh");
    assert_eq!(before + 1, world.engine.store().snapshots.len());
    world.enable(A, true);
    assert_eq!("/other", world.method(A).unwrap().1.command);
    // Not refreshed, not seen.
    world.put(A, "start/exec", "astring", &["/third"]);
    world.exit(A, 1, false);
    assert_eq!("/other", world.method(A).unwrap().1.command);
}

#[test]
fn cycles_and_bad_dependencies() {
    let mut world = World::new(&[
        Service::transient(A).needs("require_all", "none", "svc:/b:x"),
        Service::transient(B).needs("require_all", "none", "svc:/a:x"),
        Service::transient(C).needs("require_some", "none", "svc:/a:x"),
    ]);
    assert_eq!(State::Maintenance, world.state(C));
    assert_eq!("invalid_dependency", world.property(C, "restarter/auxiliary_state"));
    let caught: Vec<&str> =
        [A, B].into_iter().filter(|fmri| world.state(fmri) == State::Maintenance).collect();
    assert_eq!(1, caught.len(), "whoever closes the cycle");
    assert_eq!("dependency_cycle", world.property(caught[0], "restarter/auxiliary_state"));
}

#[test]
fn tokens_and_keywords() {
    let mut world = World::new(&[
        Service { start: "%{general/enabled} %{no/such}", ..Service::new(A) },
        Service { start: ":true", ..Service::new(B) },
        Service { start: "/x %i %m %{startd/duration}", ..Service::new(C) },
    ]);
    assert_eq!(State::Maintenance, world.state(A));
    assert!(world.log(A)[1].starts_with("Could not expand method tokens"));
    assert_eq!(State::Online, world.state(B));
    assert_eq!("Executing start method (null).", world.log(B)[1]);
    assert_eq!("/x x start contract", world.method(C).unwrap().1.command);
}

#[test]
fn instances_come_and_go() {
    let mut world = World::new(&[Service::transient(B).needs("require_all", "none", "svc:/a")]);
    assert_eq!(State::Offline, world.state(B));
    assert_eq!(0, world.spawned());
    Service::transient(A).add(world.engine.store());
    world.engine.repository_changed().unwrap();
    world.exit(A, 0, false);
    world.exit(B, 0, false);
    assert_eq!(State::Online, world.state(B));
    world.engine.store().live.remove(A);
    let change = smf_startd::store::Change { fmri: A.to_owned(), group: None };
    world.engine.store().changes.push(change);
    world.engine.repository_changed().unwrap();
    assert_eq!(None, world.engine.state(A));
    assert_eq!(State::Online, world.state(B), "restart_on none");
}

#[test]
fn an_engine_that_died_is_continued() {
    let mut world = online(&[Service::new(A), Service::transient(B)]);
    Service::transient(C).add(world.engine.store());
    world.engine.repository_changed().unwrap();
    let orphan = world.method(C).unwrap().1.contract;
    let mut world = world.restarted();
    assert_eq!((State::Online, State::Online), (world.state(A), world.state(B)));
    assert_eq!(0, world.spawned(), "C's old method is still ending");
    assert!(world.engine.sys().signals.contains(&(orphan, 9)));
    world.engine.sys().alive.remove(&orphan);
    world.engine.happened(Happened::Emptied { contract: orphan });
    world.exit(C, 0, false);
    assert_eq!(State::Online, world.state(C));
    // What was taken over is watched as before.
    world.empty(A);
    assert_eq!("Stopping because all processes in service exited.", world.log(A)[0]);
}

#[test]
fn what_ended_while_nobody_looked() {
    let mut world = online(&[Service::new(A)]);
    world.engine.sys().alive.clear();
    let mut world = world.restarted();
    assert_eq!("Stopping because all processes in service exited.", world.log(A)[0]);
    world.exit(A, 0, true);
    assert_eq!(State::Online, world.state(A));
}

#[test]
fn a_stop_cut_short_is_done_again() {
    let mut world = online(&[Service { stop: "/stop", ..Service::new(A) }]);
    world.enable(A, false);
    assert_eq!("/stop", world.method(A).unwrap().1.command);
    let orphan = world.method(A).unwrap().1.contract;
    let mut world = world.restarted();
    world.engine.sys().alive.remove(&orphan);
    world.engine.happened(Happened::Emptied { contract: orphan });
    assert_eq!("/stop", world.method(A).unwrap().1.command);
    world.exit(A, 0, false);
    world.empty(A);
    assert_eq!(State::Disabled, world.state(A));
}

#[test]
fn the_end_takes_everything_down_in_order() {
    let mut world =
        online(&[Service::new(A), Service::new(B).needs("require_all", "none", "svc:/a:x")]);
    Service::transient(C).add(world.engine.store());
    world.engine.repository_changed().unwrap();
    world.engine.end();
    assert_eq!(State::Online, world.state(A));
    world.empty(B);
    world.empty(A);
    assert!(!world.engine.ended(), "C still works");
    world.end(C, 15, false);
    assert!(world.engine.ended());
    assert_eq!("true", world.property(A, "general/enabled"));
    for fmri in [A, B, C] {
        assert_eq!(State::Offline, world.state(fmri));
    }
    let mut world = world.restarted();
    world.exit(A, 0, true);
    world.exit(B, 0, true);
    assert_eq!(State::Online, world.state(B));
}

#[test]
fn wait_services() {
    for (code, state) in [(0, State::Online), (1, State::Online), (96, State::Maintenance)] {
        let mut world = World::new(&[Service { model: "child", ..Service::new(A) }]);
        assert_eq!(State::Online, world.state(A), "right after the fork");
        world.exit(A, code, false);
        assert_eq!(state, world.state(A), "{code}");
    }
    let mut world = World::new(&[Service { model: "child", ..Service::new(A) }]);
    for _ in 0..5 {
        world.exit(A, 1, false);
    }
    assert!(world.log(A).contains(&"Failing too quickly, throttling.".to_owned()));
    assert_eq!(State::Offline, world.state(A));
    world.pass(Duration::from_secs(1));
    assert_eq!(State::Online, world.state(A));
}

#[test]
fn exclusion() {
    let mut world = online(&[
        Service::transient(B).needs("exclude_all", "none", "svc:/a:x"),
        Service::transient(A).disabled(),
    ]);
    world.enable(A, true);
    assert_eq!(State::Offline, world.state(B));
    assert_eq!("Stopping because dependency activity requires stop.", world.log(B)[0]);
    world.exit(A, 0, false);
    world.enable(A, false);
    world.exit(B, 0, false);
    assert_eq!(State::Online, world.state(B));
}

#[test]
fn a_stage_that_is_no_longer_wanted() {
    // It notices the disable that waits for it, and exits 95: by maintenance to disabled at once.
    let mut world = World::new(&[Service::transient(A)]);
    world.enable(A, false);
    assert_eq!(State::Offline, world.state(A));
    world.log(A);
    world.exit(A, 95, false);
    assert_eq!(State::Disabled, world.state(A));
    assert_eq!(
        vec![
            "Method \"start\" exited with status 95.",
            "Leaving maintenance because disable requested.",
            "Disabled."
        ],
        world.log(A)
    );
}

#[test]
fn a_stage_that_is_wanted_again_while_it_stops() {
    // The disable waits for its method, which has heard of it and fails; the enable comes between.
    let mut world = World::new(&[Service::transient(A)]);
    world.enable(A, false);
    world.enable(A, true);
    world.exit(A, 95, false);
    assert_eq!(State::Offline, world.state(A));
    assert_eq!("online", world.property(A, "restarter/next_state"), "it starts again");
    world.exit(A, 0, false);
    assert_eq!(State::Online, world.state(A));
    // One that heard of nothing goes on as if nothing had been said.
    let mut world = World::new(&[Service::transient(A)]);
    world.enable(A, false);
    world.enable(A, true);
    world.exit(A, 0, false);
    assert_eq!((State::Online, 1), (world.state(A), world.spawned()));
}

#[test]
fn dependents_of_what_stays_after_all_come_back() {
    let mut world = online(&[
        Service::transient(A),
        Service::transient(B).needs("require_all", "restart", "svc:/a:x"),
    ]);
    let store = world.engine.store();
    store.put(A, "refresh/type", "astring", &["method"]);
    store.put(A, "refresh/exec", "astring", &["/refresh"]);
    world.order(A, "refresh");
    assert_eq!("/refresh", world.method(A).unwrap().1.command);
    world.enable(A, false);
    assert_eq!(State::Offline, world.state(B), "it makes way");
    world.enable(A, true);
    world.exit(A, 0, false);
    assert_eq!(State::Online, world.state(A));
    world.exit(B, 0, false);
    assert_eq!(State::Online, world.state(B));
}

#[test]
fn an_engine_that_dies_before_the_disable_it_waited_with() {
    let mut world = World::new(&[Service::transient(A)]);
    world.exit(A, 95, false);
    let store = world.engine.store();
    store.put(A, "general/enabled", "boolean", &["false"]);
    let world = world.restarted();
    assert_eq!(State::Disabled, world.state(A));
    // Who was marked is not cleared by that.
    let mut world = World::new(&[Service::transient(A).disabled()]);
    world.order(A, "maint_on");
    assert_eq!(State::Maintenance, world.restarted().state(A));
}

#[test]
fn what_a_killed_method_leaves_behind_is_ended() {
    let mut world = World::new(&[Service::transient(A)]);
    for _ in 0..3 {
        let contract = world.method(A).unwrap().1.contract;
        world.end(A, 9, false);
        assert!(world.engine.sys().signals.contains(&(contract, 9)));
    }
    assert_eq!(State::Maintenance, world.state(A));
}

#[test]
fn what_a_full_repository_refused_is_written_when_there_is_room() {
    let mut world = online(&[Service::new(A), Service::new(B).disabled()]);
    world.engine.store().full = true;
    world.enable(A, false);
    world.empty(A);
    world.enable(B, true);
    world.exit(B, 0, true);
    world.order(B, "refresh");
    let taken = world.engine.store().snapshots.len();
    // The engine knows better than the repository.
    assert_eq!((State::Disabled, State::Online), (world.state(A), world.state(B)));
    assert_eq!("online", world.property(A, "restarter/state"));
    world.pass(Duration::from_secs(1));
    assert_eq!("online", world.property(A, "restarter/state"));
    assert!(world.engine.timeout().is_some_and(|soon| soon <= Duration::from_secs(1)));

    world.engine.store().full = false;
    world.pass(Duration::from_secs(1));
    for (fmri, state) in [(A, "disabled"), (B, "online")] {
        assert_eq!(state, world.property(fmri, "restarter/state"));
        assert_eq!("none", world.property(fmri, "restarter/next_state"));
    }
    assert_eq!("", world.property(A, "restarter/contract"));
    assert_ne!("", world.property(B, "restarter/contract"));
    assert_eq!("", world.property(B, "restarter_actions/refresh"));
    assert_eq!(taken + 1, world.engine.store().snapshots.len());
    let next = world.engine.timeout();
    assert!(next.is_none_or(|next| next > Duration::from_secs(1)), "{next:?}");
}

#[test]
fn a_disable_leads_out_of_maintenance_though_it_could_not_be_written() {
    let mut world = online(&[Service::new(A), Service::new(B).disabled()]);
    for fmri in [A, B] {
        world.order(fmri, "maint_on_immediate");
        assert_eq!(State::Maintenance, world.state(fmri));
    }
    // Nobody has disabled either since.
    let mut world = world.restarted();
    assert_eq!([State::Maintenance; 2], [world.state(A), world.state(B)]);

    world.engine.store().full = true;
    world.enable(A, false);
    assert_eq!(State::Disabled, world.state(A));
    assert_eq!("maintenance", world.property(A, "restarter/state"));
    world.engine.store().full = false;
    let mut world = world.restarted();
    assert_eq!([State::Disabled, State::Maintenance], [world.state(A), world.state(B)]);
    assert_eq!("disabled", world.property(A, "restarter/state"));
}

#[test]
fn a_milestone_leads_nobody_out_of_maintenance() {
    let mut world = online(&[Service::new(A)]);
    world.order(A, "maint_on_immediate");
    world.put("svc:/system/svc/restarter:default", "options_ovr/milestone", "astring", &["none"]);
    assert_eq!("false", world.property(A, "general_ovr/enabled"));
    let world = world.restarted();
    assert_eq!(State::Maintenance, world.state(A));
}
