//! builder-pipeline - the switch of the pipeline: the methods of svc:/application/builder/pipeline.
//!
//! `start` enables the instances of `pipeline/stages` until the next boot and returns; `stop`
//! disables them and returns when all are out; `refresh` does either for what has come to the list
//! or left it.  Law: it holds no state; after a reboot SMF runs `start` again.  What was on the
//! list when it started is in SMF's own snapshot `start`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use stage::smf::{is_out, svcadm, switched, wait_for_change};
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
        Some("refresh") => refresh(smf),
        Some(_) | None => {
            Err(Failure::configuration("usage: builder-pipeline {start|stop|refresh}"))
        }
    })
}

const STAGES: &str = "pipeline/stages";

fn stages(smf: &Smf) -> Result<Vec<String>, Failure> {
    let properties = smf.properties()?;
    Ok(properties.list(STAGES).into_iter().map(str::to_owned).collect())
}

/// What was on the list when it started; nothing when it never did.
fn stages_then(smf: &Smf) -> Vec<String> {
    let then = smf.properties_then("start").unwrap_or_default();
    then.list(STAGES).into_iter().map(str::to_owned).collect()
}

/// What has left the list and is on, or on its way out, because of this switch: whoever enabled a
/// stage by hand has the last word.
fn left(then: Vec<String>, now: &[String]) -> Vec<String> {
    let gone = then.into_iter().filter(|fmri| !now.contains(fmri));
    gone.filter(|fmri| switched(fmri).is_some()).collect()
}

/// The list may have changed: what left it goes out, what came to it, also what came back, is
/// enabled.  A stage that was disabled by hand stays so.
fn refresh(smf: &Smf) -> Result<(), Failure> {
    let (then, now) = (stages_then(smf), stages(smf)?);
    if now.is_empty() {
        return Err(Failure::configuration("pipeline/stages is not set"));
    }
    let comes = |fmri: &&String| !then.contains(fmri) || switched(fmri) == Some(false);
    let came: Vec<String> = now.iter().filter(comes).cloned().collect();
    each(&left(then, &now), "disable").and(each(&came, "enable"))
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
    let mut stages = stages(smf)?;
    stages.extend(left(stages_then(smf), &stages));
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
