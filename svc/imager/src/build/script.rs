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

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use image_manifest::{Form, Step};
use image_rooted::script::Script;
use process::{Cancel, Ended};

use super::logs::Logs;
use crate::steps::Work;

/// Most bytes of one script's standard output in the detail log.
const LOGGED: u64 = 64 << 20;

/// What scripts run with.
pub struct Scripts<'a> {
    /// The socket at which they ask for the manifest.
    pub socket: &'a Path,
    /// How long one may take; none: as long as it likes.
    pub time: Option<Duration>,
    /// The wish to stop.
    pub cancel: &'a Cancel,
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
    work.logs.debug(&format!("exec command: {}", command.join(" ")));
    let ended = heard(work, scripts, &command)?;
    // Also of one that failed: stop_on_error may say to go on.
    root.reconcile(&before.0)?;
    root.save()?;
    archive.reconcile(&before.1)?;
    archive.save()?;
    match ended {
        Ended::Exited(0) => Ok(()),
        Ended::Exited(status) => bail!("Child returned err {status}"),
        Ended::Signalled(signal) => bail!("Child was terminated by signal {signal}"),
        Ended::TimedOut => bail!("{}: took too long and was ended", work.step.script),
        Ended::Cancelled | Ended::Stopped => bail!("{}: no longer wanted", work.step.script),
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

fn heard(work: &Work<'_>, scripts: &Scripts<'_>, command: &[String]) -> Result<Ended> {
    let logs: &Logs<'_> = work.logs;
    let script = Script {
        command,
        environment: &[
            ("TMPDIR", work.places.tmp.display().to_string()),
            ("SOURCE_DATE_EPOCH", work.facts()?.time.to_string()),
        ],
        directory: None,
        confinement: confinement(work, scripts),
        time: scripts.time,
        cancel: scripts.cancel,
    };
    let mut left = LOGGED;
    let mut debug = |line: &str| {
        let cost = line.len() as u64 + 1;
        if cost <= left {
            left -= cost;
            logs.debug(line);
        } else if left > 0 {
            left = 0;
            logs.debug("(the rest of its standard output is not kept)");
        }
    };
    Ok(script.run(&mut debug, &mut |line| logs.error(line))?)
}

/// What a script may write, and what it must find below /tmp, which is its own.
fn confinement(work: &Work<'_>, scripts: &Scripts<'_>) -> process::Confinement {
    let build_data = &work.places.build_data;
    let writable: Vec<PathBuf> = vec![build_data.clone(), work.places.media.clone()];
    let script = Path::new(&work.step.script).parent().map(Path::to_path_buf);
    let readable = script.into_iter().chain([scripts.socket.to_path_buf()]).collect();
    process::Confinement { writable, readable }
}
