//! wait.rs - svcadm -s: waiting for what becomes of an order.
//!
//! One instance after the other is looked at until it is where it was to go, or never will be.
//! Between two looks this sleeps until something in the repository has changed, which is where
//! states, wishes and dependencies are; there is nothing to poll for.  Whether there is hope takes
//! a look at all that an instance depends on, so it is not asked after every change.

use std::time::{Duration, Instant};

use smf_cmd::instance::{Depth, Instance};
use smf_cmd::repository::{Repository, RepositoryError};
use smf_cmd::say;
use smf_cmd::states;

use crate::World;
use crate::potential;

/// The instance did not get there.
const UNREACHED: u8 = 3;
/// Dependencies or the restarter keep it from getting there.
const HOPELESS: u8 = 4;
/// The time of -T has passed.
const TIMED_OUT: u8 = 5;

/// What is made of all: the first time-out ends it; 3 counts more than 4.
fn worse(a: u8, b: u8) -> u8 {
    match (a, b) {
        (TIMED_OUT, _) | (_, TIMED_OUT) => TIMED_OUT,
        (UNREACHED, _) | (_, UNREACHED) => UNREACHED,
        _ => a.max(b),
    }
}

/// How a wait ended: the status, and what is said.
type Ended = Option<(u8, &'static str)>;

/// What is waited for.
#[derive(Clone, Copy)]
struct Goal {
    /// Whether a state is it.
    is_reached: fn(&str) -> bool,
    /// What else ends the wait, by the instance alone.
    ended: fn(&Instance) -> Ended,
    /// Whether it will never be reached, by all there is.
    hopeless: fn(&mut Repository, &Instance) -> Result<Ended, RepositoryError>,
}

/// Waits until each instance is online or degraded, or never will be.
pub fn enabled(
    world: &mut World,
    fmris: &[String],
    longest: Option<Duration>,
) -> Result<u8, RepositoryError> {
    let goal = Goal {
        is_reached: |state| matches!(state, "online" | "degraded"),
        ended: |instance| match instance.state() {
            Some("maintenance") => Some((UNREACHED, "is in maintenance state.")),
            _ if instance.effectively_enabled() != Some(true) => {
                Some((UNREACHED, "has been disabled by another entity."))
            }
            _ => None,
        },
        hopeless: |repository, instance| {
            // While a method runs its dependencies are met; it ends by itself.
            let hopeless =
                instance.next_state().is_none() && !potential::can_run(repository, instance)?;
            Ok(hopeless.then_some((HOPELESS, "has unsatisfied dependencies.")))
        },
    };
    each(world, fmris, longest, goal)
}

/// Waits until each instance is disabled.
pub fn disabled(
    world: &mut World,
    fmris: &[String],
    longest: Option<Duration>,
) -> Result<u8, RepositoryError> {
    let goal = Goal {
        is_reached: |state| state == "disabled",
        ended: |instance| {
            let enabled = instance.effectively_enabled() == Some(true);
            enabled.then_some((UNREACHED, "has been enabled by another entity."))
        },
        hopeless: |repository, instance| {
            let cared_for = potential::has_restarter(repository, instance)?;
            Ok((!cared_for).then_some((HOPELESS, "")))
        },
    };
    each(world, fmris, longest, goal)
}

/// So many are looked at together.
const TOGETHER: usize = 256;

/// Whether there is hope is asked again after so many times as long as the answer took: where very
/// much goes on, svcadm leaves the processor to those that do it.
const PATIENCE: u32 = 10;

fn each(
    world: &mut World,
    fmris: &[String],
    longest: Option<Duration>,
    goal: Goal,
) -> Result<u8, RepositoryError> {
    let until = longest.and_then(|longest| Instant::now().checked_add(longest));
    let (mut status, mut left) = (0, fmris);
    while !left.is_empty() {
        // When one is there, so are mostly those after it.
        let some = &left[..left.len().min(TOGETHER)];
        let states = states::read(&mut world.repository, Some(some), None)?;
        let same = states.iter().zip(some).take_while(|(state, fmri)| state.fmri == **fmri);
        left = &left[same.take_while(|(state, _)| (goal.is_reached)(&state.state)).count()..];
        let Some((fmri, after)) = left.split_first() else { break };
        let ended = one(world, fmri, until, goal)?;
        status = worse(status, ended);
        if ended == TIMED_OUT {
            break;
        }
        left = after;
    }
    Ok(status)
}

fn one(
    world: &mut World,
    fmri: &str,
    until: Option<Instant>,
    goal: Goal,
) -> Result<u8, RepositoryError> {
    let mut ask_again = Instant::now();
    loop {
        // Taken before the look, so that a change in between is not slept through.
        let mark = world.repository.mark()?;
        let found = Instance::of(&mut world.repository, &[fmri.to_owned()], Depth::Causes)?;
        let Some(instance) = found.first() else {
            say!("svcadm: No such instance \"{fmri}\".");
            return Ok(UNREACHED);
        };
        if instance.state().is_some_and(goal.is_reached) {
            return Ok(0);
        }
        let now = Instant::now();
        let mut ended = (goal.ended)(instance);
        let mut longest = Duration::MAX;
        if ended.is_none() && now < ask_again {
            longest = ask_again - now;
        } else if ended.is_none() {
            ended = (goal.hopeless)(&mut world.repository, instance)?;
            ask_again = Instant::now() + now.elapsed() * PATIENCE;
        }
        if let Some((status, text)) = ended {
            match text {
                "" => say!("svcadm: Restarter for instance \"{fmri}\" is unavailable."),
                text => say!("svcadm: Instance \"{fmri}\" {text}"),
            }
            return Ok(status);
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            say!("svcadm: Timed out waiting for instance \"{fmri}\".");
            return Ok(TIMED_OUT);
        }
        world.repository.wait_since(mark, left.map_or(longest, |left| left.min(longest)))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_beats_four_and_five_ends_it() {
        for (a, b, expected) in
            [(0, 0, 0), (0, 4, 4), (4, 3, 3), (3, 4, 3), (3, 0, 3), (3, 5, 5), (0, 5, 5)]
        {
            assert_eq!(worse(a, b), expected);
        }
    }
}
