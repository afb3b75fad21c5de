//! build_live - a platform image from a live manifest, an overlay and a proto area.
//!
//! What every line of the log says is also said on standard output.  Status 0: the platform is in
//! place; 1: it is not, and the last line says why; usage as arguments.rs has it.

mod arguments;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use image_boot::Qemu;
use image_rooted::host::Contained;
use live::build::{Request, World, build};
use live::media::{CONFIRMED, Media, Trial};
use live::places::Place;
use live_manifest::Stamp;
use process::Cancel;

use arguments::{Asked, From, Wrong};

/// How long a guest may take, in software on a busy host.
const BOOT_TIME: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let asked = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(asked) => asked,
        Err(Wrong::Help) => {
            print!("{}", arguments::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(Wrong::Usage(text, status)) => {
            eprint!("build_live: {text}\n{}", arguments::USAGE);
            return ExitCode::from(status);
        }
    };
    match run(&asked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("build_live: ERROR: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(asked: &Asked) -> Result<()> {
    let cancel = Cancel::new()?;
    let wish = cancel.clone();
    let mut signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
    ])?;
    std::thread::spawn(move || signals.forever().for_each(|_| wish.set()));
    let request = request(asked)?;
    let hear = |line: &str| {
        // Who listens no more has the log.
        let _closed = writeln!(std::io::stdout().lock(), "{line}");
    };
    let world = World {
        cancel: &cancel,
        hear: &hear,
        progress: &|_, _, _, _| {},
        tools: &Contained { cancel: &cancel },
        emulator: &Qemu { cancel: &cancel },
    };
    build(&request, &world)?;
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| path.display().to_string())
}

/// A directory that is there, its links resolved.
fn directory(path: &Path) -> Result<PathBuf> {
    let dir = fs::canonicalize(path).with_context(|| path.display().to_string())?;
    if !dir.is_dir() {
        bail!("{} is not a directory", path.display());
    }
    Ok(dir)
}

fn request(asked: &Asked) -> Result<Request> {
    let top = match &asked.top {
        Some(top) => directory(top)?,
        None => std::env::current_dir().context("the working directory")?,
    };
    let (places, header) = places(asked, &top)?;
    let stamp = stamp(&top, &places)?;
    let date = std::env::var("SOURCE_DATE_EPOCH").ok();
    let time = match &date {
        Some(date) => date.parse().with_context(|| format!("SOURCE_DATE_EPOCH={date}"))?,
        None => stamp.seconds(),
    };
    let second = match (&asked.from, places.first()) {
        (From::Workspace { .. }, Some(overlay)) => overlay.dir.display().to_string(),
        _ => stamp.to_string(),
    };
    let pattern = asked.pattern.clone().unwrap_or_else(|| CONFIRMED.to_owned());
    let trial = asked.boot_test.then_some(Trial { pattern, time: BOOT_TIME });
    let output = asked.output.clone().unwrap_or_else(|| top.join("output"));
    let output = absolute(&output)?;
    let mut lines = vec![format!("BUILDSTAMP. {stamp}")];
    lines.extend(header);
    for manifest in &asked.manifests {
        lines.push(format!("MANIFEST .. {}", manifest.display()));
    }
    lines.push(format!("OUTPUT .... {}", output.display()));
    Ok(Request {
        manifests: asked.manifests.iter().map(|path| absolute(path)).collect::<Result<_>>()?,
        places,
        header: lines,
        output,
        logs: absolute(&asked.logs.clone().unwrap_or_else(|| top.join("log")))?,
        version: version(&top)?,
        time,
        stamp,
        password: asked.password.clone(),
        scripts: absolute(&asked.customize.clone().unwrap_or_else(|| top.join("tools")))?,
        second,
        form: asked.form,
        pad_mb: asked.pad_mb,
        media: Media { iso: asked.iso, usb: asked.usb, trial },
        top,
    })
}

/// The places in their order, and how the log begins with them.
fn places(asked: &Asked, top: &Path) -> Result<(Vec<Place>, Vec<String>)> {
    let mut places = Vec::new();
    let mut header = Vec::new();
    let mut add = |letter: char, dir: &Path, is_man: bool| -> Result<PathBuf> {
        let dir = directory(dir)?;
        let is_host = dir == Path::new("/");
        if is_host && asked.host.is_none() {
            bail!("{}: files of the running system are taken only with --host-root", dir.display());
        }
        places.push(Place { letter, dir: dir.clone(), is_man, is_host: false });
        Ok(dir)
    };
    match &asked.from {
        From::Workspace { altroot } => {
            let overlay = altroot.clone().unwrap_or_else(|| top.join("overlay"));
            let overlay = add('A', &overlay, false)?;
            let proto = add('P', &top.join("proto"), false)?;
            header.push(format!("PROTO ..... {}", proto.display()));
            header.push(format!("ALT_ROOT .. {}", overlay.display()));
            let man = top.join("projects/opensolaris-man");
            if asked.man.is_none() && man.is_dir() {
                add('M', &man, true)?;
            }
        }
        From::Dirs(dirs) => {
            for (number, dir) in (1..).zip(dirs) {
                let is_man = dir.file_name().is_some_and(|name| name == "opensolaris-man");
                let letter = match (number, dirs.len(), is_man) {
                    (_, _, true) => 'M',
                    (1, 2.., false) => 'A',
                    _ => 'P',
                };
                // A man tree with links of its own to itself serves both ways.
                let own = is_man && !dir.join("usr/share/man").exists();
                let dir = add(letter, dir, own)?;
                header.push(format!("DIR[{number:02}] ... {}", dir.display()));
            }
        }
    }
    if let Some(man) = &asked.man {
        add('M', man, true)?;
    }
    if let Some(host) = &asked.host {
        let dir = directory(host)?;
        places.retain(|place| place.dir != dir);
        places.push(Place { letter: 'S', dir, is_man: false, is_host: true });
    }
    Ok((places, header))
}

/// From the environment, else from the proto area, else made of the present.
fn stamp(top: &Path, places: &[Place]) -> Result<Stamp> {
    if let Ok(text) = std::env::var("BUILDSTAMP") {
        return text.trim().parse().context("BUILDSTAMP");
    }
    let dirs = places.iter().filter(|place| place.letter == 'P').map(|place| place.dir.clone());
    for dir in dirs.chain([top.join("proto")]) {
        let path = dir.join("buildstamp");
        match fs::read_to_string(&path) {
            Ok(text) => return text.trim().parse().with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    if let Ok(date) = std::env::var("SOURCE_DATE_EPOCH") {
        let seconds = date.parse().with_context(|| format!("SOURCE_DATE_EPOCH={date}"))?;
        return Ok(Stamp::of(seconds)?);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
    Ok(Stamp::of(i64::try_from(now.as_secs())?)?)
}

/// The first line of configure-buildver, which stands before the stamp in names.
fn version(top: &Path) -> Result<Option<String>> {
    let path = top.join("configure-buildver");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| path.display().to_string())?,
    };
    let line = text.lines().next().unwrap_or("").trim().to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !line.chars().all(plain) || line.starts_with(['.', '-']) {
        bail!("{}: \"{line}\" cannot stand in the name of a platform", path.display());
    }
    Ok((!line.is_empty()).then_some(line))
}
