//! stamps.rs - one FMRI, one content, for ever.
//!
//! Time stamps of packages come from sources, so a second build of changed sources may name a
//! package as an earlier one was named.  What this builder made before and what was released is
//! compared: other contents get the newest known stamp of that version plus one second.
//!
//! Contents are the manifest's lines but for the name; publishers in dependencies do not count,
//! because a merger may have rewritten them.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use ips_model::{Action, Fmri, Kind, Manifest, Timestamp};
use ips_repository::Repository;
use stage::Failure;

use crate::fatal;

/// Packages known from before, by name and version without stamp.
#[derive(Debug, Default)]
pub struct Known {
    repositories: Vec<Repository>,
    packages: HashMap<String, Vec<(String, usize, Fmri)>>,
}

fn key(fmri: &Fmri) -> String {
    let version = fmri.version.as_ref().map(|version| version.at(None).to_string());
    format!("{}@{}", fmri.name, version.unwrap_or_default())
}

fn stamp(fmri: &Fmri) -> &str {
    fmri.version.as_ref().and_then(|version| version.timestamp.as_deref()).unwrap_or_default()
}

/// What two manifests must share to be the same package.
fn contents(manifest: &Manifest) -> BTreeSet<String> {
    let name = |action: &&Action| {
        action.kind != Kind::Signature
            && !(action.kind == Kind::Set && matches!(action.key(), Some("pkg.fmri" | "publisher")))
    };
    let without_publishers = |action: &Action| {
        let mut action = action.clone();
        if action.kind == Kind::Depend {
            for attribute in ["fmri", "predicate"] {
                let names = action.values(attribute).iter().map(|text| {
                    Fmri::parse(text).map_or_else(|_| text.clone(), |fmri| fmri.without_publisher())
                });
                let names = names.collect();
                action.set(attribute, names);
            }
        }
        action.to_string()
    };
    manifest.actions.iter().filter(name).map(without_publishers).collect()
}

impl Known {
    /// Adds the packages of a repository; one that is not there adds none.
    pub fn add(&mut self, path: &Path) -> Result<(), Failure> {
        if !path.join("pkg5.repository").exists() {
            return Ok(());
        }
        let repository = Repository::open(path).map_err(fatal)?;
        let place = self.repositories.len();
        for fmri in repository.packages().map_err(fatal)? {
            let known = (stamp(&fmri).to_owned(), place, fmri.clone());
            self.packages.entry(key(&fmri)).or_default().push(known);
        }
        self.repositories.push(repository);
        Ok(())
    }

    /// The newest known stamp of this version, and whether all that bear it hold these contents.
    fn newest(&self, fmri: &Fmri, manifest: &Manifest) -> Result<Option<(&str, bool)>, Failure> {
        let Some(known) = self.packages.get(&key(fmri)) else { return Ok(None) };
        let Some(newest) = known.iter().map(|(stamp, _, _)| stamp).max() else { return Ok(None) };
        // Nothing to compare with: every known one is older.
        if newest.as_str() < stamp(fmri) {
            return Ok(None);
        }
        let own = contents(manifest);
        let mut same = true;
        for (_, place, other) in known.iter().filter(|(stamp, _, _)| stamp == newest) {
            same &= contents(&read(&self.repositories[*place], other)?) == own;
        }
        Ok(Some((newest, same)))
    }

    /// The name a package gets.
    pub fn name(&self, fmri: &Fmri, manifest: &Manifest) -> Result<Fmri, Failure> {
        let Some((newest, same)) = self.newest(fmri, manifest)? else { return Ok(fmri.clone()) };
        let stamp = if same { newest.to_owned() } else { after(newest)? };
        let version = fmri.version.as_ref().map(|version| version.at(Some(&stamp)));
        Ok(Fmri { version, ..fmri.clone() })
    }

    /// The newest stamp that stands before a package of this repository with other contents: what
    /// must be newer for clients to see these packages.
    pub fn overtaken(&self, repository: &Path) -> Result<Option<String>, Failure> {
        let repository = Repository::open(repository).map_err(fatal)?;
        let mut found = None;
        for fmri in repository.packages().map_err(fatal)? {
            let manifest = read(&repository, &fmri)?;
            if let Some((newest, false)) = self.newest(&fmri, &manifest)? {
                found = found.max(Some(newest.to_owned()));
            }
        }
        Ok(found)
    }
}

