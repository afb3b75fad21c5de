//! progress.rs - how far a long operation is: a bar on standard error, where that is a terminal.

use std::sync::atomic::AtomicBool;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ips_client::{Control, Progress};

/// Does `work` under a bar, which is gone when it is done.
pub fn shown<T>(work: impl FnOnce(&Control<'_>) -> T) -> T {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let told = |progress: &Progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_message(format!("{} {}", progress.phase.name(), progress.item));
    };
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let never = AtomicBool::new(false);
    let done = work(&Control::new(&told, &never));
    bar.finish_and_clear();
    done
}
