//! What the administrator and the methods themselves say about an instance: marks, dumps, exits
//! that mean more than success or failure.

#![allow(clippy::unwrap_used)]

mod world;

use smf_startd::state::State;
use smf_startd::sys::Happened;
use world::{Service, World};

const A: &str = "svc:/a:x";
const B: &str = "svc:/b:x";

fn online(services: &[Service]) -> World {
    let mut world = World::new(services);
    for service in services {
        world.exit(service.fmri, 0, service.model != "transient");
        assert_eq!(State::Online, world.state(service.fmri));
        world.log(service.fmri);
    }
    world
}

#[test]
fn marked_degraded_and_restored() {
    for (tty, aux) in [("true", "administrative_request"), ("false", "service_request")] {
        let mut world = online(&[
            Service::new(A),
            Service::transient(B).needs("require_all", "refresh", "svc:/a:x"),
        ]);
        world.put(A, "restarter_actions/auxiliary_tty", "boolean", &[tty]);
        world.order(A, "degraded");
        assert_eq!(State::Degraded, world.state(A));
        assert_eq!(aux, world.property(A, "restarter/auxiliary_state"));
        assert_eq!("", world.property(A, "restarter_actions/degraded"));
        assert_eq!(State::Online, world.state(B), "it stands on what still runs");
        world.order(A, "restore");
        assert_eq!(State::Online, world.state(A));
        assert_eq!("clear_request", world.property(A, "restarter/auxiliary_state"));
        assert_eq!(
            vec![
                format!("Degraded due to {aux}."),
                "Leaving degraded state because clear requested.".to_owned()
            ],
            world.log(A)
        );
        assert_eq!(2, world.spawned(), "nothing was started or stopped");
    }
}

#[test]
fn maintenance_at_once_leaves_the_processes() {
    for action in ["maint_on_immediate", "maint_on_immtemp"] {
        let mut world = online(&[Service::new(A)]);
        world.put(A, "restarter_actions/auxiliary_fmri", "astring", &["svc:/who:x"]);
        world.order(A, action);
        assert_eq!(State::Maintenance, world.state(A));
        assert_eq!("", world.property(A, "restarter/contract"));
        assert_eq!("svc:/who:x", world.property(A, "restarter/auxiliary_fmri"));
        assert!(world.engine.sys().signals.is_empty());
        assert_eq!(vec!["Stopping for maintenance due to service_request."], world.log(A));
    }
}

#[test]
fn a_restart_with_a_dump_follows_from_the_core() {
    let mut world = online(&[Service::new(A)]);
    world.engine.store().put(A, "restarter_actions/do_dump", "integer", &["1"]);
    world.order(A, "restart");
    let contract: u64 = world.property(A, "restarter/contract").parse().unwrap();
    assert_eq!(vec![(contract, libc::SIGABRT)], world.engine.sys().signals);
    assert_eq!(State::Online, world.state(A), "until something dies of it");
    assert_eq!("", world.property(A, "restarter_actions/do_dump"));
    assert_eq!("", world.property(A, "restarter_actions/restart"));
    // No limit lets it write a core here, yet it died as one that does.
    world.engine.happened(Happened::MemberEnded { contract, status: libc::SIGABRT });
    world.empty(A);
    assert_eq!(
        vec!["Stopping because process dumped core.", "Executing stop method (:kill)."],
        world.log(A)[..2]
    );
    world.exit(A, 0, true);
    assert_eq!(State::Online, world.state(A));
    world.log(A);
    world.order(A, "restart");
    assert_eq!("Stopping because service restarting.", world.log(A)[0], "once asked, once done");
}

#[test]
fn no_daemon_is_no_failure() {
    let mut world = World::new(&[Service::new(A)]);
    world.exit(A, 94, false);
    assert_eq!(State::Online, world.state(A));
    assert_eq!("", world.property(A, "restarter/contract"));
    assert_eq!("Method \"start\" exited with status 94.", world.log(A)[2]);
    world.enable(A, false);
    assert_eq!(State::Disabled, world.state(A), "there is nothing to stop");
    assert_eq!(vec!["Stopping because service disabled."], world.log(A));
}

#[test]
fn degraded_by_its_method() {
    let mut world = World::new(&[
        Service::new(A),
        Service::transient(B).needs("require_all", "none", "svc:/a:x"),
    ]);
    world.exit(A, 97, true);
    assert_eq!(State::Degraded, world.state(A));
    assert_eq!("method_failed", world.property(A, "restarter/auxiliary_state"));
    assert_eq!("24832", world.property(A, "restarter/start_method_waitstatus"));
    assert_eq!("online", world.property(B, "restarter/next_state"), "degraded is running");
    world.empty(A);
    assert_eq!("Stopping because all processes in service exited.", world.log(A)[3]);
    let mut world = online(&[Service::new(A)]);
    world.put(A, "refresh/exec", "astring", &["/refresh"]);
    world.order(A, "refresh");
    world.exit(A, 97, false);
    assert_eq!(State::Degraded, world.state(A));
    world.order(A, "refresh");
    world.exit(A, 0, false);
    assert_eq!(State::Degraded, world.state(A), "only the administrator restores it");
}

#[test]
fn disabled_until_the_next_boot() {
    let mut world = World::new(&[Service::transient(A)]);
    world.exit(A, 101, false);
    assert_eq!(State::Disabled, world.state(A));
    assert_eq!("false", world.property(A, "general_ovr/enabled"));
    assert_eq!("true", world.property(A, "general/enabled"));
    let log = world.log(A);
    assert_eq!("Method \"start\" exited with status 101.", log[2]);
    assert_eq!("Stopping because service disabled.", log[3]);
}

#[test]
fn disabled_until_the_next_boot_once_that_can_be_written() {
    let second = std::time::Duration::from_secs(1);
    let mut world = World::new(&[Service::transient(A), Service::transient(B)]);
    world.engine.store().full = true;
    world.exit(A, 101, false);
    world.exit(B, 101, false);
    world.pass(second);
    assert_eq!("", world.property(A, "general_ovr/enabled"));
    assert_eq!((State::Online, State::Online), (world.state(A), world.state(B)));
    // An administrator has the last word.
    world.put(B, "general_ovr/enabled", "boolean", &["true"]);
    world.engine.store().full = false;
    world.pass(second);
    assert_eq!("false", world.property(A, "general_ovr/enabled"));
    assert_eq!("true", world.property(B, "general_ovr/enabled"));
    assert_eq!((State::Disabled, State::Online), (world.state(A), world.state(B)));
}

#[test]
fn a_refresh_restarts_who_listens() {
    let mut world = online(&[
        Service::transient(A),
        Service::transient(B).needs("require_all", "refresh", "svc:/a:x"),
    ]);
    world.order(A, "refresh");
    assert_eq!("Stopping because dependency activity requires stop.", world.log(B)[0]);
    world.exit(B, 0, false);
    assert_eq!((State::Online, State::Online), (world.state(A), world.state(B)));
}
