//! live - the proto areas become a platform image.
//!
//! Reads `current/proto` of the builders it depends on; leaves the platform's folder, its tgz, the
//! media that are wanted and the log.  The stamp is that of the sources, so the same sources make the
//! same platform.
//!
//! | property | meaning |
//! |---|---|
//! | `live/manifest` | the live manifest; several values are one |
//! | `live/overlay` | the overlay; empty: none |
//! | `live/man` | the tree of manual pages; empty: none |
//! | `live/customize` | the folder of `customize` and `customize.*`; empty: none |
//! | `live/host_root` | a system to take from what is nowhere else; empty: none |
//! | `live/archive` | `ufs` or `ufs+usr-lofi` |
//! | `live/pad_mb` | MiB of room in the root file system of a running system |
//! | `live/password` | root's password; empty: as the overlay has it |
//! | `live/buildstamp` | another stamp; empty: the sources' |
//! | `live/media` | `iso`, `usb` |
//! | `live/boot_test`, `live/boot_pattern` | whether media are booted, and what a good guest says |
//! | `live/output` | a directory that gets a copy; empty: none |

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use image_boot::Qemu;
use image_rooted::host::Contained;
use image_rooted::medium::Tools;
use live::archive::Form;
use live::build::{Built, PAD_MB, Request, World, build};
use live::customize::scripts;
use live::media::{CONFIRMED, Media, Trial};
use live::places::Place;
use live_manifest::Stamp;
use stage::{Failure, Files, Input, Recipe, Stage};

/// How long a guest may take, in software on a busy host.
const BOOT_TIME: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    stage::run("live", make)
}

/// What the properties say.
struct Wanted {
    manifests: Vec<PathBuf>,
    overlay: Option<PathBuf>,
    man: Option<PathBuf>,
    customize: Option<PathBuf>,
    host: Option<PathBuf>,
    form: Form,
    pad_mb: u64,
    password: Option<String>,
    stamp: Option<Stamp>,
    media: Media,
    output: Option<PathBuf>,
    keep: u64,
}

impl Wanted {
    fn read(stage: &Stage) -> Result<Wanted, Failure> {
        let properties = stage.properties();
        let bad = |name: &str, text: &str| Failure::configuration(format!("{name}: {text}"));
        let text = |name: &str| -> Result<Option<String>, Failure> {
            let value = properties.text(name)?.filter(|value| !value.is_empty());
            Ok(value.map(str::to_owned))
        };
        let dir = |name: &str| -> Result<Option<PathBuf>, Failure> {
            let Some(path) = text(name)? else { return Ok(None) };
            let dir =
                fs::canonicalize(&path).map_err(|error| bad(name, &format!("{path}: {error}")))?;
            if !dir.is_dir() {
                return Err(bad(name, &format!("{path} is not a directory")));
            }
            Ok(Some(dir))
        };
        let manifests: Vec<PathBuf> =
            properties.list("live/manifest").into_iter().map(PathBuf::from).collect();
        if manifests.is_empty() {
            return Err(bad("live/manifest", "no live manifest is named"));
        }
        let form = text("live/archive")?.map_or(Ok(Form::default()), |form| form.parse());
        let stamp = text("live/buildstamp")?.map(|stamp| stamp.parse::<Stamp>()).transpose();
        let pattern = text("live/boot_pattern")?.unwrap_or_else(|| CONFIRMED.to_owned());
        let boot_test = properties.flag("live/boot_test", true)?;
        let mut media = Media {
            trial: boot_test.then_some(Trial { pattern, time: BOOT_TIME }),
            ..Media::default()
        };
        for kind in properties.list("live/media") {
            match kind {
                "iso" => media.iso = true,
                "usb" => media.usb = true,
                other => return Err(bad("live/media", &format!("{other}: media are iso and usb"))),
            }
        }
        Ok(Wanted {
            manifests,
            overlay: dir("live/overlay")?,
            man: dir("live/man")?,
            customize: dir("live/customize")?,
            host: dir("live/host_root")?,
            form: form.map_err(|text: String| bad("live/archive", &text))?,
            pad_mb: properties.count("live/pad_mb", PAD_MB)?,
            password: text("live/password")?,
            stamp: stamp.map_err(|error| bad("live/buildstamp", &error.to_string()))?,
            media,
            output: text("live/output")?.map(PathBuf::from),
            keep: properties.count("live/keep", 3)?,
        })
    }

