//! run.rs - the steps, one after the other, each with a checkpoint before it.
//!
//! Law: a checkpoint is taken before its step runs and never again.  Going on from a step means
//! going back to its checkpoint first, so a step that was killed begins as it began before.  A
//! build that goes on from no step uses what is there of the same ids, and begins anew otherwise:
//! with the packages of the last build, where it filled an image.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use image_checkpoint::{Area, Id, Step as Name, Writer};
use image_manifest::{Checked, Form, Image, Native, Step};
use image_rooted::removal;
use jiff::Zoned;

use super::logs::Logs;
use super::media::{self, Makers};
use super::script::{self, Scripts};
use super::times::Times;
use super::{complete, ids, lines, room};
use crate::evidence::{self, Ahead, Subject};
use crate::steps::{self, Places, Work, World};

/// A build.
pub struct Build<'a> {
    /// The manifest.
    pub checked: &'a Checked,
    /// Its file.
    pub manifest: &'a Path,
    /// Its text, for the checkpoints.
    pub text: &'a [u8],
    /// The model of it.
    pub image: &'a Image,
    /// The world.
    pub world: &'a World<'a>,
    /// What scripts run with.
    pub scripts: Scripts<'a>,
    /// What a step to go on from means.
    pub going: Going,
    /// Who hears of it.
    pub logs: &'a Logs<'a>,
}

/// What a step to go on from means where the state before it is no longer what it would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// What was said: results may be indeterminate.
    AsTold,
    /// From the first step that changed, if that is earlier.
    AsItIs,
}

/// How a build came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done.
    Done,
    /// It stopped before this step, as was asked for.
    Paused(usize),
    /// A step failed; with stop_on_error it was the last.
    Failed(usize),
}

/// A step that failed.
struct Failure<'a> {
    step: &'a Step,
    /// Why, line by line.
    why: Vec<String>,
}

/// Where a build begins.
struct From {
    step: usize,
    /// The state before it.
    id: Id,
    /// Whether that step has its checkpoint already.
    has_checkpoint: bool,
}

impl<'a> Build<'a> {
    /// Runs the steps from `resume` (none: all of them) to the one before `pause`.
    pub fn run(
        &self,
        area: &mut Area,
        resume: Option<usize>,
        pause: Option<usize>,
    ) -> Result<Ended> {
        let resume = match (self.going, resume) {
            (Going::AsItIs, Some(step)) => {
                let same = self.same(area, &self.states()?)?;
                same.checked_sub(1).map(|last| last.min(step))
            }
            (_, resume) => resume,
        };
        let from = match resume {
            Some(step) => match self.go_back(area, step) {
                Ok(from) => from,
                Err(error) => {
                    let failure = self.explain(&error, &self.image.steps[step], area);
                    self.conclude(&[failure]);
                    return Ok(Ended::Failed(step));
                }
            },
            None => match self.begin(area, pause)? {
                Some(from) => from,
                None => return Ok(Ended::Done),
            },
        };
        complete::forget(area.root())?;
        evidence::forget(area.media(), &self.image.name)?;
        let mut failures = Vec::new();
        let ended = self.steps(area, from, pause, &mut failures);
        self.logs.say_as(None);
        self.conclude(&failures);
        let ended = ended?;
        match ended {
            // What is made is on the disk; of the way to it the rest gets there by itself.
            Ended::Done => area.tidy()?,
            // Somebody may look into it now, and write.
            Ended::Paused(_) | Ended::Failed(_) => {
                area.harden()?;
                area.settle()?;
            }
        }
        Ok(ended)
    }

    fn name(&self, step: usize) -> Result<Name> {
        let name = &self.image.steps[step].name;
        Name::new(name).with_context(|| format!("step {name}"))
    }

    fn go_back(&self, area: &mut Area, step: usize) -> Result<From> {
        let name = self.name(step)?;
        area.rollback(&name)?;
        let checkpoint = area.checkpoints().iter().find(|made| made.step == name);
        let id = checkpoint.map(|made| made.id.clone()).context("the checkpoint is gone")?;
        Ok(From { step, id, has_checkpoint: true })
    }

    /// Where a build of everything begins; none: everything is there.
    fn begin(&self, area: &mut Area, pause: Option<usize>) -> Result<Option<From>> {
        let first = ids::first()?;
        // Without any trace of an earlier build there is nothing to compare with.
        if area.checkpoints().is_empty() && !area.root().join(".complete").exists() {
            area.clear()?;
            return Ok(Some(From { step: 0, id: first, has_checkpoint: false }));
        }
        let states = self.states()?;
        if let (None, Some(last)) = (pause, states.last()) {
            if complete::is_there(area.root(), area.media(), last)? {
                self.logs.info("Everything is there: nothing has changed since the last build.");
                let steps = self.image.steps.iter().zip(states.iter().skip(1));
                let steps = steps.map(|(step, id)| (step.name.clone(), id.to_string()));
                self.evidence(area, &steps.collect::<Vec<_>>(), last, &Ahead::default())?;
                return Ok(None);
            }
        }
        let same = self.same(area, &states)?;
        // A step before which to pause is never passed over.
        let same = pause.map_or(same, |pause| same.min(pause + 1));
        spare_archive(&Places::of(area))?;
        let Some(step) = same.checked_sub(1).filter(|step| *step > 0) else {
            return self.begin_anew(area, first, same > 0).map(Some);
        };
        let names: Vec<&str> =
            self.image.steps[..step].iter().map(|step| step.name.as_str()).collect();
        self.logs.info(&format!("Unchanged since the last build: {}", names.join(" ")));
        self.go_back(area, step).map(Some)
    }

