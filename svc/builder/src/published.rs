//! published.rs - the road of a gate that is a package repository: select, receive, output.
//!
//! Incremental: what the last output holds is linked into a repository in scratch, the rest is
//! received into it, and what was selected goes into the output.  The recipe is what the source's
//! catalog says of the packages, so nothing is fetched to find that nothing changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ips_client::{Control, Origin, ReceiveOptions, Received, Source, Versions, receive};
use ips_model::{Fmri, Pattern, Timestamp};
use ips_repository::Repository;
use stage::output::remove_tree;
use stage::{Failure, Input, Made, Stage};

use crate::{fatal, packages};

/// Receives the packages of a gate, unless they are there.
pub fn build(stage: &Stage, gate: &str) -> Result<(), Failure> {
    let configured = |error: &dyn std::fmt::Display, property: &str| {
        Failure::configuration(format!("{property}: {error}"))
    };
    let origin = Origin::parse(gate).map_err(|error| configured(&error, "build/gate"))?;
    let mut patterns = Vec::new();
    for text in stage.properties().list("build/packages") {
        patterns.push(Pattern::parse(text).map_err(|error| configured(&error, "build/packages"))?);
    }
    let recursive = stage.properties().flag("build/recursive", true)?;
    stage.progress("catalogs", 0, 0, gate);
    let source = Source::open(&origin).map_err(fatal)?;
    let mut recipe = stage.recipe();
    recipe.add("gate", origin.uri());
    recipe.add("build/packages", stage.properties().list("build/packages").join("\n"));
    recipe.add("build/recursive", recursive.to_string());
    recipe.add("catalog", offered(&source, &patterns, recursive));
    if stage.is_up_to_date(&recipe)? {
        return Ok(());
    }
    let options =
        ReceiveOptions { versions: Versions::Newest, recursive, ..ReceiveOptions::at(now()) };
    let place = stage.scratch().join("repo");
    let seeded = seed(stage, &source, &place)?;
    let received = match get(stage, &source, &place, &patterns, &options) {
        // A source that gave a name to other contents: nothing of what is held can be trusted.
        Err(_) if seeded && !stage.cancel().is_set() => {
            remove_tree(&place).map_err(fatal)?;
            Repository::create(&place).map_err(fatal)?;
            get(stage, &source, &place, &patterns, &options)?
        }
        result => result?,
    };
    let mut names: Vec<Fmri> = received.packages.iter().chain(&received.held).cloned().collect();
    names.sort();
    let digest = packages::select(&place, &stage.work().join("repo"), &names)?;
    stage.log(&format!(
        "{}: {} packages, {} of them new",
        gate,
        names.len(),
        received.packages.len()
    ));
    let outputs = BTreeMap::from([
        ("repo".to_owned(), digest),
        ("packages".to_owned(), names.len().to_string()),
    ]);
    let newest = names.iter().filter_map(time).max();
    let made = Made { outputs, source_date: newest.map(Timestamp::seconds) };
    stage.finish(&recipe, made, &[], crate::keep(stage)?)?;
    Ok(())
}

fn time(fmri: &Fmri) -> Option<Timestamp> {
    Timestamp::parse(fmri.version.as_ref()?.timestamp.as_deref()?).ok()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The digest of what the source's catalogs say: of the packages that patterns mean, or, where
/// dependencies are followed, of all.
fn offered(source: &Source, patterns: &[Pattern], recursive: bool) -> String {
    let mut lines = Vec::new();
    for catalog in source.catalogs() {
        for (fmri, entry) in catalog.base.entries() {
            if recursive || patterns.is_empty() || patterns.iter().any(|one| one.matches(&fmri)) {
                let signature = entry.signature.as_deref().unwrap_or_default();
                lines.push(format!("{fmri} {signature}\n"));
            }
        }
    }
    lines.sort();
    stage::recipe::sha256(lines.concat().as_bytes())
}

/// A repository with those packages of the last output that the source still has; whether there
/// was one.
fn seed(stage: &Stage, source: &Source, place: &Path) -> Result<bool, Failure> {
    let last = Input::resolve(stage.directory()).ok();
    let held = last.as_ref().map(|last| last.path().join("repo"));
    let Some(held) = held.filter(|path| path.join("pkg5.repository").exists()) else {
        Repository::create(place).map_err(fatal)?;
        return Ok(false);
    };
    let packages = Repository::open(&held).map_err(fatal)?.packages().map_err(fatal)?;
    let names: Vec<Fmri> = packages.into_iter().filter(|fmri| source.has(fmri)).collect();
    packages::select(&held, place, &names)?;
    Ok(true)
}

fn get(
    stage: &Stage,
    source: &Source,
    place: &Path,
    patterns: &[Pattern],
    options: &ReceiveOptions,
) -> Result<Received, Failure> {
    let told = |at: &ips_client::Progress| {
        stage.progress(at.phase.name(), at.done, at.total, &at.item);
    };
    let control = Control::new(&told, stage.cancel().flag());
    let destination = Repository::open(place).map_err(fatal)?;
    receive(&[source], &destination, patterns, options, &control).map_err(fatal)
}
