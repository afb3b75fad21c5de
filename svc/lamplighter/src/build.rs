//! build.rs - the pipeline from here to a release, followed to its end.
//!
//! `verdict` decides, `report` shows; here are the orders and the wait.  A run never stops the
//! pipeline: whoever interrupts it stops watching, not building.

use anyhow::{Result, bail};
use serde_json::json;

use crate::estimate::Estimates;
use crate::logs::{self, BUILT, Marks, TAIL, UP_TO_DATE};
use crate::medium::{self, Medium};
use crate::place::short;
use crate::plan;
use crate::progress::Progress;
use crate::report::Report;
use crate::smf::{Instance, Smf};
use crate::up::{self, Asked};
use crate::verdict::{self, Beginning, Verdict};
use crate::watch::{LOOK_AGAIN, Watch};

/// So many silent sleeps mean that nothing will come any more.
const SILENCE: u32 = 2;

/// How a run ended.
enum End {
    Done,
    /// In maintenance.
    Failed(Vec<String>),
    /// Nothing moves, and not everything is online.
    Stuck(Vec<Instance>),
}

/// Builds; true when everything is online.
pub fn build(smf: &Smf<'_>, json: bool) -> Result<bool> {
    let mut report = Report::new(json);
    let done = run(smf, &mut report);
    if let Err(error) = &done {
        let reason = format!("{error:#}");
        report.object(&json!({"event": "result", "status": "error", "reason": reason}));
    }
    done
}

fn run(smf: &Smf<'_>, report: &mut Report) -> Result<bool> {
    if !up::answers(smf) {
        up::up(smf, &Asked::default())?;
    }
    let stages = smf.pipeline()?;
    let marks = Marks::take(smf.place, &stages);
    let watch = Watch::new()?;
    watch.add(&smf.place.volatile(""))?;
    let now = smf.states(&stages)?;
    let (orders, beginning) = verdict::begin(&now, &smf.edges(&stages)?);
    report.begin(&now, Estimates::of(smf.place, &stages));
    for fmri in &orders.clear {
        report.line(&format!("{} was in maintenance: cleared", short(fmri)));
    }
    smf.order(&["enable"], &orders.enable)?;
    smf.order(&["enable", "-t"], &orders.enable_temporarily)?;
    smf.order(&["restart"], &orders.restart)?;
    // After the restarts: what is cleared waits for what is made anew before it.
    smf.order(&["clear"], &orders.clear)?;
    let end = follow(smf, &stages, &beginning, &watch, &marks, report);
    report.end();
    let end = end?;
    match end {
        End::Done => done(smf, &stages, &marks, report).map(|()| true),
        End::Failed(fmris) => {
            fmris.iter().for_each(|fmri| failed(smf, fmri, report));
            report.object(&json!({"event": "result", "status": "failed", "fmris": fmris}));
            Ok(false)
        }
        End::Stuck(all) => stuck(smf, &all, report).map(|()| false),
    }
}

fn follow(
    smf: &Smf<'_>,
    stages: &[String],
    beginning: &Beginning,
    watch: &Watch,
    marks: &Marks,
    report: &mut Report,
) -> Result<End> {
    let mut silent = 0;
    loop {
        if !up::answers(smf) {
            // Killed, it may be started again; what it left running goes on meanwhile.
            silent = if watch.wait(LOOK_AGAIN)? { 0 } else { silent + 1 };
            if silent == SILENCE {
                bail!("svc.startd has ended; lamplighter build goes on");
            }
            continue;
        }
        let now = match smf.states(stages) {
            Err(_) if !up::answers(smf) => continue,
            states => states?,
        };
        report.states(&now, &|fmri| marks.outcome(&smf.place.log(fmri)));
        for one in &now {
            // A file that a killed stage left behind says nothing.
            let progress = one.next.as_ref().and_then(|_| Progress::of(smf.place, &one.fmri));
            report.progress(&one.fmri, progress);
            watch.add(&smf.place.stage(&one.fmri))?;
        }
        let moving = match beginning.judge(&now) {
            Verdict::Done => return Ok(End::Done),
            Verdict::Failed(fmris) => return Ok(End::Failed(fmris)),
            Verdict::Wait { moving } => moving,
        };
        silent = if watch.wait(LOOK_AGAIN)? || moving { 0 } else { silent + 1 };
        if silent == SILENCE {
            // A stage that nobody restarted, because it depends on none that was, is online too.
            let online = now.iter().all(|one| one.rests("online"));
            return Ok(if online { End::Done } else { End::Stuck(now) });
        }
    }
}

