//! stage.rs - a stage at work: its place, properties, inputs, recipe and end.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use process::Cancel;

use crate::collect::{Collecting, Retention};
use crate::durations;
use crate::lock::Lock;
use crate::output::{Input, Outputs, Stamp, remove_tree};
use crate::progress::Progress;
use crate::properties::Properties;
use crate::recipe::Recipe;
use crate::run::{self, Failure};
use crate::smf::{self, Smf};
use crate::tree::StatCache;
use crate::watch::Wish;

/// The version of all stages; another one makes other outputs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A stage that holds its lock.
#[derive(Debug)]
pub struct Stage {
    smf: Smf,
    directory: PathBuf,
    properties: Properties,
    wish: Wish,
    progress: Progress,
    began: Instant,
    _lock: Lock,
}

/// What came of the work, for the stamp.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// What came out, by name: digests of contents, counts, names of media.
    pub outputs: BTreeMap<String, String>,
    /// The time of the sources, earlier stages included.
    pub source_date: Option<i64>,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Failure + '_ {
    |source| Failure::of(&crate::output::OutputError::File { path: path.to_owned(), source })
}

impl Stage {
    /// Takes the stage over: lock, properties, an empty `work`.
    ///
    /// # Errors
    /// Its directory cannot be written, or SMF does not answer.
    pub fn open(kind: &str, smf: Smf, wish: Wish) -> Result<Stage, Failure> {
        let directory = smf.root.join("var/lamplighter").join(kind).join(&smf.instance);
        fs::create_dir_all(&directory).map_err(at(&directory))?;
        let lock = directory.join("lock");
        let lock = Lock::take(&lock, wish.cancel()).map_err(at(&lock))?;
        let properties = smf.properties()?;
        let progress = Progress::of(&directory);
        let stage = Stage {
            smf,
            directory,
            properties,
            wish,
            progress,
            began: Instant::now(),
            _lock: lock,
        };
        for name in ["work", "scratch"] {
            let path = stage.directory.join(name);
            remove_tree(&path).map_err(at(&path))?;
            fs::create_dir(&path).map_err(at(&path))?;
        }
        Ok(stage)
    }

    /// The short name: `builder:illumos`.
    #[must_use]
    pub fn name(&self) -> String {
        self.smf.name()
    }

    /// Its place in SMF.
    #[must_use]
    pub fn smf(&self) -> &Smf {
        &self.smf
    }

