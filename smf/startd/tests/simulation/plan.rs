//! plan.rs - what happens in one life: the services there are and the steps taken, from a seed.
//!
//! A plan is data, so that a failing one can be made smaller by leaving steps out.  What processes
//! do is not in it: that follows from the seed and from how often an instance was started
//! (kernel.rs), and so does not shift when a step is left out.

use dice::Dice;

/// The instances a life may have; two services have two.
pub const NAMES: [&str; 9] = [
    "svc:/a:x", "svc:/a:y", "svc:/b:x", "svc:/c:x", "svc:/d:x", "svc:/d:y", "svc:/e:x", "svc:/f:x",
    "svc:/g:x",
];

/// The files that dependencies name.
pub const FILES: [&str; 2] = ["/f1", "/f2"];

/// Seeds from here on stand for lives of the time when they were windows on one life; those that
/// failed then are still lived.  A multiple of 3 (see `Plan::new`).
pub const SHIFTED: u64 = 3 << 62;

/// The same choices for the same seed, on every host.
#[derive(Debug, Clone)]
pub struct Random(Dice);

impl Random {
    /// From a seed and what the numbers are for.  The numbers of a seed have nothing to do with
    /// those of the next: where states lie the dice's own step apart, they are the same numbers,
    /// one later, and all lives are windows on one life.
    pub fn of(seed: u64, what: &str, number: u64) -> Random {
        let hash = what.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let of_what = hash.rotate_left(17) ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93);
        match seed.checked_sub(SHIFTED) {
            None => Random(Dice(Dice(seed ^ of_what).roll())),
            Some(seed) => Random(Dice((seed ^ of_what).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        }
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.0.roll() >> 11) as usize % limit
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A dependency group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub grouping: &'static str,
    pub level: &'static str,
    pub entities: Vec<String>,
}

/// An instance and how it is configured.
#[derive(Debug, Clone)]
pub struct Service {
    pub fmri: &'static str,
    pub enabled: bool,
    pub model: &'static str,
    pub start: &'static str,
    pub stop: Option<&'static str>,
    pub refresh: Option<&'static str>,
    pub timeout: &'static str,
    pub retry: bool,
    pub ignore: &'static str,
    pub restart_on: &'static str,
    pub needs: Vec<Need>,
    /// Another restarter is to run it, and there is none.
    pub delegated: bool,
}

/// What an administrator types.
#[derive(Debug, Clone)]
pub enum Order {
    Enable(&'static str),
    Disable(&'static str),
    EnableForNow(&'static str),
    DisableForNow(&'static str),
    Restart(&'static str),
    Refresh(&'static str),
    Clear(&'static str),
    Mark(&'static str),
    MarkImmediate(&'static str),
    /// mark -t and mark -It.
    MarkForNow(&'static str),
    MarkImmediateForNow(&'static str),
    Degrade(&'static str),
    Restore(&'static str),
    Milestone(&'static str),
    Delete(&'static str),
    Add(Service),
    Depend(&'static str, Vec<Need>),
    /// Makes or removes a file and refreshes who depends on it.
    Touch(&'static str),
}

/// What happens next.
#[derive(Debug, Clone)]
pub enum Step {
    Order(Order),
    /// Several orders that reach the engine together.
    Burst(Vec<Order>),
    /// So many things happen on their own.
    Events(usize),
    /// The engine is killed at this call through a seam from now on; after its effect or before.
    Kill {
        calls: usize,
        after: bool,
    },
    /// The repository takes nothing for so many things that happen.
    Full(usize),
    /// This many of the next writes are refused.
    Refuse(usize),
    /// The wall clock jumps by so many seconds.
    Jump(i64),
    /// Everything ends, and the machine comes up again.
    Reboot,
}

/// One life.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub services: Vec<Service>,
    pub steps: Vec<Step>,
}

impl Plan {
    /// The life of a seed, with so many orders.
    pub fn new(seed: u64, orders: usize) -> Plan {
        let mut random = Random::of(seed, "plan", 0);
        let mut services = Vec::new();
        for fmri in NAMES {
            if random.below(4) > 0 {
                services.push(service(&mut random, fmri));
            }
        }
        let mut steps = Vec::new();
        let mut given = 0;
        // A third of the lives have a calm machine, so that rare orders meet nothing but orders.
        let calm = seed % 3 == 0;
        while given < orders {
            steps.push(match random.below(if calm { 12 } else { 16 }) {
                0..=5 => {
                    given += 1;
                    Step::Order(order(&mut random))
                }
                6 => {
                    let burst: Vec<Order> =
                        (0..2 + random.below(3)).map(|_| order(&mut random)).collect();
                    given += burst.len();
                    Step::Burst(burst)
                }
                7..=11 => Step::Events(1 + random.below(6)),
                12 | 13 => Step::Kill { calls: 1 + random.below(60), after: random.one_in(2) },
                14 => match random.below(3) {
                    0 => Step::Full(1 + random.below(8)),
                    _ => Step::Refuse(1 + random.below(3)),
                },
                _ => match random.below(4) {
                    0 => Step::Reboot,
                    1 => Step::Jump(random.below(2_000_000) as i64 - 1_000_000),
                    _ => Step::Events(20),
                },
            });
        }
        Plan { seed, services, steps }
    }

    /// How many orders are given.
    pub fn orders(&self) -> usize {
        let of = |step: &Step| match step {
            Step::Order(_) => 1,
            Step::Burst(burst) => burst.len(),
            Step::Events(_)
            | Step::Kill { .. }
            | Step::Full(_)
            | Step::Refuse(_)
            | Step::Jump(_)
            | Step::Reboot => 0,
        };
        self.steps.iter().map(of).sum()
    }
}

fn order(random: &mut Random) -> Order {
    let fmri = random.pick(&NAMES);
    match random.below(33) {
        0..=3 => Order::Enable(fmri),
        4..=6 => Order::Disable(fmri),
        7 | 8 => Order::EnableForNow(fmri),
        9 | 10 => Order::DisableForNow(fmri),
        11..=13 => Order::Restart(fmri),
        14 | 15 => Order::Refresh(fmri),
        16..=18 => Order::Clear(fmri),
        19 => Order::Mark(fmri),
        20 => Order::MarkImmediate(fmri),
        21 => Order::Delete(fmri),
        22 | 23 => Order::Add(service(random, fmri)),
        24 => Order::Depend(fmri, needs(random, fmri)),
        25 => Order::Touch(random.pick(&FILES)),
        26 => Order::MarkForNow(fmri),
        27 => Order::MarkImmediateForNow(fmri),
        28 | 29 => Order::Degrade(fmri),
        30 | 31 => Order::Restore(fmri),
        _ => Order::Milestone(random.pick(&["all", "none", fmri])),
    }
}

fn service(random: &mut Random, fmri: &'static str) -> Service {
    let model = random.pick(&["contract", "contract", "transient", "child"]);
    let timeout = random.pick(&["0", "5", "60"]);
    // What nothing takes down and nothing times out is waited for for ever.
    let waits = model != "transient" && timeout == "0";
    let stop = match random.below(6) {
        0 | 1 => Some("/stop"),
        2 if model == "transient" => None,
        3 if !waits => Some(":true"),
        _ if model == "transient" && !random.one_in(8) => Some(":true"),
        _ => Some(":kill"),
    };
    Service {
        fmri,
        enabled: random.below(4) > 0,
        model,
        start: if random.one_in(10) { ":true" } else { "/start" },
        stop,
        refresh: random.pick(&[None, Some("/refresh"), Some(":true"), Some(":kill -HUP")]),
        timeout,
        retry: random.below(4) > 0,
        ignore: random.pick(&["", "", "core", "signal", "core,signal"]),
        restart_on: random.pick(&["all", "all", "all", "external_fault", "any_fault"]),
        needs: needs(random, fmri),
        delegated: random.one_in(25),
    }
}

/// Mostly on what comes earlier in the list of names; now and then on anything, which may close a
/// cycle.
fn needs(random: &mut Random, fmri: &str) -> Vec<Need> {
    let own = NAMES.iter().position(|name| *name == fmri).unwrap_or(0);
    let mut needs = Vec::new();
    for _ in 0..random.pick(&[0, 1, 1, 2, 3]) {
        let grouping = random.pick(&[
            "require_all",
            "require_all",
            "require_all",
            "require_any",
            "require_any",
            "optional_all",
            "optional_all",
            "exclude_all",
        ]);
        let mut entities = Vec::new();
        for _ in 0..random.pick(&[0, 1, 1, 1, 1, 2, 2, 3]) {
            let reach = if random.one_in(12) { NAMES.len() } else { own };
            if reach == 0 {
                continue;
            }
            let other = NAMES[random.below(reach)];
            let whole_service = random.one_in(3);
            entities.push(match random.below(10) {
                0 => format!("file:/{}", random.pick(&FILES)).replace("//", "/"),
                _ if whole_service => other[..other.len() - 2].to_owned(),
                _ => other.to_owned(),
            });
        }
        // One group is either of paths or of services.
        let paths = entities.iter().any(|entity| entity.starts_with("file:"));
        entities.retain(|entity| entity.starts_with("file:") == paths);
        let level = random.pick(&["none", "error", "restart", "refresh"]);
        needs.push(Need { grouping, level, entities });
    }
    needs
}
