//! output.rs - what a stage leaves: immutable outputs, their stamps, the link that names one.
//!
//! ```text
//! DIR/work/            the output in the making; becomes out/DIGEST by one rename
//! DIR/out/DIGEST/      immutable; complete exactly when it holds `stamp`, written last
//! DIR/current          -> out/DIGEST, flipped by rename
//! ```
//!
//! A reader holds a shared lock on the stamp of what it resolved; only what is unlocked is
//! collected (see collect.rs).  Law: nothing below out/DIGEST is written after the rename.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::lock;

/// The name of the stamp within an output.
pub const STAMP: &str = "stamp";

/// What an output is and what it was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The stage: `builder:illumos`.
    pub stage: String,
    /// The version of the program that made it.
    pub version: String,
    /// The name of the output: the digest of its recipe.
    pub digest: String,
    /// What went in, by name.
    pub inputs: BTreeMap<String, String>,
    /// What came out, by name: digests of contents, counts, names of media.
    pub outputs: BTreeMap<String, String>,
    /// The outputs of earlier stages that were read: stage to digest.
    #[serde(default)]
    pub read: BTreeMap<String, String>,
    /// The time of the sources, in seconds since the epoch, all earlier stages included.
    #[serde(default)]
    pub source_date: Option<i64>,
}

/// An output that cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The stage has no output.
    #[error("{stage} has no output yet: {} is missing", path.display())]
    Absent {
        /// The stage, as its directory is named.
        stage: String,
        /// Its link.
        path: PathBuf,
    },
    /// Its stamp is missing or torn.
    #[error("{}: no complete stamp", path.display())]
    Incomplete {
        /// The output.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> OutputError + '_ {
    |source| OutputError::File { path: path.to_owned(), source }
}

/// The complete output of a stage, held: it stays for as long as this lives.
#[derive(Debug)]
pub struct Input {
    path: PathBuf,
    stamp: Stamp,
    _held: File,
}

impl Input {
    /// Resolves the current output of the stage whose directory this is.
    ///
    /// # Errors
    /// It has none, or one without a complete stamp.
    pub fn resolve(stage: &Path) -> Result<Input, OutputError> {
        let link = stage.join("current");
        loop {
            let target = match fs::read_link(&link) {
                Ok(target) => stage.join(target),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let names: Vec<_> = stage.iter().rev().take(2).collect();
                    let names: PathBuf = names.into_iter().rev().collect();
                    let stage = names.display().to_string();
                    return Err(OutputError::Absent { stage, path: link });
                }
                Err(source) => return Err(at(&link)(source)),
            };
            match Input::hold(&target) {
                // It was collected between the two looks: the link names a newer one by now.
                Err(OutputError::Incomplete { .. })
                    if fs::read_link(&link).is_ok_and(|now| stage.join(now) != target) => {}
                result => return result,
            }
        }
    }

    /// Resolves the current outputs of several stages: what was current of all of them at one
    /// instant, never one from before and another from after a rebuild.
    ///
    /// # Errors
    /// One has none, or one without a complete stamp.
    pub fn resolve_all(stages: &[PathBuf]) -> Result<Vec<Input>, OutputError> {
        loop {
            let inputs = stages.iter().map(|stage| Input::resolve(stage));
            let inputs = inputs.collect::<Result<Vec<Input>, OutputError>>()?;
            // Held from the first look to the second, so none was taken away and named again.
            let stands = |(stage, input): (&PathBuf, &Input)| {
                fs::read_link(stage.join("current")).is_ok_and(|now| stage.join(now) == input.path)
            };
            if stages.iter().zip(&inputs).all(stands) {
                return Ok(inputs);
            }
        }
    }

    /// Holds one output.
    ///
    /// # Errors
    /// It has no complete stamp.
    pub fn hold(output: &Path) -> Result<Input, OutputError> {
        let path = output.join(STAMP);
        let incomplete = || OutputError::Incomplete { path: output.to_owned() };
        let file = File::open(&path).map_err(|_| incomplete())?;
        lock::shared(&file).map_err(at(&path))?;
        // Locked, and still there: nobody collects it from now on.
        let same = |now: fs::Metadata| file.metadata().is_ok_and(|held| held.ino() == now.ino());
        if !fs::metadata(&path).is_ok_and(same) {
            return Err(incomplete());
        }
        let stamp: Stamp = io::read_to_string(&file)
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .ok_or_else(incomplete)?;
        if output.file_name().is_none_or(|name| *name != *stamp.digest) {
            return Err(incomplete());
        }
        Ok(Input { path: output.to_owned(), stamp, _held: file })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    #[must_use]
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The digest that names it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.stamp.digest
    }

    /// A named part of what came out, or the whole's digest when the stamp does not know it.
    #[must_use]
    pub fn part(&self, name: &str) -> &str {
        self.stamp.outputs.get(name).unwrap_or(&self.stamp.digest)
    }
}

