//! watch.rs - whether the work is still wanted: SMF's answer every two seconds, and signals.
//!
//! SMF defers every order for an instance while its start method runs, so the method asks: one
//! svcprop every two seconds, the one poll there is.  A signal (SIGTERM, SIGINT, SIGHUP) also
//! ends the work in order: tools first, then this process by that same signal.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use process::Cancel;

/// How often SMF is asked.
const PACE: Duration = Duration::from_secs(2);

/// Why the work is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The instance was disabled.
    Unwanted,
    /// This process was told to end.
    Signal(Signal),
}

/// The first reason to end, when there is one.
#[derive(Debug, Clone)]
pub struct Wish {
    cancel: Cancel,
    reason: Arc<Mutex<Option<Reason>>>,
}

impl Wish {
    /// Nobody wishes anything yet.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn new() -> io::Result<Wish> {
        Ok(Wish { cancel: Cancel::new()?, reason: Arc::default() })
    }

    /// What work looks at.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Why, once it is set.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wishes the end.
    pub fn end(&self, why: Reason) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.cancel.set();
    }

    /// Turns signals into the wish.  Called before any other thread is started, so that they all
    /// leave the signals to the one that waits for them.
    ///
    /// # Errors
    /// What the system says.
    pub fn hear_signals(&self) -> io::Result<()> {
        let mut signals = SigSet::empty();
        signals.extend([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
        signals.thread_block()?;
        let wish = self.clone();
        let hear = move || {
            while let Ok(signal) = signals.wait() {
                wish.end(Reason::Signal(signal));
            }
        };
        std::thread::Builder::new().spawn(hear).map(drop)
    }
}

/// Asks until it is dropped or the answer is no.
#[derive(Debug)]
pub struct Watch {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to ask.  `is_wanted` may not know (none): then nothing changes.
    ///
    /// # Errors
    /// There is no room for a thread.
    pub fn start(
        wish: &Wish,
        is_wanted: impl Fn() -> Option<bool> + Send + 'static,
    ) -> io::Result<Watch> {
        let (stop, stopped) = mpsc::channel();
        let wish = wish.clone();
        let ask = move || {
            while stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
                if is_wanted() == Some(false) {
                    wish.end(Reason::Unwanted);
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().spawn(ask)?;
        Ok(Watch { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts() {
        let wish = Wish::new().unwrap();
        assert_eq!((wish.reason(), wish.cancel().is_set()), (None, false));
        wish.end(Reason::Unwanted);
        wish.end(Reason::Signal(Signal::SIGTERM));
        assert_eq!((wish.reason(), wish.cancel().is_set()), (Some(Reason::Unwanted), true));
    }

    #[test]
    fn asked_until_no() {
        let wish = Wish::new().unwrap();
        let (asked, answers) = mpsc::channel();
        let watch = Watch::start(&wish, move || {
            asked.send(()).unwrap();
            Some(false)
        })
        .unwrap();
        answers.recv_timeout(Duration::from_secs(60)).unwrap();
        drop(watch);
        assert_eq!(wish.reason(), Some(Reason::Unwanted));
    }
}
