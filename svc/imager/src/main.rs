//! imager - the candidate repository becomes bootable media.
//!
//! Reads `current/repo` of the merger it depends on and the image manifest; leaves the ISO, the
//! boot archive with its hash, the table of the root, and what the guest said when the medium
//! was booted.  The steps are those of distro_const, in DIR/area, whose checkpoints stay: a build
//! that failed goes on where it failed, one that changed begins at the first step that did.
//!
//! | property | meaning |
//! |---|---|
//! | `image/manifest` | the image manifest |
//! | `image/pause_at` | the step before which to stop; never online then |
//! | `image/resume_from` | the step to go back to, once for each time that it is set |
//! | `image/evidence_key` | the file with the key that signs what is said of the media |

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use image_boot::{Accelerator, Qemu};
use image_checkpoint::{Area, Options, Place};
use image_evidence::Key;
use image_formats::iso::{self, Platform};
use image_manifest::{Native, Step};
use image_rooted::host::Contained;
use image_rooted::medium::{self, Tools};
use imager::build::arguments::{Asked, Request};
use imager::build::choice::Choice;
use imager::build::door::{self, Caller, Manifest};
use imager::build::ids;
use imager::build::kit;
use imager::build::logs::Logs;
use imager::build::once::Once;
use imager::build::run::{Ended, Going};
use imager::evidence::{self, Policy};
use imager::packages::Repositories;
use imager::steps::{Facts, Places, Trial, World};
use imager::zfs::Zfs;
use ips_client::{Origin, Transport};
use stage::{Failure, Input, Recipe, Stage};

/// How long a guest may take, in software on a busy host.
const BOOT_TIME: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    stage::run("imager", |stage| make(stage).map_err(failure))
}

/// The kind of a failure survives its way through the steps.
fn failure(error: anyhow::Error) -> Failure {
    error.downcast::<Failure>().unwrap_or_else(|error| Failure::of(error.as_ref()))
}

/// What the properties say.
struct Wanted {
    manifest: Manifest,
    /// Of the manifest's bytes.
    digest: String,
    boot_test: bool,
    output: Option<PathBuf>,
    keep: u64,
    request: Request,
    script_time: Option<Duration>,
    key: Option<Key>,
}

impl Wanted {
    fn read(stage: &Stage) -> Result<Self, Failure> {
        let properties = stage.properties();
        let path = properties.required("image/manifest")?;
        let mut manifest = Manifest::read(Path::new(path))
            .map_err(|error| Failure::configuration(format!("{path}: {error}")))?;
        let boot_test = properties.flag("image/boot_test", true)?;
        add_boot_test(&mut manifest.image.steps, boot_test);
        let mut request = Request { manifest: path.to_owned(), ..Request::default() };
        let asked = [
            ("image/resume_from", Asked::Resume as fn(String) -> Asked),
            ("image/pause_at", Asked::Pause),
        ];
        for (property, option) in asked {
            let step = properties.text(property)?.filter(|step| !step.is_empty());
            request.options.extend(step.map(|step| option(step.to_owned())));
        }
        let key = evidence::key(properties.text("image/evidence_key")?, &manifest.image)
            .map_err(|error| Failure::configuration(format!("image/evidence_key: {error:#}")))?;
        let seconds = properties.count("image/script_timeout", 0)?;
        Ok(Self {
            digest: stage::recipe::sha256(&manifest.text),
            manifest,
            boot_test,
            output: properties.text("image/output")?.map(PathBuf::from),
            keep: properties.count("image/keep", 3)?,
            request,
            key,
            script_time: (seconds > 0).then(|| Duration::from_secs(seconds)),
        })
    }
}

