//! output.rs - the folder that platforms are put into.
//!
//! ```text
//! OUTPUT/platform-STAMP/i86pc/amd64/boot_archive, .hash, .manifest, .md5sum, .sha256sum, .gitstatus
//! OUTPUT/platform-STAMP/i86pc/kernel/amd64/unix
//! OUTPUT/platform-STAMP.tgz, .iso, .usb
//! OUTPUT/buildstamp
//! OUTPUT/.build_live/lock         held while a build is at work
//! OUTPUT/.build_live/digests      of files read before
//! OUTPUT/.build_live/pieces/      of packed files, for the next ones; takes the room of a platform
//! OUTPUT/.build_live/work/        a build at work; what a killed one left goes with the next
//! OUTPUT/.build_live/NAME.made    which inputs a platform is of, and what its files look like
//! ```
//!
//! Law: what stands beside `.build_live` is finished: it was made in `work`, flushed, and renamed.
//! The record goes before what it tells of and comes back after it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_rooted::archive::write_file;
use process::Cancel;
use stage::lock::{self, Lock};
use stage::output::remove_tree;

use stage::seen::About;

/// The folder, held.
pub struct Output {
    dir: PathBuf,
    own: PathBuf,
    _lock: Lock,
}

impl Output {
    /// Takes it over; it is made if it is not there.
    ///
    /// # Errors
    /// It cannot be written, or another build is at work in it.
    pub fn take(dir: &Path, cancel: &Cancel, say: &dyn Fn(&str)) -> Result<Output> {
        let own = dir.join(".build_live");
        fs::create_dir_all(&own).with_context(|| own.display().to_string())?;
        let lock = own.join("lock");
        let named = || lock.display().to_string();
        if let Some(worker) = lock::holder(&lock).with_context(named)? {
            bail!("{}: another build is at work (process {})", dir.display(), worker.pid);
        }
        if lock::is_held(&lock).with_context(named)? {
            say(&format!("{}: waiting for what a killed build has left at work", dir.display()));
        }
        let lock = Lock::take(&lock, cancel).with_context(named)?;
        lock.hand_on()?;
        let output = Output { dir: dir.to_owned(), own, _lock: lock };
        output.clear()?;
        Ok(output)
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a build works, empty at first.
    pub fn work(&self) -> PathBuf {
        self.own.join("work")
    }

    /// The digests of files read before.
    pub fn digests(&self) -> PathBuf {
        self.own.join("digests")
    }

    /// What is kept of packed files for the next ones.
    pub fn pieces(&self) -> PathBuf {
        self.own.join("pieces")
    }

    /// Removes what a build left in `work`.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn clear(&self) -> Result<()> {
        let work = self.work();
        // Scripts may have closed folders.
        remove_tree(&work).with_context(|| work.display().to_string())
    }

    /// Whether the platform of this name is there, made of these inputs and untouched since.
    pub fn is_made(&self, name: &str, inputs: &str) -> bool {
        let Ok(record) = fs::read_to_string(self.record(name)) else { return false };
        let mut lines = record.lines();
        lines.next() == Some(inputs)
            && lines.all(|line| {
                line.split_once(' ').is_some_and(|(about, path)| {
                    looks(&self.dir.join(path)).is_ok_and(|seen| seen == about)
                })
            })
    }

    /// Whether there is, or was, a platform of this name.
    pub fn has_record(&self, name: &str) -> bool {
        self.record(name).exists()
    }

    fn record(&self, name: &str) -> PathBuf {
        self.own.join(format!("{name}.made"))
    }

    /// Puts what lies in `work/out` into place: the platform `name` and files beside it.
    ///
    /// # Errors
    /// Something cannot be flushed or renamed.
    pub fn finish(&self, name: &str, inputs: &str) -> Result<()> {
        let out = self.work().join("out");
        let mut names = Vec::new();
        for entry in fs::read_dir(&out).with_context(|| out.display().to_string())? {
            names.push(entry.with_context(|| out.display().to_string())?.file_name());
        }
        names.sort();
        flush(&out)?;
        let record = self.record(name);
        remove_tree(&record).with_context(|| record.display().to_string())?;
        for file in &names {
            let (from, to) = (out.join(file), self.dir.join(file));
            if to.is_dir() {
                let old = self.work().join("old");
                fs::rename(&to, &old).with_context(|| to.display().to_string())?;
            }
            fs::rename(&from, &to).with_context(|| to.display().to_string())?;
        }
        sync(&self.dir)?;
        let mut record = format!("{inputs}\n");
        for file in names {
            self.look_at(Path::new(&file), &mut record)?;
        }
        write_file(&self.record(name), record.as_bytes())
    }

    fn look_at(&self, path: &Path, record: &mut String) -> Result<()> {
        let at = self.dir.join(path);
        let named = || at.display().to_string();
        if at.is_dir() {
            for entry in fs::read_dir(&at).with_context(named)? {
                let name = entry.with_context(named)?.file_name();
                self.look_at(&path.join(name), record)?;
            }
            return Ok(());
        }
        let about = looks(&at).with_context(named)?;
        // Writing to a String cannot fail.
        let _done = writeln!(record, "{about} {}", path.display());
        Ok(())
    }
}

/// What a file looks like, as a word.  Its inode's change is left out: a copy of the folder is as good.
fn looks(path: &Path) -> io::Result<String> {
    let about = About::of(&fs::symlink_metadata(path)?);
    Ok(format!("{}:{}", about.size, about.mtime))
}

/// Flushes all files of a folder, and the folders.
fn flush(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry.with_context(|| dir.display().to_string())?.path();
        if path.is_dir() { flush(&path)? } else { sync(&path)? }
    }
    sync(dir)
}

fn sync(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    file.sync_all().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_whole_or_not_there() {
        let scratch = tempfile::tempdir().unwrap();
        let output = Output::take(scratch.path(), &Cancel::new().unwrap(), &|_| {}).unwrap();
        let refused = Output::take(scratch.path(), &Cancel::new().unwrap(), &|_| {})
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("another build is at work (process "), "{refused}");
        for text in ["one", "two"] {
            let out = output.work().join("out");
            fs::create_dir_all(out.join("platform-x/i86pc")).unwrap();
            fs::write(out.join("platform-x/i86pc/unix"), text).unwrap();
            fs::write(out.join("platform-x.tgz"), text).unwrap();
            assert!(!output.is_made("platform-x", text));
            output.finish("platform-x", text).unwrap();
            assert!(output.is_made("platform-x", text));
            output.clear().unwrap();
            let made = fs::read_to_string(scratch.path().join("platform-x/i86pc/unix")).unwrap();
            assert_eq!(made, text);
        }
        assert!(!output.is_made("platform-x", "one"));
        fs::write(scratch.path().join("platform-x.tgz"), "torn").unwrap();
        assert!(!output.is_made("platform-x", "two"));
        drop(output);
        fs::create_dir_all(scratch.path().join(".build_live/work/left")).unwrap();
        let output = Output::take(scratch.path(), &Cancel::new().unwrap(), &|_| {}).unwrap();
        assert!(!output.work().exists());
    }
}
