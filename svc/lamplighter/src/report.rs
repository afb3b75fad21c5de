//! report.rs - what a run shows while it works: bars on a terminal, lines elsewhere, or JSON.
//!
//! All three are drawn from the same calls.  As JSON each line is one object, named by `event`:
//!
//! ```text
//! state     fmri state next_state since expected, and when its stage did its work: status digest
//! progress  fmri phase done total item elapsed expected
//! message   text
//! failure   fmri reason log tail              for each stage in maintenance
//! result    status ...                        the last line, of a build
//! ```
//!
//! Every instance is shown once at the beginning, then whenever it has changed.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::estimate::Estimates;
use crate::logs::Outcome;
use crate::place::short;
use crate::progress::Progress;
use crate::smf::Instance;

/// Which form is wanted.
enum Form {
    Lines,
    Bars(MultiProgress),
    Json,
}

/// What has been shown so far.
pub struct Report {
    form: Form,
    estimates: Estimates,
    /// State, and since when.
    states: BTreeMap<String, (String, String)>,
    progress: BTreeMap<String, Progress>,
    bars: BTreeMap<String, ProgressBar>,
}

/// In whole seconds; null when nobody knows.
fn seconds(time: Option<Duration>) -> Value {
    time.map_or(Value::Null, |time| time.as_secs().into())
}

impl Report {
    /// JSON, or what suits standard output.
    pub fn new(json: bool) -> Self {
        let form = if json {
            Form::Json
        } else if std::io::stdout().is_terminal() {
            Form::Bars(MultiProgress::new())
        } else {
            Form::Lines
        };
        let (states, progress, bars) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { form, estimates: Estimates::default(), states, progress, bars }
    }

    /// Whether each line is an object.
    pub fn is_json(&self) -> bool {
        matches!(self.form, Form::Json)
    }

    /// A line of its own.
    pub fn line(&self, text: &str) {
        match &self.form {
            Form::Bars(bars) => {
                // Nothing is drawn over a line that bars know of.
                let _terminal_gone = bars.println(text);
            }
            Form::Lines => print_line(text),
            Form::Json => self.object(&json!({"event": "message", "text": text})),
        }
    }

    /// An object, where objects are wanted.
    pub fn object(&self, object: &Value) {
        if self.is_json() {
            print_line(&object.to_string());
        }
    }

    /// The states at the beginning: people are shown only what changes.
    pub fn begin(&mut self, now: &[Instance], estimates: Estimates) {
        self.estimates = estimates;
        for one in now {
            self.state_object(one, None);
            self.states.insert(one.fmri.clone(), (one.shown(), one.since.clone()));
        }
    }

    /// Shows what has changed; `outcome` knows what became of a stage's work.
    pub fn states(&mut self, now: &[Instance], outcome: &dyn Fn(&str) -> Option<Outcome>) {
        for one in now {
            let shown = (one.shown(), one.since.clone());
            if self.states.get(&one.fmri) == Some(&shown) {
                continue;
            }
            let outcome = outcome(&one.fmri).filter(|_| one.rests("online"));
            if self.is_json() {
                self.state_object(one, outcome.as_ref());
            } else if one.next.is_none() && one.state != "offline" {
                // On the way there is the progress to be seen.
                let outcome = outcome.map_or_else(String::new, |o| format!(" ({})", o.status));
                self.line(&format!("{}: {}{outcome}", short(&one.fmri), shown.0));
            }
            self.states.insert(one.fmri.clone(), shown);
        }
    }

    fn state_object(&self, one: &Instance, outcome: Option<&Outcome>) {
        let mut object = json!({
            "event": "state",
            "fmri": one.fmri,
            "state": one.state,
            "next_state": one.next,
            "since": one.since,
            "expected": seconds(self.estimates.whole(&one.fmri)),
        });
        if let Some(outcome) = outcome {
            object["status"] = outcome.status.into();
            object["digest"] = outcome.digest.clone().into();
        }
        self.object(&object);
    }

    /// Shows how far a stage is; `None`: it does not work now.
    pub fn progress(&mut self, fmri: &str, now: Option<Progress>) {
        let Some(now) = now else {
            self.progress.remove(fmri);
            if let Some(bar) = self.bars.remove(fmri) {
                bar.finish_and_clear();
            }
            return;
        };
        let before = self.progress.get(fmri);
        if before == Some(&now) {
            return;
        }
        let news = now.is_news_after(before);
        let beside = self.estimates.beside(fmri, now.elapsed());
        match &self.form {
            Form::Lines if news => self.line(&format!("{}: {}{beside}", short(fmri), now.shown())),
            Form::Lines => {}
            Form::Json => self.progress_object(fmri, &now),
            Form::Bars(all) => {
                let bar = self.bars.entry(fmri.to_owned()).or_insert_with(|| {
                    let bar = all.add(ProgressBar::new(0));
                    bar.set_prefix(short(fmri).to_owned());
                    bar
                });
                draw(bar, &now, &beside);
            }
        }
        if news || !matches!(self.form, Form::Lines) {
            self.progress.insert(fmri.to_owned(), now);
        }
    }

    fn progress_object(&self, fmri: &str, now: &Progress) {
        self.object(&json!({
            "event": "progress",
            "fmri": fmri,
            "phase": now.phase,
            "done": now.done,
            "total": now.total,
            "item": now.item,
            "elapsed": seconds(now.elapsed()),
            "expected": seconds(self.estimates.whole(fmri)),
        }));
    }

    /// No bar stays.
    pub fn end(&mut self) {
        while let Some((_, bar)) = self.bars.pop_first() {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, now: &Progress, beside: &str) {
    let template = match now.total {
        0 => "{prefix:<18} {wide_msg}",
        _ => "{prefix:<18} {bar:24} {pos}/{len} {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_length(now.total);
    bar.set_position(now.done);
    bar.set_message(format!("{}{beside} {}", now.phase, now.item));
}

/// A line on standard output; a reader who left is no reason to stop a build.
fn print_line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _reader_gone = writeln!(out, "{text}").and_then(|()| out.flush());
}
