//! build.rs - one step is built: the environment it gets, the programs that run, its log, its
//! stamp, and what is said when it fails.
//!
//! | variable | value |
//! |---|---|
//! | DESTDIR, ROOT, PROTO_ILLUMOS | the proto area |
//! | CODEMGR_WS, the working directory | the source |
//! | ONBLD | the tools that the gate left in the proto area |
//! | BUILDSTAMP, SOURCE_DATE_EPOCH | the world's one time |
//! | LAMPLIGHTER_PREFIX; PATH | where Lamplighter is; its commands first |
//! | MAX_JOBS, DMAKE_MAX_JOBS | how many jobs |
//! | LC_ALL, TZ | C, UTC |
//!
//! The log of a step is `log/world.STEP.BUILDSTAMP.log`, made anew each time.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use process::{Cancel, Complaint, Ended, Limits, ProcessError, Program};
use stage::output::write_beside;

use crate::steps::Step;
use live_manifest::Stamp;

use crate::{Workspace, environment, nightly};

/// Copies a tree with its hard links.  A pipeline's status is that of its end alone.
const COPY: &str = r#"
rm -f "$3"
{ (cd "$1" && tar cf - .) || : >"$3"; } | (cd "$2" && tar xpf -) || exit 1
[ ! -e "$3" ] || { rm -f "$3"; exit 1; }
"#;

/// Why a step was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// configure was not run.
    #[error("build.env: {0}: run ./configure first")]
    NotConfigured(String),
    /// The source is not there any more.
    #[error("{}: is not there: run ./configure", .0.display())]
    Absent(PathBuf),
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program did not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It ran, and failed.
    #[error("{step}: {reason}; log: {}", log.display())]
    Failed {
        /// The step.
        step: String,
        /// The first error.
        reason: String,
        /// Where everything is.
        log: PathBuf,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BuildError + '_ {
    |source| BuildError::File { path: path.to_owned(), source }
}

/// Who builds.
#[derive(Debug)]
pub struct Builder<'a> {
    workspace: &'a Workspace,
    build_env: String,
    settings: Settings<'a>,
}

/// How to build.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The world's one time.
    pub stamp: Stamp,
    /// How many jobs.
    pub jobs: usize,
    /// Where programs are looked for.
    pub path: String,
    /// Until when.
    pub cancel: &'a Cancel,
}

/// One program of a step.
struct Command {
    program: String,
    words: Vec<String>,
}

impl Command {
    fn new(program: &str, words: &[&str]) -> Command {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Command { program: program.to_owned(), words }
    }
}

impl<'a> Builder<'a> {
    /// Of a workspace that is configured.
    ///
    /// # Errors
    /// It is not.
    pub fn new(workspace: &'a Workspace, settings: Settings<'a>) -> Result<Self, BuildError> {
        let build_env = fs::read_to_string(workspace.path("build.env"))
            .map_err(|error| BuildError::NotConfigured(error.to_string()))?;
        Ok(Builder { workspace, build_env, settings })
    }

    fn value(&self, name: &str) -> Option<&str> {
        environment::value(&self.build_env, name)
    }

