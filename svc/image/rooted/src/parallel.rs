//! parallel.rs - the same done to many things by a few threads.
//!
//! Law: where something fails, all threads have ended before it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

/// As many threads as there are processors.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Makes something of each, in the order of `all`; `own`: what each thread has for itself.
///
/// # Errors
/// One of what went wrong: a thread ends with the first that fails.
pub fn each<I: Sync, S, T: Send, E: Send>(
    all: &[I],
    threads: usize,
    own: impl Fn() -> S + Sync,
    make: impl Fn(&I, &mut S) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, T)>, E> {
        let (mut own, mut made) = (own(), Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = all.get(number) else { return Ok(made) };
            made.push((number, make(one, &mut own)?));
        }
    };
    let mut made = Vec::with_capacity(all.len());
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(all.len())).map(|_| scope.spawn(work)).collect();
        let mut ended = vec![work()];
        ended.extend(others.into_iter().map(joined));
        ended.into_iter().try_for_each(|some| some.map(|some| made.extend(some)))
    })?;
    made.sort_unstable_by_key(|(number, _)| *number);
    Ok(made.into_iter().map(|(_, one)| one).collect())
}

/// Does two things side by side.
pub fn both<A, B: Send>(one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        (one(), joined(other))
    })
}

/// What a thread made; its panic is the caller's.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_keeps_its_order_and_a_failure_is_told() {
        let all: Vec<usize> = (0..100).collect();
        for threads in [0, 1, 2, 7, 1000] {
            let made = each(
                &all,
                threads,
                || 0,
                |one, done| {
                    *done += 1;
                    Ok::<_, ()>((one * 2, *done > 0))
                },
            );
            let made = made.unwrap();
            assert!(made.iter().enumerate().all(|(at, one)| *one == (at * 2, true)), "{threads}");
            let failed = each(
                &all,
                threads,
                || (),
                |one, ()| match one {
                    70 => Err("seventy"),
                    _ => Ok(()),
                },
            );
            assert_eq!(failed, Err("seventy"));
        }
        assert_eq!(each(&[0; 0], 2, || (), |_, ()| Ok::<_, ()>(())), Ok(vec![]));
        assert_eq!(both(|| 1, || "two"), (1, "two"));
    }
}
