//! merger - the repositories of the builders become one candidate.
//!
//! Reads `current/repo` of every builder among its dependencies, in their order.  Publishers are
//! kept, or all packages and dependencies are rewritten to `merge/publisher`.  One name with two
//! contents is refused.  The time of the candidate is that of the newest sources, so equal inputs
//! give equal bytes.

use std::process::ExitCode;

use ips_client::{Control, Origin, Progress, ReceiveOptions, Source, receive};
use ips_model::Timestamp;
use ips_repository::Repository;
use stage::{Failure, Input, Made, Stage};

fn main() -> ExitCode {
    stage::run("merger", merge)
}

fn merge(stage: &Stage) -> Result<(), Failure> {
    let publisher = stage.properties().text("merge/publisher")?.map(str::to_owned);
    let keep = stage.properties().count("merge/keep", 3)?;
    let builders = stage.required("application/builder");
    if builders.is_empty() {
        return Err(Failure::configuration("no builder among the dependencies"));
    }
    let inputs: Vec<Input> = builders
        .iter()
        .map(|builder| stage.input(&format!("builder/{builder}")))
        .collect::<Result<_, _>>()?;
    let mut recipe = stage.recipe();
    recipe.add("merge/publisher", publisher.as_deref().unwrap_or_default());
    for (builder, input) in builders.iter().zip(&inputs) {
        recipe.add(format!("builder:{builder}"), input.part("repo"));
    }
    if stage.is_up_to_date(&recipe)? {
        return Ok(());
    }
    let source_date = inputs.iter().filter_map(|input| input.stamp().source_date).max();
    let (packages, default) = candidate(stage, &inputs, publisher, source_date)?;
    stage.log(&format!("{packages} packages of {} builders", builders.len()));
    let mut made = Made { source_date, ..Made::default() };
    made.outputs.insert("packages".into(), packages.to_string());
    made.outputs.extend(default.map(|name| ("publisher".into(), name)));
    let read: Vec<&Input> = inputs.iter().collect();
    stage.finish(&recipe, made, &read, keep)?;
    Ok(())
}

/// Fills work/repo; how many packages, and the default publisher.
fn candidate(
    stage: &Stage,
    inputs: &[Input],
    publisher: Option<String>,
    source_date: Option<i64>,
) -> Result<(usize, Option<String>), Failure> {
    let mut sources = Vec::new();
    for input in inputs {
        let origin = Origin::directory(&input.path().join("repo"));
        sources.push(Source::open(&origin).map_err(|error| Failure::of(&error))?);
    }
    let path = stage.work().join("repo");
    let repository = Repository::create(&path).map_err(|error| Failure::of(&error))?;
    let tell = |now: &Progress| stage.progress(now.phase.name(), now.done, now.total, &now.item);
    let control = Control::new(&tell, stage.cancel().flag());
    let now = Timestamp::from_seconds(source_date.unwrap_or(0));
    let options = ReceiveOptions { publisher: publisher.clone(), ..ReceiveOptions::at(now) };
    let all: Vec<&Source> = sources.iter().collect();
    let received = receive(&all, &repository, &[], &options, &control);
    let received = received.map_err(|error| Failure::of(&error))?;
    if received.packages.is_empty() {
        return Err(Failure::fatal("the builders' repositories hold no package"));
    }
    let first = received.packages.iter().find_map(|package| package.publisher.clone());
    let default = publisher.or(first);
    if let Some(name) = &default {
        repository.set_default_publisher(name).map_err(|error| Failure::of(&error))?;
    }
    Ok((received.packages.len(), default))
}
