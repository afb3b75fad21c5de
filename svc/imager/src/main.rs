//! imager - the candidate repository becomes bootable media.
//!
//! Reads `current/repo` of the merger it depends on and the image manifest; leaves the ISO, the
//! boot archive with its hash, the table of the root, and what the guest said when the medium
//! was booted.  The steps are the library's; here are properties, the recipe, the outputs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use image_boot::{Accelerator, Qemu};
use image_formats::iso::Platform;
use imager::manifest::Manifest;
use imager::medium::{self, Tools};
use imager::plain::{self, Job, Made, Packages, Populated, Trial, World};
use ips_client::{Control, Origin, PopulateOptions, Progress, Source, populate};
use ips_model::Pattern;
use stage::{Failure, Input, Recipe, Stage};

use imager::host::Contained;

/// How long a guest may take, in software on a busy host.
const BOOT_TIME: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    stage::run("imager", |stage| make(stage).map_err(failure))
}

/// The kind of a failure survives its way through the steps.
fn failure(error: anyhow::Error) -> Failure {
    error.downcast::<Failure>().unwrap_or_else(|error| Failure::of(error.as_ref()))
}

/// The merger's candidate.
pub struct Candidate<'a> {
    /// Its repository.
    pub repository: &'a Path,
    /// Who hears how far it is.
    pub stage: &'a Stage,
}

impl Packages for Candidate<'_> {
    fn populate(&self, patterns: &[String], root: &Path) -> Result<Populated> {
        let source = Source::open(&Origin::directory(self.repository))?;
        let patterns: Vec<Pattern> = patterns
            .iter()
            .map(|text| Pattern::parse(text).with_context(|| format!("package {text}")))
            .collect::<Result<_>>()?;
        let tell = |now: &Progress| {
            self.stage.progress(now.phase.name(), now.done, now.total, &now.item);
        };
        let control = Control::new(&tell, self.stage.cancel().flag());
        let filled = populate(&source, &patterns, root, &PopulateOptions::default(), &control)?;
        let packages = filled.packages.iter().map(ToString::to_string).collect();
        Ok(Populated { tree: filled.tree, packages })
    }
}

/// What the properties say.
struct Wanted {
    manifest: Manifest,
    /// Of the manifest's bytes.
    digest: String,
    boot_test: bool,
    output: Option<PathBuf>,
    keep: u64,
}

impl Wanted {
    fn read(stage: &Stage) -> Result<Self, Failure> {
        let properties = stage.properties();
        let path = properties.required("image/manifest")?;
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::configuration(format!("{path}: {error}")))?;
        let manifest = Manifest::parse(&text)
            .map_err(|error| Failure::configuration(format!("{path}: {error}")))?;
        Ok(Self {
            manifest,
            digest: stage::recipe::sha256(text.as_bytes()),
            boot_test: properties.flag("image/boot_test", true)?,
            output: properties.text("image/output")?.map(PathBuf::from),
            keep: properties.count("image/keep", 3)?,
        })
    }
}

/// The merger whose candidate is read: the one named by a dependency, else its namesake.
fn merger(stage: &Stage) -> String {
    let named = stage.required("application/merger").into_iter().next();
    format!("merger/{}", named.unwrap_or_else(|| stage.smf().instance.clone()))
}

fn make(stage: &Stage) -> Result<()> {
    let wanted = Wanted::read(stage)?;
    let input = stage.input(&merger(stage))?;
    let host = Contained { cancel: stage.cancel() };
    let mut recipe = stage.recipe();
    recipe.add("merger", input.part("repo"));
    recipe.add("image/manifest", wanted.digest.clone());
    recipe.add("image/boot_test", wanted.boot_test.to_string());
    for tool in ["xorriso", "grub-mkimage"] {
        recipe.add(tool, host.version(tool)?);
    }
    for platform in Platform::ALL {
        let about = medium::about_modules(platform)?;
        recipe.add(format!("grub/{}", platform.name()), stage::recipe::sha256(&about));
    }
    if !stage.is_up_to_date(&recipe)? {
        work(stage, &wanted, &input, &recipe, &host)?;
    }
    deliver(stage, &wanted)?;
    Ok(())
}

