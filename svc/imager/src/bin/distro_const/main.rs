//! distro_const - builds the image that a manifest describes.
//!
//! `distro_const build [-R] [-r step] [-p step] [-l] manifest`; of manifests of the newer form also
//! its long options; `-k file` signs what is said of the media.  What is said goes to standard
//! error, by way of the build's logs.  `distro_const diff` is in diff.rs.
//!
//! Exit status: 0 done, paused or listed; 1 anything that failed; 2 usage.

mod diff;
mod progress;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use image_boot::{Accelerator, Qemu};
use image_checkpoint::{OpenError, Options};
use image_evidence::Key;
use image_manifest::Form;
use image_rooted::host::Contained;
use imager::build::arguments::{Asked, Both, Misuse, Request};
use imager::build::choice::Choice;
use imager::build::door::{self, Caller, Manifest};
use imager::build::logs::Logs;
use imager::build::room;
use imager::build::run::{Ended, Going};
use imager::build::times::Times;
use imager::build::{kit, lines};
use imager::evidence::{self, Policy};
use imager::packages::Repositories;
use imager::steps::{Trial, World};
use imager::zfs::Zfs;
use ips_client::{Transport, TransportError};
use jiff::Zoned;
use process::Cancel;

/// How long a guest may take, in software on a busy host.
const BOOT_TIME: Duration = Duration::from_secs(300);

const FAILED: u8 = 1;
const MISUSED: u8 = 2;

const USAGE: &str = "
Usage:
    distro_const build -R <manifest-file>
    distro_const build -r <step name or number> <manifest-file>
    distro_const build -p <step name or number> <manifest-file>
    distro_const build -l <manifest-file>
    ";

const DC_USAGE: &str = "Usage: distro_const build [-v] [-r <checkpoint name>] \
                        [-p <checkpoint name>] [-l] manifest";

const DC_OPTIONS: &str = "Options:
  -h, --help            show this help message and exit
  -v, --verbose         Specifies verbose mode
  -r RESUME_CHECKPOINT, --resume=RESUME_CHECKPOINT
                        Checkpoint to resume execution from
  -p PAUSE_CHECKPOINT, --pause=PAUSE_CHECKPOINT
                        Checkpoint to pause execution on
  -l, --list            List all possible checkpoints
  -k KEY, --key=KEY     File with the key that signs what is said of the media";

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some((_, builds)) = words.split_first().filter(|(word, _)| *word == "diff") {
        return ExitCode::from(diff::run(builds));
    }
    // Only illumos has images whose owners are on the disk.
    if cfg!(target_os = "illumos") && !nix::unistd::Uid::current().is_root() {
        eprintln!("You must be root to run distro_const");
        return ExitCode::from(FAILED);
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    ExitCode::from(match words.split_first() {
        None => usage(&[]),
        Some((_, [])) => usage(&[]),
        Some((subcommand, rest)) if subcommand == "build" => build(&Both::of(rest)),
        Some(_) => match Both::behind_options(&words) {
            Some(both) => build(&both),
            None => usage(&["Invalid or missing subcommand".to_string()]),
        },
    })
}

fn say(lines: &[String]) {
    lines.iter().for_each(|line| eprintln!("{line}"));
}

fn usage(lines: &[String]) -> u8 {
    say(lines);
    eprintln!("{USAGE}");
    MISUSED
}

/// The request by the rules of the manifest's form, or the status of refusing it.
fn request(both: Both, form: Form) -> Result<Request, u8> {
    match form {
        Form::Distribution2009 | Form::Distribution => both.old.map_err(|Misuse(why)| {
            let line = Some(why).filter(|why| !why.is_empty());
            usage(&line.into_iter().collect::<Vec<_>>())
        }),
        Form::Dc => both.dc.map_err(|Misuse(why)| {
            eprintln!("{DC_USAGE}\n\ndistro_const: error: {why}");
            MISUSED
        }),
    }
}

/// The newer form's help, which is asked for and no misuse.
fn help() -> u8 {
    println!("{DC_USAGE}\n\n{DC_OPTIONS}");
    0
}

fn wants_help(request: &Result<Request, Misuse>) -> bool {
    request.as_ref().is_ok_and(|request| request.options.contains(&Asked::Help))
}

fn build(both: &Both) -> u8 {
    // Words without a manifest are the older form's, where they are words of its.
    let Some(path) = both.manifest().filter(|path| !path.is_empty()) else {
        return if both.old.is_err() && wants_help(&both.dc) { help() } else { usage(&[]) };
    };
    let manifest = match Manifest::read(Path::new(path)) {
        Ok(manifest) => manifest,
        Err(error) => {
            eprintln!("{error}");
            return FAILED;
        }
    };
    if manifest.image.form == Form::Dc && wants_help(&both.dc) {
        return help();
    }
    match request(both.clone(), manifest.image.form) {
        Ok(request) => chosen(&manifest, &request),
        Err(status) => status,
    }
}

