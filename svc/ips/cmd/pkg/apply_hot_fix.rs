//! apply_hot_fix.rs - `pkg apply-hot-fix`: what is installed as an archive has it, or packages out of it.
//!
//! The archive is a source of the image and its children for this once; the original adds it to the
//! publisher's origins and takes it away afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ips_client::change::Want;
use ips_client::{Origin, Source, download};
use ips_cmd::Failure;
use ips_cmd::transport::surroundings;
use ips_model::Fmri;
use tempfile::NamedTempFile;

use crate::call::{Call, Given};
use crate::change::Change;

const OPTIONS: [&str; 15] = [
    "n*",
    "v*",
    "q*",
    "no-be-activate*",
    "t|temp-be-activate*",
    "no-backup-be*",
    "require-backup-be*",
    "backup-be-name=",
    "deny-new-be*",
    "require-new-be*",
    "be-name=",
    "r|recurse",
    "R|norecurse",
    "z=*",
    "Z=*",
];

/// Applies it.
pub fn apply_hot_fix(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&OPTIONS)?;
    let Some((place, patterns)) = given.operands.split_first() else {
        return Err(call.usage("Source URL or file must be specified"));
    };
    Change::of(call, &given, "update")?;
    // An archive that was fetched is gone when all is done.
    let fetched;
    let path = match place.split_once("://").map(|(scheme, _)| scheme) {
        Some("http" | "https") => {
            fetched = fetch(&given, place)?;
            fetched.path().to_path_buf()
        }
        None | Some("file") => local(call, place)?,
        Some(_) => return Err(call.usage("Invalid URL")),
    };
    let archive = Source::open(&Origin::archive(&path)).map_err(Failure::new)?;
    let image = call.image()?;
    let installed = image.installed().map_err(Failure::new)?;
    let installed: BTreeSet<(Option<String>, String)> =
        installed.packages().map(|(fmri, _)| (fmri.publisher, fmri.name)).collect();
    let updates = updates(&given, &archive, &installed)?;
    let (operation, want) = match (updates.is_empty(), patterns.is_empty()) {
        (false, _) => ("update", Want::Update(updates)),
        (true, false) => ("install", Want::Install(patterns.to_vec())),
        (true, true) => {
            return Err(Failure::new("None of the packages in this hot-fix are installed."));
        }
    };
    let mut change = Change::of(call, &given, operation)?;
    change.hot_fix = Some(&path);
    change.run(want)
}

fn local(call: &Call, place: &str) -> Result<PathBuf, Failure> {
    let origin = Origin::parse(place).map_err(|error| call.failed(error))?;
    Call::absolute(&origin.path().map_or_else(|| place.into(), |path| path.to_string_lossy()))
}

fn fetch(given: &Given, uri: &str) -> Result<NamedTempFile, Failure> {
    let tell = |text: &str| {
        if !given.has("q") {
            println!("{text}");
        }
    };
    let mut file = tempfile::Builder::new().prefix("pkg_hfa_").suffix(".p5p").tempfile()?;
    tell(&format!("Downloading hot-fix from {uri}"));
    let transport = surroundings(uri).map_err(Failure::new)?;
    download(uri, &transport, file.as_file_mut())
        .map_err(|error| Failure::new(format!("An error occurred: {error}")))?;
    tell("Download complete.\n");
    Ok(file)
}

/// The packages of the archive, the newest of each, that are installed in some version.
fn updates(
    given: &Given,
    archive: &Source,
    installed: &BTreeSet<(Option<String>, String)>,
) -> Result<Vec<String>, Failure> {
    if archive.catalogs().len() > 1 {
        return Err(Failure::new("Hot-fix contains packages from multiple publishers"));
    }
    let mut newest: BTreeMap<String, Fmri> = BTreeMap::new();
    for fmri in archive.packages() {
        let stem = (fmri.publisher.clone(), fmri.name.clone());
        if installed.contains(&stem) {
            let newer = newest.get(&fmri.name).is_none_or(|known| known.version < fmri.version);
            if newer {
                newest.insert(fmri.name.clone(), fmri);
            }
        } else if given.has("v") {
            println!("     {} not installed, skipping.", fmri.stem());
        }
    }
    let updates: Vec<String> = newest.values().map(Fmri::without_build).collect();
    if given.has("v") {
        for fmri in &updates {
            println!("    {fmri} will be updated.");
        }
        println!();
    }
    Ok(updates)
}
