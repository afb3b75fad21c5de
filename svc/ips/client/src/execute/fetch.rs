//! fetch.rs - payloads into the stage, before anything of the root changes.
//!
//! ```text
//! cache/stage/HASH.N     the N-th file that is to have this content; complete or of no use
//! ```
//!
//! Every payload is verified on its way.  What a stopped program has left there is verified again and
//! not fetched again.  Of several origins and mirrors the one that has delivered fastest is asked
//! first; one that fails stands back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ips_model::Fmri;
use ips_model::action::Action;
use rayon::prelude::*;

use super::ExecuteError;
use crate::control::{Control, Phase};
use crate::digest::check_contents;
use crate::root::Directory;
use crate::source::{Source, SourceError, side_by_side};

/// A payload that is wanted in the stage.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Whose it is.
    pub fmri: &'a Fmri,
    /// Which.
    pub action: &'a Action,
    /// Its name in the stage.
    pub staged: String,
    /// The permission bits of the file.
    pub mode: u32,
}

/// A place payloads come from, with what it has delivered.
pub struct Place<'a> {
    source: &'a Source,
    /// Whose packages it has; `None`: it is asked for anybody's.
    publisher: Option<&'a str>,
    bytes: AtomicU64,
    micros: AtomicU64,
    failures: AtomicU64,
}

impl<'a> Place<'a> {
    /// A source of a publisher's payloads.
    pub fn new(source: &'a Source, publisher: Option<&'a str>) -> Self {
        let zero = || AtomicU64::new(0);
        Self { source, publisher, bytes: zero(), micros: zero(), failures: zero() }
    }

    /// Less is asked first: failures count most, then time a byte; who was not asked yet is tried.
    fn rank(&self) -> (u64, u64) {
        let micros = self.micros.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed).max(1);
        (self.failures.load(Ordering::Relaxed), micros.saturating_mul(1 << 10) / bytes)
    }

    fn contents(&self, fmri: &Fmri, action: &Action) -> Result<Vec<u8>, SourceError> {
        let began = Instant::now();
        let got = self.source.contents(fmri, action);
        match &got {
            Ok(contents) => {
                let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.micros.fetch_add(micros, Ordering::Relaxed);
                self.bytes.fetch_add(contents.len() as u64, Ordering::Relaxed);
            }
            Err(_) => drop(self.failures.fetch_add(1, Ordering::Relaxed)),
        }
        got
    }
}

/// Gets everything; how many bytes had to come.
pub fn fetch(
    wanted: &[Wanted<'_>],
    places: &[Place<'_>],
    stage: &Directory,
    control: &Control<'_>,
) -> Result<u64, ExecuteError> {
    let (done, total) = (AtomicU64::new(0), wanted.len() as u64);
    let fetched = AtomicU64::new(0);
    let one = |wanted: &Wanted<'_>| -> Result<(), ExecuteError> {
        if control.is_cancelled() {
            return Err(ExecuteError::Cancelled);
        }
        if !is_staged(wanted, stage)? {
            let contents = contents(wanted, places)?;
            stage.create_now(&wanted.staged, &contents, wanted.mode)?;
            fetched.fetch_add(contents.len() as u64, Ordering::Relaxed);
        }
        let name = wanted.action.key().unwrap_or("");
        control.count(Phase::Download, &done, total, name);
        Ok(())
    };
    let sources: Vec<&Source> = places.iter().map(|place| place.source).collect();
    side_by_side(&sources, || wanted.par_iter().try_for_each(one))?;
    control.say(Phase::Download, total, total, "");
    Ok(fetched.into_inner())
}

fn is_staged(wanted: &Wanted<'_>, stage: &Directory) -> Result<bool, ExecuteError> {
    if stage.look(&wanted.staged)?.is_none() {
        return Ok(false);
    }
    let is_whole = check_contents(wanted.action, &stage.bytes(&wanted.staged)?).is_ok();
    if !is_whole {
        stage.unlink(&wanted.staged)?;
    }
    Ok(is_whole)
}

/// A payload's contents from the best place that has it.
pub fn contents(wanted: &Wanted<'_>, places: &[Place<'_>]) -> Result<Vec<u8>, ExecuteError> {
    let publisher = wanted.fmri.publisher.as_deref();
    let of = |place: &&Place<'_>| place.publisher.is_none() || place.publisher == publisher;
    let mut able: Vec<&Place<'_>> = places.iter().filter(of).collect();
    able.sort_by_key(|place| place.rank());
    let mut last = None;
    for place in able {
        match place.contents(wanted.fmri, wanted.action) {
            Ok(contents) => return Ok(contents),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error.into()),
        None => Err(ExecuteError::NoOrigin { fmri: wanted.fmri.to_string() }),
    }
}
