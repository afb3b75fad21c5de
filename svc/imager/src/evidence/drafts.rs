//! drafts.rs - the documents beside the media, as far as they can be written before the media are
//! there.
//!
//! They are long, and say little of the media: a thread writes them while a medium is made.
//!
//! Law: a draft is of what was recorded last.  Nothing is written to the disk.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use image_evidence::{Contents, Draft, Facts, Medium};

/// Documents that have no media yet.
pub(super) struct Drafts {
    /// What they are of.
    pub contents: Contents,
    /// The bill of materials.
    pub bill: Draft,
    /// The facts' text.
    facts: String,
    /// The text's file.
    kept: PathBuf,
}

impl Drafts {
    fn of(known: Option<(Facts, String)>, kept: &Path) -> Result<Self> {
        let named = || kept.display().to_string();
        let (facts, text) = match known {
            Some(known) => known,
            None => {
                let text = std::fs::read_to_string(kept).with_context(named)?;
                (Facts::parse(&text).with_context(named)?, text)
            }
        };
        let bill = Draft::of(&facts.contents);
        Ok(Self { contents: facts.contents, bill, facts: text, kept: kept.to_owned() })
    }

    /// The facts' text with media.
    pub fn facts(&self, media: &[Medium]) -> Result<String> {
        let text = Facts::with_media(&self.facts, media);
        text.with_context(|| format!("{}: no facts without media", self.kept.display()))
    }
}

/// Whoever writes the drafts.
#[derive(Default)]
pub(super) struct Drafting(Mutex<State>);

#[derive(Default)]
enum State {
    /// What was recorded lies in its file.
    #[default]
    Recorded,
    /// It is known here too.
    Known(Box<(Facts, String)>),
    Begun(JoinHandle<Result<Drafts>>),
}

impl Drafting {
    fn put(&self, state: State) -> State {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), state)
    }

    /// What was recorded just now, with its text.
    pub fn know(&self, facts: Facts, text: String) {
        // Nobody asks for drafts of anything else.
        drop(joined(self.put(State::Known(Box::new((facts, text))))));
    }

    /// Begins, unless that is done already.
    pub fn begin(&self, kept: PathBuf) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match std::mem::take(&mut *state) {
            begun @ State::Begun(_) => return *state = begun,
            State::Known(known) => Some(*known),
            State::Recorded => None,
        };
        *state = State::Begun(std::thread::spawn(move || Drafts::of(known, &kept)));
    }

    /// The drafts.
    pub fn end(&self, kept: &Path) -> Result<Drafts> {
        match joined(self.put(State::Recorded)) {
            Ok(drafts) => drafts,
            Err(State::Known(known)) => Drafts::of(Some(*known), kept),
            Err(State::Recorded | State::Begun(_)) => Drafts::of(None, kept),
        }
    }
}

impl Drop for Drafting {
    fn drop(&mut self) {
        drop(joined(self.put(State::Recorded)));
    }
}

/// What was begun, when it is done.
fn joined(state: State) -> Result<Result<Drafts>, State> {
    match state {
        State::Begun(thread) => {
            Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        }
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use image_evidence::Tool;
    use image_tree::Tree;

    use super::*;

    fn facts(name: &str) -> Facts {
        let tool = Tool { name: "t".to_owned(), version: "1".to_owned() };
        let (packages, files, media) = (Vec::new(), Vec::new(), Vec::new());
        let contents = Contents { name: name.to_owned(), time: 9, tool, packages, files, media };
        Facts { contents, table: Tree::new() }
    }

    #[test]
    fn drafts_are_of_what_was_recorded_last() {
        let scratch = tempfile::tempdir().unwrap();
        let kept = scratch.path().join("contents.json");
        let drafting = Drafting::default();
        assert!(format!("{:#}", drafting.end(&kept).err().unwrap()).contains("contents.json: No"));
        std::fs::write(&kept, facts("recorded").to_text()).unwrap();
        let known = || drafting.know(facts("known"), facts("known").to_text());
        let is_of = |name: &str| {
            let drafts = drafting.end(&kept).unwrap();
            let media = [Medium { name: "m".to_owned(), size: 1, sha256: "2".to_owned() }];
            let mut whole = facts(name);
            whole.contents.media = media.to_vec();
            assert_eq!(drafts.facts(&media).unwrap(), whole.to_text());
            assert_eq!(drafts.bill.finish(&media), image_evidence::spdx(&whole.contents));
        };
        is_of("recorded");
        drafting.begin(kept.clone());
        is_of("recorded");
        known();
        is_of("known");
        for _ in 0..2 {
            drafting.begin(kept.clone());
            known();
            drafting.begin(kept.clone());
            drafting.begin(kept.clone());
            is_of("known");
        }
        is_of("recorded");
        // Nobody is left when it goes.
        drafting.begin(kept.clone());
    }
}