/// The outputs of one stage.
#[derive(Debug, Clone)]
pub struct Outputs {
    directory: PathBuf,
}

impl Outputs {
    /// In the directory of a stage.
    #[must_use]
    pub fn of(directory: &Path) -> Outputs {
        Outputs { directory: directory.to_owned() }
    }

    /// Where an output of this name lies, whether it is there or not.
    #[must_use]
    pub fn path(&self, digest: &str) -> PathBuf {
        self.all().join(digest)
    }

    /// Whether a complete output of this name is there; then `current` names it.
    ///
    /// # Errors
    /// The link cannot be written.
    pub fn reuse(&self, digest: &str) -> Result<bool, OutputError> {
        let Ok(_held) = Input::hold(&self.path(digest)) else { return Ok(false) };
        self.flip(digest)?;
        Ok(true)
    }

    /// Makes `work` the current output: all of it durable, the stamp last, one rename, the link.
    ///
    /// # Errors
    /// Something cannot be written.
    pub fn finish(&self, work: &Path, stamp: &Stamp) -> Result<PathBuf, OutputError> {
        let path = self.path(&stamp.digest);
        let out = self.all();
        fs::create_dir_all(&out).map_err(at(&out))?;
        // Left by somebody who was killed, or damaged: there is no complete one (see reuse).
        remove_tree(&path).map_err(at(&path))?;
        sync_tree(work).map_err(at(work))?;
        write_beside(&work.join(STAMP), &stamp_text(stamp)).map_err(at(work))?;
        fs::rename(work, &path).map_err(at(&path))?;
        sync_directory(&out).map_err(at(&out))?;
        self.flip(&stamp.digest)?;
        Ok(path)
    }

    /// Makes the link name an output.
    fn flip(&self, digest: &str) -> Result<(), OutputError> {
        let (link, beside) = (self.directory.join("current"), self.directory.join("current.new"));
        let target = Path::new("out").join(digest);
        if fs::read_link(&link).is_ok_and(|now| now == target) {
            return Ok(());
        }
        let made = match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => std::os::unix::fs::symlink(&target, &beside),
        };
        made.and_then(|()| fs::rename(&beside, &link)).map_err(at(&link))?;
        sync_directory(&self.directory).map_err(at(&self.directory))
    }

    /// DIR/out.
    pub(crate) fn all(&self) -> PathBuf {
        self.directory.join("out")
    }

    /// The name of the output that is current.
    pub(crate) fn current_name(&self) -> Option<OsString> {
        let target = fs::read_link(self.directory.join("current")).ok()?;
        target.file_name().map(OsStr::to_owned)
    }
}

fn stamp_text(stamp: &Stamp) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(stamp).expect("a stamp holds strings and numbers");
    text.push(b'\n');
    text
}

