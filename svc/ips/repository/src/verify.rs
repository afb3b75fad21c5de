//! verify.rs - what of a publisher's packages is damaged.
//!
//! Starts from the manifests on disk: each has to parse and to be what the catalog signs, each
//! payload has to be there, to unpack and to have the best digest its action names.  A payload that
//! several packages have is looked at once and told of for each.  The catalog's packages have to
//! have manifests.  Whether everybody may read it all is a warning.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ips_model::digest::sha1_hex;
use ips_model::quote::unquote;
use ips_model::signature::{Algorithm, algorithm, signed_text};
use ips_model::{Action, Fmri, Kind, Manifest};
use rayon::prelude::*;

use crate::durable;
use crate::error::{PathError, WriteError, at};
use crate::lanes::{self, Room, digest_all};
use crate::lock::{Lock, Wait};
use crate::payload::{digest, expand_onto};
use crate::quarantine::FOLDER;
use crate::read::payload_paths;
use crate::repository::Repository;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A payload is not there.
    NoFile {
        /// Its name.
        hash: String,
    },
    /// A payload does not unpack.
    Gzip,
    /// A payload is another one.
    Hash {
        /// What the action names.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// A file may not be read, or reading failed.
    Unreadable(String),
    /// A manifest does not parse or is not the one the catalog signs.
    Manifest(String),
    /// The catalog names a package whose manifest is not there.
    NoManifest,
    /// A signature does not hold.
    Signature(String),
    /// Something in the place of a manifest that can be none.
    Stray(String),
    /// Not everybody may read all of it; not an error.
    Restricted,
}

/// A fault and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// The package, where it is known.
    pub package: Option<Fmri>,
    /// The file in the repository.
    pub place: PathBuf,
    /// The `path` of the action whose payload it is.
    pub path: Option<String>,
}

/// What was seen of a publisher.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// What is wrong, by package.
    pub findings: Vec<Finding>,
    /// The packages whose manifests are sound, with their dependencies.
    pub packages: Vec<(Fmri, Vec<Action>)>,
    /// Those of them that somebody signed with a key, with their manifests; nobody looked into it.
    pub signed: Vec<(Fmri, Manifest)>,
}

/// A payload to be looked at: its name, and the digest and length it has to have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    hash: String,
    algorithm: &'static str,
    value: String,
    size: Option<usize>,
}

impl Repository {
    /// Looks at everything of a publisher.  Does not wait for a writer.
    pub fn verify(&self, publisher: &str) -> Result<Verified, WriteError> {
        let folder = self.known_publisher(publisher)?;
        let _lock = match Lock::take(&folder, Wait::Refuse) {
            // Without the folder there never was a writer; where one may not write, none is.
            Err(WriteError::Path(_)) => None,
            lock => Some(lock?),
        };
        let mut verified = Verified::default();
        verified.findings.extend(restricted(&folder)?);
        let (stored, stray) = stored(&folder.join("pkg"), publisher)?;
        verified.findings.extend(stray);
        let read: Vec<(Fmri, Result<Manifest, Box<Finding>>)> =
            stored.into_par_iter().map(|(fmri, path)| (fmri.clone(), read(&fmri, &path))).collect();
        let signed = self.signed(publisher, &mut verified.findings)?;
        let seen = payloads(&folder, read.iter().filter_map(|(_, read)| read.as_ref().ok()));
        for (fmri, manifest) in &read {
            match manifest {
                Ok(manifest) => {
                    verified.findings.extend(self.unlike_catalog(fmri, manifest, &signed)?);
                    verified.findings.extend(of_payloads(fmri, manifest, &folder, &seen));
                    let depends = manifest.of_kind(Kind::Depend).cloned().collect();
                    verified.packages.push((fmri.clone(), depends));
                    if manifest.of_kind(Kind::Signature).any(|one| one.payload_hash().is_some()) {
                        verified.signed.push((fmri.clone(), manifest.clone()));
                    }
                }
                Err(finding) => verified.findings.push((**finding).clone()),
            }
        }
        Ok(verified)
    }

    /// What the catalog says of each package; a package without manifest is a finding.
    fn signed(
        &self,
        publisher: &str,
        findings: &mut Vec<Finding>,
    ) -> Result<BTreeMap<String, String>, WriteError> {
        let mut signed = BTreeMap::new();
        for package in self.catalog(publisher)?.packages() {
            let place = self.manifest_path(&package.fmri)?;
            if !place.exists() {
                let (fault, path) = (Fault::NoManifest, None);
                let package = Some(package.fmri.clone());
                findings.push(Finding { fault, package, place, path });
            }
            signed.insert(package.fmri.to_string(), package.signature);
        }
        Ok(signed)
    }

