//! status.rs - the pipeline at a glance: the table of svcs, and how far the stages are.

use std::io::{IsTerminal, Write};

use anyhow::{Result, bail};

use crate::place::short;
use crate::progress::Progress;
use crate::smf::Smf;
use crate::up;
use crate::watch::{LOOK_AGAIN, Watch};

/// Clears a terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Prints the status, once or for ever.
pub fn print(smf: &Smf<'_>, watching: bool) -> Result<()> {
    let mut all = smf.pipeline()?;
    let depots = smf.run("svcs", &["-H", "-o", "fmri", "svc:/application/pkg/server:*"])?;
    all.extend(depots.out.split_whitespace().map(str::to_owned));
    let watch = Watch::new()?;
    watch.add(&smf.place.volatile(""))?;
    let mut before = String::new();
    loop {
        for fmri in &all {
            watch.add(&smf.place.stage(fmri))?;
        }
        let now = text(smf, &all)?;
        let mut out = std::io::stdout().lock();
        if !watching {
            write!(out, "{now}")?;
            return Ok(());
        }
        if now != before {
            let gap = if before.is_empty() { "" } else { "\n" };
            write!(out, "{}{now}", if out.is_terminal() { CLEAR } else { gap })?;
            out.flush()?;
            before = now;
        }
        drop(out);
        if !up::answers(smf) {
            bail!("{}: svc.startd does not run", smf.place.root.display());
        }
        watch.wait(LOOK_AGAIN)?;
    }
}

fn text(smf: &Smf<'_>, all: &[String]) -> Result<String> {
    let mut text = smf.table(all)?;
    let states = smf.states(all)?;
    for one in states.iter().filter(|one| one.next.is_some()) {
        if let Some(progress) = Progress::of(smf.place, &one.fmri) {
            let line = format!("{}: {} {}", short(&one.fmri), progress.shown(), progress.item);
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    Ok(text)
}
