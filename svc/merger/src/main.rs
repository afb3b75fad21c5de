//! merger - the repositories of the builders become one candidate: the start method of
//! svc:/application/merger.
//!
//! Builders are those this instance requires.  Packages are copied as pkgrecv copies them,
//! payloads linked; `merge/publisher` makes all of them packages of one publisher.
//!
//! Invariant: equal outputs of the builders give equal bytes: the catalog's time is that of the
//! newest package.

use std::collections::BTreeMap;
use std::process::ExitCode;

use ips_client::{Control, Origin, ReceiveOptions, Source, receive};
use ips_model::fmri::is_publisher;
use ips_model::{Fmri, Timestamp};
use ips_repository::Repository;
use stage::{Failure, Input, Made, Recipe, Stage};

fn main() -> ExitCode {
    stage::run("merger", work)
}

/// A library's error as this stage's failure.
fn fatal(error: impl std::error::Error + 'static) -> Failure {
    Failure::of(&error)
}

fn work(stage: &Stage) -> Result<(), Failure> {
    let publisher = stage.properties().text("merge/publisher")?;
    if let Some(publisher) = publisher.filter(|name| !is_publisher(name)) {
        let text = format!("merge/publisher: \"{publisher}\" is no publisher");
        return Err(Failure::configuration(text));
    }
    let keep = stage.properties().count("merge/keep", 3)?;
    let builders = stage.required("application/builder");
    if builders.is_empty() {
        return Err(Failure::configuration("this instance depends on no builder"));
    }
    let mut recipe = stage.recipe();
    recipe.add("merge/publisher", publisher.unwrap_or_default());
    let names: Vec<String> = builders.iter().map(|name| format!("builder/{name}")).collect();
    let inputs = stage.inputs(&names)?;
    for (place, (builder, input)) in builders.iter().zip(&inputs).enumerate() {
        // The order counts: the first builder's publisher is the default.
        recipe.add(format!("{place} builder:{builder}"), input.part("repo"));
    }
    if stage.is_up_to_date(&recipe)? {
        return Ok(());
    }
    merge(stage, &recipe, &inputs, publisher, keep)
}

fn merge(
    stage: &Stage,
    recipe: &Recipe,
    inputs: &[Input],
    publisher: Option<&str>,
    keep: u64,
) -> Result<(), Failure> {
    let mut sources = Vec::new();
    for input in inputs {
        let origin = Origin::directory(&input.path().join("repo"));
        sources.push(Source::open(&origin).map_err(fatal)?);
    }
    let newest = sources.iter().flat_map(Source::packages).filter_map(|fmri| time(&fmri)).max();
    let options = ReceiveOptions {
        publisher: publisher.map(str::to_owned),
        ..ReceiveOptions::at(newest.unwrap_or(Timestamp::from_seconds(0)))
    };
    let path = stage.work().join("repo");
    let candidate = Repository::create(&path).map_err(fatal)?;
    let told = |at: &ips_client::Progress| {
        stage.progress(at.phase.name(), at.done, at.total, &at.item);
    };
    let control = Control::new(&told, stage.cancel().flag());
    let sources: Vec<&Source> = sources.iter().collect();
    let received = receive(&sources, &candidate, &[], &options, &control).map_err(fatal)?;
    let default = match publisher {
        Some(publisher) => Some(publisher.to_owned()),
        None => first_publisher(&inputs[0])?,
    };
    if let Some(default) = default {
        candidate.set_default_publisher(&default).map_err(fatal)?;
    }
    let outputs = BTreeMap::from([
        ("repo".to_owned(), digest(&candidate)?),
        ("packages".to_owned(), received.packages.len().to_string()),
    ]);
    let source_date = inputs.iter().filter_map(|input| input.stamp().source_date).max();
    let read: Vec<&Input> = inputs.iter().collect();
    stage.finish(recipe, Made { outputs, source_date }, &read, keep)?;
    Ok(())
}

fn first_publisher(input: &Input) -> Result<Option<String>, Failure> {
    let repository = Repository::open(&input.path().join("repo")).map_err(fatal)?;
    repository.default_publisher().map_err(fatal)
}

fn time(fmri: &Fmri) -> Option<Timestamp> {
    Timestamp::parse(fmri.version.as_ref()?.timestamp.as_deref()?).ok()
}

/// The digest of names and manifests, and so of payloads.
fn digest(repository: &Repository) -> Result<String, Failure> {
    let mut lines = Vec::new();
    for publisher in repository.publishers().map_err(fatal)? {
        let catalog = repository.catalog(&publisher).map_err(fatal)?;
        let line = |package: ips_repository::Package| {
            let signature = catalog.signature(&package.fmri).unwrap_or_default();
            format!("{} {signature}\n", package.fmri)
        };
        lines.extend(catalog.packages().into_iter().map(line));
    }
    lines.sort();
    Ok(stage::recipe::sha256(lines.concat().as_bytes()))
}