    /// Overlay, proto areas, man tree, host.
    fn places(&self, inputs: &[Input]) -> Result<Vec<Place>, Failure> {
        let mut places = Vec::new();
        let mut add = |letter: char, dir: PathBuf| {
            let (is_man, is_host) = (letter == 'M', letter == 'S');
            places.push(Place { letter, dir, is_man, is_host });
        };
        self.overlay.iter().for_each(|dir| add('A', dir.clone()));
        for input in inputs {
            let proto = input.path().join("proto");
            let dir = fs::canonicalize(&proto)
                .map_err(|error| Failure::fatal(format!("{}: {error}", proto.display())))?;
            add('P', dir);
        }
        self.man.iter().for_each(|dir| add('M', dir.clone()));
        self.host.iter().for_each(|dir| add('S', dir.clone()));
        Ok(places)
    }

    /// All that makes the platform what it is.
    fn recipe(&self, stage: &Stage, inputs: &[Input], stamp: &Stamp) -> Result<Recipe, Failure> {
        let mut recipe = stage.recipe();
        for input in inputs {
            recipe.add(input.stamp().stage.clone(), input.part("proto"));
        }
        recipe.add("stamp", stamp.text());
        recipe.add("archive", format!("{:?} {}", self.form, self.pad_mb));
        recipe.add("media", format!("{:?}", self.media));
        let password = self.password.as_deref().unwrap_or("");
        recipe.add("password", stage::recipe::sha256(password.as_bytes()));
        let mut cache = stage.stat_cache()?;
        for (number, path) in self.manifests.iter().enumerate() {
            let tree = cache.scan(path, Files::All)?;
            recipe
                .add(format!("manifest/{number}"), format!("{} {}", path.display(), tree.digest()));
        }
        for (name, dir) in [("overlay", &self.overlay), ("man", &self.man)] {
            if let Some(dir) = dir {
                recipe.add(name, cache.scan(dir, Files::All)?.digest());
            }
        }
        if let Some(dir) = &self.customize {
            let files = scripts(dir).map_err(|error| Failure::of(error.as_ref()))?;
            for file in files {
                let tree = cache.scan(&file, Files::All)?;
                recipe.add(format!("customize/{}", file.display()), tree.digest());
            }
        }
        cache.save()?;
        if let Some(dir) = &self.host {
            // What a whole system holds is not digested: the build itself looks.
            recipe.add("host", dir.display().to_string());
        }
        Ok(recipe)
    }
}

fn make(stage: &Stage) -> Result<(), Failure> {
    let wanted = Wanted::read(stage)?;
    let builders = stage.required("application/builder");
    if builders.is_empty() {
        return Err(Failure::configuration("it depends on no builder: no proto area is known"));
    }
    let builders: Vec<String> = builders.iter().map(|name| format!("builder/{name}")).collect();
    let inputs = stage.inputs(&builders)?;
    let date = inputs.iter().filter_map(|input| input.stamp().source_date).max();
    let stamp = match (&wanted.stamp, date) {
        (Some(stamp), _) => stamp.clone(),
        (None, Some(date)) => Stamp::of(date).map_err(Failure::fatal)?,
        (None, None) => {
            return Err(Failure::configuration("the sources have no time: set live/buildstamp"));
        }
    };
    let mut recipe = wanted.recipe(stage, &inputs, &stamp)?;
    let host = Contained { cancel: stage.cancel() };
    if !wanted.media.kinds().is_empty() {
        for tool in ["xorriso", "grub-mkimage"] {
            let version = host.version(tool).map_err(|error| Failure::of(error.as_ref()))?;
            recipe.add(tool, version);
        }
    }
    // A host's files may have changed: only a build sees it.
    if wanted.host.is_some() || !stage.is_up_to_date(&recipe)? {
        work(stage, &wanted, &inputs, &recipe, stamp, &host)?;
    }
    deliver(stage, &wanted)
}

fn work(
    stage: &Stage,
    wanted: &Wanted,
    inputs: &[Input],
    recipe: &Recipe,
    stamp: Stamp,
    host: &Contained<'_>,
) -> Result<(), Failure> {
    let (logs, output) = (stage.directory().join("log"), stage.directory().join("output"));
    forget(&output)?;
    let request = request(stage, wanted, inputs, &stamp, &logs)?;
    // The entries' lines are for the build's own log; what is not one of them is for the stage's.
    let hear = |line: &str| {
        if !line.starts_with("OK") && !line.starts_with("build_live: ERROR") {
            stage.log(line);
        }
    };
    let world = World {
        cancel: stage.cancel(),
        hear: &hear,
        progress: &|phase, done, total, item| stage.progress(phase, done, total, item),
        tools: host,
        emulator: &Qemu { cancel: stage.cancel() },
    };
    let built = build(&request, &world).map_err(|error| Failure::of(error.as_ref()))?;
    let outputs = take(&output, &stage.work(), &built)?;
    let made = stage::Made { outputs, source_date: Some(stamp.seconds()) };
    let read: Vec<&Input> = inputs.iter().collect();
    stage.finish(recipe, made, &read, wanted.keep)?;
    Ok(())
}

