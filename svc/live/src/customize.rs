//! customize.rs - what every platform gets, and what the user's scripts do.
//!
//! ```text
//! tools/customize, tools/customize.*      the user's, if there: in a copy of the image, contained
//! etc/mnttab var/log/syslog var/adm/wtmpx     empty
//! etc/joyent_buildstamp                       the stamp
//! etc/motd etc/issue                          placeholders of a stamp become the stamp
//! etc/svc/repository.db                       the image's bundles and profiles
//! etc/shadow                                  root's password, when one is given
//! ```
//!
//! A script gets the image's root and a second argument; a file that may not be executed is read by
//! /bin/sh -e.  What it does to files, modes, owners and devices included, is taken over into the
//! table, whoever builds.  Its failure fails the build.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use image_manifest::Profile;
use image_rooted::script::Script;
use image_rooted::{Owned, password, services};
use process::{Cancel, Confinement, Ended, Ledger};

use crate::log::Log;
use crate::workshop::Workshop;
use live_manifest::{Stamp, stamped};

const SCRIPT: &str = "customize";
const REPOSITORY: &str = "etc/svc/repository.db";
const SEED: &str = "lib/svc/seed/global.db";
/// Profiles that the first boot would apply.
const PROFILES: [&str; 2] = ["/etc/svc/profile/generic.xml", "/etc/svc/profile/platform.xml"];
const EMPTY: [&str; 3] = ["etc/mnttab", "var/log/syslog", "var/adm/wtmpx"];

/// The user's scripts, and what they are told.
pub struct Scripts<'a> {
    /// The scripts in their order.
    pub files: &'a [PathBuf],
    /// The second argument.
    pub second: &'a str,
    /// Where they run.
    pub top: &'a Path,
    /// A directory of their own.
    pub tmp: &'a Path,
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

/// `customize` and `customize.*` of a folder, in the order of their names.
///
/// # Errors
/// The folder cannot be read; not if it is not there.
pub fn scripts(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| folder.display().to_string())?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let rest = name.strip_prefix(SCRIPT);
        let is_one = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if is_one && !name.ends_with('~') && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl Scripts<'_> {
    /// Runs them on the workshop.
    ///
    /// # Errors
    /// One fails, or what it did cannot be taken over.
    pub fn run(&self, workshop: &mut Workshop, stamp: &Stamp, log: &Log<'_>) -> Result<()> {
        log.say(&format!("Customizing {}", workshop.root.dir().display()));
        fs::create_dir_all(self.tmp).with_context(|| self.tmp.display().to_string())?;
        workshop.root.show()?;
        let before = workshop.root.look()?;
        let ledger = Arc::default();
        workshop.root.tell(&ledger)?;
        for file in self.files {
            self.one(file, workshop.root.dir(), (stamp, &ledger), log)?;
        }
        let after = workshop.root.look()?;
        let same = |path: &String| before.get(path) == after.get(path);
        let changed: BTreeSet<String> = after.keys().filter(|path| !same(path)).cloned().collect();
        workshop.made_by_others(changed.into_iter());
        workshop.root.reconcile_by(&before, &ledger)?;
        Ok(())
    }

    fn one(
        &self,
        file: &Path,
        root: &Path,
        (stamp, ledger): (&Stamp, &Arc<Ledger>),
        log: &Log<'_>,
    ) -> Result<()> {
        let named = file.display();
        let mode = fs::metadata(file).with_context(|| named.to_string())?.permissions().mode();
        let shell: &[&str] = if mode & 0o111 == 0 { &["/bin/sh", "-e"] } else { &[] };
        let own = [file, root].map(|path| path.display().to_string());
        let command: Vec<String> = shell
            .iter()
            .map(|word| (*word).to_owned())
            .chain(own)
            .chain([self.second.to_owned()])
            .collect();
        let script = Script {
            command: &command,
            environment: &[
                ("BUILDSTAMP", stamp.to_string()),
                ("SOURCE_DATE_EPOCH", stamp.seconds().to_string()),
                ("GZIP_CMD", "gzip".to_owned()),
                ("TMPDIR", self.tmp.display().to_string()),
            ],
            directory: Some(self.top),
            confinement: Confinement {
                writable: vec![root.to_path_buf(), self.tmp.to_path_buf()],
                readable: vec![self.top.to_path_buf(), file.to_path_buf()],
                ..Confinement::default()
            },
            time: None,
            cancel: self.cancel,
        };
        let last = std::cell::RefCell::new(String::new());
        let mut say = |line: &str| {
            log.say(line);
            if !line.trim().is_empty() {
                last.replace(line.trim().to_owned());
            }
        };
        let ended = script.run_by(ledger, &mut |line| log.say(line), &mut say)?;
        match ended {
            Ended::Exited(0) => Ok(()),
            Ended::Cancelled | Ended::Stopped => bail!("no longer wanted"),
            ended => bail!("{named}: {ended}: {}", last.borrow()),
        }
    }
}

