//! log.rs - the access log (common log format) and the error log.
//!
//! A line is written whole under a lock; a log that cannot be written costs no answer.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::http::{Request, Response};

/// Where a log goes.
#[derive(Debug)]
pub enum Log {
    /// Nowhere.
    None,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to.
    File(Mutex<File>),
}

impl Log {
    /// Opens what `--log-access` or `--log-errors` names: `stdout`, `stderr`, `none` or a path.
    pub fn open(name: &str) -> io::Result<Self> {
        Ok(match name {
            "none" | "" => Self::None,
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            path => {
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                Self::File(Mutex::new(file))
            }
        })
    }

    /// Writes one line.
    pub fn line(&self, text: &str) {
        let text = format!("{text}\n");
        // A full disk or a closed terminal must not stop the depot.
        let _ = match self {
            Self::None => Ok(()),
            Self::Stdout => io::stdout().lock().write_all(text.as_bytes()),
            Self::Stderr => io::stderr().lock().write_all(text.as_bytes()),
            Self::File(file) => match file.lock() {
                Ok(mut file) => file.write_all(text.as_bytes()),
                Err(_) => Ok(()),
            },
        };
    }

    /// Writes what was asked and answered, in common log format.
    pub fn access(&self, request: &Request, response: &Response, peer: SocketAddr) {
        if matches!(self, Self::None) {
            return;
        }
        let when = Timestamp::now().strftime("%d/%b/%Y:%H:%M:%S +0000");
        let version = if request.version_1_1 { "1.1" } else { "1.0" };
        let length = if request.is_head() { 0 } else { response.length() };
        let asked = format!("{} {} HTTP/{version}", request.method, request.path);
        let asked = asked.replace(|c: char| c.is_control() || c == '"', "?");
        let status = response.status;
        self.line(&format!("{} - - [{when}] \"{asked}\" {status} {length}", peer.ip()));
    }
}