fn after(stamp: &str) -> Result<String, Failure> {
    let time = Timestamp::parse(stamp).map_err(fatal)?;
    Ok(Timestamp::from_seconds(time.seconds() + 1).package())
}

/// A package's manifest.
pub fn read(repository: &Repository, fmri: &Fmri) -> Result<Manifest, Failure> {
    let text = repository.manifest_text(fmri).map_err(fatal)?;
    Manifest::parse(&text).map_err(|error| Failure::fatal(format!("{fmri}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(text: &str, body: &str) -> (Fmri, Manifest) {
        let fmri = Fmri::parse(text).unwrap();
        let manifest = Manifest::parse(body).unwrap().with_fmri(&fmri);
        (fmri, manifest)
    }

    fn repository(place: &Path, name: &str, packages: &[(&str, &str)]) -> std::path::PathBuf {
        let path = place.join(name);
        let repository = Repository::create(&path).unwrap();
        let batch = repository.batch().unwrap();
        for (fmri, body) in packages {
            let (fmri, manifest) = package(fmri, body);
            let none = |_: &str| Err(std::io::Error::other("no payload"));
            batch.append(&fmri, &manifest.to_string(), none).unwrap();
        }
        batch.commit(Timestamp::from_seconds(0)).unwrap();
        path
    }

    #[test]
    fn names() {
        let place = tempfile::tempdir().unwrap();
        let mut known = Known::default();
        known.add(&place.path().join("absent")).unwrap();
        let own = repository(
            place.path(),
            "own",
            &[
                ("pkg://p/a@1:20260101T000000Z", "set name=x value=1"),
                ("pkg://p/b@1:20260101T000000Z", "depend type=require fmri=pkg://p/a@1"),
            ],
        );
        let release = repository(
            place.path(),
            "release",
            &[("pkg://r/a@1:20260101T000005Z", "set name=x value=2")],
        );
        known.add(&own).unwrap();
        for (fmri, body, want) in [
            // Changed: a second after the newest.
            ("pkg://p/a@1:20260101T000000Z", "set name=x value=3", "pkg://p/a@1:20260101T000001Z"),
            // The same: its known name.
            ("pkg://p/a@1:20260101T000000Z", "set name=x value=1", "pkg://p/a@1:20260101T000000Z"),
            ("pkg://p/a@1:20250101T000000Z", "set name=x value=1", "pkg://p/a@1:20260101T000000Z"),
            // Newer anyway, another version, unknown.
            ("pkg://p/a@1:20260202T000000Z", "set name=x value=3", "pkg://p/a@1:20260202T000000Z"),
            ("pkg://p/a@2:20260101T000000Z", "set name=x value=3", "pkg://p/a@2:20260101T000000Z"),
            ("pkg://p/c@1:20260101T000000Z", "set name=x value=3", "pkg://p/c@1:20260101T000000Z"),
            // Another publisher in a dependency is no other content.
            (
                "pkg://p/b@1:20260101T000000Z",
                "depend type=require fmri=pkg:/a@1",
                "pkg://p/b@1:20260101T000000Z",
            ),
        ] {
            let (fmri, manifest) = package(fmri, body);
            let expected = Fmri::parse(want).unwrap().to_string();
            assert_eq!(
                known.name(&fmri, &manifest).unwrap().to_string(),
                expected,
                "{fmri} {body}"
            );
        }
        assert_eq!(known.overtaken(&own).unwrap(), None);
        known.add(&release).unwrap();
        let (fmri, manifest) = package("pkg://p/a@1:20260101T000000Z", "set name=x value=1");
        let want = Fmri::parse("pkg://p/a@1:20260101T000006Z").unwrap().to_string();
        assert_eq!(known.name(&fmri, &manifest).unwrap().to_string(), want);
        assert_eq!(known.overtaken(&own).unwrap().as_deref(), Some("20260101T000005Z"));
    }
}
