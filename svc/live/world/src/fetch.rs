//! fetch.rs - sources that are not there are brought: cloned, unpacked, or made by a command.
//!
//! ```text
//! projects/.get.NAME/    where a source is made, and what it is renamed from
//! ```
//!
//! Law: what is below projects under its own name is whole.  What a killed run left is beside, and
//! goes when it is begun again.  Commands and clones run contained, with a clean environment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use process::{Cancel, Limits, ProcessError, Program};
use stage::output::remove_tree;

use crate::Workspace;
use crate::archive::{self, ArchiveError};
use crate::check::Branch;

/// What git and a site's own commands may know of the caller.
pub(crate) const PASSED: [&str; 9] = [
    "HOME",
    "LOGNAME",
    "USER",
    "SSH_AUTH_SOCK",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "GIT_SSH_COMMAND",
    "SSL_CERT_FILE",
];

/// Why a source was not brought.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A file cannot be made.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The command or git failed.
    #[error("{command}: {said}")]
    Refused {
        /// What was run.
        command: String,
        /// Its last words.
        said: String,
    },
    /// It ran, and made something else.
    #[error("{command}: made no {name} (in {})", place.display())]
    Nothing {
        /// What was run.
        command: String,
        /// What it should have made.
        name: String,
        /// Where it ran.
        place: PathBuf,
    },
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A program did not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FetchError + '_ {
    |source| FetchError::File { path: path.to_owned(), source }
}

/// Who brings.
#[derive(Debug, Clone, Copy)]
pub struct Fetcher<'a> {
    /// For which workspace.
    pub workspace: &'a Workspace,
    /// Where Lamplighter is.
    pub prefix: &'a Path,
    /// Until when.
    pub cancel: &'a Cancel,
}

/// Whether a way is a repository to clone: one word that has a scheme, or `user@host:path`.
fn is_repository(way: &str) -> bool {
    let scp = |(user, rest): (&str, &str)| !user.contains('/') && rest.contains(':');
    !way.contains(char::is_whitespace)
        && (way.contains("://") || way.split_once('@').is_some_and(scp))
}

impl Fetcher<'_> {
    /// Brings a source to `projects/NAME`, which is not there.
    ///
    /// # Errors
    /// It does not come, or something else does.
    pub fn project(
        &self,
        name: &str,
        way: &str,
        digest: Option<&str>,
        branch: Option<&str>,
    ) -> Result<(), FetchError> {
        let place = self.beside(name)?;
        let last = Path::new(name).file_name().unwrap_or_default();
        let made = place.join(last);
        if archive::is_archive(way) {
            let into = place.join("unpacked");
            fs::create_dir(&into).map_err(at(&into))?;
            archive::take(way, digest, &place, &into, self.cancel)?;
            let content = archive::content(&into).map_err(at(&into))?;
            fs::rename(&content, &made).map_err(at(&content))?;
        } else if is_repository(way) {
            self.clone(way, branch, &made)?;
        } else {
            self.refusing("sh", &["-c", way], &place, way)?;
        }
        if made.metadata().is_err() {
            let (command, name) = (way.to_owned(), last.to_string_lossy().into_owned());
            return Err(FetchError::Nothing { command, name, place });
        }
        self.settle(&made, &self.workspace.path("projects").join(name))?;
        remove_tree(&place).map_err(at(&place))
    }

    /// Unpacks closed binaries into the gate.
    ///
    /// # Errors
    /// They do not come, or are something else.
    pub fn closed(&self, location: &str, digest: Option<&str>) -> Result<(), FetchError> {
        let place = self.beside("closed")?;
        let into = place.join("unpacked");
        fs::create_dir(&into).map_err(at(&into))?;
        archive::take(location, digest, &place, &into, self.cancel)?;
        let closed = self.workspace.illumos().join("closed");
        let made = into.join("closed");
        let found = fs::read_dir(&made).map_err(at(&made))?;
        fs::create_dir_all(&closed).map_err(at(&closed))?;
        // Both archives, DEBUG and not, bring one directory each: root_i386, root_i386-nd.
        for entry in found {
            let entry = entry.map_err(at(&made))?;
            let target = closed.join(entry.file_name());
            if target.symlink_metadata().is_err() {
                self.settle(&entry.path(), &target)?;
            }
        }
        remove_tree(&place).map_err(at(&place))
    }

    /// Switches a clone that is there to its branch; what it says when it is on it already: false.
    ///
    /// # Errors
    /// git does not switch: uncommitted changes, no such branch.
    pub fn switch(&self, branch: &Branch) -> Result<bool, FetchError> {
        let path = match branch.project.as_str() {
            "." => self.workspace.top().to_owned(),
            name => self.workspace.path("projects").join(name),
        };
        let asked = ["symbolic-ref", "--short", "-q", "HEAD"];
        let now = self.program("git").args(asked).directory(&path).output(&self.limits())?;
        if now.text().trim() == branch.branch {
            return Ok(false);
        }
        let words = ["checkout", branch.branch.as_str(), "--"];
        self.refusing("git", &words, &path, &format!("git checkout {}", branch.branch))?;
        Ok(true)
    }

    fn clone(&self, url: &str, branch: Option<&str>, to: &Path) -> Result<(), FetchError> {
        let to = to.display().to_string();
        let mut words = vec!["clone", "--quiet"];
        if let Some(branch) = branch {
            words.extend(["--branch", branch]);
        }
        words.extend(["--", url, &to]);
        self.refusing("git", &words, self.workspace.top(), &format!("git clone {}", shown(url)))
    }

    fn limits(&self) -> Limits<'_> {
        Limits::until(self.cancel)
    }

    fn program(&self, name: &str) -> Program {
        let program = Program::new(name).pass(&PASSED).env("GIT_TERMINAL_PROMPT", "0");
        program.env("LAMPLIGHTER_PREFIX", self.prefix)
    }

    /// Runs a program that must succeed.
    fn refusing(
        &self,
        program: &str,
        words: &[&str],
        place: &Path,
        command: &str,
    ) -> Result<(), FetchError> {
        let said = self.program(program).args(words).directory(place).output(&self.limits())?;
        if said.success() {
            return Ok(());
        }
        Err(FetchError::Refused { command: command.to_owned(), said: said.complaint() })
    }

    /// An empty place to make a source in.
    fn beside(&self, name: &str) -> Result<PathBuf, FetchError> {
        let place =
            self.workspace.path("projects").join(format!(".get.{}", name.replace('/', "-")));
        remove_tree(&place).map_err(at(&place))?;
        fs::create_dir_all(&place).map_err(at(&place))?;
        Ok(place)
    }

    fn settle(&self, made: &Path, target: &Path) -> Result<(), FetchError> {
        if let Some(above) = target.parent() {
            fs::create_dir_all(above).map_err(at(above))?;
        }
        fs::rename(made, target).map_err(at(target))?;
        let above = target.parent().unwrap_or(Path::new("/"));
        fs::File::open(above).and_then(|above| above.sync_all()).map_err(at(above))
    }
}

/// A URL without who knocks.
fn shown(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways() {
        for (way, want) in [
            ("https://h.example/x.git", true),
            ("git@h.example:x/y.git", true),
            ("file:///srv/gate", true),
            ("git clone https://h.example/x illumos", false),
            ("ln -s /code/illumos illumos", false),
            ("./get@home", false),
        ] {
            assert_eq!(is_repository(way), want, "{way}");
        }
        assert_eq!(shown("https://me:secret@h.example/x"), "https://h.example/x");
        assert_eq!(shown("git@h.example:x"), "git@h.example:x");
    }
}