    /// Its properties.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// DIR: `$SMF_ROOT/var/lamplighter/builder/illumos`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the output is made: DIR/work, empty at first.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.directory.join("work")
    }

    /// For what is not part of the output: DIR/scratch, empty at first, gone after `finish`; what a
    /// failure left stays to be looked at, until the next run.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.directory.join("scratch")
    }

    /// The directory of another stage: `builder/illumos`, `merger/default`.
    #[must_use]
    pub fn beside(&self, stage: &str) -> PathBuf {
        self.smf.root.join("var/lamplighter").join(stage)
    }

    /// The install prefix: this program is PREFIX/lib/lamplighter/NAME.
    ///
    /// # Errors
    /// The program's own path is not known.
    pub fn prefix(&self) -> Result<PathBuf, Failure> {
        let program = std::env::current_exe().map_err(|error| Failure::of(&error))?;
        let prefix = program.ancestors().nth(3);
        Ok(prefix.map_or_else(|| PathBuf::from("/"), Path::to_path_buf))
    }

    /// The wish to stop, for tools and long work.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        self.wish.cancel()
    }

    /// Fails when the work is no longer wanted.
    ///
    /// # Errors
    /// It is not.
    pub fn check_wanted(&self) -> Result<(), Failure> {
        if self.cancel().is_set() { Err(Failure::fatal("no longer wanted")) } else { Ok(()) }
    }

    /// A line of the log.
    pub fn log(&self, text: &str) {
        run::say(&self.name(), text);
    }

    /// Tells how far the work has come.
    pub fn progress(&self, phase: &str, done: u64, total: u64, item: &str) {
        self.progress.tell(phase, done, total, item);
    }

    /// The digests of files read before.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn stat_cache(&self) -> Result<StatCache, Failure> {
        Ok(StatCache::open(&self.directory.join("stat-cache"))?)
    }

    /// The instances of a service (`application/builder`) that this one requires, in order: the
    /// entities of its dependencies.
    #[must_use]
    pub fn required(&self, service: &str) -> Vec<String> {
        let prefix = format!("svc:/{service}:");
        let mut found = Vec::new();
        for entity in self.properties.entities() {
            let instance = entity.strip_prefix(&prefix).map(str::to_owned);
            found.extend(instance.filter(|instance| !found.contains(instance)));
        }
        found
    }

    /// The current output of another stage, held.
    ///
    /// # Errors
    /// It has none, or one without a complete stamp.
    pub fn input(&self, stage: &str) -> Result<Input, Failure> {
        Ok(Input::resolve(&self.beside(stage))?)
    }

    /// The current outputs of several stages, as they were at one instant, held.
    ///
    /// # Errors
    /// One has none, or one without a complete stamp.
    pub fn inputs(&self, stages: &[String]) -> Result<Vec<Input>, Failure> {
        let stages: Vec<PathBuf> = stages.iter().map(|stage| self.beside(stage)).collect();
        Ok(Input::resolve_all(&stages)?)
    }

    /// A recipe that holds this stage and its version.
    #[must_use]
    pub fn recipe(&self) -> Recipe {
        let mut recipe = Recipe::default();
        recipe.add("stage", self.name());
        recipe.add("version", VERSION);
        recipe
    }

    /// Whether the output of this recipe is there; then it is current, and the log says so.
    ///
    /// # Errors
    /// The link cannot be written.
    pub fn is_up_to_date(&self, recipe: &Recipe) -> Result<bool, Failure> {
        let digest = recipe.digest();
        let there = Outputs::of(&self.directory).reuse(&digest)?;
        if there {
            self.log(&format!("up to date (out/{digest})"));
        }
        Ok(there)
    }

    /// Makes DIR/work the current output, says so, and collects all but the newest `keep`.
    ///
    /// # Errors
    /// No longer wanted, or something cannot be written.
    pub fn finish(
        &self,
        recipe: &Recipe,
        made: Made,
        read: &[&Input],
        keep: u64,
    ) -> Result<PathBuf, Failure> {
        // Never online half-done, never done unwanted.
        self.check_wanted()?;
        let stamp = Stamp {
            stage: self.name(),
            version: VERSION.to_owned(),
            digest: recipe.digest(),
            inputs: recipe.inputs().clone(),
            outputs: made.outputs,
            read: read.iter().map(|i| (i.stamp().stage.clone(), i.digest().to_owned())).collect(),
            source_date: made.source_date,
        };
        let outputs = Outputs::of(&self.directory);
        let path = outputs.finish(&self.work(), &stamp)?;
        durations::add(&self.directory, self.began.elapsed());
        self.log(&format!("finished out/{}", stamp.digest));
        // What is done is done, even where something old cannot be removed.
        if let Err(error) = outputs.collect(&Retention::newest(keep), Collecting::Really) {
            self.log(&format!("old outputs stay: {error}"));
        }
        if let Err(error) = remove_tree(&self.scratch()) {
            self.log(&format!("{}: {error}", self.scratch().display()));
        }
        Ok(path)
    }

    /// Tells the depot that serves the output to look again.  A depot that is not there, or not
    /// enabled, needs no telling.
    pub fn refresh_depot(&self, fmri: &str) {
        if let Err(error) = smf::svcadm(&["refresh", fmri]) {
            self.log(&format!("{fmri} was not refreshed: {error}"));
        }
    }
}