    /// A manifest has to have the bytes that the catalog signs, or clients refuse it.
    fn unlike_catalog(
        &self,
        fmri: &Fmri,
        manifest: &Manifest,
        signed: &BTreeMap<String, String>,
    ) -> Result<Option<Finding>, WriteError> {
        let place = self.manifest_path(fmri)?;
        let finding = |fault| Finding {
            fault,
            package: Some(fmri.clone()),
            place: place.clone(),
            path: None,
        };
        if let Some(signature) = manifest.of_kind(Kind::Signature).find(|one| !holds(one, manifest))
        {
            let told = format!(
                "the value of '{}' is not that of the manifest",
                signature.key().unwrap_or_default()
            );
            return Ok(Some(finding(Fault::Signature(told))));
        }
        let Some(expected) = signed.get(&fmri.to_string()) else { return Ok(None) };
        let bytes = fs::read(&place).map_err(at(&place))?;
        let actual = sha1_hex(&bytes);
        let told = || format!("SHA-1 is {actual}, the catalog says {expected}");
        Ok((actual != *expected).then(|| finding(Fault::Manifest(told()))))
    }
}

/// Whether a signature that needs no certificate holds; those that need one are not looked into.
fn holds(signature: &Action, manifest: &Manifest) -> bool {
    let Some(Algorithm::Digest(hash)) = algorithm(signature) else { return true };
    let text = signed_text(manifest, signature);
    digest(hash.as_str(), text.as_bytes()).as_deref() == signature.key()
}

/// The first thing that not everybody may read: the publisher's folder, what is below, and the
/// folders above.
fn restricted(folder: &Path) -> Result<Option<Finding>, PathError> {
    let finding = |place: PathBuf| {
        Some(Finding { fault: Fault::Restricted, package: None, place, path: None })
    };
    for above in folder.ancestors().filter(|path| path.is_absolute()) {
        if !is_open(&fs::metadata(above).map_err(at(above))?) {
            return Ok(finding(above.to_path_buf()));
        }
    }
    Ok(restricted_below(folder)?.and_then(finding))
}

fn is_open(about: &fs::Metadata) -> bool {
    let bits = if about.is_dir() { 0o005 } else { 0o004 };
    about.permissions().mode() & bits == bits
}

/// The first by its path of what is below and not everybody may read.
fn restricted_below(folder: &Path) -> Result<Option<PathBuf>, PathError> {
    let mut first: Option<PathBuf> = None;
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        // What is being written is for nobody yet.
        if entry.file_name() == FOLDER || entry.file_name() == "tmp" {
            continue;
        }
        let path = entry.path();
        let mut about = entry.metadata().map_err(at(&path))?;
        if about.is_symlink() {
            about = fs::metadata(&path).map_err(at(&path))?;
        }
        if !is_open(&about) {
            first = Some(first.map_or(path.clone(), |first| first.min(path)));
        } else if about.is_dir() {
            folders.push(path);
        }
    }
    let below: Vec<Option<PathBuf>> = folders
        .par_iter()
        .map(|folder| restricted_below(folder))
        .collect::<Result<_, PathError>>()?;
    Ok(first.into_iter().chain(below.into_iter().flatten()).min())
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, PathError> {
    let mut entries = Vec::new();
    let read = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(entries),
        read => read.map_err(at(folder))?,
    };
    for entry in read {
        let entry = entry.map_err(at(folder))?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}

type Stored = (Vec<(Fmri, PathBuf)>, Vec<Finding>);

/// The manifests of a publisher, and what is among them and is none.
fn stored(pkg: &Path, publisher: &str) -> Result<Stored, PathError> {
    let (mut stored, mut stray) = (Vec::new(), Vec::new());
    let mut is_stray = |place: PathBuf, told: &str| {
        let fault = Fault::Stray(told.to_string());
        stray.push(Finding { fault, package: None, place, path: None });
    };
    for (name, folder) in entries(pkg)? {
        if !folder.is_dir() {
            is_stray(folder, "not the folder of a package");
            continue;
        }
        for (version, path) in entries(&folder)? {
            let fmri = unquote(&name).zip(unquote(&version));
            let fmri = fmri.and_then(|(name, version)| Fmri::of(publisher, &name, &version).ok());
            match fmri {
                Some(fmri) if path.is_file() => stored.push((fmri, path)),
                Some(_) => is_stray(path, "not a file"),
                None => is_stray(path, "not the name of a package"),
            }
        }
    }
    stored.sort();
    Ok((stored, stray))
}

