//! door.rs - one build from a manifest's path to its end, whoever asks for it.
//!
//! The order of what is checked is the original's: the manifest, the area (made even for `-l`),
//! then the options.  Exit statuses and the console are the caller's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use image_checkpoint::{Area, BackEnd, OpenError, Options, Place, Step as Name, changed_since};
use image_manifest::{Checked, Form, Image};
use process::Cancel;

use super::arguments::Request;
use super::choice::{Choice, Ground, Named, Refused};
use super::logs::Logs;
use super::room;
use super::run::{Build, Ended};
use super::script::Scripts;
use super::table::{self, Row};
use crate::socket::{self, Server};
use crate::source::{self, ReadError, ThisHost};
use crate::steps::World;

/// A manifest that was read and found in order.
pub struct Manifest {
    /// As it was named.
    pub path: PathBuf,
    /// Its text.
    pub text: Vec<u8>,
    /// What it says.
    pub checked: Checked,
    /// The model of it.
    pub image: Image,
}

impl Manifest {
    /// Reads it.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let unnamed = jiff::Zoned::now().strftime("%Y%m%d-%H%M").to_string();
        let checked = source::read(path, &unnamed, &ThisHost)?;
        let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read(path).map_err(unreadable)?;
        let image = checked.image();
        Ok(Self { path: path.to_owned(), text, checked, image })
    }

    /// Opens its area.
    pub fn area(&self, options: &Options) -> Result<Area, OpenError> {
        Area::open(&Place::of(&self.image.build_area), options)
    }

    /// The steps by what people call them.
    fn named(&self) -> Vec<Named> {
        let steps = self.image.steps.iter();
        steps.map(|step| Named { name: step.name.clone(), message: step.message.clone() }).collect()
    }

    /// What a request means for this area.
    pub fn choose(&self, area: &Area, request: &Request) -> Result<Choice, Refused> {
        let steps = self.named();
        let made = made(area);
        self.ground(&steps, &made).choose(request)
    }

    fn ground<'a>(&'a self, steps: &'a [Named], made: &'a [String]) -> Ground<'a> {
        let flags = &self.image.flags;
        let checkpoints = flags.checkpoints.then_some(made);
        Ground { steps, checkpoints, resume_from: flags.resume_from.as_deref() }
    }

    /// The table of its steps.
    pub fn table(&self, area: &Area) -> Vec<String> {
        let (steps, made) = (self.named(), made(area));
        let resumable = self.ground(&steps, &made).resumable();
        let rows = steps.iter().enumerate().map(|(number, step)| Row {
            name: &step.name,
            message: &step.message,
            resumable: number < resumable,
        });
        match self.image.form {
            Form::Dc => table::dc(rows),
            Form::Distribution | Form::Distribution2009 => table::old(rows),
        }
    }
}

fn made(area: &Area) -> Vec<String> {
    area.checkpoints().iter().map(|one| one.step.as_str().to_string()).collect()
}

/// What a build needs of its caller.
pub struct Caller<'a> {
    /// The world.
    pub world: &'a World<'a>,
    /// How long one script may take.
    pub script_time: Option<Duration>,
    /// Hears what the manifest's server is asked.
    pub debug: Arc<socket::Log>,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// Where lines go.
    pub logs: &'a Logs<'a>,
}

/// Builds.
pub fn build(
    manifest: &Manifest,
    area: &mut Area,
    resume: Option<usize>,
    pause: Option<usize>,
    caller: &Caller<'_>,
) -> Result<Ended> {
    let logs = caller.logs;
    if let Err(error) = crate::steps::check(&manifest.image) {
        logs.error(&super::run::told(&error));
        return Err(error);
    }
    warn(manifest, area, resume, logs)?;
    let paths = Logs::paths(area.logs(), &stamp());
    for (kind, path) in ["Simple", "Detail"].iter().zip(&paths) {
        logs.info(&format!("{kind} Log: {}", path.display()));
    }
    logs.open(&paths).with_context(|| area.logs().display().to_string())?;
    logs.info(&format!("Build started {}", ctime()));
    logs.info(&format!("Distribution name: {}", manifest.image.name));
    if let BackEnd::Zfs { dataset } = area.back_end() {
        logs.info(&format!("Build Area dataset: {dataset}"));
    }
    logs.info(&format!("Build Area mount point: {}", area.root().display()));
    let folder = tempfile::Builder::new().prefix("distro_const.").tempdir_in("/tmp")?;
    let socket = folder.path().join(format!("ManifestServ.{}", std::process::id()));
    let document = Arc::new(manifest.checked.document().clone());
    let tell = caller.debug.clone();
    let server = Server::start(document, &socket, tell);
    let server = server.with_context(|| socket.display().to_string())?;
    let build = Build {
        checked: &manifest.checked,
        manifest: &manifest.path,
        text: &manifest.text,
        image: &manifest.image,
        world: caller.world,
        scripts: Scripts { socket: server.path(), time: caller.script_time, cancel: caller.cancel },
        logs,
    };
    let ended = build.run(area, resume, pause);
    if let Err(error) = &ended {
        logs.error(&super::run::told(error));
        if let Some(line) = room::lacking("the build", error, &super::run::written(area), None) {
            logs.error(&line);
        }
    }
    logs.info(&format!("Build completed {}", ctime()));
    match ended {
        // The original's im-pop of 2009 was no script: stopping there says nothing more.
        Ok(Ended::Paused(step)) if manifest.image.steps[step].built_in => {}
        Ok(Ended::Done | Ended::Paused(_)) => logs.info("Build is successful."),
        Ok(Ended::Failed(_)) | Err(_) => logs.info("Build failed."),
    }
    ended
}

/// Says that the manifest is another than that of earlier steps.
fn warn(manifest: &Manifest, area: &Area, resume: Option<usize>, logs: &Logs<'_>) -> Result<()> {
    let Some(resume) = resume else { return Ok(()) };
    let names = manifest.image.steps.iter().map(|step| Name::new(&step.name));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let changed = changed_since(&names, area.checkpoints(), resume, &manifest.text);
    if !changed.is_empty() {
        let steps: String = changed.iter().map(|step| format!(" {step}")).collect();
        let path = manifest.path.display();
        logs.info(&format!("WARNING: The manifest file, {path}, has changed "));
        logs.info(&format!("since Step(s) {steps} was generated."));
        logs.info("Results may be indeterminate.");
    }
    Ok(())
}

/// The local time, as names of logs have it.
fn stamp() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%d-%H-%M-%S").to_string()
}

/// The local time, as asctime(3C) prints it.
fn ctime() -> String {
    jiff::Zoned::now().strftime("%a %b %e %H:%M:%S %Y").to_string()
}