/// The first release is served from now on; whoever disables a depot later has the last word.
fn serve(smf: &Smf<'_>) -> Result<()> {
    let asked = ["-q", "-p", "lamplighter/served", plan::MEMORY];
    if smf.run("svcprop", &asked)?.status == 0 {
        return Ok(());
    }
    let there = smf.run("svcs", &["-H", "-o", "fmri", "svc:/application/pkg/server:*"])?.out;
    let is_ours = |fmri: &&str| plan::DEPOTS.contains(fmri);
    let depots: Vec<String> = there.split_whitespace().filter(is_ours).map(str::to_owned).collect();
    smf.order(&["enable"], &depots)?;
    let served = ["-s", plan::MEMORY, "setprop", "lamplighter/served = boolean: true"];
    smf.must("svccfg", &served).map(|_| ())
}

fn done(smf: &Smf<'_>, stages: &[String], marks: &Marks, report: &Report) -> Result<()> {
    serve(smf)?;
    let status = if marks.any_finished() { BUILT } else { UP_TO_DATE };
    let medium = medium::newest(smf.place).map(Medium::read).transpose()?;
    let guest = medium::guest(smf.place);
    let platform = medium::platform(smf.place).filter(|_| stages.iter().any(|s| s == plan::LIVE));
    if report.is_json() {
        let iso = medium.map(
            |medium| json!({"path": medium.path, "size": medium.size, "sha256": medium.sha256}),
        );
        let mut result = json!({"event": "result", "status": status, "iso": iso, "guest": guest});
        if let Some(platform) = platform {
            result["platform"] = json!(platform);
        }
        report.object(&result);
        return Ok(());
    }
    report.line(smf.table(stages)?.trim_end());
    if let Some(medium) = medium {
        let Medium { path, size, sha256 } = medium;
        report.line(&format!("\nISO      {}", path.display()));
        report.line(&format!("size     {size} bytes\nSHA-256  {sha256}"));
    }
    if let Some(platform) = platform {
        report.line(&format!("platform {}", platform.display()));
    }
    if let Some(guest) = guest {
        report.line("\nThe guest printed:");
        guest.lines().for_each(|line| report.line(&format!("  {line}")));
    }
    report.line(&format!("\n{status}"));
    Ok(())
}

/// Says which stage failed, and why.
fn failed(smf: &Smf<'_>, fmri: &str, report: &Report) {
    let path = smf.place.log(fmri);
    let text = logs::read(&path);
    let reason = logs::last_own(&text).unwrap_or("its log says nothing");
    let tail = logs::last_run(&text, TAIL);
    if report.is_json() {
        report.object(&json!({
            "event": "failure",
            "fmri": fmri,
            "reason": reason,
            "log": path,
            "tail": tail,
        }));
        return;
    }
    eprintln!("lamplighter: {} failed: {reason}", short(fmri));
    eprintln!("the end of {}:", path.display());
    tail.iter().for_each(|line| eprintln!("  {line}"));
    eprintln!("After the repair: lamplighter build, or svcadm clear {}", short(fmri));
}

/// Says what waits for what nobody will bring.
fn stuck(smf: &Smf<'_>, all: &[Instance], report: &Report) -> Result<()> {
    let waiting: Vec<String> =
        all.iter().filter(|one| !one.rests("online")).map(|one| one.fmri.clone()).collect();
    let mut arguments = vec!["-x"];
    arguments.extend(waiting.iter().map(String::as_str));
    let explained = smf.run("svcs", &arguments)?.out;
    if report.is_json() {
        report.object(&json!({
            "event": "result",
            "status": "stuck",
            "fmris": waiting,
            "reason": explained,
        }));
        return Ok(());
    }
    let names: Vec<&str> = waiting.iter().map(|fmri| short(fmri)).collect();
    eprintln!("lamplighter: nothing moves any more; not online: {}", names.join(", "));
    eprint!("{explained}");
    Ok(())
}
