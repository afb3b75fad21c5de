//! site.rs - what the site says: the `configure.*` files of a workspace, read by a shell.
//!
//! They are sh: assignments of the variables below, in any words.  The shell runs contained, with a
//! clean environment, and may change no file; each variable is then asked for by name.  A file that
//! fails, or ends the shell, is named.  Variables of the caller's environment come first, so a file
//! may change them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Confinement, Ended, Limits, ProcessError, Program};

/// What a site may set, and what it is.
pub const VARIABLES: [(&str, &str); 21] = [
    ("GET_ILLUMOS", "a URL to clone, or a command that makes ./illumos"),
    ("GET_ILLUMOS_EXTRA", "the same for ./illumos-extra"),
    ("GET_ILLUMOS_EXTRAS", "the same for ./illumos-extras"),
    (
        "GET_OPENSOLARIS_MAN",
        "an archive, a URL to clone, or a command that makes ./opensolaris-man",
    ),
    ("GET_OPENSOLARIS_MAN_SHA256", "the archive's digest"),
    ("ON_CLOSED_BINS_URL", "the archive of closed binaries: a URL or a path"),
    ("ON_CLOSED_BINS_SHA256", "its digest"),
    ("ON_CLOSED_BINS_ND_URL", "that of a non-DEBUG build"),
    ("ON_CLOSED_BINS_ND_SHA256", "its digest"),
    ("SPRO_ROOT", "where the Studio compilers are, for a gate that needs them"),
    ("SUNW_SPRO12_URL", "where an archive of Studio 12 is"),
    ("SUNW_SPRO12u1_URL", "where an archive of Studio 12 update 1 is"),
    (
        "ILLUMOS_PROTO",
        "a proto area of the gate that was built elsewhere: taken instead of building",
    ),
    ("PUBLISHER", "PKGPUBLISHER_REDIST of the gate"),
    ("RELEASE_VER", "GATE of the gate"),
    ("NIGHTLY_OPTIONS", "nightly's options"),
    ("HAVE_PKG", "false: nobody is told to use pkg(1)"),
    ("ROOTCMD", "what root's commands begin with: pfexec, sudo"),
    ("NEED_MB", "room that a build needs"),
    ("NEED_INODES", "inodes that a build needs"),
    ("MAKE", "GNU make, where it has another name"),
];

/// How long the files may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads each file, and tells which; then tells each variable.
const SCRIPT: &str = "\
set -e
names=$1; shift
for lamplighter_file do
	printf 'file=%s\\0' \"$lamplighter_file\"
	. \"$lamplighter_file\" >&2
done
for lamplighter_name in $names; do
	eval \"printf '%s=%s\\\\0' \\\"$lamplighter_name\\\" \\\"\\${$lamplighter_name-}\\\"\"
done
printf 'end=\\0'
";

/// What the site says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    values: BTreeMap<String, String>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

/// Why nobody knows what the site says.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The workspace cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The workspace.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file did not come to its end.
    #[error("{file}: {said}")]
    Failed {
        /// The file.
        file: String,
        /// What the shell said.
        said: String,
    },
    /// There is no shell.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl Site {
    /// Says nothing but this.
    #[must_use]
    pub fn of(values: &[(&str, &str)]) -> Site {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Site { values: values.iter().map(pair).collect(), files: Vec::new() }
    }

    /// Reads the files of a workspace.
    ///
    /// # Errors
    /// One of them fails.
    pub fn read(top: &Path, prefix: &Path) -> Result<Site, SiteError> {
        let files = files(top).map_err(|source| SiteError::Read { path: top.into(), source })?;
        let names: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
        let readable = vec![top.to_owned(), prefix.to_owned()];
        let readable = readable.into_iter().filter(|path| path.exists()).collect();
        let said = Program::new("/bin/sh")
            .args(["-c", SCRIPT, "configure", &names.join(" ")])
            .args(&files)
            .directory(top)
            .pass(&names)
            .pass(&["HOME", "LOGNAME", "USER"])
            .env("LAMPLIGHTER_PREFIX", prefix)
            .confined(Confinement { readable, ..Confinement::default() })
            .output(&Limits::of(PATIENCE))?;
        let site = parse(&said.text()).map_err(|file| {
            // A shell that stopped in the middle of a file may have done so in silence.
            let silent = said.err.is_empty() && matches!(said.ended, Ended::Exited(_));
            let said = if silent { "it ends the shell".to_owned() } else { said.complaint() };
            let prefix = format!("{file}: ");
            SiteError::Failed { said: said.strip_prefix(&prefix).unwrap_or(&said).into(), file }
        })?;
        Ok(Site { files, ..site })
    }

    /// A variable that is set, and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All variables that are set, in the order of [`VARIABLES`].
    pub fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        VARIABLES.iter().filter_map(|(name, _)| Some((*name, self.get(name)?)))
    }
}