/// A medium that the pipeline makes is tried, also where its manifest names no such step.
fn add_boot_test(steps: &mut Vec<Step>, wanted: bool) {
    if !wanted || steps.iter().any(|step| step.native == Some(Native::BootTest)) {
        return;
    }
    steps.push(Step {
        name: "boot-test".to_owned(),
        message: "Boot test of the media".to_owned(),
        native: Some(Native::BootTest),
        script: "boot_test".to_owned(),
        arguments: Vec::new(),
        named: Vec::new(),
        built_in: false,
    });
}

/// The merger whose candidate is read: the one named by a dependency, else its namesake.
fn merger(stage: &Stage) -> String {
    let named = stage.required("application/merger").into_iter().next();
    format!("merger/{}", named.unwrap_or_else(|| stage.smf().instance.clone()))
}

fn make(stage: &Stage) -> Result<()> {
    let mut wanted = Wanted::read(stage)?;
    let input = stage.input(&merger(stage))?;
    let host = Contained { cancel: stage.cancel() };
    let mut recipe = stage.recipe();
    recipe.add("merger", input.part("repo"));
    recipe.add("image/manifest", wanted.digest.clone());
    recipe.add("image/boot_test", wanted.boot_test.to_string());
    recipe.add("image/evidence_key", wanted.key.as_ref().map(Key::id).unwrap_or_default());
    for tool in ["xorriso", "grub-mkimage"] {
        recipe.add(tool, host.version(tool)?);
    }
    for platform in Platform::ALL {
        let about = medium::about_modules(platform)?;
        recipe.add(format!("grub/{}", platform.name()), stage::recipe::sha256(&about));
    }
    let image = &wanted.manifest.image;
    for step in image.steps.iter().filter(|step| step.native.is_none()) {
        let bytes = ids::script_bytes(step, image.form)?;
        recipe.add(format!("script/{}", step.name), stage::recipe::sha256(&bytes));
    }
    let (once, back) =
        (Once::of(stage.directory())?, wanted.request.resume().unwrap_or_default().to_owned());
    match once.count(&back) {
        0 => {}
        count => recipe.add("image/resume_from", count.to_string()),
    }
    if !once.is_new(&back) {
        if !back.is_empty() {
            stage.log(&format!("image/resume_from: was gone back to {back}; set it anew for more"));
        }
        wanted.request.options.retain(|asked| !matches!(asked, Asked::Resume(_)));
    }
    // Who wants to stop somewhere wants to see it, not what was made before.
    if wanted.request.pause().is_some() || !stage.is_up_to_date(&recipe)? {
        work(stage, &wanted, &input, &recipe, &host)?;
    }
    once.keep(&back)?;
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
    let place = Place::Directory(stage.directory().join("area"));
    let mut area = Area::open(&place, &Options { tools: Arc::new(Zfs), calls: None })?;
    let (resume, pause) = match wanted.manifest.choose(&area, &wanted.request) {
        Ok(Choice::Build { resume, pause }) => (resume, pause),
        Ok(Choice::List) => (None, None),
        Ok(Choice::Nothing) => {
            return Err(paused(stage, wanted.request.pause().unwrap_or_default()).into());
        }
        Err(refused) => {
            return Err(Failure::configuration(refused.lines.join("; ")).into());
        }
    };
    let trial = Trial { accelerator: Accelerator::Tcg, time: BOOT_TIME };
    let origin = Origin::directory(&input.path().join("repo"));
    let origin_name = format!("svc:/application/{}", merger(stage).replacen('/', ":", 1));
    let world = World {
        evidence: Policy { key: wanted.key.as_ref(), origin: Some(&origin_name) },
        packages: &Repositories {
            instead: Some(origin),
            cancel: host.cancel,
            surroundings: |_| Ok(Transport::default()),
            kept: None,
        },
        tools: host,
        emulator: &Qemu { cancel: host.cancel },
        trial: wanted.boot_test.then_some(trial),
        progress: &|step, done, total, unit| stage.progress(step, done, total, unit),
    };
    let console = |line: &str| stage.log(line);
    let logs = Logs::new(wanted.manifest.image.form, &console, false);
    let caller = Caller {
        world: &world,
        // An output is of today's inputs, whatever is wished.
        going: Going::AsItIs,
        script_time: wanted.script_time,
        reader: std::env::current_exe().ok().and_then(|program| kit::reader(&program)),
        debug: Arc::new(|_| {}),
        cancel: stage.cancel(),
        logs: &logs,
    };
    let steps = &wanted.manifest.image.steps;
    match door::build(&wanted.manifest, &mut area, resume, pause, &caller)? {
        Ended::Done => {}
        Ended::Paused(step) => return Err(paused(stage, &steps[step].name).into()),
        Ended::Failed(step) => {
            let why = logs.last_error().unwrap_or_default();
            let step = format!("step {}: ", steps[step].name);
            let why = why.strip_prefix(&step).unwrap_or(&why);
            return Err(Failure::fatal(format!("{step}{why}")).into());
        }
    }
    let outputs = take(&area, &wanted.manifest, &stage.work())?;
    let source_date = input.stamp().source_date;
    stage.finish(recipe, stage::Made { outputs, source_date }, &[input], wanted.keep)?;
    Ok(())
}

