//! history.rs - what was done with an image: a file for each operation.
//!
//! ```text
//! history/TIME-NN.xml     TIME: when it began, NN: of those that began in this second
//! <?xml version="1.0" encoding="utf-8"?><history>
//!   <client name= version=><args><arg><![CDATA[…]]></arg>…</args></client>
//!   <operation name= username= userid= result="OUTCOME, REASON" start_time= end_time=>
//!     <start_state>…</start_state><end_state>…</end_state><errors><error>…</error></errors>
//!   </operation></history>                                  (without the white space)
//! notes/TIME-NN.txt       release notes of an operation, which names the file (`release-notes=`)
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ips_model::Timestamp;
use ips_repository::{PathError, durable};
use quick_xml::events::{BytesStart, Event};

use super::Image;

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// `Succeeded`, `Failed`, `Ignored` or `Canceled`.
    pub outcome: &'static str,
    /// `None`, or why.
    pub reason: &'static str,
}

impl Outcome {
    /// It was done.
    pub const SUCCEEDED: Self = Self { outcome: "Succeeded", reason: "None" };
    /// There was nothing to do.
    pub const NOTHING: Self = Self { outcome: "Ignored", reason: "Nothing to do" };
    /// It made no sense.
    pub const BAD_REQUEST: Self = Self { outcome: "Failed", reason: "Bad Request" };
    /// Packages are in each other's way.
    pub const CONSTRAINED: Self = Self { outcome: "Failed", reason: "Constrained" };
    /// The image is used by another client.
    pub const LOCKED: Self = Self { outcome: "Failed", reason: "Locked" };
    /// Packages could not be fetched.
    pub const TRANSPORT: Self = Self { outcome: "Failed", reason: "Transport" };
    /// The disk.
    pub const STORAGE: Self = Self { outcome: "Failed", reason: "Storage" };
    /// It failed for another reason.
    pub const UNKNOWN: Self = Self { outcome: "Failed", reason: "Unknown" };
    /// The user ended it.
    pub const CANCELED: Self = Self { outcome: "Canceled", reason: "None" };
}

/// An operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operation {
    /// The program.
    pub client: String,
    /// Its version.
    pub client_version: String,
    /// Its command line.
    pub arguments: Vec<String>,
    /// `install`, `set-property` …
    pub name: String,
    /// Who did it.
    pub user: String,
    /// The same as a number.
    pub userid: String,
    /// `Succeeded`, `Failed` …
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// When it began, `YYYYMMDDTHHMMSSZ`.
    pub start: String,
    /// When it was done.
    pub end: String,
    /// What was planned.
    pub start_state: String,
    /// What had come of it.
    pub end_state: String,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Boot environments, snapshot and other attributes pkg5 writes.
    pub others: Vec<(String, String)>,
}