fn chosen(manifest: &Manifest, request: &Request) -> u8 {
    let form = manifest.image.form;
    let stamped = |line: &str| lines::shown(form, line, &Zoned::now());
    let mut area = match manifest.area(&Options { tools: Arc::new(Zfs), calls: None }) {
        Ok(area) => area,
        Err(error) => {
            eprintln!("{}", stamped(&not_opened(form, &error)));
            let place = Path::new(&manifest.image.build_area);
            let onward = room::onward(form, Going::AsTold, None);
            let line = room::lacking("the build area", &error.into(), &[place], None, &onward);
            line.iter().for_each(|line| eprintln!("{}", stamped(line)));
            return FAILED;
        }
    };
    match manifest.choose(&area, request) {
        Err(refused) if refused.usage => usage(&refused.lines),
        Err(refused) => {
            refused.lines.iter().for_each(|line| eprintln!("{}", stamped(line)));
            FAILED
        }
        Ok(Choice::List) => {
            say(&manifest.table(&area));
            0
        }
        Ok(Choice::Nothing) => {
            eprintln!("{}", stamped("No checkpoint will be executed based on specified criteria."));
            0
        }
        Ok(Choice::Build { resume, pause }) => {
            let key = match evidence::key(request.key.as_deref(), &manifest.image) {
                Ok(key) => key,
                Err(error) => {
                    eprintln!("{}", stamped(&format!("distro_const: {error:#}")));
                    return FAILED;
                }
            };
            let ended = steps(manifest, &mut area, (resume, pause), request, key.as_ref());
            match ended {
                Ok(Ended::Done | Ended::Paused(_)) => 0,
                Ok(Ended::Failed(_)) | Err(_) => FAILED,
            }
        }
    }
}

/// Why there is no area; the newer form has its own words for one that somebody else has.
fn not_opened(form: Form, error: &OpenError) -> String {
    match error {
        OpenError::Held { area, pid, since } if form == Form::Dc => format!(
            "distro_const: An instance of distro_const is already running in {} (process {pid} \
             since {since})",
            area.display()
        ),
        // The original's own lines.
        OpenError::NoZfs | OpenError::NoPool { .. } => error.to_string(),
        error => format!("distro_const: {error}"),
    }
}

fn steps(
    manifest: &Manifest,
    area: &mut image_checkpoint::Area,
    (resume, pause): (Option<usize>, Option<usize>),
    request: &Request,
    key: Option<&Key>,
) -> anyhow::Result<Ended> {
    let cancel = Cancel::new().and_then(|cancel| end_by_signals(&cancel).map(|()| cancel));
    let cancel = cancel.inspect_err(|error| eprintln!("distro_const: signals: {error}"))?;
    if let Some(proxy) = &manifest.image.http_proxy {
        PROXY.get_or_init(|| proxy.clone());
    }
    let names = manifest.image.steps.iter().map(|step| step.name.clone()).collect();
    let bar = progress::Bar::new(Times::of(area.root()), names);
    let form = manifest.image.form;
    let console = |line: &str| bar.line(&lines::shown(form, line, &Zoned::now()));
    let logs = Logs::new(form, &console, request.verbose);
    let tools = Contained { cancel: &cancel };
    let world = World {
        evidence: Policy { key, origin: None },
        packages: &Repositories {
            instead: None,
            cancel: &cancel,
            surroundings,
            kept: Some(area.root().join(".fetched")),
        },
        tools: &tools,
        emulator: &Qemu { cancel: &cancel },
        trial: Some(Trial { accelerator: Accelerator::Tcg, time: BOOT_TIME }),
        progress: &|step, done, total, unit| bar.tell(step, done, total, unit),
    };
    let debug = request.debug;
    let tell = move |line: &str| {
        if debug {
            eprintln!("{line}");
        }
    };
    let debug = Arc::new(tell);
    let going = Going::AsTold;
    let reader = std::env::current_exe().ok().and_then(|program| kit::reader(&program));
    let (world, cancel, logs) = (&world, &cancel, &logs);
    let caller = Caller { world, going, script_time: None, reader, debug, cancel, logs };
    door::build(manifest, area, resume, pause, &caller)
}

/// The proxy that the manifest names; for depots it stands before the environment's own.
static PROXY: OnceLock<String> = OnceLock::new();

/// How depots are spoken to: pkg's own variables.
fn surroundings(uri: &str) -> Result<Transport, TransportError> {
    Transport::told(uri, &|name| match (name, PROXY.get()) {
        ("http_proxy", Some(proxy)) => Some(proxy.clone()),
        (name, _) => std::env::var(name).ok(),
    })
}

/// SIGINT, SIGTERM and SIGHUP end what runs, in order; the step can be gone on from.
fn end_by_signals(cancel: &Cancel) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let cancel = cancel.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        // One is enough; a second one changes nothing.
        for _signal in &mut signals {
            cancel.set();
        }
    })?;
    Ok(())
}