    /// Builds a step and stamps it.  `say` hears how it goes.
    ///
    /// # Errors
    /// It fails; then there is no stamp.
    pub fn build(&self, step: &Step, say: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
        let name = step.name();
        let stamp = self.workspace.stamp(&name);
        // From here on what the stamp says is not true.
        match fs::remove_file(&stamp) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&stamp)(error)),
            Ok(()) | Err(_) => {}
        }
        let (place, commands) = self.commands(step)?;
        let log = self.workspace.path("log");
        let log = log.join(format!("world.{name}.{}.log", self.settings.stamp.text()));
        say(&format!("{name}: building; log: {}", log.display()));
        let began = Instant::now();
        let mut file = File::create(&log).map_err(at(&log))?;
        // By the clock of files, which may be a moment behind.
        let since = file.metadata().and_then(|about| about.modified()).map_err(at(&log))?;
        for command in &commands {
            let reason = self.run(command, &place, (&log, &mut file), &name, say)?;
            if let Some(reason) = reason {
                let reason = self.reason(step, &place, since, reason, say);
                return Err(BuildError::Failed { step: name, reason, log });
            }
        }
        file.sync_all().map_err(at(&log))?;
        let text = format!("{}\n", self.settings.stamp.text());
        write_beside(&stamp, text.as_bytes()).map_err(at(&stamp))?;
        say(&format!("{name}: done ({} s)", began.elapsed().as_secs()));
        Ok(())
    }

    /// Runs one program; why it failed.
    fn run(
        &self,
        command: &Command,
        place: &Path,
        (log, file): (&Path, &mut File),
        name: &str,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<String>, BuildError> {
        let mut complaint = Complaint::default();
        let mut written = writeln!(file, "+ {} {}", command.program, command.words.join(" "));
        let mut program = Program::new(&command.program).args(&command.words).directory(place);
        for (name, value) in self.environment(place) {
            program = program.env(name, value);
        }
        let program = program.pass(&["HOME", "LOGNAME", "USER", "TMPDIR"]);
        let ended = program.run_lines(&Limits::until(self.settings.cancel), &mut |line| {
            if written.is_ok() {
                written = writeln!(file, "{line}");
            }
            complaint.hear(line);
            if line.starts_with("==== ") {
                say(&format!("{name}: {}", line.trim_matches(['=', ' '])));
            }
        })?;
        // A log that lacks its end hides what a build complained of.
        written.map_err(at(log))?;
        let said = complaint.text().map(str::to_owned);
        match ended {
            Ended::Exited(0) => Ok(None),
            Ended::Exited(_) | Ended::Signalled(_) => {
                Ok(Some(said.unwrap_or_else(|| format!("{} {ended}", command.program))))
            }
            Ended::Stopped | Ended::TimedOut | Ended::Cancelled => {
                Ok(Some(format!("{} {ended}", command.program)))
            }
        }
    }

    /// The first error, of nightly's own logs where there are any.
    fn reason(
        &self,
        step: &Step,
        place: &Path,
        since: SystemTime,
        heard: String,
        say: &mut dyn FnMut(&str),
    ) -> String {
        if *step != Step::Illumos || self.settings.cancel.is_set() {
            return heard;
        }
        let Some(logs) = nightly::newest(&place.join("log"), since) else { return heard };
        say(&format!("illumos: nightly's logs: {}", logs.display()));
        let mail = fs::read(logs.join("mail_msg")).unwrap_or_default();
        let told = nightly::told(&String::from_utf8_lossy(&mail));
        told.map_or(heard, |told| format!("{} ({})", told.line, told.section))
    }

    fn environment(&self, place: &Path) -> Vec<(&'static str, String)> {
        let Settings { stamp, jobs, path, .. } = &self.settings;
        let mut all = environment::surroundings(&self.build_env, &self.workspace.proto(), path);
        all.extend([
            ("CODEMGR_WS", place.display().to_string()),
            ("BUILDSTAMP", stamp.text().to_owned()),
            ("SOURCE_DATE_EPOCH", stamp.seconds().to_string()),
            ("MAX_JOBS", jobs.to_string()),
            ("DMAKE_MAX_JOBS", jobs.to_string()),
        ]);
        all
    }

    /// Where a step runs, and what.
    fn commands(&self, step: &Step) -> Result<(PathBuf, Vec<Command>), BuildError> {
        let below = match step {
            Step::Illumos => return self.illumos(),
            Step::Extra => format!("projects/{}", self.workspace.extra_name()),
            Step::Local(name) => format!("projects/local/{name}"),
            Step::Livesrc => "src".to_owned(),
        };
        let place = self.workspace.path(&below);
        let place = place.canonicalize().map_err(|_| BuildError::Absent(place))?;
        let make = self.value("GNUMAKE").unwrap_or("make");
        let destination = format!("DESTDIR={}", self.workspace.proto().display());
        let jobs = format!("-j{}", self.settings.jobs);
        let all = Command::new(make, &[&jobs, "--no-print-directory", &destination]);
        let install = Command::new(make, &["--no-print-directory", &destination, "install"]);
        Ok((place, vec![all, install]))
    }

    /// The gate: taken as it was built elsewhere, or nightly, after what nightly needs.
    fn illumos(&self) -> Result<(PathBuf, Vec<Command>), BuildError> {
        if let Some(proto) = self.value("ILLUMOS_PROTO") {
            let to = self.workspace.proto().display().to_string();
            let failed = self.workspace.path("log/proto.failed").display().to_string();
            let words = ["-c", COPY, "copy", proto, &to, &failed];
            return Ok((self.workspace.top().to_owned(), vec![Command::new("sh", &words)]));
        }
        let gate = self.workspace.illumos();
        let place = gate.canonicalize().map_err(|_| BuildError::Absent(gate))?;
        let tool = |name: &str| {
            let all = [name.to_owned(), format!("{name}.sh")];
            let scripts = all.map(|name| format!("usr/src/tools/scripts/{name}"));
            scripts.into_iter().find(|script| place.join(script).is_file())
        };
        let script = tool("nightly");
        let script = script
            .ok_or_else(|| BuildError::Absent(place.join("usr/src/tools/scripts/nightly")))?;
        let mut commands = Vec::new();
        if let Some(bldenv) = tool("bldenv") {
            let setup = "cd \"$SRC\" && dmake setup && cd tools && dmake install";
            let words = [bldenv.as_str(), "illumos.sh", setup];
            commands.push(Command::new(&interpreter(&place.join(&bldenv)), &words));
        }
        let words = [script.as_str(), "illumos.sh"];
        commands.push(Command::new(&interpreter(&place.join(&script)), &words));
        Ok((place, commands))
    }
}

/// What a script is for.
fn interpreter(script: &Path) -> String {
    let text = fs::read(script).unwrap_or_default();
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let named = first.strip_prefix("#!").and_then(|rest| rest.split_whitespace().next());
    named.unwrap_or("/bin/sh").to_owned()
}
