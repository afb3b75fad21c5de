//! packages.rs - the repository of an output, made of the one a build left.
//!
//! Payloads are linked: stored ones never change.  Packages get their final names here (stamps).
//! The digest of a repository covers names and manifests, and so, by their hashes, payloads; the
//! catalog's time is that of the newest package: equal packages, equal bytes.

use std::io;
use std::path::{Path, PathBuf};

use ips_model::{Fmri, Manifest, Timestamp};
use ips_repository::{Repository, Stored};
use stage::{Failure, Outputs, Stage};

use crate::fatal;
use crate::stamps::{self, Known};

/// What an earlier output or a release holds.
pub fn known(stage: &Stage) -> Result<Known, Failure> {
    let mut known = released(stage)?;
    for output in folders(&stage.directory().join("out")) {
        // An output that is being collected is no witness.
        if let Ok(held) = stage::Input::hold(&output) {
            known.add(&held.path().join("repo"))?;
        }
    }
    Ok(known)
}

/// What the releases hold.
pub fn released(stage: &Stage) -> Result<Known, Failure> {
    let mut known = Known::default();
    for release in folders(&stage.beside("release")) {
        known.add(&release.join("repo"))?;
    }
    Ok(known)
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Whether a released package stands before those of the output of this name.
pub fn overtaken(stage: &Stage, digest: &str) -> Result<Option<String>, Failure> {
    let repository = Outputs::of(stage.directory()).path(digest).join("repo");
    released(stage)?.overtaken(&repository)
}

/// Copies all packages of `from` into a new repository; its digest.
pub fn adopt(from: &Path, to: &Path, known: &Known, stage: &Stage) -> Result<String, Failure> {
    let source = Repository::open(from).map_err(fatal)?;
    let packages = source.packages().map_err(fatal)?;
    if packages.is_empty() {
        return Err(Failure::fatal(format!("{}: the build published no package", from.display())));
    }
    let mut named = Vec::new();
    let total = packages.len() as u64;
    for (done, fmri) in (0u64..).zip(packages) {
        stage.check_wanted()?;
        stage.progress("packages", done, total, &fmri.brief());
        let manifest = stamps::read(&source, &fmri)?;
        let name = known.name(&fmri, &manifest)?;
        if name != fmri {
            stage.log(&format!("{fmri}: published before with other contents, now {name}"));
        }
        named.push((fmri, name, manifest));
    }
    let default = source.default_publisher().map_err(fatal)?;
    fill(&source, to, &named, default.as_deref())
}

/// Copies these packages, old name and new.
fn fill(
    source: &Repository,
    to: &Path,
    packages: &[(Fmri, Fmri, Manifest)],
    default: Option<&str>,
) -> Result<String, Failure> {
    let target = Repository::create(to).map_err(fatal)?;
    let batch = target.batch().map_err(fatal)?;
    for (fmri, name, manifest) in packages {
        let text = if name == fmri {
            source.manifest_text(fmri).map_err(fatal)?
        } else {
            manifest.with_fmri(name).to_string()
        };
        let publisher = fmri.publisher.as_deref().unwrap_or_default();
        let payload = |hash: &str| {
            let absent = || io::Error::new(io::ErrorKind::NotFound, "not in the repository");
            source.any_file_path(publisher, hash).map(Stored::Path).ok_or_else(absent)
        };
        batch.append(name, &text, payload).map_err(fatal)?;
    }
    let newest = packages.iter().filter_map(|(_, name, _)| time(name)).max();
    batch.commit(newest.unwrap_or(Timestamp::from_seconds(0))).map_err(fatal)?;
    if let Some(default) = default {
        target.set_default_publisher(default).map_err(fatal)?;
    }
    digest(&target)
}

/// Links the named packages of a repository into a new one, names kept; its digest.
pub fn select(from: &Path, to: &Path, names: &[Fmri]) -> Result<String, Failure> {
    let source = Repository::open(from).map_err(fatal)?;
    let mut packages = Vec::new();
    for fmri in names {
        let manifest = stamps::read(&source, fmri)?;
        packages.push((fmri.clone(), fmri.clone(), manifest));
    }
    let default = names.first().and_then(|fmri| fmri.publisher.as_deref());
    fill(&source, to, &packages, default)
}

fn time(fmri: &Fmri) -> Option<Timestamp> {
    Timestamp::parse(fmri.version.as_ref()?.timestamp.as_deref()?).ok()
}

/// The digest of names and manifests.
pub fn digest(repository: &Repository) -> Result<String, Failure> {
    let mut lines = String::new();
    let mut packages = repository.packages().map_err(fatal)?;
    packages.sort();
    for fmri in packages {
        let text = repository.manifest_text(&fmri).map_err(fatal)?;
        lines += &format!("{fmri} {}\n", stage::recipe::sha256(text.as_bytes()));
    }
    Ok(stage::recipe::sha256(lines.as_bytes()))
}