/// What every platform gets.
pub struct Standard<'a> {
    /// The stamp.
    pub stamp: &'a Stamp,
    /// Root's password, if one is given.
    pub password: Option<&'a str>,
}

impl Standard<'_> {
    /// Does it.
    ///
    /// # Errors
    /// A file cannot be made.
    pub fn run(&self, workshop: &mut Workshop, log: &Log<'_>) -> Result<()> {
        for path in EMPTY {
            self.put_if_folder(workshop, path, b"", Owned::root(0o644))?;
        }
        let stamp = format!("{}\n", self.stamp);
        self.put_if_folder(
            workshop,
            "etc/joyent_buildstamp",
            stamp.as_bytes(),
            Owned::root(0o644),
        )?;
        for path in ["etc/motd", "etc/issue"] {
            if let Some(text) = workshop.root.read(path)? {
                let text = stamped(&text, self.stamp);
                workshop.put(path, &text, Owned::sys(0o644))?;
            }
        }
        services(workshop, log)?;
        self.password(workshop, log)
    }

    fn put_if_folder(
        &self,
        workshop: &mut Workshop,
        path: &str,
        bytes: &[u8],
        owned: Owned,
    ) -> Result<()> {
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        if workshop.root.is_directory(above) {
            workshop.put(path, bytes, owned)?;
        }
        Ok(())
    }

    /// The salt follows from the stamp, so two builds are equal.
    fn password(&self, workshop: &mut Workshop, log: &Log<'_>) -> Result<()> {
        let Some(word) = self.password else { return Ok(()) };
        log.say("Setting root password...");
        let algorithm = password::algorithm(&workshop.root)?;
        let salt = stage::recipe::sha256(self.stamp.text().as_bytes());
        let entry = password::encrypted(word, algorithm, &salt[..16])?;
        workshop.change("etc/shadow", |root| password::put(root, &entry))
    }
}

/// The repository of services with the image's own bundles in it; without any, the image's seed.
fn services(workshop: &mut Workshop, log: &Log<'_>) -> Result<()> {
    let profiles = PROFILES.map(|path| Profile { path: path.to_owned(), on_build_host: false });
    let there =
        |profile: &Profile| workshop.root.kind(profile.path.trim_start_matches('/')).is_some();
    let profiles: Vec<Profile> = profiles.into_iter().filter(there).collect();
    let made = services::seed(&workshop.root, &profiles)?;
    made.warnings.iter().for_each(|warning| log.say(&format!("WARNING: {warning}")));
    log.say(&format!("{REPOSITORY}: {} bundles and profiles", made.files));
    let repository = match made.repository {
        Some(repository) => Some(repository),
        None => workshop.root.read(SEED)?,
    };
    match repository {
        Some(bytes) => workshop.put(REPOSITORY, &bytes, Owned::sys(0o600)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_files_are_scripts() {
        let scratch = tempfile::tempdir().unwrap();
        let put = |name: &str| fs::write(scratch.path().join(name), "").unwrap();
        ["customize.b", "customize", "customize.a", "customize.a~", "customizer", "x"]
            .into_iter()
            .for_each(put);
        fs::create_dir(scratch.path().join("customize.d")).unwrap();
        let found = scripts(scratch.path()).unwrap();
        let names: Vec<_> =
            found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["customize", "customize.a", "customize.b"]);
        assert!(scripts(&scratch.path().join("none")).unwrap().is_empty());
    }
}
