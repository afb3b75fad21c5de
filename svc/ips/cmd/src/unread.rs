//! unread.rs - where nobody reads any longer what a command prints (`pkg list | head`), it ends.

use std::panic::{PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

static UNREAD: AtomicBool = AtomicBool::new(false);

/// Runs a program; with status 1 and without a word where its output is not read to the end.
///
/// `print!` panics then, from wherever it is; SIGPIPE would also come of sockets and of pipes to
/// other programs, which are told of.
pub fn watched(program: fn() -> ExitCode) -> ExitCode {
    let before = take_hook();
    set_hook(Box::new(move |info| {
        if is_unread(info) {
            UNREAD.store(true, Ordering::Relaxed);
        }
        // What a thread's end brings along is of no account, either.
        if !UNREAD.load(Ordering::Relaxed) {
            before(info);
        }
    }));
    match catch_unwind(program) {
        Ok(status) => status,
        Err(_) if UNREAD.load(Ordering::Relaxed) => ExitCode::FAILURE,
        Err(panic) => resume_unwind(panic),
    }
}

/// The words are std's and the system's: "Broken pipe" of Linux, "Broken Pipe" of illumos.
fn is_unread(info: &PanicHookInfo<'_>) -> bool {
    let text = info.payload().downcast_ref::<String>().map(|text| text.to_lowercase());
    text.is_some_and(|text| {
        text.starts_with("failed printing to std") && text.contains("broken pipe")
    })
}
