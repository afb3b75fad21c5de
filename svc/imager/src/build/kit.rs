//! kit.rs - what scripts that were written for the original find: its Python modules, and ManifestRead
//! at the path by which they call it.
//!
//! ```text
//! FOLDER/ManifestServ.PID        the manifest's socket
//! FOLDER/python/osol_install/    in PYTHONPATH; modules that are not here are the host's, if it has them
//! FOLDER/bin/ManifestRead        → this installation's
//! FOLDER/bin/python2.6 ...       → the host's Python of that generation
//! ```
//!
//! What the host lacks of `bin` is seen in /usr/bin, where the system can show it.
//!
//! Python 2.6 and later, and 3, read the modules.  Not here: what only its own steps needed (libti,
//! libtransfer, transfer_mod), for those steps are built in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Where the original's scripts look for the command.
const COMMANDS: &str = "/usr/bin";
const READER: &str = "ManifestRead";

/// What scripts of one time or another name in their first lines, and what has come since.
const INTERPRETERS: [(&str, &str); 7] = [
    ("python2.4", "python2"),
    ("python2.6", "python2"),
    ("python2.7", "python2"),
    ("python2", "python2.7"),
    ("python3.4", "python3"),
    ("python3.5", "python3"),
    ("python3.9", "python3"),
];

macro_rules! modules {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("kit/osol_install/", $path)))),*]
    };
}

const MODULES: [(&str, &str); 8] = modules![
    "__init__.py",
    "ManifestRead.py",
    "SocketServProtocol.py",
    "install_utils.py",
    "distro_const/__init__.py",
    "distro_const/_paths.py",
    "distro_const/dc_defs.py",
    "distro_const/dc_utils.py",
];
/// The older name of dc_defs, which differs by its case only.
const OLDER: (&str, &str) =
    ("distro_const/DC_defs.py", include_str!("kit/osol_install/distro_const/older_defs.py"));

/// The links for what a directory of commands lacks: their names, and where they lead.
fn lacking(commands: &Path, reader: Option<&Path>) -> Vec<(&'static str, PathBuf)> {
    let own = reader.map(|reader| (READER, reader.to_owned()));
    let newer = INTERPRETERS.map(|(name, newer)| (name, commands.join(newer)));
    let all = own.into_iter().chain(newer);
    all.filter(|(name, to)| !commands.join(name).exists() && to.exists()).collect()
}

/// It lies below /tmp while a build goes on.
pub struct Kit {
    folder: TempDir,
    reader: Option<PathBuf>,
    is_lacking: bool,
}

/// The ManifestRead of the installation that a program is of: beside it, or in `bin` of its prefix.
pub fn reader(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?;
    let prefix = folder.ancestors().nth(2)?;
    [folder.join(READER), prefix.join("bin").join(READER)].into_iter().find(|path| path.is_file())
}

impl Kit {
    /// Lays it out; `reader`: the ManifestRead that scripts are to find.
    pub fn lay(reader: Option<&Path>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("distro_const.").tempdir_in("/tmp");
        let folder = folder.context("a folder for what scripts need in /tmp")?;
        let links = lacking(Path::new(COMMANDS), reader);
        let (reader, is_lacking) = (reader.map(Path::to_owned), !links.is_empty());
        let kit = Self { folder, reader, is_lacking };
        kit.fill(&links).with_context(|| kit.folder.path().display().to_string())?;
        Ok(kit)
    }

    fn fill(&self, links: &[(&str, PathBuf)]) -> std::io::Result<()> {
        let modules = self.python().join("osol_install");
        for (path, text) in MODULES.into_iter().chain([OLDER]) {
            let path = modules.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(&modules))?;
            std::fs::write(path, text)?;
        }
        let bin = self.folder.path().join("bin");
        std::fs::create_dir(&bin)?;
        links.iter().try_for_each(|(name, to)| std::os::unix::fs::symlink(to, bin.join(name)))
    }

    /// Where the manifest is served.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(format!("ManifestServ.{}", std::process::id()))
    }

    /// The folder of Python's modules.
    pub fn python(&self) -> PathBuf {
        self.folder.path().join("python")
    }

    /// What a script must be able to reach.
    pub fn readable(&self) -> impl Iterator<Item = PathBuf> + '_ {
        std::iter::once(self.folder.path().to_owned()).chain(self.reader.clone())
    }

    /// The links, and the directory in which they are to be seen.
    pub fn shown(&self) -> Option<(PathBuf, PathBuf)> {
        self.is_lacking.then(|| (self.folder.path().join("bin"), PathBuf::from(COMMANDS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_lacking_and_can_be_had_is_shown() {
        let scratch = tempfile::tempdir().unwrap();
        let here = scratch.path();
        let own = here.join("reader");
        let names = |reader: Option<&Path>| -> Vec<&str> {
            lacking(here, reader).into_iter().map(|(name, _)| name).collect()
        };
        assert!(names(Some(&own)).is_empty());
        for there in ["reader", "python3", "python3.5"] {
            std::fs::write(here.join(there), "").unwrap();
        }
        let wanted = [READER, "python3.4", "python3.9"];
        assert_eq!(names(Some(&own)), wanted);
        assert_eq!(names(None), wanted[1..]);
        std::fs::write(here.join(READER), "").unwrap();
        assert_eq!(names(Some(&own)), wanted[1..]);
    }

    #[test]
    fn the_reader_is_that_of_the_same_installation() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |path: &str| scratch.path().join(path);
        for folder in ["bin", "lib/lamplighter"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        assert_eq!(reader(&at("lib/lamplighter/imager")), None);
        std::fs::write(at("bin/ManifestRead"), "").unwrap();
        for program in ["bin/distro_const", "lib/lamplighter/imager"] {
            assert_eq!(reader(&at(program)), Some(at("bin/ManifestRead")), "{program}");
        }
    }
}