    /// The state before each step and after the last, by what each reads now.
    fn states(&self) -> Result<Vec<Id>> {
        let mut base = ids::first()?;
        let mut states = vec![base.clone()];
        for step in &self.image.steps {
            base = ids::after(&base, step, self.checked, self.world)?;
            states.push(base.clone());
        }
        Ok(states)
    }

    /// How many of the first checkpoints are of these states, and so can be begun with.
    fn same(&self, area: &Area, states: &[Id]) -> Result<usize> {
        // Without checkpoints what is there was made by a build that had them.
        if !self.image.flags.checkpoints {
            return Ok(0);
        }
        let made = area.checkpoints().iter().zip(&self.image.steps).zip(states);
        let same = made
            .take_while(|((made, step), id)| made.step.as_str() == step.name && made.id == **id)
            .count();
        // A step whose media are not as it left them is not passed over.
        let left = Makers::of(area.root()).unchanged(&self.image.steps, area.media())?;
        Ok(same.min(left + 1))
    }

    /// All steps are run.  If the first fills the image, it begins with the image of the last build
    /// where there is one; `is_known` tells that the state before it is one of this program.
    fn begin_anew(&self, area: &mut Area, first: Id, is_known: bool) -> Result<From> {
        let fills = self.image.steps.first().is_some_and(|one| one.native == Some(Native::ImPop));
        if is_known && fills {
            let own = self.name(0)?;
            let filled = self.image.steps.get(1).map(|_| self.name(1)).transpose()?;
            let made: Vec<&Name> = area.checkpoints().iter().map(|made| &made.step).collect();
            let restarted = match made.as_slice() {
                // A build that began so was killed.
                [_] => true,
                [_, next, ..] if Some(*next) == filled.as_ref() => {
                    let next = (*next).clone();
                    area.restart(&next, &own, &first, self.text)?
                }
                _ => false,
            };
            if restarted {
                return self.go_back(area, 0);
            }
        }
        area.clear()?;
        Ok(From { step: 0, id: first, has_checkpoint: false })
    }

    fn steps(
        &self,
        area: &mut Area,
        from: From,
        pause: Option<usize>,
        failures: &mut Vec<Failure<'a>>,
    ) -> Result<Ended> {
        let places = Places::of(area);
        let ahead = Ahead::default();
        let (mut id, mut failed) = (from.id, None);
        let mut made = self.earlier(area, from.step);
        let mut times = Times::of(area.root());
        let mut makers = Makers::of(area.root());
        for (number, step) in self.image.steps.iter().enumerate().skip(from.step) {
            let kept = from.has_checkpoint && number == from.step;
            let is_last = pause == Some(number);
            if self.image.flags.checkpoints && !kept {
                if let Err(error) = self.keep(area, number, is_last, &id) {
                    failures.push(self.explain(&error, step, area));
                    return Ok(Ended::Failed(number));
                }
            }
            if step.native.is_none() {
                area.harden()?;
            }
            if is_last {
                self.logs.info(&lines::stopped(step));
                return Ok(Ended::Paused(number));
            }
            let (begun, before) = (Instant::now(), media::list(&places.media)?);
            let next = match self.step(step, &places, &ahead, &id) {
                Ok(next) => {
                    times.keep(&step.name, begun.elapsed());
                    makers.keep(&step.name, &before, &places.media)?;
                    next
                }
                Err(error) => {
                    failures.push(self.explain(&error, step, area));
                    failed = failed.or(Some(number));
                    let cancelled = self.scripts.cancel.is_set();
                    if self.image.flags.stop_on_error || step.built_in || cancelled {
                        return Ok(Ended::Failed(number));
                    }
                    ids::after_failure(&id, step)?
                }
            };
            id = next;
            made.push((step.name.clone(), id.to_string()));
        }
        if let Some(number) = failed {
            return Ok(Ended::Failed(number));
        }
        self.logs.say_as(None);
        self.evidence(area, &made, &id, &ahead)?;
        complete::keep(area.root(), area.media(), &id)?;
        Ok(Ended::Done)
    }

    /// Takes the checkpoint before a step.
    fn keep(&self, area: &mut Area, number: usize, pauses: bool, id: &Id) -> Result<()> {
        let step = &self.image.steps[number];
        let next = match step.native {
            Some(Native::ImPop) => Writer::Any,
            _ if pauses => Writer::Any,
            // What the first step fills is moved and dressed by the next build's.
            Some(_) if number == 1 => Writer::KnownFirst,
            Some(_) => Writer::Known,
            None => Writer::Any,
        };
        let taken = area.checkpoint_for(next, &self.name(number)?, id, self.text);
        taken.map(|_| ()).with_context(|| format!("checkpoint of step {}", step.name))
    }

