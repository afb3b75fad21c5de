//! ahead.rs - files hashed while the steps go on.
//!
//! What im-pop delivers is mostly on the medium as it was delivered, and most steps leave a
//! processor idle now and then.  Here threads read delivered files whose digests nobody knows, one
//! after the other, until somebody wants to know what there is.
//!
//! Law: a file counts when its stamp is im-pop's after it was read as well; what cannot be read, or
//! is another by now, is left to who asks.  Nothing is written.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Result;
use nix::fcntl::OFlag;
use stage::seen::About;

use super::contents_at;
use super::delivered::{self, Delivered, Known};
use super::drafts::Drafting;
use super::hashes::{self, Hashed, Wanted};
use crate::steps::Places;

/// Whoever hashes ahead, and drafts; stopped at the latest when it is dropped.
#[derive(Default)]
pub struct Ahead {
    running: Mutex<Option<Running>>,
    pub(super) drafting: Drafting,
}

struct Running {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Known>>,
}

/// Files to be read, the last first.
type Wants = Arc<Mutex<Vec<(PathBuf, Delivered)>>>;

impl Ahead {
    /// Begins with the files that im-pop left; who has begun before is stopped.
    pub fn begin(&self, places: &Places) -> Result<()> {
        self.end();
        let known = delivered::known(places)?;
        let mut wants: Vec<_> = delivered::files(places)?.into_iter().collect();
        wants.retain(|(_, file)| !known.contains_key(&file.content));
        // In the order of their paths, as they lie on the disk.
        wants.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        let wants: Vec<_> =
            wants.into_iter().map(|(path, file)| (places.pkg_image.join(path), file)).collect();
        if wants.is_empty() {
            return Ok(());
        }
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
        let (stop, wants) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(wants)));
        let thread = || {
            let (stop, wants) = (Arc::clone(&stop), Arc::clone(&wants));
            std::thread::spawn(move || hash(&wants, &stop))
        };
        let threads = (0..processors.div_ceil(2)).map(|_| thread()).collect();
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Running { stop, threads });
        Ok(())
    }

    /// Begins with what the documents will say, if the contents were recorded.
    pub fn draft(&self, places: &Places) {
        let kept = contents_at(&places.build_data);
        if kept.exists() {
            self.drafting.begin(kept);
        }
    }

    /// Stops; gives what is known by now.
    pub(super) fn end(&self) -> Known {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { stop, threads }) = running else { return Known::new() };
        stop.store(true, Ordering::Relaxed);
        let ended = threads.into_iter().map(|thread| thread.join());
        ended
            .flat_map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Nobody asks any more.
        let _digests = self.end();
    }
}

fn hash(wants: &Wants, stop: &AtomicBool) -> Known {
    let (mut found, mut room) = (Known::new(), hashes::room());
    while !stop.load(Ordering::Relaxed) {
        let next = wants.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some((path, file)) = next else { break };
        if found.contains_key(&file.content) {
            continue;
        }
        if let Some(hashed) = one(&path, &file, &mut room) {
            found.insert(file.content, hashed);
        }
    }
    found
}

/// The digests of a file that is as it was delivered, before it was read and after.
fn one(path: &Path, file: &Delivered, room: &mut [u8]) -> Option<Hashed> {
    // A script may have put anything there.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut open = File::options().read(true).custom_flags(flags.bits()).open(path).ok()?;
    let is_same = |open: &File| open.metadata().is_ok_and(|about| About::of(&about) == file.stamp);
    if !is_same(&open) {
        return None;
    }
    let hashed = hashes::read(&mut open, Wanted::Both, room).ok()?;
    is_same(&open).then_some(hashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_it_was_delivered_counts() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        let stamp = About::of(&std::fs::metadata(&path).unwrap());
        let file = Delivered { content: "c".to_owned(), stamp };
        let room = &mut hashes::room();
        let hashed = one(&path, &file, room).unwrap();
        assert_eq!(hashed.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        let other = Delivered { stamp: About::parse("1:3:1:0:1").unwrap(), ..file.clone() };
        assert_eq!(one(&path, &other, room), None);
        assert_eq!(one(&scratch.path().join("none"), &file, room), None);
        // Nobody writes into it, and nobody waits.
        nix::unistd::mkfifo(&scratch.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(one(&scratch.path().join("pipe"), &file, room), None);
        let links = ["file", "loop"].map(|target| {
            let link = scratch.path().join(format!("to-{target}"));
            std::os::unix::fs::symlink(target, &link).unwrap();
            link
        });
        assert!(links.iter().all(|link| one(link, &file, room).is_none()));
    }
}
