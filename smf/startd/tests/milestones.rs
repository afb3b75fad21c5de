//! Milestones, other restarters, and who is to be deleted.

#![allow(clippy::unwrap_used)]

mod world;

use smf_startd::state::State;
use world::{Service, World};

const MASTER: &str = "svc:/system/svc/restarter:default";
const MINOR: &str = "svc:/milestone/single-user:default";
const BASE: &str = "svc:/base:x";
const SHELL: &str = "svc:/shell:x";
const SITE: &str = "svc:/site:x";
const TOP: &str = "svc:/top:x";

fn null(fmri: &'static str) -> Service {
    Service { start: ":true", ..Service::transient(fmri) }
}

/// base <- single-user; base <- site <- top; shell is optional for single-user.
fn services() -> Vec<Service> {
    vec![
        null(MASTER),
        null(BASE),
        null(SHELL).disabled(),
        null(MINOR).needs("require_all", "none", "svc:/base:x").needs(
            "optional_all",
            "none",
            "svc:/shell:x",
        ),
        Service::new(SITE).needs("require_all", "none", "svc:/base:x"),
        null(TOP).needs("require_all", "none", "svc:/site:x"),
    ]
}

fn all_online() -> World {
    let mut world = World::new(&services());
    world.exit(SITE, 0, true);
    assert_eq!(states(&world), ["online", "disabled", "online", "online", "online"]);
    world
}

fn states(world: &World) -> [String; 5] {
    [BASE, SHELL, MINOR, SITE, TOP].map(|fmri| world.state(fmri).to_string())
}

fn go(world: &mut World, milestone: &str) {
    world.put(MASTER, "options_ovr/milestone", "astring", &[milestone]);
}

#[test]
fn down_to_a_milestone_and_up_again() {
    let mut world = all_online();
    world.put(SHELL, "general_ovr/enabled", "boolean", &["true"]);
    assert_eq!(State::Online, world.state(SHELL));
    world.log(SITE);
    go(&mut world, MINOR);
    // The leaf first, though it does not listen.
    assert_eq!(State::Disabled, world.state(TOP));
    assert_eq!("disabled", world.property(SITE, "restarter/next_state"));
    world.empty(SITE);
    // What was temporary is gone with the change.
    assert_eq!(states(&world), ["online", "disabled", "online", "disabled", "disabled"]);
    assert_eq!("false", world.property(SITE, "general_ovr/enabled"));
    assert_eq!("true", world.property(SITE, "general/enabled"));
    // It would belong if it were enabled for good.
    assert_eq!("false", world.property(SHELL, "general_ovr/enabled"));
    assert_eq!("Stopping because service disabled.", world.log(SITE)[0]);
    assert_eq!(State::Online, world.state(MASTER));

    // An administrator may still enable what he likes.
    world.put(TOP, "general_ovr/enabled", "boolean", &["true"]);
    assert_eq!(State::Offline, world.state(TOP));
    go(&mut world, "all");
    world.exit(SITE, 0, true);
    assert_eq!(states(&world), ["online", "disabled", "online", "online", "online"]);
    assert_eq!("", world.property(SITE, "general_ovr/enabled"));
}

#[test]
fn none_is_nothing() {
    let mut world = all_online();
    go(&mut world, "none");
    world.empty(SITE);
    assert_eq!(states(&world), ["disabled"; 5]);
    assert_eq!(State::Online, world.state(MASTER));
    // Who comes now stays outside.
    Service::transient("svc:/new:x").add(world.engine.store());
    world.engine.repository_changed().unwrap();
    assert_eq!(State::Disabled, world.state("svc:/new:x"));
    // An engine that comes back ends nothing that was ordered since.
    world.put(BASE, "general_ovr/enabled", "boolean", &["true"]);
    let world = world.restarted();
    assert_eq!(State::Online, world.state(BASE));
    assert_eq!(State::Disabled, world.state(MINOR));
}

#[test]
fn a_boot_to_a_milestone_starts_nothing_else() {
    let mut world = World::booted(&services(), "su");
    assert_eq!(states(&world), ["online", "disabled", "online", "disabled", "disabled"]);
    assert_eq!(vec!["Disabled."], world.log(SITE));
    let notes = &world.engine.sys().notes;
    let wanted = format!("Booting to milestone \"{MINOR}\".");
    assert!(notes.contains(&wanted), "{notes:?}");
    go(&mut world, "svc:/milestone/nowhere:default");
    assert_eq!(State::Online, world.state(BASE), "it is said, and nothing changes");
}

#[test]
fn another_restarter_is_waited_for() {
    const WORKER: &str = "svc:/worker:x";
    let mut memory_services = vec![null(BASE), Service::new(WORKER)];
    memory_services.push(null(TOP).needs("require_all", "restart", "svc:/worker:x"));
    let mut world = World::prepared(&memory_services, |memory| {
        memory.put(WORKER, "general/restarter", "fmri", &["svc:/base:x"]);
    });
    assert_eq!(State::Uninitialized, world.state(WORKER));
    assert_eq!("uninitialized", world.property(WORKER, "restarter/state"));
    assert_eq!((State::Offline, 0), (world.state(TOP), world.spawned()));
    for order in ["restart", "maint_on"] {
        world.order(WORKER, order);
        assert_eq!(State::Uninitialized, world.state(WORKER), "{order} is for the other one");
    }
    world.put(WORKER, "restarter/next_state", "astring", &["none"]);
    world.put(WORKER, "restarter/state", "astring", &["online"]);
    assert_eq!((State::Online, State::Online), (world.state(WORKER), world.state(TOP)));
    world.put(WORKER, "restarter/state", "astring", &["maintenance"]);
    assert_eq!(State::Offline, world.state(TOP));
    world.engine.end();
    assert!(world.engine.ended());
}

#[test]
fn a_restarter_that_is_none() {
    let mut world = World::prepared(&[Service::new(SITE)], |memory| {
        memory.put(SITE, "general/restarter", "fmri", &["svc:/base"]);
    });
    assert_eq!(State::Maintenance, world.state(SITE));
    assert_eq!("invalid_restarter", world.property(SITE, "restarter/auxiliary_state"));
    world.put(SITE, "general/restarter", "fmri", &[MASTER]);
    world.order(SITE, "maint_off");
    assert_eq!("online", world.property(SITE, "restarter/next_state"));
}
