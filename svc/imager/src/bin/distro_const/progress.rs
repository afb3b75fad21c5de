//! progress.rs - one bar on a terminal, for the step that is going on; nothing elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar.
pub struct Bar {
    bar: ProgressBar,
    /// The step and the unit that it shows.
    shown: Mutex<(String, String)>,
}

impl Bar {
    /// One that is seen where standard error is a terminal.
    pub fn new() -> Self {
        let seen = std::io::stderr().is_terminal();
        let target = if seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = "{prefix:>14} [{bar:40}] {pos}/{len} {msg} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, shown: Mutex::default() }
    }

    /// A line above the bar, or just a line.
    pub fn line(&self, line: &str) {
        // Who went away does not end the build: the logs have it.
        self.bar.suspend(|| {
            let _unheard = writeln!(std::io::stderr().lock(), "{line}");
        });
    }

    /// How far a step is.
    pub fn tell(&self, step: &str, done: u64, total: u64, unit: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = (step.to_string(), unit.to_string());
        if *shown != now {
            self.bar.reset();
            self.bar.set_prefix(now.0.clone());
            self.bar.set_message(now.1.clone());
            *shown = now;
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
