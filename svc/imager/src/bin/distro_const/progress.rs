//! progress.rs - one bar on a terminal, for the step that is going on; nothing elsewhere.
//!
//! ```text
//!        ba-arch [=====>        ] 120/300 archive  12 s left of the step, 1 min 5 s of all
//! ```
//!
//! What is left is what the last build took less what has passed; a build that is the first of its
//! area knows only how far the step is.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use imager::build::times::Times;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// How often the time that is left is shown anew.
const PACE: Duration = Duration::from_millis(500);

/// The bar.
pub struct Bar {
    bar: ProgressBar,
    times: Times,
    /// All steps, in order.
    steps: Vec<String>,
    shown: Mutex<Shown>,
}

/// What is shown.
#[derive(Default)]
struct Shown {
    step: String,
    unit: String,
    has_total: bool,
}

impl Bar {
    /// One that is seen where standard error is a terminal.
    pub fn new(times: Times, steps: Vec<String>) -> Self {
        let seen = std::io::stderr().is_terminal();
        let target = if seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        // Before the first step there is nothing to be seen.
        if let Ok(nothing) = ProgressStyle::with_template("") {
            bar.set_style(nothing);
        }
        if seen {
            bar.enable_steady_tick(PACE);
        }
        Self { bar, times, steps, shown: Mutex::default() }
    }

    /// A line above the bar, or just a line.
    pub fn line(&self, line: &str) {
        // Who went away does not end the build: the logs have it.
        self.bar.suspend(|| {
            let _unheard = writeln!(std::io::stderr().lock(), "{line}");
        });
    }

    /// How far a step is; 0 of 0 where nobody knows.
    pub fn tell(&self, step: &str, done: u64, total: u64, unit: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_new = shown.step != step;
        if is_new || shown.unit != unit || shown.has_total != (total > 0) {
            *shown = Shown { step: step.into(), unit: unit.into(), has_total: total > 0 };
            self.style(step, unit, total > 0, is_new);
            if is_new {
                self.bar.reset();
            }
        }
        // Both at once: the measures of one phase are none of the next.
        self.bar.update(|state| {
            state.set_len(total);
            state.set_pos(done);
        });
    }

    fn style(&self, step: &str, unit: &str, has_total: bool, is_new: bool) {
        let plain = |text: &str| text.replace('{', "{{").replace('}', "}}");
        let measures = if has_total { "[{bar:30}] {pos}/{len} " } else { "{elapsed}" };
        let unit = if has_total { plain(unit) } else { String::new() };
        let template = format!("{:>14} {measures}{unit}  {{left}}", plain(step));
        let Ok(style) = ProgressStyle::with_template(&template) else { return };
        let (own, later) = self.usual(step);
        // The phases of a step are one step.
        let passed = if is_new { Duration::ZERO } else { self.bar.elapsed() };
        let begun = Instant::now().checked_sub(passed).unwrap_or_else(Instant::now);
        let left = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            // What cannot be written is not seen.
            let _unseen = out.write_str(&left(own, later, begun.elapsed()));
        };
        self.bar.set_style(style.progress_chars("=> ").with_key("left", left));
    }

    /// How long a step took, and all that come after it; none where a time is not known.
    fn usual(&self, step: &str) -> (Option<Duration>, Option<Duration>) {
        let own = self.times.usual(step);
        let after = self.steps.iter().skip_while(|name| *name != step).skip(1);
        (own, after.map(|name| self.times.usual(name)).sum())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What is left of a step and of all, of what they took and what has passed.
fn left(own: Option<Duration>, later: Option<Duration>, passed: Duration) -> String {
    let mut text = String::new();
    if let Some(own) = own {
        let own = own.saturating_sub(passed);
        let _done = write!(text, "{} left of the step", spell(own));
        if let Some(later) = later {
            let _done = write!(text, ", {} of all", spell(own + later));
        }
    }
    text
}

fn spell(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let passed = Duration::from_secs(8);
        for (own, later, wanted) in [
            (seconds(20), seconds(53), "12 s left of the step, 1 min 5 s of all"),
            (seconds(20), None, "12 s left of the step"),
            (seconds(5), seconds(3), "0 s left of the step, 3 s of all"),
            (None, seconds(3), ""),
        ] {
            assert_eq!(left(own, later, passed), wanted);
        }
    }

    #[test]
    fn the_time_of_all_is_known_when_every_step_was_run() {
        let scratch = tempfile::tempdir().unwrap();
        let mut times = Times::of(scratch.path());
        for (step, seconds) in [("a", 1), ("b", 2), ("c", 4)] {
            times.keep(step, Duration::from_secs(seconds));
        }
        let steps = ["a", "b", "c"].map(str::to_string).to_vec();
        let bar = Bar::new(times, steps);
        assert_eq!(bar.usual("a"), (Some(Duration::from_secs(1)), Some(Duration::from_secs(6))));
        assert_eq!(bar.usual("c"), (Some(Duration::from_secs(4)), Some(Duration::ZERO)));
        bar.tell("b", 0, 0, "");
        bar.tell("b", 3, 9, "files");
        assert_eq!((bar.bar.position(), bar.bar.length()), (3, Some(9)));
        let mut bar = bar;
        bar.steps.push("d".to_string());
        assert_eq!(bar.usual("a").1, None);
    }
}
