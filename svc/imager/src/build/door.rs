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
use jiff::Zoned;
use process::Cancel;

use super::arguments::Request;
use super::choice::{Choice, Ground, Named, Refused};
use super::kit::Kit;
use super::logs::Logs;
use super::newer::{self, Made};
use super::room;
use super::run::{Build, Ended, Going};
use super::script::{self, Scripts};
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
        let unnamed = Zoned::now().strftime("%Y%m%d-%H%M").to_string();
        let text = source::text(path)?;
        let checked = source::parse_text(&text, path)?.with_defaults(&unnamed).check(&ThisHost)?;
        let image = checked.image();
        Ok(Self { path: path.to_owned(), text: text.into_bytes(), checked, image })
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
        let chosen = if self.image.form == Form::Dc {
            newer::choose(&self.image.steps, &self.made_by(area), request)
        } else {
            let (steps, made) = (self.named(), made(area));
            self.ground(&steps, &made).choose(request)
        };
        chosen.map_err(|mut refused| {
            // Why a step cannot be gone on from that could be before.
            refused.lines.extend(self.void(area).filter(|_| !refused.usage));
            refused
        })
    }

    /// What is said of a checkpoint of its steps that does not count any more.
    fn void(&self, area: &Area) -> Option<String> {
        let void = area.void()?;
        let step = self.image.steps.iter().find(|step| step.name == void.step.as_str())?;
        let file = void.file.display();
        Some(format!(
            "The checkpoint of step {} does not count any more: {file} was written into.",
            step.name
        ))
    }

    fn ground<'a>(&'a self, steps: &'a [Named], made: &'a [String]) -> Ground<'a> {
        let flags = &self.image.flags;
        let checkpoints = flags.checkpoints.then_some(made);
        Ground { steps, checkpoints, resume_from: flags.resume_from.as_deref() }
    }

    /// The checkpoints with the steps as their manifests had them.
    fn made_by(&self, area: &Area) -> Vec<Made> {
        let steps = |text: &[u8]| {
            if text == self.text {
                return Some(self.image.steps.clone());
            }
            source::earlier_steps(text, &self.path, &ThisHost)
        };
        let checkpoints = area.checkpoints().iter();
        let made = checkpoints.map(|one| {
            let name = one.step.as_str().to_owned();
            let all = steps(&one.manifest).unwrap_or_default();
            let step = all.into_iter().find(|step| step.name == name);
            Made { name, step }
        });
        made.collect()
    }

    /// The table of its steps.
    pub fn table(&self, area: &Area) -> Vec<String> {
        let (steps, made) = (self.named(), made(area));
        let resumable = match self.image.form {
            Form::Dc => newer::resumable(&self.image.steps, &self.made_by(area)),
            Form::Distribution | Form::Distribution2009 => self.ground(&steps, &made).resumable(),
        };
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
    /// What a step to go on from means.
    pub going: Going,
    /// How long one script may take, whatever the manifest says.
    pub script_time: Option<Duration>,
    /// The command by which they ask for the manifest's values, if there is one.
    pub reader: Option<PathBuf>,
    /// Hears what the manifest's server is asked.
    pub debug: Arc<socket::Log>,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// Where lines go.
    pub logs: &'a Logs<'a>,
}

