//! Thousands of small lives: services at random, orders at random, failures and deaths at random;
//! in the end everything must be where its configuration says.  A failure prints the seed.

#![allow(clippy::unwrap_used)]

mod world;

use std::time::Duration;

use smf_startd::state::State;
use smf_startd::sys::Happened;
use world::{Service, World};

const NAMES: [&str; 6] = ["svc:/a:x", "svc:/b:x", "svc:/c:x", "svc:/d:x", "svc:/e:x", "svc:/f:x"];

/// xorshift: the same numbers for the same seed, on every host.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

fn services(random: &mut Random) -> Vec<Service> {
    let mut services = Vec::new();
    for (number, fmri) in NAMES.into_iter().enumerate() {
        let mut service = match random.below(3) {
            0 => Service::new(fmri),
            1 => Service { stop: "/stop", ..Service::new(fmri) },
            _ => Service { stop: "/stop", ..Service::transient(fmri) },
        };
        service.enabled = random.below(4) > 0;
        for other in &NAMES[..number] {
            if random.below(3) == 0 {
                let grouping = random.of(&["require_all", "require_any", "optional_all"]);
                let level = random.of(&["none", "error", "restart", "refresh"]);
                service = service.needs(grouping, level, other);
            }
        }
        services.push(service);
    }
    services
}

/// Lets all that is under way come to its end; methods end with the given status.
fn settle(world: &mut World, mut status: impl FnMut() -> i32) -> bool {
    let mut any = false;
    for (contract, signal) in std::mem::take(&mut world.engine.sys().signals) {
        any = true;
        world.engine.sys().alive.remove(&contract);
        if let Some(pid) = world.living_in(contract) {
            world.ended(pid, signal);
        }
        world.engine.happened(Happened::Emptied { contract });
    }
    let Some((pid, spawn)) = world.living() else { return any };
    let status = status();
    let daemon = world.property(&spawn.fmri, "startd/duration") == "contract"
        && world.method_of(&spawn) == "start"
        && status == 0;
    if !daemon {
        world.engine.sys().alive.remove(&spawn.contract);
    }
    world.ended(pid, status);
    if world.method_of(&spawn) == "stop" {
        let contract = world.property(&spawn.fmri, "restarter/contract").parse();
        if let Ok(contract) = contract {
            world.engine.sys().alive.remove(&contract);
            world.engine.happened(Happened::Emptied { contract });
        }
    }
    true
}

fn disturb(world: &mut World, random: &mut Random) {
    let fmri = random.of(&NAMES);
    match random.below(9) {
        0 => world.enable(fmri, true),
        1 => world.enable(fmri, false),
        2 => world.order(fmri, "restart"),
        3 => world.order(fmri, "refresh"),
        4 => world.order(fmri, "maint_off"),
        5 => world.order(fmri, "maint_on"),
        6 => {
            if let Ok(contract) = world.property(fmri, "restarter/contract").parse() {
                world.engine.sys().alive.remove(&contract);
                world.engine.happened(Happened::Emptied { contract });
            }
        }
        7 => world.pass(Duration::from_secs(700)),
        _ => {
            let status = random.of(&[0, 0, 0, 1 << 8, 95 << 8, 9]);
            settle(world, || status);
        }
    }
}

fn check(world: &mut World, seed: u64) {
    for fmri in NAMES {
        let state = world.state(fmri);
        let enabled = world.property(fmri, "general/enabled") == "true";
        let next = world.property(fmri, "restarter/next_state");
        assert_eq!(state.name(), world.property(fmri, "restarter/state"), "seed {seed}: {fmri}");
        assert_eq!("none", next, "seed {seed}: {fmri}");
        let right = match state {
            State::Disabled => !enabled,
            State::Online => enabled,
            State::Offline => enabled && !world.engine.ready(fmri),
            State::Maintenance => true,
            State::None | State::Uninitialized | State::Degraded => false,
        };
        let log = if right { Vec::new() } else { world.log(fmri) };
        assert!(right, "seed {seed}: {fmri} is {state}, enabled {enabled}: {log:#?}");
    }
}

#[test]
fn every_life_settles() {
    for seed in 1..2_000 {
        let mut random = Random(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15));
        let mut world = World::new(&services(&mut random));
        for step in 0..60 {
            disturb(&mut world, &mut random);
            if step == 30 && seed % 3 == 0 {
                world = world.restarted();
            }
        }
        let mut steps = 0;
        while settle(&mut world, || 0) {
            steps += 1;
            assert!(steps < 10_000, "seed {seed}: it never settles");
        }
        check(&mut world, seed);
        world.engine.end();
        while settle(&mut world, || 0) {}
        assert!(world.engine.ended(), "seed {seed}: it does not end");
    }
}