    /// The steps before a build's first one with the states that they led to: the checkpoints of
    /// the steps that followed them.
    fn earlier(&self, area: &Area, first: usize) -> Vec<(String, String)> {
        let led_to = area.checkpoints().iter().skip(1);
        let steps = self.image.steps[..first].iter().zip(led_to);
        steps.map(|(step, next)| (step.name.clone(), next.id.to_string())).collect()
    }

    /// Writes what is in the media, unless it is there as it is wanted.
    fn evidence(
        &self,
        area: &Area,
        steps: &[(String, String)],
        last: &Id,
        ahead: &Ahead,
    ) -> Result<()> {
        let Some(step) = self.image.steps.last() else { return Ok(()) };
        let (places, world) = (Places::of(area), self.world);
        let there = complete::is_there(area.root(), area.media(), last)?;
        if there && evidence::are_there(&places.media, &self.image.name, world.evidence) {
            return Ok(());
        }
        let id = last.as_str();
        let (image, logs) = (self.image, self.logs);
        let work = Work { image, step, places: &places, id, world, ahead, logs };
        let subject = Subject { manifest: self.manifest, text: self.text, steps };
        evidence::write(&work, &subject).context("the evidence of the build")?;
        if there {
            complete::keep(area.root(), area.media(), last)?;
        }
        Ok(())
    }

    /// Says why a step failed, and where there is no room if it is that.
    fn explain(&self, error: &anyhow::Error, step: &'a Step, area: &Area) -> Failure<'a> {
        let takes = room::takes(step.native, &Places::of(area));
        let who = format!("step {}", step.name);
        let onward = room::onward(self.image.form, self.going, Some(&step.name));
        let room = room::lacking(&who, error, &written(area), takes, &onward);
        let why: Vec<String> = std::iter::once(told(error)).chain(room).collect();
        match self.image.form {
            Form::Dc => self.logs.complain(&format!(
                "Error occurred during execution of '{}' checkpoint.",
                step.name
            )),
            Form::Distribution | Form::Distribution2009 => {
                why.iter().for_each(|line| self.logs.error(line));
            }
        }
        Failure { step, why }
    }

    /// Says at the end what failed; the older form has said it when it did.
    fn conclude(&self, failures: &[Failure<'_>]) {
        if self.image.form != Form::Dc {
            return;
        }
        for Failure { step, why } in failures {
            self.logs.info(&format!("'{}' checkpoint failed", step.name));
            why.iter().for_each(|line| self.logs.cause(line));
        }
    }

    /// Says that a step begins, and runs it; gives the state it leads to.
    fn step(&self, step: &Step, places: &Places, ahead: &Ahead, base: &Id) -> Result<Id> {
        self.logs.say_as(Some(&step.name));
        self.logs.info(&lines::begun(self.image.form, step));
        // Who watches sees the step, also one that tells nothing of how far it is.
        (self.world.progress)(&step.name, 0, 0, "");
        if self.scripts.cancel.is_set() {
            anyhow::bail!("no longer wanted");
        }
        let id = ids::after(base, step, self.checked, self.world)?;
        let work = Work {
            image: self.image,
            step,
            places,
            id: id.as_str(),
            world: self.world,
            ahead,
            logs: self.logs,
        };
        match step.native {
            Some(native) => self.native(native, &work)?,
            None => script::run(&work, &self.scripts)?,
        }
        match self.logs.broken() {
            Some(broken) => anyhow::bail!("{broken}"),
            None => Ok(id),
        }
    }

    /// A step that is built in; the medium that it makes may be called by its time.
    fn native(&self, native: Native, work: &Work<'_>) -> Result<()> {
        let (folder, name) = (&work.places.media, &self.image.name);
        let stamp = self.image.add_timestamp.then(|| media::stamp(&Zoned::now()));
        let making = media::making(native, folder, name, stamp.as_deref());
        if let (Form::Dc, Some(line)) = (self.image.form, making) {
            self.logs.info(&line);
        }
        steps::run(native, work)?;
        match stamp {
            Some(stamp) => media::name_by_time(native, folder, name, &stamp),
            None => Ok(()),
        }
    }
}

/// Moves the last build's boot archive to where a rollback finds it, or ba-init.
fn spare_archive(places: &Places) -> Result<()> {
    let (archive, spare) = (&places.boot_archive, places.spare_archive());
    let named = || archive.display().to_string();
    if !std::fs::symlink_metadata(archive).is_ok_and(|about| about.is_dir()) {
        return Ok(());
    }
    removal::remove(&spare).with_context(|| spare.display().to_string())?;
    match std::fs::rename(archive, &spare) {
        // In a snapshot of its own a rollback gives it back at no cost.
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => Ok(()),
        moved => moved.with_context(named),
    }
}

/// The places that a build writes.
pub(super) fn written(area: &Area) -> [&Path; 4] {
    [area.build_data(), area.media(), area.root(), area.logs()]
}

/// An error with its causes, each once.
pub(super) fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}
