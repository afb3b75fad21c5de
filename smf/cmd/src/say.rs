//! say.rs - lines for whoever called a command.
//!
//! A message that nobody can hear (a full disk, a reader who has gone, a closed descriptor) changes
//! neither what the command does nor its exit status.  What was asked for on standard output is
//! not written here: losing that is an error of its command.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Says something on standard error, in one write.
pub fn error(text: Arguments<'_>) {
    // Nobody hears, and there is nobody to tell.
    let _unheard = io::stderr().write_all(text.to_string().as_bytes());
}

/// Tells what has been done, on standard output.
pub fn done(text: Arguments<'_>) {
    let mut out = io::stdout().lock();
    // It is done whether or not anybody reads so.
    let _unheard = out.write_all(text.to_string().as_bytes()).and_then(|()| out.flush());
}

/// A line on standard error.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {
        $crate::say::error(::std::format_args!("{}\n", ::std::format_args!($($text)*)))
    };
}
