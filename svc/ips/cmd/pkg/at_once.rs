//! at_once.rs - what is done to several images: to how many at once, and where each tells of it.
//!
//! Law: images are begun in the order they are given in, and what came of them is handed back in
//! that order; so is what they tell.  After one that failed none is begun, and of several that
//! failed the first is told of: it is the same one however many were worked on at once.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use ips_client::Control;
use ips_client::image::Image;
use ips_cmd::progress;

use crate::call::Given;

/// Where the original looks when the option is not given.
const VARIABLE: &str = "PKG_CONCURRENCY";

/// How many children of an image are worked on at once.
pub fn most(given: &Given, image: &Image) -> usize {
    let variable = std::env::var(VARIABLE).ok();
    first([given.value("C"), variable.as_deref(), property(image)])
}

/// The same of a child, which is not told what its parent was told.
pub fn most_below(image: &Image) -> usize {
    first([None, None, property(image)])
}

fn property(image: &Image) -> Option<&str> {
    image.configuration().property("recursion-concurrency")
}

/// The first number that is said, by `-C`, the environment, or the image; 0 and less mean all.
fn first(said: [Option<&str>; 3]) -> usize {
    let number = |text: &str| text.trim().parse::<i64>().ok();
    said.into_iter().flatten().find_map(number).map_or(1, count)
}

fn count(number: i64) -> usize {
    match usize::try_from(number) {
        Ok(number) if number > 0 => number,
        // Too many for this machine are all, too.
        _ => usize::MAX,
    }
}

/// Does `work` with each of `all`, at most `most` at once; `begin` is told of each before, in order.
pub fn each<T: Send, R: Send, E: Send>(
    all: Vec<T>,
    most: usize,
    begin: impl Fn(&T) + Sync,
    work: impl Fn(T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let others = most.min(all.len()).saturating_sub(1);
    let waiting = Mutex::new(all.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    let failed = AtomicBool::new(false);
    let worker = || {
        while !failed.load(Ordering::Relaxed) {
            let mut next = locked(&waiting);
            let Some((at, one)) = next.next() else { break };
            begin(&one);
            drop(next);
            let result = work(one);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            locked(&done).push((at, result));
        }
    };
    thread::scope(|scope| {
        // Where there is no room for another thread, those that are there do all of it.
        let _ = (0..others)
            .try_for_each(|_| thread::Builder::new().spawn_scoped(scope, worker).map(drop));
        worker();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The same where nothing that goes wrong is a reason to stop.
pub fn every<T: Send, R: Send>(
    all: Vec<T>,
    most: usize,
    begin: impl Fn(&T) + Sync,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    match each(all, most, begin, |one| Ok::<_, Infallible>(work(one))) {
        Ok(all) => all,
        Err(never) => match never {},
    }
}

/// Nothing is left half changed by a panic in here.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where an image tells what is done to it.
#[derive(Clone, Copy)]
pub enum Told<'a> {
    /// At once; a bar shows how far it is.
    Now,
    /// It is one of several at once: what it tells is kept until its turn.
    Kept(&'a Kept),
}

/// What was told.
#[derive(Default)]
pub struct Kept(Mutex<String>);

impl Kept {
    /// All of it.
    pub fn text(self) -> String {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told<'_> {
    /// Tells on standard output.
    pub fn say(self, text: &str) {
        match self {
            Told::Now => print!("{text}"),
            Told::Kept(kept) => locked(&kept.0).push_str(text),
        }
    }

    /// Does what takes long.
    pub fn shown<T>(self, work: impl FnOnce(&Control<'_>) -> T) -> T {
        match self {
            Told::Now => progress::shown(work),
            Told::Kept(_) => work(&Control::silent()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn what_is_done_at_once_comes_back_in_order() {
        for (most, at_once) in [(1, 1), (2, 2), (3, 3), (4, 4), (usize::MAX, 12)] {
            let (working, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
            // The first ones wait for each other: so many are there at once, or this never ends.
            let together = Barrier::new(at_once);
            let work = |one: usize| {
                peak.fetch_max(working.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                if one < at_once {
                    together.wait();
                }
                working.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, ()>(one * 2)
            };
            let done = each((0..12).collect(), most, |_| {}, work).unwrap();
            assert_eq!(done, (0..12).map(|one| one * 2).collect::<Vec<_>>(), "{most}");
            assert_eq!(peak.into_inner(), at_once);
        }
    }

    #[test]
    fn the_first_failure_is_told_of_and_nothing_begun_after_it() {
        for most in [1, 2, 5] {
            let begun = AtomicUsize::new(0);
            // Whichever of the two that are at work is faster, it is 1 that is told of.
            let work = |one: usize| {
                begun.fetch_add(1, Ordering::SeqCst);
                if matches!(one, 1 | 2) { Err(one) } else { Ok(one) }
            };
            assert_eq!(each((0..1_000).collect(), most, |_| {}, work), Err(1), "{most}");
            assert!(most > 1 || begun.into_inner() == 2);
        }
    }

    #[test]
    fn the_first_number_that_is_said_counts() {
        for (said, most) in [
            ([Some("3"), Some("2"), Some("1")], 3),
            ([None, Some("2"), Some("1")], 2),
            // Nobody is told that the environment makes no sense.
            ([None, Some("x"), Some("4")], 4),
            ([None, None, Some("4")], 4),
            ([None, None, None], 1),
            ([Some("0"), Some("2"), None], usize::MAX),
            ([Some("-1"), Some("2"), None], usize::MAX),
        ] {
            assert_eq!(first(said), most, "{said:?}");
        }
    }
}
