//! lamplighter(1): the operator's command.
//!
//! | file | what |
//! |---|---|
//! | `place.rs` | where things are |
//! | `smf.rs` | SMF as this command sees it, behind the seam `Host` |
//! | `host.rs` | the real world behind the seams |
//! | `plan.rs`, `up.rs` | a root is brought up and configured |
//! | `verdict.rs`, `build.rs` | the pipeline is followed to its end |
//! | `progress.rs`, `estimate.rs`, `report.rs` | what is shown meanwhile |
//! | `logs.rs`, `why.rs`, `status.rs` | what happened, why, and how things are |
//! | `clean.rs` | old outputs go |
//! | `medium.rs`, `boot.rs` | the newest medium, and booting it |
//! | `down.rs` | everything stops |
//! | `verify/` | the same sources twice: where do the bytes part |
//! | `watch.rs` | sleeping until something happens |
//!
//! Exit status: 0 done, 1 not (a stage failed, something is missing), 2 usage.

mod boot;
mod build;
mod clean;
mod down;
mod estimate;
mod host;
mod logs;
mod medium;
mod place;
mod plan;
mod progress;
mod report;
mod smf;
mod status;
mod up;
mod verdict;
mod verify;
mod watch;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use image_boot::{Accelerator, Drive, Firmware, Way};

use place::Place;
use smf::Smf;

/// Builds an illumos distribution as SMF services, and looks after them.
///
/// Services, configuration and outputs live below $SMF_ROOT (default: / for root,
/// $XDG_STATE_HOME/lamplighter for anyone else).
#[derive(Debug, Parser)]
#[command(name = "lamplighter", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start svc.startd and import the bundles; configure a fresh root.
    ///
    /// What a user has configured stays: gates and ports are set on a fresh root only.
    Up {
        /// Configure the tiny gates, not the sample distribution.
        #[arg(long)]
        tiny: bool,
        /// A folder that holds the gates illumos, pkg5 and caiman.
        #[arg(long, value_name = "DIR")]
        gates: Option<PathBuf>,
        /// The first of the depots' four ports; 0: any that are free [default: 8000].
        #[arg(long, value_name = "BASE")]
        ports: Option<u16>,
        /// Put the platform image (svc:/application/live) among the pipeline's stages.
        #[arg(long)]
        live: bool,
    },
    /// Build what is not up to date, and wait for the release.
    ///
    /// Exit status: 0 everything is online, 1 a stage failed (it is named), 2 usage.
    Build {
        /// Print one JSON object per line: states, progress, the result.
        #[arg(long)]
        json: bool,
    },
    /// Remove old outputs, and say what that frees.
    ///
    /// What is current, what is in use and what the release was made of stays in any case.
    Clean {
        /// So many of the newest outputs of each stage stay.
        #[arg(long, value_name = "N", default_value_t = 1)]
        keep: u64,
        /// Only outputs that are older go.
        #[arg(long, value_name = "DAYS")]
        older_than: Option<u64>,
        /// Say what would go, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Build twice, in two temporary roots configured as this one, and compare every byte.
    ///
    /// Exit status: 0 same, 1 different (each difference is followed to package, file and byte),
    /// 2 usage.
    Verify {
        /// Print one JSON object per line: differences, the result.
        #[arg(long)]
        json: bool,
    },
    /// Stop all services of this root, and svc.startd.
    Down,
    /// Show the pipeline's states, how far its stages are, and how long they will take.
    Status {
        /// Go on showing what changes.
        #[arg(short)]
        watch: bool,
        /// Print one JSON object per line, as build does.
        #[arg(long)]
        json: bool,
    },
    /// Explain what does not run, with the ends of the logs.
    Why {
        /// An instance; without, whatever needs attention.
        fmri: Option<String>,
    },
    /// Print the log of an instance, or the ends of the pipeline's logs.
    Logs {
        /// Go on printing what is added.
        #[arg(short)]
        follow: bool,
        /// An instance.
        fmri: Option<String>,
    },
    /// Boot a medium under QEMU and print what the guest says.
    Boot {
        /// The medium, or the folder of a network boot; without, the newest.
        iso: Option<PathBuf>,
        /// Start it by UEFI (OVMF), not by BIOS.
        #[arg(long)]
        uefi: bool,
        /// Put an ISO in as a disk, as a USB stick is one, not as a CD.
        #[arg(long)]
        disk: bool,
        /// tcg, kvm, or auto: kvm where a test boot of five seconds works.
        #[arg(long, default_value = "tcg", value_name = "HOW")]
        accel: Accelerator,
        /// Memory of the guest in MiB.
        #[arg(long, default_value_t = 1024, value_name = "MIB")]
        memory: u32,
        /// Seconds it may take.
        #[arg(long, default_value_t = 300, value_name = "SECONDS")]
        time: u64,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(options.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if reader_left(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lamplighter: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever read our output has read enough.
fn reader_left(error: &anyhow::Error) -> bool {
    let broken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    error.downcast_ref::<std::io::Error>().is_some_and(broken)
}

fn run(command: Command) -> anyhow::Result<bool> {
    let place = Place::here()?;
    let smf = Smf { place: &place, host: &host::Here };
    match command {
        Command::Up { tiny, gates, ports, live } => {
            let done = up::up(&smf, &up::Asked { tiny, gates, ports, live })?;
            let said = if done == up::Done::default() { "up already" } else { "up" };
            println!("{said}: {}", place.root.display());
        }
        Command::Build { json } => return build::build(&smf, json),
        Command::Clean { keep, older_than, dry_run } => {
            clean::clean(&place, &clean::Asked { keep, older_than, dry_run })?;
        }
        Command::Verify { json } => return verify::verify(&smf, json),
        Command::Down => {
            let said = if down::down(&smf)? { "down" } else { "nothing runs" };
            println!("{said}: {}", place.root.display());
        }
        Command::Status { watch, json } => status::print(&smf, status::Asked { watch, json })?,
        Command::Why { fmri } => why::print(&smf, fmri.as_deref())?,
        Command::Logs { follow, fmri } => logs::print(&smf, fmri.as_deref(), follow)?,
        Command::Boot { iso, uefi, disk, accel, memory, time } => {
            let time = Duration::from_secs(time);
            let firmware = if uefi { Firmware::Uefi } else { Firmware::Bios };
            let way = Way { firmware, drive: if disk { Drive::Disk } else { Drive::Cd } };
            let asked = boot::Asked { iso, way, accelerator: accel, memory_mb: memory, time };
            return boot::boot(&place, &asked);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line() {
        Options::command().debug_assert();
        for (line, good) in [
            ("up --tiny --gates /g --ports 0", true),
            ("up --live", true),
            ("up --ports 99999", false),
            ("build --json", true),
            ("build now", false),
            ("logs -f builder:illumos", true),
            ("status -w --json", true),
            ("clean --keep 2 --older-than 30 --dry-run", true),
            ("clean --keep -1", false),
            ("clean everything", false),
            ("boot x.iso --accel auto", true),
            ("boot --uefi --disk", true),
            ("boot --accel hax", false),
            ("", false),
            ("nonsense", false),
        ] {
            let words = ["lamplighter"].into_iter().chain(line.split_whitespace());
            assert_eq!(Options::try_parse_from(words).is_ok(), good, "{line}");
        }
    }
}
