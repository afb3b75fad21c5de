//! script.rs - a finalizer script of the user's own, in any language.
//!
//! ```text
//! SCRIPT SOCKET PKG_IMAGE TMP BOOT_ARCHIVE MEDIA [ARGSLIST...]
//! standard output → detail log      standard error → console and both logs
//! status 0: done; anything else: failed
//! ```
//!
//! It runs contained: when it has ended, all it started has.  What it may write is the area; on
//! hosts with mount namespaces anything else is refused by the system.  What it did to the two
//! roots, owners and modes included, is in their tables afterwards.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use image_manifest::{Form, Image, Step};
use image_rooted::script::Script;
use process::{Cancel, Ended, Ledger};

use super::kit::Kit;
use super::logs::Logs;
use crate::steps::Work;

/// Most bytes of each stream of a script in the logs.
const LOGGED: usize = 16 << 20;
/// What a line costs at least: a million empty ones are too many, too.
const LINE: usize = 64;
/// The last lines are heard whatever came before them: they say why it failed.
const LAST: usize = 10;

/// What scripts run with.
pub struct Scripts<'a> {
    /// The socket at which they ask for the manifest.
    pub socket: &'a Path,
    /// What those find that were written for the original.
    pub kit: &'a Kit,
    /// How long one may take; none: as long as it likes.
    pub time: Option<Duration>,
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

/// The key of the seconds that one script may take.
const TIMEOUT: &str = "script_timeout";

