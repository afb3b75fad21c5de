//! control.rs - what a caller hears of a long operation, and how it stops one.
//!
//! The library never prints: it calls the function it was given, from any of its threads.  A
//! cancelled operation ends at the next package or payload with its own error.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How often at most a counted phase is told of: a hundred thousand files are no reason to write
/// as many progress lines.
const TOLD: u64 = 500;

/// Which part of an operation is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading and checking manifests; counted in manifests.
    Manifests,
    /// Bringing packages to the destination; counted in packages.
    Packages,
    /// Fetching payloads; counted in payloads.
    Download,
    /// Laying files into an image root; counted in actions.
    Actions,
}

impl Phase {
    /// A word for people, as `lamplighter status` shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifests => "manifests",
            Self::Packages => "packages",
            Self::Download => "download",
            Self::Actions => "actions",
        }
    }
}

/// How far an operation has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The part going on.
    pub phase: Phase,
    /// How many are done.
    pub done: u64,
    /// How many there are in all.
    pub total: u64,
    /// What is being worked on: a publisher, an FMRI, or nothing.
    pub item: String,
}

/// A caller's hold on an operation.
pub struct Control<'a> {
    progress: &'a (dyn Fn(&Progress) + Sync),
    cancel: &'a AtomicBool,
}

impl<'a> Control<'a> {
    /// Reports to `progress`, stops when `cancel` becomes true.
    pub fn new(progress: &'a (dyn Fn(&Progress) + Sync), cancel: &'a AtomicBool) -> Self {
        Self { progress, cancel }
    }

    /// Reports to nobody and cannot be stopped.
    pub fn silent() -> Control<'static> {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Control { progress: &|_| {}, cancel: &NEVER }
    }

    /// Whether the caller wants the operation to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    pub(crate) fn say(&self, phase: Phase, done: u64, total: u64, item: &str) {
        (self.progress)(&Progress { phase, done, total, item: item.to_string() });
    }

    /// Counts one as done, from any thread, and tells of some of them.
    pub(crate) fn count(&self, phase: Phase, done: &AtomicU64, total: u64, item: &str) {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done % (total / TOLD).max(1) == 0 {
            self.say(phase, done, total, item);
        }
    }
}
