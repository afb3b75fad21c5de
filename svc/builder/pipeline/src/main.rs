//! builder-pipeline - the switch of the pipeline: the methods of svc:/application/builder/pipeline.
//!
//! `start` enables the instances of `pipeline/stages` until the next boot and returns; `stop`
//! disables them and returns when all are out.  Law: it holds no state; after a reboot SMF runs
//! `start` again.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use stage::smf::{is_out, svcadm, wait_for_change};
use stage::{Failure, Smf};

/// How long stages may take to stop; the method itself has sixty seconds.
const PATIENCE: Duration = Duration::from_secs(55);

/// A change that came between a look and the wait for it is seen after this.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let method = std::env::args().nth(1);
    stage::run_method("builder/pipeline", |smf| match method.as_deref() {
        Some("start") => start(smf),
        Some("stop") => stop(smf),
        Some(_) | None => Err(Failure::configuration("usage: builder-pipeline {start|stop}")),
    })
}

fn stages(smf: &Smf) -> Result<Vec<String>, Failure> {
    let properties = smf.properties()?;
    Ok(properties.list("pipeline/stages").into_iter().map(str::to_owned).collect())
}

fn start(smf: &Smf) -> Result<(), Failure> {
    let stages = stages(smf)?;
    if stages.is_empty() {
        return Err(Failure::configuration("pipeline/stages is not set"));
    }
    each(&stages, "enable")
}

/// Orders all of them; all are ordered even when one refuses.
fn each(stages: &[String], order: &str) -> Result<(), Failure> {
    let refused = stages.iter().filter_map(|fmri| svcadm(&[order, "-t", fmri]).err());
    let refused: Vec<String> = refused.map(|error| error.to_string()).collect();
    if refused.is_empty() { Ok(()) } else { Err(Failure::configuration(refused.join("; "))) }
}

fn stop(smf: &Smf) -> Result<(), Failure> {
    let stages = stages(smf)?;
    // A stage that is not there any more is out, whatever svcadm thinks of it.
    let refused = each(&stages, "disable");
    let end = Instant::now() + PATIENCE;
    let mut working = stages;
    loop {
        working.retain(|fmri| is_out(fmri).is_ok_and(|out| !out));
        let Some(first) = working.first() else { return refused };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::fatal(format!("still working: {}", working.join(", "))));
        }
        wait_for_change(first, left.min(LOOK_AGAIN))?;
    }
}
