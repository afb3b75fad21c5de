//! wait.rs - svcadm -s: waiting for what becomes of an order.
//!
//! One instance after the other is looked at until it is where it was to go, or never will be.
//! Between two looks this sleeps until something in the repository has changed, which is where
//! states, wishes and dependencies are; there is nothing to poll for.

use std::time::{Duration, Instant};

use smf_cmd::instance::{Depth, Instance};
use smf_cmd::repository::RepositoryError;

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

/// Waits until each instance is online or degraded, or never will be.
pub fn enabled(
    world: &mut World,
    fmris: &[String],
    longest: Option<Duration>,
) -> Result<u8, RepositoryError> {
    each(world, fmris, longest, |world, instance| {
        if instance.runs() {
            return Ok(Some((0, "")));
        }
        if instance.state() == Some("maintenance") {
            return Ok(Some((UNREACHED, "is in maintenance state.")));
        }
        if instance.effectively_enabled() != Some(true) {
            return Ok(Some((UNREACHED, "has been disabled by another entity.")));
        }
        // While a method runs its dependencies are met; it ends by itself.
        let hopeless = instance.next_state().is_none()
            && !potential::can_run(&mut world.repository, instance)?;
        Ok(hopeless.then_some((HOPELESS, "has unsatisfied dependencies.")))
    })
}

/// Waits until each instance is disabled.
pub fn disabled(
    world: &mut World,
    fmris: &[String],
    longest: Option<Duration>,
) -> Result<u8, RepositoryError> {
    each(world, fmris, longest, |world, instance| {
        if instance.state() == Some("disabled") {
            return Ok(Some((0, "")));
        }
        if instance.effectively_enabled() == Some(true) {
            return Ok(Some((UNREACHED, "has been enabled by another entity.")));
        }
        let cared_for = potential::has_restarter(&mut world.repository, instance)?;
        Ok((!cared_for).then_some((HOPELESS, "")))
    })
}

fn each(
    world: &mut World,
    fmris: &[String],
    longest: Option<Duration>,
    look: impl Fn(&mut World, &Instance) -> Result<Ended, RepositoryError>,
) -> Result<u8, RepositoryError> {
    let until = longest.and_then(|longest| Instant::now().checked_add(longest));
    let mut status = 0;
    for fmri in fmris {
        let ended = one(world, fmri, until, &look)?;
        status = worse(status, ended);
        if ended == TIMED_OUT {
            break;
        }
    }
    Ok(status)
}

fn one(
    world: &mut World,
    fmri: &str,
    until: Option<Instant>,
    look: impl Fn(&mut World, &Instance) -> Result<Ended, RepositoryError>,
) -> Result<u8, RepositoryError> {
    loop {
        // Taken before the look, so that a change in between is not slept through.
        let mark = world.repository.mark()?;
        let found = Instance::of(&mut world.repository, &[fmri.to_owned()], Depth::Causes)?;
        let Some(instance) = found.first() else {
            eprintln!("svcadm: No such instance \"{fmri}\".");
            return Ok(UNREACHED);
        };
        if let Some((status, text)) = look(world, instance)? {
            match (status, text) {
                (0, _) => {}
                (_, "") => {
                    eprintln!("svcadm: Restarter for instance \"{fmri}\" is unavailable.");
                }
                (_, text) => eprintln!("svcadm: Instance \"{fmri}\" {text}"),
            }
            return Ok(status);
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            eprintln!("svcadm: Timed out waiting for instance \"{fmri}\".");
            return Ok(TIMED_OUT);
        }
        world.repository.wait_since(mark, left.unwrap_or(Duration::MAX))?;
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
