//! A client that publishes as pkgsend does: step by step, on one connection.

#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

use ips_model::{Action, Kind, Manifest, quote};

use super::{Answer, Depot};

/// A client.
pub struct Publisher {
    stream: BufReader<TcpStream>,
}

impl Publisher {
    /// Connects.
    pub fn new(depot: &Depot) -> Self {
        Self { stream: BufReader::new(depot.connect()) }
    }

    /// Sends a request with a body and reads the answer.
    pub fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).expect("the depot answers")
    }

    /// The same; nothing where the depot is gone.
    pub fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> Option<Answer> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok()?;
        read(&mut self.stream)
    }

    /// Opens a transaction: its id.
    pub fn open(&mut self, fmri: &str) -> Result<String, String> {
        let path = format!("/open/0/{}", quote::quote(fmri));
        let answer = self.send("GET", &path, "Client-Release: 5.11\r\n", b"");
        match answer.header("transaction-id") {
            Some(id) if answer.status == 200 => Ok(id.to_string()),
            _ => Err(format!("{} {}", answer.status, answer.message())),
        }
    }

    /// Adds an action and its payload.
    pub fn add(&mut self, id: &str, action: &Action, payload: &[u8]) -> Answer {
        let path = format!("/add/0/{id}/{}", action.kind.as_str());
        self.send("POST", &path, &headers(action), payload)
    }

    /// Publishes: the package's name.
    pub fn close(&mut self, id: &str) -> Result<String, String> {
        let answer = self.send("GET", &format!("/close/0/{id}"), "", b"");
        match answer.header("package-fmri") {
            Some(fmri) if answer.header("state") == Some("PUBLISHED") => Ok(fmri.to_string()),
            _ => Err(format!("{} {}", answer.status, answer.message())),
        }
    }

    /// Publishes a source manifest with files of `proto`.
    pub fn publish(&mut self, manifest: &Manifest, proto: &Path) -> Result<String, String> {
        let id = self.open(&manifest.fmri().unwrap().to_string())?;
        for action in &manifest.actions {
            let named = action.kind == Kind::Set && action.get("name") == Some("pkg.fmri");
            if named || action.kind == Kind::Signature {
                continue;
            }
            let place = action.hash.as_deref().filter(|hash| *hash != "NOHASH");
            let place = place.or(action.get("path")).unwrap_or_default();
            let payload = match action.kind {
                Kind::File | Kind::License => std::fs::read(proto.join(place)).unwrap(),
                _ => Vec::new(),
            };
            let answer = self.add(&id, action, &payload);
            if answer.status != 200 {
                return Err(format!("{} {}", answer.status, answer.message()));
            }
        }
        self.close(&id)
    }
}

/// The headers that carry an action's attributes.
pub fn headers(action: &Action) -> String {
    let mut headers = String::new();
    for (number, (name, values)) in action.attributes.iter().enumerate() {
        let value = match &values[..] {
            [value] => value.clone(),
            values => format!("['{}']", values.join("', '")),
        };
        headers.push_str(&format!("X-IPkg-SetAttr{number}: {name}={value}\r\n"));
    }
    headers
}

/// Reads one answer; nothing where the depot hung up.
pub fn read(stream: &mut impl BufRead) -> Option<Answer> {
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let start = head.len();
        if stream.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&head[start..]).to_ascii_lowercase();
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let start = head.len();
    head.resize(start + length, 0);
    stream.read_exact(&mut head[start..]).ok()?;
    Some(Answer::parse(&head))
}
