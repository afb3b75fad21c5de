//! depot.rs - a depot of a test, which ends with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The programs that were built.
pub fn programs() -> PathBuf {
    crate::built()
}

/// A depot that serves on a free port.
#[derive(Debug)]
pub struct Depot {
    child: Child,
    uri: String,
}

impl Depot {
    /// Serves a repository.
    pub fn of(repository: &Path) -> Depot {
        let mut child = Command::new(programs().join("pkg-depotd"))
            .args(["-a", "127.0.0.1", "-p", "0", "--log-errors", "none", "-d"])
            .arg(repository)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; cargo build -p pkg-server"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let uri = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
        let uri = uri.trim_end_matches('/').to_string();
        Depot { child, uri }
    }

    /// Its URI, without a slash at the end.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.uri.trim_start_matches("http://")
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}
