//! crew.rs - directories worked through by a few threads.
//!
//! Law: work that is found later is done first, so few directories are open at once.  The first
//! error ends everything.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Work that waits.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: Vec<T>,
    /// Workers with something in hand.
    busy: usize,
    failed: bool,
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds work.
    pub(super) fn push(&self, work: T) {
        self.lock().waiting.push(work);
        self.changed.notify_one();
    }

    /// Nobody goes on.
    fn fail(&self) {
        self.lock().failed = true;
        self.changed.notify_all();
    }

    /// The next piece of work; `None` when all is done or something failed.
    fn next(&self, had_one: bool) -> Option<T> {
        let mut state = self.lock();
        state.busy -= usize::from(had_one);
        loop {
            if state.failed || (state.waiting.is_empty() && state.busy == 0) {
                self.changed.notify_all();
                return None;
            }
            if let Some(work) = state.waiting.pop() {
                state.busy += 1;
                return Some(work);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A worker that panics lets the others go.
struct Alarm<'a, T>(&'a Queue<T>);

impl<T> Drop for Alarm<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

/// How many threads are worth it.
pub(super) fn size() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8))
}

/// Does `first` and all that it leads to.  Each of `hands` belongs to one thread and is given back.
pub(super) fn run<T, H, E>(
    first: T,
    hands: Vec<H>,
    work: impl Fn(&mut H, T, &Queue<T>) -> Result<(), E> + Sync,
) -> Result<Vec<H>, E>
where
    T: Send,
    H: Send,
    E: Send,
{
    let state = State { waiting: vec![first], busy: 0, failed: false };
    let queue = Queue { state: Mutex::new(state), changed: Condvar::new() };
    let worker = |mut hand: H| {
        let _alarm = Alarm(&queue);
        let mut had_one = false;
        while let Some(item) = queue.next(had_one) {
            had_one = true;
            if let Err(error) = work(&mut hand, item, &queue) {
                queue.fail();
                return Err(error);
            }
        }
        Ok(hand)
    };
    std::thread::scope(|scope| {
        let mut hands = hands.into_iter();
        let own = hands.next().expect("a crew has at least one hand");
        let threads: Vec<_> = hands.map(|hand| scope.spawn(|| worker(hand))).collect();
        let mut done = vec![worker(own)];
        done.extend(
            threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }),
        );
        done.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_found_is_done_once() {
        let hands = vec![0u64; 4];
        let done = run(10u64, hands, |sum, number, queue| {
            *sum += 1;
            (0..number).for_each(|below| queue.push(below));
            Ok::<_, ()>(())
        });
        assert_eq!(done.unwrap().iter().sum::<u64>(), 1 << 10);
    }

    #[test]
    fn an_error_ends_it() {
        let done = run(0u64, vec![(); 3], |(), number, queue| {
            queue.push(number + 1);
            if number == 100 { Err(number) } else { Ok(()) }
        });
        assert_eq!(done.unwrap_err(), 100);
    }
}