/// `configure.*`, in the order of their names, without what editors leave.
fn files(top: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(top)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let left = ["~", ".orig", ".rej", ".swp"].iter().any(|end| name.ends_with(end));
        if name.starts_with("configure.") && !left && entry.path().is_file() {
            found.push(Path::new(".").join(name));
        }
    }
    found.sort();
    Ok(found)
}

/// What the script tells, or the file it did not get beyond.
fn parse(text: &str) -> Result<Site, String> {
    let mut site = Site::default();
    let mut file = "/bin/sh".to_owned();
    for part in text.split('\0') {
        match part.split_once('=') {
            Some(("file", name)) => file = name.to_owned(),
            Some(("end", _)) => return Ok(site),
            Some((name, value)) => {
                site.values.insert(name.to_owned(), value.to_owned());
            }
            None => {}
        }
    }
    Err(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Site, SiteError>) {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(place.path().join(name), text).unwrap();
        }
        let site = Site::read(place.path(), Path::new("/nowhere"));
        (place, site)
    }

    #[test]
    fn all_files_are_read_in_order() {
        let (_place, site) = read(&[
            ("configure.a", "PUBLISHER=one\nGET_ILLUMOS='git clone \"x y\"'\necho noise\n"),
            ("configure.b", "PUBLISHER=\"$PUBLISHER-two\nlines\"\nUNKNOWN=1\n"),
            ("configure.b~", "PUBLISHER=old\n"),
            ("configure-buildver", "exit 1\n"),
        ]);
        let site = site.unwrap();
        assert_eq!(site.get("PUBLISHER"), Some("one-two\nlines"));
        assert_eq!(site.get("GET_ILLUMOS"), Some("git clone \"x y\""));
        assert_eq!(site.get("RELEASE_VER"), None);
        assert_eq!(site.files.len(), 2);
    }

    #[test]
    fn a_file_that_fails_is_named() {
        for (text, want) in [
            ("if\n", "./configure.b: "),
            ("false\n", "./configure.b: it ends the shell"),
            ("exit 0\n", "./configure.b: it ends the shell"),
            ("echo no >&2; exit 3\n", "./configure.b: no"),
            ("nosuchcommand\n", "not found"),
        ] {
            let (_place, site) = read(&[("configure.a", "PUBLISHER=x\n"), ("configure.b", text)]);
            let error = site.unwrap_err().to_string();
            assert!(error.contains(want) && error.contains("configure.b"), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_changes_nothing_outside() {
        // A host that has no mount namespaces cannot hold it.
        let (place, site) = read(&[(
            "configure.a",
            "echo x >/tmp/lamplighter-$$ && rm /tmp/lamplighter-$$\n(: >./new) 2>/dev/null || PUBLISHER=held\n",
        )]);
        let site = site.unwrap();
        assert_eq!(site.get("PUBLISHER").is_some(), !place.path().join("new").exists());
    }
}