/// A pause is no output: the instance is in maintenance until somebody says how to go on.
fn paused(stage: &Stage, step: &str) -> Failure {
    let fmri = &stage.smf().fmri;
    Failure::fatal(format!(
        "paused before step {step} in {}; to go on: svccfg -s {fmri} setprop image/pause_at = \
         astring: '\"\"' && svcadm refresh {fmri} && svcadm clear {fmri}",
        stage.directory().join("area/build_data").display()
    ))
}

/// Copies what was made, under the names that outputs have.
fn take(area: &Area, manifest: &Manifest, to: &Path) -> Result<BTreeMap<String, String>> {
    let places = Places::of(area);
    let mut outputs = BTreeMap::new();
    let copy = |from: &Path, name: &str| -> Result<()> {
        fs::copy(from, to.join(name)).with_context(|| from.display().to_string())?;
        Ok(())
    };
    for entry in fs::read_dir(&places.media)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // Media are never rolled back: those of another name are an earlier manifest's.
        let own = name.strip_prefix(manifest.image.name.as_str());
        let is_own = own.is_some_and(|rest| rest.starts_with('.')) || name.starts_with("boot-test");
        if is_own {
            copy_all(&path, &to.join(name))?;
        }
    }
    for path in [iso::BOOT_ARCHIVE, iso::BOOT_ARCHIVE_HASH] {
        let name = path.rsplit('/').next().unwrap_or(path);
        let from = places.pkg_image.join(path);
        if from.exists() {
            copy(&from, name)?;
        }
    }
    copy(&places.root_table(), "root.table")?;
    outputs.insert("iso".to_owned(), format!("{}.iso", manifest.image.name));
    let packages = Facts::read(&places)?.packages.len();
    outputs.insert("packages".to_owned(), packages.to_string());
    Ok(outputs)
}

/// Copies a file, or a folder with all files in it.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    let named = || from.display().to_string();
    if !fs::symlink_metadata(from).with_context(named)?.is_dir() {
        fs::copy(from, to).with_context(named)?;
        return Ok(());
    }
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(named)? {
        let entry = entry.with_context(named)?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Puts a copy of the medium into the directory that the user named, unless it is there.
fn deliver(stage: &Stage, wanted: &Wanted) -> Result<()> {
    let Some(folder) = &wanted.output else { return Ok(()) };
    let name = format!("{}.iso", wanted.manifest.image.name);
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
    fn a_manifest_without_a_boot_test_gets_one() {
        let mut steps = Vec::new();
        add_boot_test(&mut steps, false);
        assert!(steps.is_empty());
        for _ in 0..2 {
            add_boot_test(&mut steps, true);
            assert_eq!(steps.len(), 1);
        }
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