/// A file that is no entry of a history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It is no such XML.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Operation {
    /// The text of its file.
    pub fn print(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><history>");
        let attribute =
            |name: &str, value: &str| format!(" {name}=\"{}\"", quick_xml::escape::escape(value));
        let client = [("name", &self.client), ("version", &self.client_version)];
        text.push_str("<client");
        text.extend(client.map(|(name, value)| attribute(name, value)));
        text.push_str("><args>");
        for argument in &self.arguments {
            text.push_str(&format!("<arg>{}</arg>", data(argument)));
        }
        text.push_str("</args></client><operation");
        let result = format!("{}, {}", self.outcome, self.reason);
        for (name, value) in [
            ("name", &self.name),
            ("username", &self.user),
            ("userid", &self.userid),
            ("result", &result),
            ("start_time", &self.start),
            ("end_time", &self.end),
        ] {
            text.push_str(&attribute(name, value));
        }
        for (name, value) in &self.others {
            text.push_str(&attribute(name, value));
        }
        let mut inner = String::new();
        for (name, state) in [("start_state", &self.start_state), ("end_state", &self.end_state)] {
            if !state.is_empty() {
                inner.push_str(&format!("<{name}>{}</{name}>", data(state)));
            }
        }
        if !self.errors.is_empty() {
            let errors = self.errors.iter().map(|one| format!("<error>{}</error>", data(one)));
            inner.push_str(&format!("<errors>{}</errors>", errors.collect::<String>()));
        }
        match inner.as_str() {
            "" => text.push_str("/></history>"),
            inner => text.push_str(&format!(">{inner}</operation></history>")),
        }
        text
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = quick_xml::Reader::from_str(text);
        let mut operation = Self::default();
        let mut open: Vec<String> = Vec::new();
        let mut seen = false;
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            match event {
                Event::Eof => break,
                Event::Start(tag) => {
                    seen |= operation.take(&tag)?;
                    open.push(String::from_utf8_lossy(tag.name().as_ref()).into_owned());
                    if open.len() > 8 {
                        return Err("elements in elements in elements".to_string());
                    }
                    if tag.name().as_ref() == b"arg" {
                        operation.arguments.push(String::new());
                    } else if tag.name().as_ref() == b"error" {
                        operation.errors.push(String::new());
                    }
                }
                Event::Empty(tag) => seen |= operation.take(&tag)?,
                Event::End(_) => drop(open.pop()),
                Event::CData(data) => {
                    let text = String::from_utf8_lossy(&data).into_owned();
                    operation.add(open.last().map(String::as_str), &text);
                }
                Event::Text(data) => {
                    let text = data.decode().map_err(|error| error.to_string())?;
                    operation.add(open.last().map(String::as_str), &text);
                }
                Event::DocType(_) => return Err("a document type".to_string()),
                _ => {}
            }
        }
        if seen { Ok(operation) } else { Err("no operation".to_string()) }
    }

    /// An element's attributes; whether it was the operation.
    fn take(&mut self, tag: &BytesStart<'_>) -> Result<bool, String> {
        let element = tag.name().as_ref().to_vec();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute.unescape_value().map_err(|error| error.to_string())?;
            let value = value.into_owned();
            let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
            match (element.as_slice(), name.as_str()) {
                (b"client", "name") => self.client = value,
                (b"client", "version") => self.client_version = value,
                (b"operation", "name") => self.name = value,
                (b"operation", "username") => self.user = value,
                (b"operation", "userid") => self.userid = value,
                (b"operation", "start_time") => self.start = value,
                (b"operation", "end_time") => self.end = value,
                (b"operation", "result") => {
                    let (outcome, reason) = value.split_once(", ").unwrap_or((&value, "None"));
                    (self.outcome, self.reason) = (outcome.to_string(), reason.to_string());
                }
                (b"operation", _) => self.others.push((name, value)),
                _ => {}
            }
        }
        Ok(element == b"operation")
    }

    fn add(&mut self, element: Option<&str>, text: &str) {
        let place = match element {
            Some("arg") => self.arguments.last_mut(),
            Some("error") => self.errors.last_mut(),
            Some("start_state") => Some(&mut self.start_state),
            Some("end_state") => Some(&mut self.end_state),
            Some(_) | None => None,
        };
        if let Some(place) = place {
            place.push_str(text);
        }
    }

    /// The file of its release notes.  What is no plain name names none.
    pub fn release_notes(&self) -> Option<&str> {
        let name = self.other("release-notes")?;
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
        plain.then_some(name)
    }

    /// An attribute of pkg5's that has no field here.
    pub fn other(&self, name: &str) -> Option<&str> {
        self.others.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A text between `<![CDATA[` and `]]>`, which must not end early.
fn data(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

impl Image {
    /// Adds an operation to the history.
    pub fn log(&self, operation: &Operation) -> Result<(), HistoryError> {
        let folder = self.metadata().join("history");
        durable::make_folder(&folder)?;
        // Whatever somebody gave as a time, it is no path.
        let start = Timestamp::parse(&operation.start).map(Timestamp::package);
        let start = start.unwrap_or_else(|_| "00000000T000000Z".to_string());
        for number in 1..10_000 {
            let path = folder.join(format!("{start}-{number:02}.xml"));
            match durable::write_new(&path, operation.print().as_bytes()) {
                Ok(()) => return Ok(()),
                Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        let source = io::Error::other("too many operations in one second");
        Err(PathError { path: folder, source }.into())
    }

    /// The operations, the oldest first.
    pub fn history(&self) -> Result<Vec<Operation>, HistoryError> {
        let mut operations = Vec::new();
        for path in self.history_files()? {
            let text = fs::read_to_string(&path)
                .map_err(|source| PathError { path: path.clone(), source })?;
            let malformed = |reason| HistoryError::Malformed { path: path.clone(), reason };
            operations.push(Operation::parse(&text).map_err(malformed)?);
        }
        Ok(operations)
    }

    /// Keeps the release notes of an operation that began then; the name it is to have for them.
    pub fn keep_notes(&self, start: &str, notes: &str) -> Result<String, HistoryError> {
        let folder = self.metadata().join("notes");
        durable::make_folder(&folder)?;
        for number in 1..10_000 {
            let name = format!("{start}-{number:02}.txt");
            match durable::write_new(&folder.join(&name), notes.as_bytes()) {
                Ok(()) => return Ok(name),
                Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        let source = io::Error::other("too many operations in one second");
        Err(PathError { path: folder, source }.into())
    }

    /// The release notes of an operation; `None`: there were none.
    pub fn notes(&self, operation: &Operation) -> Result<Option<String>, HistoryError> {
        let Some(name) = operation.release_notes() else { return Ok(None) };
        let path = self.metadata().join("notes").join(name);
        let text = fs::read(&path).map_err(|source| PathError { path, source })?;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }

    /// Takes every operation out.
    pub fn purge_history(&self) -> Result<(), HistoryError> {
        let notes = files_in(&self.metadata().join("notes"), ".txt")?;
        for path in self.history_files()?.into_iter().chain(notes) {
            fs::remove_file(&path).map_err(|source| PathError { path: path.clone(), source })?;
        }
        Ok(())
    }

    fn history_files(&self) -> Result<Vec<PathBuf>, PathError> {
        files_in(&self.metadata().join("history"), ".xml")
    }
}

/// The files in a folder whose names end so, sorted; none where there is no folder.
fn files_in(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, PathError> {
    let failed = |source| PathError { path: folder.to_path_buf(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let file = entry.file_type().map_err(failed)?.is_file();
        if file && entry.file_name().to_string_lossy().ends_with(ending) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let operation = Operation {
            client: "pkg".into(),
            client_version: "1 \"x\" <&>".into(),
            arguments: vec!["pkg".into(), "a]]>b <c> &d".into(), String::new()],
            name: "install".into(),
            user: "root".into(),
            userid: "0".into(),
            outcome: "Failed".into(),
            reason: "Nothing to do".into(),
            start: "20261122T030449Z".into(),
            end: "20261122T030450Z".into(),
            start_state: "one\ntwo\n".into(),
            end_state: String::new(),
            errors: vec!["first".into(), "second\n".into()],
            others: vec![("be".into(), "omnios".into())],
        };
        assert_eq!(Operation::parse(&operation.print()).unwrap(), operation);
    }

    #[test]
    fn notes_lie_in_their_folder() {
        for (name, plain) in
            [("a.txt", true), ("", false), ("..", false), ("../x", false), ("/etc/passwd", false)]
        {
            let others = vec![("release-notes".to_string(), name.to_string())];
            let operation = Operation { others, ..Operation::default() };
            assert_eq!(operation.release_notes().is_some(), plain, "{name}");
        }
    }

    #[test]
    fn refused() {
        for bad in ["", "<history>", "<history/>", "<history><operation name='x></history>", "x"] {
            assert!(Operation::parse(bad).is_err(), "{bad}");
        }
    }
}
