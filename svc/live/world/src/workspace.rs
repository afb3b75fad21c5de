//! workspace.rs - what lies where in a live workspace.
//!
//! ```text
//! TOP/configure, Makefile, tools/, manifest, overlay/, src/
//!     configure.*                 what the site says (site.rs)
//!     configure-buildver, configure-branches, configure-projects
//!     projects/illumos            the gate; may be a link
//!              illumos-extra      or illumos-extras
//!              local/NAME         further sources
//!              opensolaris-man    manual pages
//!     build.env                   written by configure, read by make and world
//!     proto/                      what world builds; proto/buildstamp
//!     log/                        what was said meanwhile; build is a link to it
//!     output/                     the images
//!     0-STEP-stamp                the step was built
//! ```

use std::fs;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, FlockArg, fcntl};

/// A live workspace.
#[derive(Debug, Clone)]
pub struct Workspace {
    top: PathBuf,
}

/// Why a directory is no live workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It lacks what a workspace has.
    #[error("{}: not a live workspace: it has no {missing}", path.display())]
    Lacks {
        /// The directory.
        path: PathBuf,
        /// What is not there.
        missing: &'static str,
    },
}

impl Workspace {
    /// The workspace at a directory.
    ///
    /// # Errors
    /// It is none.
    pub fn at(top: &Path) -> Result<Workspace, WorkspaceError> {
        let read = |source| WorkspaceError::Read { path: top.to_owned(), source };
        let path = top.canonicalize().map_err(read)?;
        for missing in ["Makefile", "manifest"] {
            if !path.join(missing).is_file() {
                return Err(WorkspaceError::Lacks { path, missing });
            }
        }
        Ok(Workspace { top: path })
    }

    /// The directory itself.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.top.join(below)
    }

    /// Where everything is installed.
    #[must_use]
    pub fn proto(&self) -> PathBuf {
        self.path("proto")
    }

    /// The gate.
    #[must_use]
    pub fn illumos(&self) -> PathBuf {
        self.path("projects/illumos")
    }

    /// The name below `projects` that the extra sources have, or should have.
    #[must_use]
    pub fn extra_name(&self) -> &'static str {
        let older = "illumos-extras";
        let is_there = |name: &str| self.path("projects").join(name).symlink_metadata().is_ok();
        if is_there(older) && !is_there("illumos-extra") { older } else { "illumos-extra" }
    }

    /// The local projects, in the order of their names.
    ///
    /// # Errors
    /// Their directory cannot be read.
    pub fn locals(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let entries = match fs::read_dir(self.path("projects/local")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The stamp of a step.
    #[must_use]
    pub fn stamp(&self, step: &str) -> PathBuf {
        self.path(&format!("0-{step}-stamp"))
    }

    /// Makes `log`, and `build`, the name that some know it by.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn make_log(&self) -> io::Result<PathBuf> {
        let log = self.path("log");
        fs::create_dir_all(&log)?;
        match std::os::unix::fs::symlink("log", self.path("build")) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(log),
        }
    }

    /// Holds the workspace against others who change it; `None` while somebody does.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub fn try_lock(&self) -> io::Result<Option<Held>> {
        self.held(FlockArg::LockExclusiveNonblock)
    }

    /// Holds the workspace, as soon as nobody else does.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub fn lock(&self) -> io::Result<Held> {
        loop {
            if let Some(held) = self.held(FlockArg::LockExclusive)? {
                return Ok(held);
            }
        }
    }

    fn held(&self, how: FlockArg) -> io::Result<Option<Held>> {
        let file = File::create(self.make_log()?.join("lock"))?;
        match flock(&file, how) {
            Err(Errno::EINTR | Errno::EWOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(errno.into()),
            Ok(()) => {}
        }
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(Some(Held { _file: file }))
    }
}

#[allow(deprecated)] // nix's Flock would not let go of the file.
fn flock(file: &File, how: FlockArg) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    nix::fcntl::flock(file.as_raw_fd(), how)
}

/// The workspace, held while this lives, and while any program does that was started meanwhile:
/// what a killed world left at work keeps the next one waiting, and tears nothing of it.
#[derive(Debug)]
pub struct Held {
    _file: File,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_and_what_is_in_it() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path();
        let said = Workspace::at(top).unwrap_err().to_string();
        assert!(said.ends_with("not a live workspace: it has no Makefile"), "{said}");
        for file in ["Makefile", "manifest", "projects/local/b/x", "projects/local/.a/x"] {
            fs::create_dir_all(top.join(file).parent().unwrap()).unwrap();
            fs::write(top.join(file), "").unwrap();
        }
        fs::create_dir(top.join("projects/local/a")).unwrap();
        let workspace = Workspace::at(top).unwrap();
        assert_eq!(workspace.locals().unwrap(), ["a", "b"]);
        assert_eq!(workspace.extra_name(), "illumos-extra");
        fs::create_dir(top.join("projects/illumos-extras")).unwrap();
        assert_eq!(workspace.extra_name(), "illumos-extras");
        let held = workspace.lock().unwrap();
        assert!(workspace.try_lock().unwrap().is_none());
        assert!(fs::read_link(top.join("build")).is_ok_and(|to| to == Path::new("log")));
        drop(held);
        workspace.lock().unwrap();
    }
}
