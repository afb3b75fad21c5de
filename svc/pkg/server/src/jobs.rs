//! jobs.rs - work that may wait: for a disk, for a lock, for long computing.
//!
//! Such work never runs in a worker's event loop, where it would hold up every other client of
//! that worker.  It runs here, on threads made when they are first needed, and its answer goes
//! into the mailbox of the worker, which is woken.
//!
//! Not here: what the work is; which connection a token names.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::http::{self, Response};

/// Work that ends in an answer.
pub type Job = Box<dyn FnOnce() -> Response + Send>;

/// The most threads; many may wait for one lock, and others still have work to do.
const THREADS: usize = 16;

/// The threads and what waits for them.
#[derive(Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    something_to_do: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Job, Arc<Mailbox>, u64)>,
    threads: usize,
    idle: usize,
}

/// Nothing in a queue is left half changed by a panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Jobs {
    fn default() -> Self {
        Self::new()
    }
}

impl Jobs {
    /// No thread yet.
    pub fn new() -> Self {
        let something_to_do = Condvar::new();
        Self { shared: Arc::new(Shared { queue: Mutex::default(), something_to_do }) }
    }

    /// Runs a job as soon as a thread is free; its answer goes to `mailbox` under `token`.
    pub fn run(&self, job: Job, mailbox: &Arc<Mailbox>, token: u64) {
        let mut queue = locked(&self.shared.queue);
        queue.waiting.push_back((job, mailbox.clone(), token));
        if queue.idle < queue.waiting.len() && queue.threads < THREADS {
            let shared = self.shared.clone();
            let named = std::thread::Builder::new().name("job".to_string());
            // Without a further thread the others do it later; without any, nobody can.
            if named.spawn(move || shared.work()).is_ok() {
                queue.threads += 1;
            } else if queue.threads == 0 {
                if let Some((_, mailbox, token)) = queue.waiting.pop_back() {
                    mailbox.put(token, http::error(503, "No thread can be made."));
                }
            }
        }
        drop(queue);
        self.shared.something_to_do.notify_one();
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let (job, mailbox, token) = self.next();
            // A fault in one answer is told to the client that met it.
            let answer = catch_unwind(AssertUnwindSafe(job))
                .unwrap_or_else(|_| http::error(500, "The depot met a fault of its own."));
            mailbox.put(token, answer);
        }
    }

    fn next(&self) -> (Job, Arc<Mailbox>, u64) {
        let mut queue = locked(&self.queue);
        loop {
            if let Some(task) = queue.waiting.pop_front() {
                return task;
            }
            queue.idle += 1;
            queue = self.something_to_do.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}

/// Answers on their way to a worker, and what wakes it.
#[derive(Debug)]
pub struct Mailbox {
    answers: Mutex<Vec<(u64, Response)>>,
    bell: UnixStream,
    heard: UnixStream,
}

impl Mailbox {
    /// An empty one.
    pub fn new() -> io::Result<Self> {
        let (bell, heard) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        Ok(Self { answers: Mutex::default(), bell, heard })
    }

    /// What becomes readable when an answer is there.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.heard.as_fd()
    }

    fn put(&self, token: u64, answer: Response) {
        locked(&self.answers).push((token, answer));
        // A bell that is full rings already.
        let _ = (&self.bell).write(&[0]);
    }

    /// Takes what is there.
    pub fn take(&self) -> Vec<(u64, Response)> {
        let mut rung = [0; 64];
        while matches!((&self.heard).read(&mut rung), Ok(count) if count == rung.len()) {}
        std::mem::take(&mut *locked(&self.answers))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::poller::{Interest, Poller};

    #[test]
    fn answers_come_under_their_tokens_and_a_panic_is_one() {
        let (jobs, mailbox) = (Jobs::new(), Arc::new(Mailbox::new().unwrap()));
        let poller = Poller::new().unwrap();
        poller.add(mailbox.fd(), 0, Interest { read: true, write: false }).unwrap();
        for token in 0..40 {
            let job = move || match token {
                7 => panic!("on purpose"),
                _ => Response::new(200, "x", token.to_string()),
            };
            jobs.run(Box::new(job), &mailbox, token);
        }
        let mut got = Vec::new();
        let mut ready = Vec::new();
        while got.len() < 40 {
            poller.wait(&mut ready, Some(Duration::from_secs(30))).unwrap();
            assert!(!ready.is_empty(), "nobody rang: {} came", got.len());
            got.extend(mailbox.take());
        }
        got.sort_by_key(|(token, _)| *token);
        for (token, answer) in got {
            assert_eq!(answer.status, if token == 7 { 500 } else { 200 }, "{token}");
        }
    }

    #[test]
    fn a_job_that_waits_holds_up_no_other() {
        let (jobs, mailbox) = (Jobs::new(), Arc::new(Mailbox::new().unwrap()));
        let (go, wait) = mpsc::channel::<()>();
        let waits = move || {
            wait.recv().unwrap();
            Response::new(200, "x", "")
        };
        jobs.run(Box::new(waits), &mailbox, 1);
        let sets_free = move || {
            go.send(()).unwrap();
            Response::new(200, "x", "")
        };
        jobs.run(Box::new(sets_free), &mailbox, 2);
        let poller = Poller::new().unwrap();
        poller.add(mailbox.fd(), 0, Interest { read: true, write: false }).unwrap();
        let (mut count, mut ready) = (0, Vec::new());
        while count < 2 {
            poller.wait(&mut ready, Some(Duration::from_secs(30))).unwrap();
            assert!(!ready.is_empty(), "the second job waits for the first");
            count += mailbox.take().len();
        }
    }
}
