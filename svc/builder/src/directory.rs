//! directory.rs - the road of a gate that is a source workspace: digest, copy, build, output.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use process::Account;
use stage::output::remove_tree;
use stage::{Failure, Files, Input, Made, Recipe, Stage, StatCache, Tree};

use crate::command::{self, Build};
use crate::earlier::Earlier;
use crate::gate::Gate;
use crate::stamps::Known;
use crate::{fatal, packages, workspace};

/// The name of the input that says: newer than this.  See [`settled`].
const AFTER: &str = "after release";

/// What `build/*` says of a workspace.
struct Settings {
    command: String,
    repository: PathBuf,
    proto: PathBuf,
    in_place: bool,
    account: Option<Account>,
}

impl Settings {
    fn read(stage: &Stage) -> Result<Settings, Failure> {
        let properties = stage.properties();
        let proto = properties.text("build/proto")?.unwrap_or("proto/root_i386");
        Ok(Settings {
            command: properties.required("build/command")?.to_owned(),
            repository: inside("build/repository", properties.required("build/repository")?)?,
            proto: inside("build/proto", proto)?,
            in_place: properties.flag("build/in_place", false)?,
            account: account(stage)?,
        })
    }
}

/// Whom the command runs as.  Without root a method keeps its caller's user, and so does this.
fn account(stage: &Stage) -> Result<Option<Account>, Failure> {
    let Some(name) = stage.properties().text("build/user")? else { return Ok(None) };
    let account = Account::of(name)
        .map_err(|error| Failure::configuration(format!("build/user: {error}")))?;
    if account.is_possible() {
        return Ok(Some(account));
    }
    stage.log(&format!("not running as root: build/user {name} ignored"));
    Ok(None)
}

/// A path that stays below the workspace.
fn inside(property: &str, path: &str) -> Result<PathBuf, Failure> {
    let path = PathBuf::from(path);
    if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Ok(path);
    }
    let text = format!("{property}: {}: not a path within the workspace", path.display());
    Err(Failure::configuration(text))
}

/// Builds a workspace, unless its output is there.
pub fn build(stage: &Stage, gate: &str) -> Result<(), Failure> {
    let gate = Gate::open(gate)?;
    let settings = Settings::read(stage)?;
    if settings.in_place && !gate.is_git() {
        let text = "build/in_place: only git can tell sources from what a build leaves";
        return Err(Failure::configuration(text));
    }
    let mut cache = stage.stat_cache()?;
    stage.progress("digest", 0, 0, "");
    let tree = gate.scan(&mut cache)?;
    let own_date = gate.source_date(&tree)?;
    let mut recipe = recipe(stage, &settings, &tree, own_date, &mut cache)?;
    let earlier = Earlier::resolve(stage, &mut recipe, &mut cache)?;
    let (recipe, is_done) = settled(stage, recipe)?;
    if is_done {
        return Ok(cache.save()?);
    }
    let source_date = earlier.source_date().map_or(own_date, |date| date.max(own_date));
    let place = if settings.in_place {
        gate.path().to_owned()
    } else {
        copied(stage, &gate, &tree, &mut cache)?
    };
    give(stage, &settings, &place)?;
    let lines = command::run(
        stage,
        &Build {
            command: &settings.command,
            workspace: &place,
            source_date,
            protos: earlier.environment(),
            lines: last_lines(stage),
            account: settings.account.clone(),
        },
    )?;
    if settings.in_place {
        unchanged(&gate, &tree, &mut cache, "it was built")?;
    }
    let mut outputs = output(stage, &settings, &place, &mut cache)?;
    outputs.insert("lines".into(), lines.to_string());
    cache.save()?;
    let made = Made { outputs, source_date: Some(source_date) };
    stage.finish(&recipe, made, &earlier.inputs(), crate::keep(stage)?)?;
    Ok(())
}

/// Gives the account that builds what it may write.
fn give(stage: &Stage, settings: &Settings, place: &Path) -> Result<(), Failure> {
    let Some(account) = &settings.account else { return Ok(()) };
    let scratch = stage.scratch();
    let mut trees = vec![scratch.as_path()];
    // A workspace that is built in place is the maintainer's: not ours to give.
    trees.extend((!settings.in_place).then_some(place));
    for tree in trees {
        account.give(tree).map_err(workspace::at(tree))?;
    }
    Ok(())
}

