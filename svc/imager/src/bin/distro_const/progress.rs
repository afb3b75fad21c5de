//! progress.rs - one bar on a terminal, for the step that is going on; nothing elsewhere.
//!
//! ```text
//!        ba-arch [=====>        ] 120/300 archive  12 s left, 1 min 5 s of all
//! ```
//!
//! What is left is what the last build took less what has passed; a build that is the first of its
//! area knows only how far the step is.  The bar takes what room the words leave in the line.

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
        Self::on(target, seen, times, steps)
    }

    fn on(target: ProgressDrawTarget, seen: bool, times: Times, steps: Vec<String>) -> Self {
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
        let measures = if has_total { "[{wide_bar}] {pos}/{len} " } else { "{elapsed}" };
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
        let _done = write!(text, "{} left", spell(own));
        if let Some(later) = later {
            let _done = write!(text, ", {} of all", spell(own + later));
        }
    }
    text
}

fn spell(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds @ 600..3600 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
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
            (seconds(20), seconds(53), "12 s left, 1 min 5 s of all"),
            (seconds(20), None, "12 s left"),
            (seconds(5), seconds(3), "0 s left, 3 s of all"),
            (None, seconds(3), ""),
            (seconds(608), seconds(3000), "10 min left, 1 h 0 min of all"),
            (seconds(609), seconds(0), "11 min left, 11 min of all"),
        ] {
            assert_eq!(left(own, later, passed), wanted);
        }
    }

    /// What is written, on a terminal of 80 columns.
    #[derive(Debug, Clone, Default)]
    struct Screen(std::sync::Arc<Mutex<String>>);

    impl indicatif::TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            self.write_str("\n")
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bar_measure_and_time_are_one_line_of_a_usual_terminal() {
        let scratch = tempfile::tempdir().unwrap();
        let mut times = Times::of(scratch.path());
        for step in ["transfer-ips-install", "b"] {
            times.keep(step, Duration::from_secs(3599));
        }
        let steps = ["transfer-ips-install", "b"].map(str::to_string).to_vec();
        let screen = Screen::default();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let bar = Bar::on(target, false, times, steps);
        bar.tell("transfer-ips-install", 0, 0, "");
        bar.tell("transfer-ips-install", 30_000, 30_000, "files");
        bar.bar.force_draw();
        let text = screen.0.lock().unwrap().clone();
        let line = text.lines().rfind(|line| line.contains(" of all")).unwrap();
        assert!(line.contains("30000/30000 files"), "{text}");
        assert!(line.trim_end().chars().count() <= 80, "{line}");
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