fn request(
    stage: &Stage,
    wanted: &Wanted,
    inputs: &[Input],
    stamp: &Stamp,
    logs: &Path,
) -> Result<Request, Failure> {
    let places = wanted.places(inputs)?;
    let mut header = vec![format!("BUILDSTAMP. {stamp}")];
    for manifest in &wanted.manifests {
        header.push(format!("MANIFEST .. {}", manifest.display()));
    }
    for (number, place) in (1..).zip(&places) {
        header.push(format!("DIR[{number:02}] ... {}", place.dir.display()));
    }
    let second = wanted.overlay.as_ref().map(|dir| dir.display().to_string());
    // The overlay lies in the live workspace.
    let workspace = wanted.overlay.as_deref().and_then(Path::parent);
    Ok(Request {
        top: workspace.map_or_else(|| stage.directory().to_path_buf(), Path::to_path_buf),
        manifests: wanted.manifests.clone(),
        places,
        header,
        output: stage.directory().join("output"),
        logs: logs.to_path_buf(),
        stamp: stamp.clone(),
        version: None,
        time: stamp.seconds(),
        password: wanted.password.clone(),
        scripts: wanted.customize.clone().unwrap_or_else(|| stage.scratch()),
        second: second.unwrap_or_default(),
        form: wanted.form,
        pad_mb: wanted.pad_mb,
        media: wanted.media.clone(),
    })
}

/// Moves what was built into the stage's work.
fn take(from: &Path, to: &Path, built: &Built) -> Result<BTreeMap<String, String>, Failure> {
    let failed =
        |path: &Path, error: std::io::Error| Failure::fatal(format!("{}: {error}", path.display()));
    let mut outputs = BTreeMap::new();
    let name = |suffix: &str| format!("{}{suffix}", built.name);
    for (kind, name) in [
        ("platform", name("")),
        ("tgz", name(".tgz")),
        ("iso", name(".iso")),
        ("usb", name(".usb")),
        ("buildstamp", "buildstamp".to_owned()),
    ] {
        let path = from.join(&name);
        if path.exists() {
            fs::rename(&path, to.join(&name)).map_err(|error| failed(&path, error))?;
            outputs.insert(kind.to_owned(), name);
        }
    }
    let log = to.join("build_live.log");
    fs::copy(&built.log, &log).map_err(|error| failed(&log, error))?;
    outputs.insert("files".to_owned(), built.files.to_string());
    Ok(outputs)
}

/// Removes platforms that were built and never taken: their builder was killed in between.
fn forget(output: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::fatal(format!("{}: {error}", output.display()));
    let entries = match fs::read_dir(output) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.file_name().is_some_and(|name| name != ".build_live") {
            stage::output::remove_tree(&path).map_err(failed)?;
        }
    }
    Ok(())
}

/// Puts a copy of the tgz and the media into the directory that the user named.
fn deliver(stage: &Stage, wanted: &Wanted) -> Result<(), Failure> {
    let Some(folder) = &wanted.output else { return Ok(()) };
    let current = stage.directory().join("current");
    let failed =
        |path: &Path, error: std::io::Error| Failure::fatal(format!("{}: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for entry in fs::read_dir(&current).map_err(|error| failed(&current, error))? {
        let path = entry.map_err(|error| failed(&current, error))?.path();
        let suffix = path.extension().and_then(|suffix| suffix.to_str());
        let Some(name) = path.file_name() else { continue };
        if !matches!(suffix, Some("tgz" | "iso" | "usb")) {
            continue;
        }
        if copy(&path, folder, name).map_err(|error| failed(&path, error))? {
            stage.log(&format!("{} is in {}", name.to_string_lossy(), folder.display()));
        }
    }
    Ok(())
}

/// Copies a file into a folder; false when the same is there: its time is the original's.
fn copy(from: &Path, folder: &Path, name: &std::ffi::OsStr) -> std::io::Result<bool> {
    let to = folder.join(name);
    let about = |path: &Path| {
        let about = fs::metadata(path)?;
        std::io::Result::Ok((about.len(), about.modified()?))
    };
    let (length, time) = about(from)?;
    if about(&to).is_ok_and(|there| there == (length, time)) {
        return Ok(false);
    }
    let beside = folder.join(format!(".{}.new", name.to_string_lossy()));
    fs::copy(from, &beside)?;
    let file = fs::File::options().write(true).open(&beside)?;
    file.set_modified(time)?;
    file.sync_all()?;
    fs::rename(&beside, &to)?;
    Ok(true)
}