/// Removes a tree; one that is not there is no error.  Directories that forbid it are opened.
///
/// # Errors
/// What the system says.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result?,
    };
    if !metadata.is_dir() {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_directories(path)?;
            fs::remove_dir_all(path)
        }
        result => result,
    }
}

/// A build may leave directories that their owner may not write.
fn open_directories(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_directories(&entry.path())?;
        }
    }
    Ok(())
}

/// Writes a small file beside, makes it durable, renames it into place.
///
/// # Errors
/// What the system says.
pub fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// Makes everything on the file system of a directory durable.
fn sync_tree(path: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let directory = File::open(path)?;
        // SAFETY: a descriptor that lives through the call.
        if unsafe { libc::syncfs(directory.as_raw_fd()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _all = path;
        // SAFETY: takes nothing and cannot fail.
        unsafe { libc::sync() };
    }
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(digest: &str) -> Stamp {
        Stamp { stage: "test".into(), digest: digest.into(), ..Stamp::default() }
    }

    fn made(place: &Path, digest: &str) -> PathBuf {
        let work = place.join("work");
        fs::create_dir_all(work.join("sub")).unwrap();
        fs::write(work.join("sub/file"), digest).unwrap();
        Outputs::of(place).finish(&work, &stamp(digest)).unwrap()
    }

    #[test]
    fn finished_resolved_and_made_current_again() {
        let place = tempfile::tempdir().unwrap();
        let outputs = Outputs::of(place.path());
        let absent = Input::resolve(place.path()).unwrap_err();
        assert!(matches!(absent, OutputError::Absent { .. }), "{absent}");
        assert!(!outputs.reuse("one").unwrap());
        made(place.path(), "one");
        made(place.path(), "two");
        let input = Input::resolve(place.path()).unwrap();
        assert_eq!(input.digest(), "two");
        assert_eq!(fs::read_to_string(input.path().join("sub/file")).unwrap(), "two");
        assert!(outputs.reuse("one").unwrap());
        assert_eq!(Input::resolve(place.path()).unwrap().digest(), "one");
        assert!(!place.path().join("work").exists());
    }

    /// Two stages go from output to output, the second always after the first: no set holds a
    /// second that is ahead of its first by more than the step between.
    #[test]
    fn several_are_resolved_as_they_were_at_one_instant() {
        let place = tempfile::tempdir().unwrap();
        let stages = ["one", "two"].map(|name| place.path().join(name));
        let rounds = 200;
        for round in 0..=rounds {
            stages.iter().for_each(|stage| drop(made(stage, &round.to_string())));
        }
        let flip = |stage: &PathBuf, round: i32| {
            assert!(Outputs::of(stage).reuse(&round.to_string()).unwrap());
        };
        stages.iter().for_each(|stage| flip(stage, 0));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 1..=rounds {
                    stages.iter().for_each(|stage| flip(stage, round));
                }
            });
            while !writer.is_finished() {
                let inputs = Input::resolve_all(&stages).unwrap();
                let [one, two] = [0, 1].map(|n: usize| inputs[n].digest().parse::<i32>().unwrap());
                assert!(one - two == 0 || one - two == 1, "{one} with {two}");
            }
        });
    }

    #[test]
    fn without_a_complete_stamp_it_is_nothing() {
        let place = tempfile::tempdir().unwrap();
        let outputs = Outputs::of(place.path());
        let path = made(place.path(), "one");
        let good = fs::read(path.join(STAMP)).unwrap();
        for bad in [&b""[..], &good[..good.len() / 2], &serde_json::to_vec(&stamp("x")).unwrap()] {
            fs::write(path.join(STAMP), bad).unwrap();
            assert!(!outputs.reuse("one").unwrap());
            let error = Input::resolve(place.path()).unwrap_err();
            assert!(matches!(error, OutputError::Incomplete { .. }), "{error}");
        }
        // Made again over the ruin.
        made(place.path(), "one");
        assert_eq!(Input::resolve(place.path()).unwrap().digest(), "one");
    }
}