/// How long a manifest lets one script take: its pair, in the newer form an argument of any
/// checkpoint; 0 is as long as it likes.
pub fn time(image: &Image) -> Result<Option<Duration>> {
    let argument = || image.steps.iter().find_map(|step| step.argument(TIMEOUT));
    let text = image.pairs.get(TIMEOUT).map(String::as_str).or_else(argument);
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let seconds: u64 = text.parse().with_context(|| format!("{TIMEOUT}: \"{text}\""))?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

/// Runs the script of a step.
pub fn run(work: &Work<'_>, scripts: &Scripts<'_>) -> Result<()> {
    std::fs::create_dir_all(&work.places.tmp)
        .with_context(|| work.places.tmp.display().to_string())?;
    let (mut root, mut archive) = (work.root()?, work.archive()?);
    for rooted in [&root, &archive] {
        rooted.show()?;
    }
    let before = (root.look()?, archive.look()?);
    let command = command(work, scripts)?;
    match work.image.form {
        Form::Dc => {
            let provided = std::iter::once(&work.step.script).chain(&work.step.arguments);
            let provided: Vec<&str> = provided.map(String::as_str).collect();
            work.logs.info(&format!("Custom Script provided is: '{}'", provided.join(" ")));
            work.logs.info(&format!("Custom Script to run is: '{}'", command.join(" ")));
        }
        Form::Distribution | Form::Distribution2009 => {
            work.logs.debug(&format!("exec command: {}", command.join(" ")));
        }
    }
    let ledger = Arc::default();
    root.tell(&ledger)?;
    archive.tell(&ledger)?;
    let ended = heard(work, scripts, &command, &ledger)?;
    let ended = outcome(ended, &work.step.script);
    // Also of one that failed: stop_on_error may say to go on.
    let mut take_over = || -> Result<()> {
        root.reconcile_by(&before.0, &ledger)?;
        root.save()?;
        archive.reconcile_by(&before.1, &ledger)?;
        Ok(archive.save()?)
    };
    match (ended, take_over()) {
        (Err(error), Err(later)) => {
            // One may be the cause of the other.
            work.logs.error(&format!("{later:#}"));
            Err(error)
        }
        (ended, taken) => ended.and(taken),
    }
}

fn outcome(ended: Ended, script: &str) -> Result<()> {
    match ended {
        Ended::Exited(0) => Ok(()),
        Ended::Exited(status) => bail!("Child returned err {status}"),
        Ended::Signalled(signal) => bail!("Child was terminated by signal {signal}"),
        Ended::TimedOut => bail!("{script}: took too long and was ended"),
        Ended::Cancelled | Ended::Stopped => bail!("{script}: no longer wanted"),
    }
}

fn command(work: &Work<'_>, scripts: &Scripts<'_>) -> Result<Vec<String>> {
    let places = work.places;
    let words: Vec<String> = if work.image.form == Form::Dc {
        custom_command(work.step, work)
    } else {
        let standard =
            [scripts.socket, &places.pkg_image, &places.tmp, &places.boot_archive, &places.media];
        let standard = standard.map(|path| path.display().to_string());
        std::iter::once(work.step.script.clone())
            .chain(standard)
            .chain(work.step.arguments.iter().cloned())
            .collect()
    };
    if words.is_empty() { bail!("{}: an empty command", work.step.name) } else { Ok(words) }
}

/// The command of the newer form, its tokens replaced.
fn custom_command(step: &Step, work: &Work<'_>) -> Vec<String> {
    let places = work.places;
    let replace = |word: &str| {
        [
            ("{PKG_IMAGE_PATH}", &places.pkg_image),
            ("{BOOT_ARCHIVE}", &places.boot_archive),
            ("{BUILD_DATA}", &places.build_data),
        ]
        .iter()
        .fold(word.to_string(), |word, (token, path)| {
            word.replace(token, &path.display().to_string())
        })
    };
    let words = step.script.split_whitespace().map(replace);
    words.chain(step.arguments.iter().map(|word| replace(word))).collect()
}

fn heard(
    work: &Work<'_>,
    scripts: &Scripts<'_>,
    command: &[String],
    ledger: &Arc<Ledger>,
) -> Result<Ended> {
    let logs: &Logs<'_> = work.logs;
    let mut environment = vec![
        ("TMPDIR", work.places.tmp.display().to_string()),
        ("SOURCE_DATE_EPOCH", work.facts()?.time.to_string()),
        ("PYTHONPATH", scripts.kit.python().display().to_string()),
    ];
    if let Some(proxy) = &work.image.http_proxy {
        environment.extend(["http_proxy", "HTTP_PROXY"].map(|name| (name, proxy.clone())));
    }
    let script = Script {
        command,
        environment: &environment,
        directory: None,
        confinement: confinement(work, scripts),
        time: scripts.time,
        cancel: scripts.cancel,
    };
    let mut heard = [Heard::new("output"), Heard::new("error")];
    let [of_out, of_err] = &mut heard;
    let ended = script.run_by(
        ledger,
        &mut |line| of_out.line(line, &|line| logs.debug(line)),
        &mut |line| of_err.line(line, &|line| logs.error(line)),
    );
    of_out.end(&|line| logs.debug(line));
    of_err.end(&|line| logs.error(line));
    Ok(ended?)
}

/// What was heard of a stream.
struct Heard {
    name: &'static str,
    left: usize,
    /// The last of the lines that were passed over.
    last: VecDeque<String>,
    passed: usize,
}

impl Heard {
    fn new(name: &'static str) -> Self {
        Self { name, left: LOGGED, last: VecDeque::new(), passed: 0 }
    }

    fn line(&mut self, line: &str, log: &dyn Fn(&str)) {
        let cost = line.len().max(LINE);
        if self.passed == 0 && cost <= self.left {
            self.left -= cost;
            return log(line);
        }
        self.passed += 1;
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }

    fn end(&mut self, log: &dyn Fn(&str)) {
        let lost = self.passed - self.last.len();
        if lost > 0 {
            log(&format!("({lost} lines of its standard {} are not kept)", self.name));
        }
        self.last.drain(..).for_each(|line| log(&line));
    }
}

/// What a script may write, and what it must find below /tmp, which is its own.
fn confinement(work: &Work<'_>, scripts: &Scripts<'_>) -> process::Confinement {
    let build_data = &work.places.build_data;
    let writable: Vec<PathBuf> = vec![build_data.clone(), work.places.media.clone()];
    let script = Path::new(&work.step.script).parent().map(Path::to_path_buf);
    let readable = script.into_iter().chain(scripts.kit.readable()).collect();
    process::Confinement { writable, readable, shown: scripts.kit.shown() }
}