fn work(
    stage: &Stage,
    wanted: &Wanted,
    input: &Input,
    recipe: &Recipe,
    host: &Contained<'_>,
) -> Result<()> {
    let ignored = &wanted.manifest.ignored;
    if !ignored.is_empty() {
        stage.log(&format!("of no meaning here: {}", ignored.join(", ")));
    }
    let digest = recipe.digest();
    let scratch = stage.scratch();
    let trial = Trial { accelerator: Accelerator::Tcg, time: BOOT_TIME };
    let job = Job {
        manifest: &wanted.manifest,
        digest: &digest,
        work: &scratch,
        trial: wanted.boot_test.then_some(trial),
    };
    let world = World {
        packages: &Candidate { repository: &input.path().join("repo"), stage },
        tools: host,
        emulator: &Qemu { cancel: host.cancel },
        progress: &|phase, done, total, item| stage.progress(phase, done, total, item),
        log: &|line| stage.log(line),
    };
    let made = plain::make(&job, &world)?;
    let outputs = take(&made, &stage.work())?;
    let source_date = input.stamp().source_date;
    stage.finish(recipe, stage::Made { outputs, source_date }, &[input], wanted.keep)?;
    // The root and the medium's folder are as large as the medium, and made anew next time.
    stage::output::remove_tree(&scratch).with_context(|| scratch.display().to_string())
}

/// Moves the files that were made, under their own names.
fn take(made: &Made, to: &Path) -> Result<BTreeMap<String, String>> {
    let mut outputs = BTreeMap::new();
    for file in &made.files {
        let name = file.file_name().with_context(|| file.display().to_string())?;
        fs::rename(file, to.join(name)).with_context(|| file.display().to_string())?;
        if file.extension().is_some_and(|extension| extension == "iso") {
            outputs.insert("iso".to_owned(), name.to_string_lossy().into_owned());
        }
    }
    outputs.insert("packages".to_owned(), made.packages.len().to_string());
    Ok(outputs)
}

/// Puts a copy of the medium into the directory that the user named, unless it is there.
fn deliver(stage: &Stage, wanted: &Wanted) -> Result<()> {
    let Some(folder) = &wanted.output else { return Ok(()) };
    let name = format!("{}.iso", wanted.manifest.name);
    let from = stage.directory().join("current").join(&name);
    if copy(&from, folder, &name)? {
        stage.log(&format!("{} is in {}", name, folder.display()));
    }
    Ok(())
}

/// Copies a file into a folder; false when the same is there: its time is the original's.
fn copy(from: &Path, folder: &Path, name: &str) -> Result<bool> {
    let to = folder.join(name);
    let about = |path: &Path| {
        let about = fs::metadata(path)?;
        std::io::Result::Ok((about.len(), about.modified()?))
    };
    let (length, time) = about(from).with_context(|| from.display().to_string())?;
    if about(&to).is_ok_and(|there| there == (length, time)) {
        return Ok(false);
    }
    let beside = folder.join(format!(".{name}.new"));
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::copy(from, &beside)?;
        let file = fs::File::options().write(true).open(&beside)?;
        file.set_modified(time)?;
        file.sync_all()?;
        fs::rename(&beside, &to)
    };
    write().with_context(|| to.display().to_string())?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_moved_under_their_names() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        fs::create_dir_all(&from).unwrap();
        fs::create_dir_all(&to).unwrap();
        let files: Vec<PathBuf> = ["x.iso", "root.table"].map(|name| from.join(name)).into();
        for file in &files {
            fs::write(file, "abc").unwrap();
        }
        let made = Made { files, packages: vec!["a".into(), "b".into()] };
        let outputs = take(&made, &to).unwrap();
        assert_eq!((outputs["iso"].as_str(), outputs["packages"].as_str()), ("x.iso", "2"));
        assert!(to.join("root.table").exists() && !from.join("x.iso").exists());
    }

    #[test]
    fn a_medium_is_delivered_once() {
        let scratch = tempfile::tempdir().unwrap();
        let from = scratch.path().join("x.iso");
        let folder = scratch.path().join("media/here");
        fs::write(&from, "one").unwrap();
        assert!(copy(&from, &folder, "x.iso").unwrap());
        assert!(!copy(&from, &folder, "x.iso").unwrap());
        fs::write(&from, "another").unwrap();
        assert!(copy(&from, &folder, "x.iso").unwrap());
        assert_eq!(fs::read_to_string(folder.join("x.iso")).unwrap(), "another");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
