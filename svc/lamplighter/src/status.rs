//! status.rs - the pipeline at a glance: the table of svcs, how far the stages are, how long it
//! will take.

use std::io::{IsTerminal, Write};

use anyhow::{Result, bail};

use crate::estimate::{Estimates, shown};
use crate::place::short;
use crate::progress::Progress;
use crate::report::Report;
use crate::smf::{Instance, Smf};
use crate::up;
use crate::verdict::Edges;
use crate::watch::{LOOK_AGAIN, Watch};

/// Clears a terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// For ever, not once.
    pub watch: bool,
    /// One object a line, not a table.
    pub json: bool,
}

/// The pipeline, its depots, and a watch on them.
struct Watched<'a> {
    smf: &'a Smf<'a>,
    all: Vec<String>,
    edges: Edges,
    watch: Watch,
}

/// Prints the status, once or for ever.
pub fn print(smf: &Smf<'_>, asked: Asked) -> Result<()> {
    let mut all = smf.pipeline()?;
    let edges = smf.edges(&all)?;
    let depots = smf.run("svcs", &["-H", "-o", "fmri", "svc:/application/pkg/server:*"])?;
    all.extend(depots.out.split_whitespace().map(str::to_owned));
    let watch = Watch::new()?;
    watch.add(&smf.place.volatile(""))?;
    let mut watched = Watched { smf, all, edges, watch };
    if asked.json { watched.objects(asked.watch) } else { watched.tables(asked.watch) }
}

impl Watched<'_> {
    /// Sleeps until something changes.
    fn wait(&self) -> Result<()> {
        if !up::answers(self.smf) {
            bail!("{}: svc.startd does not run", self.smf.place.root.display());
        }
        self.watch.wait(LOOK_AGAIN)?;
        Ok(())
    }

    fn look(&self) -> Result<Vec<Instance>> {
        for fmri in &self.all {
            self.watch.add(&self.smf.place.stage(fmri))?;
        }
        self.smf.states(&self.all)
    }

    fn progress(&self, one: &Instance) -> Option<Progress> {
        one.next.as_ref().and_then(|_| Progress::of(self.smf.place, &one.fmri))
    }

    fn objects(&mut self, on_and_on: bool) -> Result<()> {
        let mut report = Report::new(true);
        report.begin(&self.look()?, Estimates::of(self.smf.place, &self.all));
        loop {
            let now = self.look()?;
            report.states(&now, &|_| None);
            for one in &now {
                report.progress(&one.fmri, self.progress(one));
            }
            if !on_and_on {
                return Ok(());
            }
            self.wait()?;
        }
    }

    fn tables(&mut self, on_and_on: bool) -> Result<()> {
        let is_terminal = std::io::stdout().is_terminal();
        let mut before = String::new();
        loop {
            let (now, times) = self.text()?;
            let mut out = std::io::stdout().lock();
            // A log of it is not to grow because time goes by.
            let key = if is_terminal { format!("{now}{}", times.join("")) } else { now.clone() };
            if key != before {
                let gap = if before.is_empty() { "" } else { "\n" };
                let gap = if is_terminal && on_and_on { CLEAR } else { gap };
                write!(out, "{gap}{}", with(&now, &times))?;
                out.flush()?;
                before = key;
            }
            drop(out);
            if !on_and_on {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// The table and a line for each stage that works; `\0` stands for the next of the times.
    fn text(&self) -> Result<(String, Vec<String>)> {
        let mut text = self.smf.table(&self.all)?;
        let now = self.look()?;
        let estimates = Estimates::of(self.smf.place, &self.all);
        let mut times = Vec::new();
        for one in &now {
            if let Some(progress) = self.progress(one) {
                let line =
                    format!("{}: {}\0 {}", short(&one.fmri), progress.shown(), progress.item);
                text.push_str(line.trim_end());
                text.push('\n');
                times.push(estimates.beside(&one.fmri, progress.elapsed()));
            }
        }
        let stages: Vec<Instance> = now.into_iter().filter(|one| !is_depot(one)).collect();
        let elapsed = |fmri: &str| Progress::of(self.smf.place, fmri)?.elapsed();
        if let Some(left) = estimates.left(&stages, &self.edges, &elapsed) {
            text.push('\0');
            times.push(format!("about {} left\n", shown(left)));
        }
        Ok((text, times))
    }
}

fn is_depot(one: &Instance) -> bool {
    one.fmri.contains("/pkg/server:")
}

/// The text with its times.
fn with(text: &str, times: &[String]) -> String {
    let mut times = times.iter();
    let filled = text.split('\0').enumerate().map(|(at, part)| {
        let time = if at == 0 { None } else { times.next() };
        format!("{}{part}", time.map_or("", String::as_str))
    });
    filled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_in_their_places() {
        let times = [" (3s)".to_owned(), "about 9s left\n".to_owned()];
        assert_eq!(with("t\na: x\0 y\n\0", &times), "t\na: x (3s) y\nabout 9s left\n");
        assert_eq!(with("t\n", &[]), "t\n");
    }
}
