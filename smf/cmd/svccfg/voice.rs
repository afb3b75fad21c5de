//! voice.rs - how svccfg says what it has to say.
//!
//! On a terminal messages stand bare on standard output; else they go to standard error, with the
//! program, and for commands from a file the file and the line on which the command ends.

use std::io::{self, Write};

use smf_cmd::say;

use crate::session::Complaint;

/// Where commands come from, which decides how messages look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voice {
    /// The command line.
    OneShot,
    /// A file.
    File {
        /// As it was named, or `<stdin>`.
        name: String,
        /// Where the command that is being carried out ends.
        line: usize,
    },
    /// A terminal.
    Interactive,
}

impl Voice {
    /// Says something that ends nothing.
    pub fn say(&self, text: &str) {
        match self {
            Voice::OneShot => say!("svccfg: {text}"),
            Voice::File { name, line } => say!("svccfg ({name}, line {line}): {text}"),
            Voice::Interactive => say::done(format_args!("{text}\n")),
        }
    }
}

/// Writes what was asked for to standard output.
pub fn print(text: &str) -> Result<(), Complaint> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        // Whoever read has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Complaint::Said),
        Err(_) => Err(Complaint::Fatal("Error writing to stdout.".into())),
    }
}

/// What the system calls an error, without its number.
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
