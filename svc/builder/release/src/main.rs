//! builder-release - the candidate becomes the release: the start method of
//! svc:/application/builder/release.
//!
//! ```text
//! $SMF_ROOT/var/lamplighter/release/INSTANCE/
//!     repo/         the release repository: history, only ever appended to
//!     media/        what the imager made of the same candidate, and live of the same builders,
//!                   each replaced by rename
//!     out/, current the stamps: which inputs were released last
//! ```
//!
//! Released is the candidate that the imager's medium was made of, not what the merger may have
//! made since.  Invariant: one FMRI, one manifest, for ever: a candidate that breaks it is
//! refused as a whole, and the release stays as it was.

mod media;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use ips_client::{Control, Origin, ReceiveOptions, Source, receive};
use ips_model::Timestamp;
use ips_repository::Repository;
use stage::smf::is_online;
use stage::{Failure, Input, Made, Recipe, Stage, StatCache};

fn main() -> ExitCode {
    stage::run("release", work)
}

/// A library's error as this stage's failure.
fn fatal(error: impl std::error::Error + 'static) -> Failure {
    Failure::of(&error)
}

fn work(stage: &Stage) -> Result<(), Failure> {
    let depot = stage.properties().text("release/depot")?;
    let named = stage.required("application/imager").into_iter().next();
    let instance = named.unwrap_or_else(|| stage.smf().instance.clone());
    let imager = stage.input(&format!("imager/{instance}"))?;
    let candidate = candidate(stage, &imager)?;
    let platform = platform(stage, &candidate)?;
    let mut recipe = stage.recipe();
    recipe.add("imager", imager.digest());
    recipe.add("candidate", candidate.part("repo"));
    if let Some(platform) = &platform {
        recipe.add("live", platform.digest());
    }
    let mut cache = stage.stat_cache()?;
    let made: Vec<&Input> = [Some(&imager), platform.as_ref()].into_iter().flatten().collect();
    // The stamp says it was done; the release itself says whether it still is.
    let there = is_released(stage, &candidate)?
        && media::are_there(&made, &stage.directory().join("media"), &mut cache)?;
    if !(there && stage.is_up_to_date(&recipe)?) {
        release(stage, &recipe, &made, &candidate, &mut cache)?;
    }
    cache.save()?;
    if let Some(depot) = depot {
        stage.refresh_depot(depot);
    }
    Ok(())
}

/// The merger's output that the medium was made of; or its current one, when that is the same.
fn candidate(stage: &Stage, imager: &Input) -> Result<Input, Failure> {
    let read = imager.stamp().read.iter().find(|(name, _)| name.starts_with("merger"));
    let (name, digest) =
        read.ok_or_else(|| Failure::fatal("the imager's stamp names no candidate"))?;
    let instance = name.split_once(':').map_or("default", |(_, instance)| instance);
    let merger = stage.beside(&format!("merger/{instance}"));
    if let Ok(input) = Input::hold(&merger.join("out").join(digest)) {
        return Ok(input);
    }
    let current = Input::resolve(&merger)?;
    if imager.stamp().inputs.values().any(|input| input == current.part("repo")) {
        return Ok(current);
    }
    Err(Failure::fatal(format!("{name}: out/{digest}, which the medium was made of, is gone")))
}

/// The platform that live has made of the builders that the candidate is of; none while live is
/// not online: it may be left out of a distribution.
fn platform(stage: &Stage, candidate: &Input) -> Result<Option<Input>, Failure> {
    let named = stage.required("application/live").into_iter().next();
    let instance = named.unwrap_or_else(|| stage.smf().instance.clone());
    if !is_online(&format!("svc:/application/live:{instance}")) {
        return Ok(None);
    }
    let platform = stage.input(&format!("live/{instance}"))?;
    let (ours, theirs) = (&candidate.stamp().read, &platform.stamp().read);
    let other = ours.iter().find(|(name, digest)| theirs.get(*name).is_some_and(|d| d != *digest));
    match other {
        None => Ok(Some(platform)),
        Some((name, _)) => {
            stage.log(&format!("the platform is of another {name} than the candidate: left out"));
            Ok(None)
        }
    }
}

/// Whether every package of the candidate is in the release, with the same manifest.
fn is_released(stage: &Stage, candidate: &Input) -> Result<bool, Failure> {
    let path = stage.directory().join("repo");
    if !path.join("pkg5.repository").exists() {
        return Ok(false);
    }
    let released = Repository::open(&path).map_err(fatal)?;
    let candidate = Repository::open(&candidate.path().join("repo")).map_err(fatal)?;
    let known = released.publishers().map_err(fatal)?;
    for publisher in candidate.publishers().map_err(fatal)? {
        if !known.contains(&publisher) {
            return Ok(false);
        }
        let (old, new) = (released.catalog(&publisher), candidate.catalog(&publisher));
        let (old, new) = (old.map_err(fatal)?, new.map_err(fatal)?);
        if new.packages().iter().any(|one| old.signature(&one.fmri) != new.signature(&one.fmri)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn release(
    stage: &Stage,
    recipe: &Recipe,
    made: &[&Input],
    candidate: &Input,
    cache: &mut StatCache,
) -> Result<(), Failure> {
    let added = append(stage, candidate)?;
    let names = media::publish(made, &stage.directory().join("media"), cache)?;
    let outputs = BTreeMap::from([
        ("packages added".to_owned(), added.to_string()),
        ("media".to_owned(), names.join(" ")),
    ]);
    let read: Vec<&Input> = made.iter().copied().chain([candidate]).collect();
    let made = Made { outputs, source_date: candidate.stamp().source_date };
    // What is released is no longer a matter of being wanted; its stamp is.
    stage.finish(recipe, made, &read, 3)?;
    Ok(())
}

/// Appends what is new, all of it or nothing; how many packages that were.
fn append(stage: &Stage, candidate: &Input) -> Result<usize, Failure> {
    let path = stage.directory().join("repo");
    let from = candidate.path().join("repo");
    let release = opened(stage, &path)?;
    let source = Source::open(&Origin::directory(&from)).map_err(fatal)?;
    let told = |at: &ips_client::Progress| {
        stage.progress(at.phase.name(), at.done, at.total, &at.item);
    };
    let control = Control::new(&told, stage.cancel().flag());
    let options = ReceiveOptions::at(now());
    let received = receive(&[&source], &release, &[], &options, &control).map_err(fatal)?;
    if release.default_publisher().map_err(fatal)?.is_none() {
        let candidate = Repository::open(&from).map_err(fatal)?;
        if let Some(default) = candidate.default_publisher().map_err(fatal)? {
            release.set_default_publisher(&default).map_err(fatal)?;
        }
    }
    stage.log(&format!("{} packages are new in {}", received.packages.len(), path.display()));
    Ok(received.packages.len())
}

/// The release repository, made when it is not there: seen whole or not at all.
fn opened(stage: &Stage, path: &Path) -> Result<Repository, Failure> {
    if !path.join("pkg5.repository").exists() {
        let beside = stage.scratch().join("repo");
        Repository::create(&beside).map_err(fatal)?;
        let failed = |error| Failure::fatal(format!("{}: {error}", path.display()));
        std::fs::rename(&beside, path).map_err(failed)?;
    }
    Repository::open(path).map_err(fatal)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