fn read(fmri: &Fmri, path: &Path) -> Result<Manifest, Box<Finding>> {
    let finding = |fault| {
        let (package, place) = (Some(fmri.clone()), path.to_path_buf());
        Box::new(Finding { fault, package, place, path: None })
    };
    let bytes = fs::read(path).map_err(|error| finding(Fault::Unreadable(error.to_string())))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| finding(Fault::Manifest("Use pkglint(1) for more details.".into())))?;
    crate::batch::parsed(fmri, &text)
        .map_err(|_| finding(Fault::Manifest("Use pkglint(1) for more details.".into())))
}

/// What has to be stored for an action.
fn wanted(action: &Action) -> Vec<Wanted> {
    let size = action.get("pkg.size").and_then(|size| size.parse().ok());
    let mut all = Vec::new();
    for hash in action.payload_hashes() {
        let own = action.payload_hash() == Some(hash) && action.kind != Kind::Signature;
        let best = action.content_hash("file").filter(|_| own);
        let (algorithm, value) = best.unwrap_or(("sha1", hash));
        let (hash, value) = (hash.to_string(), value.to_string());
        all.push(Wanted { hash, algorithm, value, size: size.filter(|_| own) });
    }
    all
}

/// Looks at every payload; what is wrong with each, if anything.
fn payloads<'a>(
    folder: &Path,
    manifests: impl Iterator<Item = &'a Manifest>,
) -> BTreeMap<Wanted, Option<Fault>> {
    let mut all: Vec<Wanted> =
        manifests.flat_map(|manifest| &manifest.actions).flat_map(wanted).collect();
    all.sort();
    all.dedup();
    // Digests of texts that are about as long are made side by side.
    all.sort_by_key(|wanted| Reverse(wanted.size));
    let groups = lanes::groups(&all, |wanted| wanted.size.unwrap_or(0));
    let looked = groups.into_par_iter().map_init(Rooms::default, |rooms, group| {
        let faults = faults_of(folder, group, rooms);
        group.iter().cloned().zip(faults).collect::<Vec<_>>()
    });
    looked.flatten_iter().collect::<Vec<_>>().into_iter().collect()
}

fn place_of(folder: &Path, hash: &str) -> PathBuf {
    let [now, before] = payload_paths(folder, hash);
    if before.is_file() && !now.is_file() { before } else { now }
}

/// Room for a stored payload, and for what those of a group unpack to.
type Rooms = (Vec<u8>, Room);

fn faults_of(folder: &Path, group: &[Wanted], (stored, room): &mut Rooms) -> Vec<Option<Fault>> {
    room.clear();
    let unpacked: Vec<Result<(), Fault>> = group
        .iter()
        .map(|wanted| room.add(|onto| unpack_onto(folder, wanted, stored, onto)))
        .collect();
    let sound = group.iter().zip(&unpacked).filter(|(_, unpacked)| unpacked.is_ok());
    let texts: Vec<(&str, &[u8])> =
        sound.map(|(wanted, _)| wanted.algorithm).zip(room.texts()).collect();
    let mut digests = digest_all(&texts).into_iter();
    let fault = |(wanted, unpacked): (&Wanted, Result<(), Fault>)| {
        if let Err(fault) = unpacked {
            return Some(fault);
        }
        let actual = digests.next().flatten().unwrap_or_default();
        let expected = wanted.value.clone();
        (actual != expected).then_some(Fault::Hash { expected, actual })
    };
    group.iter().zip(unpacked).map(fault).collect()
}

fn unpack_onto(
    folder: &Path,
    wanted: &Wanted,
    stored: &mut Vec<u8>,
    onto: &mut Vec<u8>,
) -> Result<(), Fault> {
    let [now, before] = payload_paths(folder, &wanted.hash);
    stored.clear();
    let read = durable::read_unseen(&now, None, stored).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => durable::read_unseen(&before, None, stored),
        _ => Err(error),
    });
    read.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Fault::NoFile { hash: wanted.hash.clone() },
        _ => Fault::Unreadable(error.to_string()),
    })?;
    let begin = onto.len();
    // Another length is another content; only what does not unpack at all is damaged.
    let unpacked = expand_onto(stored, wanted.size, onto).or_else(|_| {
        onto.truncate(begin);
        expand_onto(stored, None, onto)
    });
    unpacked.map_err(|_| Fault::Gzip)
}

fn of_payloads(
    fmri: &Fmri,
    manifest: &Manifest,
    folder: &Path,
    seen: &BTreeMap<Wanted, Option<Fault>>,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for action in &manifest.actions {
        for wanted in wanted(action) {
            let Some(Some(fault)) = seen.get(&wanted) else { continue };
            let place = place_of(folder, &wanted.hash);
            // A package that has a payload twice is told of once.
            if findings.iter().any(|finding| finding.place == place) {
                continue;
            }
            findings.push(Finding {
                fault: fault.clone(),
                package: Some(fmri.clone()),
                place,
                path: action.get("path").map(str::to_string),
            });
        }
    }
    findings
}
