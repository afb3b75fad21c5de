//! report.rs - what a run shows while it works: bars on a terminal, lines elsewhere, or JSON.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

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
    states: BTreeMap<String, String>,
    progress: BTreeMap<String, Progress>,
    bars: BTreeMap<String, ProgressBar>,
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
        Self { form, states, progress, bars }
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

    /// The states as they are taken for known, so that only changes are shown.
    pub fn begin(&mut self, now: &[Instance]) {
        self.states = now.iter().map(|one| (one.fmri.clone(), one.shown())).collect();
    }

    /// Shows what has changed.
    pub fn states(&mut self, now: &[Instance]) {
        for one in now {
            let shown = one.shown();
            if self.states.get(&one.fmri) == Some(&shown) {
                continue;
            }
            self.states.insert(one.fmri.clone(), shown.clone());
            if self.is_json() {
                self.object(&json!({
                    "event": "state",
                    "fmri": one.fmri,
                    "state": one.state,
                    "next_state": one.next,
                }));
            } else if one.next.is_none() && one.state != "offline" {
                // On the way there is the progress to be seen.
                self.line(&format!("{}: {shown}", short(&one.fmri)));
            }
        }
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
        match &self.form {
            Form::Lines if news => self.line(&format!("{}: {}", short(fmri), now.shown())),
            Form::Lines => {}
            Form::Json => self.object(&json!({
                "event": "progress",
                "fmri": fmri,
                "phase": now.phase,
                "done": now.done,
                "total": now.total,
                "item": now.item,
            })),
            Form::Bars(all) => {
                let bar = self.bars.entry(fmri.to_owned()).or_insert_with(|| {
                    let bar = all.add(ProgressBar::new(0));
                    bar.set_prefix(short(fmri).to_owned());
                    bar
                });
                draw(bar, &now);
            }
        }
        if news || !matches!(self.form, Form::Lines) {
            self.progress.insert(fmri.to_owned(), now);
        }
    }

    /// No bar stays.
    pub fn end(&mut self) {
        while let Some((_, bar)) = self.bars.pop_first() {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, now: &Progress) {
    let template = match now.total {
        0 => "{prefix:<18} {msg}",
        _ => "{prefix:<18} {bar:24} {pos}/{len} {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_length(now.total);
    bar.set_position(now.done);
    bar.set_message(format!("{} {}", now.phase, now.item));
}

/// A line on standard output; a reader who left is no reason to stop a build.
fn print_line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _reader_gone = writeln!(out, "{text}").and_then(|()| out.flush());
}