/// Builds.  What fails is told to the logs, whenever it does.
pub fn build(
    manifest: &Manifest,
    area: &mut Area,
    resume: Option<usize>,
    pause: Option<usize>,
    caller: &Caller<'_>,
) -> Result<Ended> {
    let logs = caller.logs;
    let paths = logs.paths(area.logs(), &Zoned::now());
    let opened = open(manifest, area, (resume, pause), &paths, caller);
    let onward = room::onward(manifest.image.form, caller.going, None);
    let failed = |error: &anyhow::Error, area: &Area| tell(error, area, &onward, logs);
    let (kit, server, time) = opened.inspect_err(|error| failed(error, area))?;
    let build = Build {
        checked: &manifest.checked,
        manifest: &manifest.path,
        text: &manifest.text,
        image: &manifest.image,
        world: caller.world,
        going: caller.going,
        scripts: Scripts { socket: server.path(), kit: &kit, time, cancel: caller.cancel },
        logs,
    };
    let ended = build.run(area, resume, pause).inspect_err(|error| failed(error, area));
    if manifest.image.form == Form::Dc {
        if !matches!(ended, Ok(Ended::Done | Ended::Paused(_))) {
            let log = paths[1].display();
            logs.complain(&format!(
                "Please check the log for additional error messages. \nLog: {log}"
            ));
        }
        return ended;
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

/// Opens the logs, lays out what scripts find, and serves the socket at which they ask; gives how
/// long one may take, too.
fn open(
    manifest: &Manifest,
    area: &Area,
    from_to: (Option<usize>, Option<usize>),
    paths: &[PathBuf; 2],
    caller: &Caller<'_>,
) -> Result<(Kit, Server, Option<Duration>)> {
    crate::steps::check(&manifest.image)?;
    let time = caller.script_time.or(script::time(&manifest.image)?);
    warn(manifest, area, from_to.0, caller.logs)?;
    begin(manifest, area, from_to, paths, caller.logs)?;
    manifest.void(area).iter().for_each(|line| caller.logs.info(line));
    let kit = Kit::lay(caller.reader.as_deref())?;
    let socket = kit.socket();
    let document = Arc::new(manifest.checked.document().clone());
    let server = Server::start(document, &socket, caller.debug.clone());
    Ok((kit, server.with_context(|| socket.display().to_string())?, time))
}

/// Says what ended a build, and where there is no room if it is that.
fn tell(error: &anyhow::Error, area: &Area, onward: &str, logs: &Logs<'_>) {
    logs.error(&super::run::told(error));
    let places = super::run::written(area);
    if let Some(line) = room::lacking("the build", error, &places, None, onward) {
        logs.error(&line);
    }
}

/// Says what is built and where, and opens the logs.
fn begin(
    manifest: &Manifest,
    area: &Area,
    (resume, pause): (Option<usize>, Option<usize>),
    paths: &[PathBuf; 2],
    logs: &Logs<'_>,
) -> Result<()> {
    let [simple, detail] = paths.each_ref().map(|path| path.display());
    let image = &manifest.image;
    if image.form == Form::Dc {
        let name = |step: usize| &image.steps[step].name;
        if let Some(step) = resume {
            logs.note(&format!("distro_const will resume from:  {}", name(step)));
        }
        if let Some(step) = pause {
            logs.note(&format!("distro_const will pause at:  {}", name(step)));
        }
        logs.info("Build datasets successfully setup");
        logs.info(&format!("Simple log: {simple}"));
        logs.info(&format!("Detail Log: {detail}"));
        logs.open(paths)?;
        logs.debug(&match &image.http_proxy {
            Some(proxy) => format!("Setting http_proxy to {proxy}"),
            None => "No http_proxy specified in the manifest".to_owned(),
        });
        for step in &image.steps {
            logs.debug(&format!("Registering Checkpoint:  {}", step.name));
        }
        return Ok(());
    }
    logs.info(&format!("Simple Log: {simple}"));
    logs.info(&format!("Detail Log: {detail}"));
    logs.open(paths)?;
    logs.info(&format!("Build started {}", ctime()));
    logs.info(&format!("Distribution name: {}", image.name));
    if let BackEnd::Zfs { dataset } = area.back_end() {
        logs.info(&format!("Build Area dataset: {dataset}"));
    }
    logs.info(&format!("Build Area mount point: {}", area.root().display()));
    Ok(())
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

/// The local time, as asctime(3C) prints it.
fn ctime() -> String {
    Zoned::now().strftime("%a %b %e %H:%M:%S %Y").to_string()
}
