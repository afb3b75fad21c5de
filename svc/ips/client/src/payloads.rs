//! payloads.rs - payloads of an opened origin, checked by what their actions say of them.
//!
//! Law: nothing leaves this file that was not checked.  Many at a time are checked side by side
//! (ips_repository::digest_all), so callers hand over as much as may be held in memory at once
//! (ips_repository::groups).

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;

use ips_model::action::{Action, is_sha1};
use ips_model::fmri::{Fmri, is_publisher};
use ips_repository::{Room, Stored, durable};

use crate::digest::{self, Check, PayloadError};
use crate::source::{Source, SourceError, asked};

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

/// An action and the package it is of.
pub type Wanted<'a> = (&'a Fmri, &'a Action);

impl Source {
    /// The stored payload of an action, checked.
    pub fn payload(&self, fmri: &Fmri, action: &Action) -> Result<Vec<u8>, SourceError> {
        let hash = action.payload_hash().unwrap_or_default();
        if let Some(kept) = self.kept(hash) {
            // What was kept half, or is another's, is fetched again.
            if digest::check_stored(action, &kept).is_ok() {
                return Ok(kept);
            }
        }
        let bytes = self.stored(fmri, hash)?;
        self.checked(fmri, action, hash, digest::check_stored(action, &bytes))?;
        self.keep(hash, &bytes)?;
        Ok(bytes)
    }

    /// The stored payload of an action for another repository, checked, and its length: of a
    /// directory the file, to be linked.
    pub fn offered(&self, fmri: &Fmri, action: &Action) -> Result<(Stored, u64), SourceError> {
        let mut offered = self.offered_all(&[(fmri, action)])?;
        Ok(offered.pop().expect("each payload that is wanted is offered"))
    }

    /// The same of many, in their order.
    pub fn offered_all(&self, all: &[Wanted<'_>]) -> Result<Vec<(Stored, u64)>, SourceError> {
        if self.cache.is_some() {
            let one = |(fmri, action): &Wanted<'_>| {
                let bytes = self.payload(fmri, action)?;
                let size = bytes.len() as u64;
                Ok((Stored::Bytes(bytes), size))
            };
            return all.iter().map(one).collect();
        }
        if self.origin().path().is_some() {
            return ROOM.with_borrow_mut(|room| self.linkable_all(all, room));
        }
        let mut stored = Vec::with_capacity(all.len());
        self.each_stored(all, |_, bytes| {
            stored.push(bytes.to_vec());
            Ok(())
        })?;
        self.check_all(all, digest::stored, stored.iter().map(Vec::as_slice))?;
        let sized = stored.into_iter().map(|bytes| {
            let size = bytes.len() as u64;
            (Stored::Bytes(bytes), size)
        });
        Ok(sized.collect())
    }

    /// The files of a directory that payloads are in, checked, and their lengths.
    fn linkable_all(
        &self,
        all: &[Wanted<'_>],
        room: &mut Room,
    ) -> Result<Vec<(Stored, u64)>, SourceError> {
        room.clear();
        let mut paths = Vec::with_capacity(all.len());
        for (fmri, action) in all {
            room.add(|onto| -> Result<(), SourceError> {
                paths.push(self.read_linkable(fmri, action, onto)?);
                Ok(())
            })?;
        }
        let texts = room.texts();
        self.check_all(all, digest::linked, texts.iter().copied())?;
        let sizes = texts.iter().map(|text| text.len() as u64);
        Ok(paths.into_iter().map(Stored::Path).zip(sizes).collect())
    }

    /// Reads a payload of a directory; the file it is in.
    fn read_linkable(
        &self,
        fmri: &Fmri,
        action: &Action,
        onto: &mut Vec<u8>,
    ) -> Result<PathBuf, SourceError> {
        let absent = || self.payload_error(fmri, name(action), "no payload", PayloadError::Damaged);
        let [now, before] = self.payload_paths(fmri, name(action)).ok_or_else(absent)?;
        let size = action.get("pkg.csize").and_then(|size| size.parse().ok());
        match durable::read_unseen(&now, size, onto) {
            Ok(()) => Ok(now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let failed = |source| SourceError::File { path: now, source };
                durable::read_unseen(&before, size, onto).map_err(failed)?;
                Ok(before)
            }
            Err(source) => Err(SourceError::File { path: now, source }),
        }
    }

    /// What the payload of an action holds, checked.
    pub fn contents(&self, fmri: &Fmri, action: &Action) -> Result<Vec<u8>, SourceError> {
        self.contents_all(&[(fmri, action)], |contents| contents.concat())
    }

    /// The same of many, for `work` to use; which must not ask for others.
    pub fn contents_all<T>(
        &self,
        all: &[Wanted<'_>],
        work: impl FnOnce(&[&[u8]]) -> T,
    ) -> Result<T, SourceError> {
        ROOM.with_borrow_mut(|room| {
            room.clear();
            let size = |action: &Action| action.get("pkg.size")?.parse::<usize>().ok();
            let sizes = all.iter().filter_map(|(_, action)| size(action));
            room.expect(sizes.fold(0, usize::saturating_add));
            self.each_stored(all, |(fmri, action), stored| {
                let size = size(action);
                let expanded = room.add(|onto| digest::expand_onto(stored, size, onto));
                self.checked(fmri, action, name(action), expanded)
            })?;
            let texts = room.texts();
            self.check_all(all, digest::contents, texts.iter().copied())?;
            Ok(work(&texts))
        })
    }

    /// Hands what is stored of many to `take`, in order.
    fn each_stored(
        &self,
        all: &[Wanted<'_>],
        mut take: impl FnMut(&Wanted<'_>, &[u8]) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let plain = |(fmri, action): &Wanted<'_>| {
            fmri.publisher.as_deref().is_some_and(is_publisher) && is_sha1(name(action))
        };
        let came = match self.volley.as_ref().filter(|_| all.iter().all(plain)) {
            Some(volley) => {
                let path = |(fmri, action): &Wanted<'_>| asked(fmri, name(action));
                let paths: Vec<String> = all.iter().map(path).collect();
                volley.ask(&paths, |number, stored| take(&all[number], stored))?
            }
            None => 0,
        };
        for one in &all[came..] {
            let stored = self.stored(one.0, name(one.1))?;
            take(one, &stored)?;
        }
        Ok(())
    }

    fn check_all<'b>(
        &self,
        all: &[Wanted<'_>],
        check: Check,
        bytes: impl Iterator<Item = &'b [u8]>,
    ) -> Result<(), SourceError> {
        let pairs: Vec<(&Action, &[u8])> =
            all.iter().map(|(_, action)| *action).zip(bytes).collect();
        for ((fmri, action), checked) in all.iter().zip(digest::check_all(&pairs, check)) {
            self.checked(fmri, action, name(action), checked)?;
        }
        Ok(())
    }
}

fn name(action: &Action) -> &str {
    action.payload_hash().unwrap_or_default()
}
