//! builder-pipeline - the switch: enabled, the stages run; disabled, all of them stop.
//!
//! start  enables the instances of `pipeline/stages` until the next boot, and returns
//! stop   disables them likewise, and returns when every one is out
//!
//! It holds no state: after a reboot its start method runs again.

use std::process::ExitCode;

use stage::smf::svcadm;
use stage::{Failure, Smf, run_method};

fn main() -> ExitCode {
    let word = std::env::args().nth(1);
    match word.as_deref() {
        Some("start") => run_method("builder/pipeline", |smf| order(smf, &["enable", "-t"])),
        // Synchronous: when this returns, nothing of a stage is alive.
        Some("stop") => run_method("builder/pipeline", |smf| order(smf, &["disable", "-s", "-t"])),
        Some(_) | None => {
            eprintln!("Usage: builder-pipeline {{start|stop}}");
            ExitCode::from(2)
        }
    }
}

/// Gives one order to all stages.
fn order(smf: &Smf, order: &[&str]) -> Result<(), Failure> {
    let properties = smf.properties()?;
    let stages = properties.list("pipeline/stages");
    if stages.is_empty() {
        return Err(Failure::configuration("pipeline/stages names no instance"));
    }
    svcadm(&[order, &stages].concat()).map_err(|error| Failure::configuration(error.to_string()))
}