/// All that the output is made of, earlier gates excepted.
fn recipe(
    stage: &Stage,
    settings: &Settings,
    tree: &Tree,
    source_date: i64,
    cache: &mut StatCache,
) -> Result<Recipe, Failure> {
    let mut recipe = stage.recipe();
    recipe.add("gate", tree.digest());
    recipe.add("source date", source_date.to_string());
    recipe.add("build/command", &settings.command);
    recipe.add("build/repository", settings.repository.display().to_string());
    recipe.add("build/proto", settings.proto.display().to_string());
    recipe.add("build/user", stage.properties().text("build/user")?.unwrap_or_default());
    recipe.add("build/environment", stage.properties().list("build/environment").join("\n"));
    for path in stage.properties().list("build/inputs") {
        if !Path::new(path).is_absolute() {
            let text = format!("build/inputs: {path}: not an absolute path");
            return Err(Failure::configuration(text));
        }
        let tree = cache.scan(Path::new(path), Files::All);
        let absent = |error| Failure::configuration(format!("build/inputs: {error}"));
        recipe.add(format!("input {path}"), tree.map_err(absent)?.digest());
    }
    Ok(recipe)
}

/// Whether the output is there and may be used.
///
/// Sources that went back to an earlier state have an output already, but the release may hold a
/// later state's packages, newer by name: clients would never see the earlier ones again.  Then
/// the output is made once more, newer than the release; that is part of its recipe.
fn settled(stage: &Stage, mut recipe: Recipe) -> Result<(Recipe, bool), Failure> {
    if let Ok(current) = Input::resolve(stage.directory()) {
        let mut later = recipe.clone();
        if let Some(after) = current.stamp().inputs.get(AFTER) {
            later.add(AFTER, after);
        }
        if later.digest() == current.digest() {
            recipe = later;
        }
    }
    let digest = recipe.digest();
    if Input::hold(&stage::Outputs::of(stage.directory()).path(&digest)).is_ok() {
        if let Some(after) = packages::overtaken(stage, &digest)? {
            let earlier = recipe.inputs().iter().filter(|(name, _)| *name != AFTER);
            let mut later = Recipe::default();
            earlier.for_each(|(name, value)| later.add(name, value));
            later.add(AFTER, after);
            recipe = later;
        }
    }
    let is_done = stage.is_up_to_date(&recipe)?;
    Ok((recipe, is_done))
}

/// A fresh copy of the gate in DIR/ws.
fn copied(
    stage: &Stage,
    gate: &Gate,
    tree: &Tree,
    cache: &mut StatCache,
) -> Result<PathBuf, Failure> {
    let place = stage.directory().join("ws");
    remove_tree(&place).map_err(fatal)?;
    let total = tree.entries.len() as u64;
    workspace::copy(tree, gate.path(), &place, &mut |done, path| {
        stage.progress("copy", done, total, &path.to_string_lossy());
        stage.check_wanted()
    })?;
    unchanged(gate, tree, cache, "it was copied")?;
    Ok(place)
}

fn unchanged(gate: &Gate, tree: &Tree, cache: &mut StatCache, when: &str) -> Result<(), Failure> {
    let same = Gate::open(&gate.path().to_string_lossy())?.scan(cache)?.digest() == tree.digest();
    let text = || format!("{}: the gate changed while {when}", gate.path().display());
    if same { Ok(()) } else { Err(Failure::fatal(text())) }
}

/// How long the last build's log was: what progress is measured by.
fn last_lines(stage: &Stage) -> u64 {
    let current = Input::resolve(stage.directory()).ok();
    let lines = current.and_then(|input| input.stamp().outputs.get("lines")?.parse().ok());
    lines.unwrap_or(0)
}

/// Takes what the build left into DIR/work; digests by name.
fn output(
    stage: &Stage,
    settings: &Settings,
    place: &Path,
    cache: &mut StatCache,
) -> Result<BTreeMap<String, String>, Failure> {
    let from = place.join(&settings.repository);
    if !from.join("pkg5.repository").exists() {
        let text = format!("{}: the build left no repository there", from.display());
        return Err(Failure::fatal(text));
    }
    let known: Known = packages::known(stage)?;
    let repo = packages::adopt(&from, &stage.work().join("repo"), &known, stage)?;
    let mut outputs = BTreeMap::from([("repo".to_owned(), repo)]);
    let proto = place.join(&settings.proto);
    if proto.is_dir() {
        let tree = cache.scan(&proto, Files::All)?;
        let total = tree.entries.len() as u64;
        workspace::copy(&tree, &proto, &stage.work().join("proto"), &mut |done, path| {
            stage.progress("proto", done, total, &path.to_string_lossy());
            stage.check_wanted()
        })?;
        outputs.insert("proto".to_owned(), tree.digest());
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_workspace() {
        for good in ["packages/repo", "./repo"] {
            inside("build/repository", good).unwrap();
        }
        for bad in ["/repo", "../repo", "a/../../b"] {
            let failure = inside("build/repository", bad).unwrap_err();
            assert!(matches!(failure, Failure::Configuration(_)), "{failure}");
        }
    }
}
