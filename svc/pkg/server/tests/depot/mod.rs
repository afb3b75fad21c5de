//! A depot of a test: on a port of its own, gone with the test.

// Each test program uses its own part of this.
#![allow(dead_code)]

pub mod publisher;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

/// 2026-11-22 03:03:50, when the captured repository was last written.
const WRITTEN: u64 = 1_795_316_630;

/// Copies a captured repository; its files have the time at which they were captured.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            let file = std::fs::File::options().append(true).open(&target).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(WRITTEN)).unwrap();
        }
    }
}

/// A running depot.
pub struct Depot {
    child: Child,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Depot {
    /// Serves a repository on a free port, read-only.
    pub fn of(repository: &Path) -> Self {
        Self::with(repository, &["--readonly"])
    }

    /// Serves a repository on a free port, with these options.
    pub fn with(repository: &Path, options: &[&str]) -> Self {
        Self::under(&["env"], repository, options)
    }

    /// The same, started by a program that becomes the depot.
    pub fn under(starter: &[&str], repository: &Path, options: &[&str]) -> Self {
        let mut child = Command::new(starter[0])
            .args(&starter[1..])
            .arg(env!("CARGO_BIN_EXE_pkg-depotd"))
            .args(["-a", "127.0.0.1", "-p", "0", "--log-errors", "none", "-d"])
            .arg(repository)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().trim_end_matches('/').rsplit(':').next().unwrap();
        Self { port: port.parse().unwrap_or_else(|_| panic!("{line}")), child }
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// A connection.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).unwrap()
    }

    /// Sends a whole request and reads until the depot closes.
    pub fn ask(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes)
    }

    /// The answer to `GET path`.
    pub fn get(&self, path: &str) -> Answer {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads head and body; line ends may be of either kind.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = match end {
            Some(end) => (&bytes[..end], &bytes[end + 4..]),
            None => (bytes, &[][..]),
        };
        let head = String::from_utf8(head.to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()));
        Self { status, headers: headers.collect(), body: body.to_vec() }
    }

    /// A header's value by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// What an error page says.
    pub fn message(&self) -> String {
        let text = self.text();
        let inside = text.split("<p>").nth(1).and_then(|rest| rest.split("</p>").next());
        inside.unwrap_or(&text).trim().to_string()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
