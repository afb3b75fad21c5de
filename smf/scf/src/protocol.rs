//! protocol.rs - what is asked of a repository and what it answers, and how both travel.
//!
//! ```text
//! message   length (4 bytes, big endian)   JSON of that many bytes
//! ```
//!
//! A connection carries requests one after the other, each answered before the next is read.  The
//! server tells who asks by the credentials of the socket, never by anything in a message.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::import::Operation;
use crate::import::held::Found;
use crate::import::merge::Groups;
use crate::packed;

/// The longest request, in bytes: the import of a bundle is one, and about five times as long.
pub const LENGTH_MAX: usize = 128 << 20;

/// The longest answer, in bytes: more than all of a repository of ten thousand instances.
pub const ANSWER_MAX: usize = 512 << 20;

/// The longest time one `Wait` is held, in milliseconds; who wants longer asks again.
pub const WAIT_MAX_MS: u64 = 30_000;

/// What is asked.  Entities are canonical FMRIs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Every service with its instances.
    Entities,
    /// The live groups of an entity itself.
    Groups(String),
    /// Of many entities, this of their own live groups.
    Own(Vec<String>, Choice),
    /// A snapshot: instance, name.
    Snapshot(String, String),
    /// The names of the snapshots of an instance.
    Snapshots(String),
    /// The groups of an entity whose values the caller may not read: they come without values.
    Hidden(String),
    /// Remove a service with its instances, or an instance.
    Delete(String),
    /// Carry out all operations, or none.
    CarryOut(Vec<Operation>),
    /// Carry out all operations, or none; none either when a group has changed since it was read.
    CarryOutUpon(Vec<Expected>, Vec<Operation>),
    /// What a live group is at: entity, group.
    Generation(String, String),
    /// Answer when a live group (entity, group) is no longer at this generation, or after this
    /// many milliseconds.
    WaitGroup(Expected, u64),
    /// Many instances at once, composed.
    Composed(Query),
    /// A few properties of many instances, composed, as text.
    Table(Columns),
    /// Services with all that an import looks at.
    Found(Vec<String>),
    /// Take the lasting groups of an instance and its service back from a snapshot (instance,
    /// name), after taking `previous`; general/enabled stays.
    Revert(String, String),
    /// Remove a snapshot: instance, name.
    RemoveSnapshot(String, String),
    /// Make a backup under this name.
    Backup(String),
    /// How far changes have come.
    Mark,
    /// Answer when changes have come further than this, or after this many milliseconds.
    Wait {
        /// The mark the caller knows.
        since: u64,
        /// At most `WAIT_MAX_MS`.
        longest_ms: u64,
    },
}

/// What a live group is taken to be at.  Every change of a group gives it another generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The service or instance.
    pub entity: String,
    /// The group.
    pub group: String,
    /// Its generation; 0 = it is not there.
    pub generation: u64,
}

/// Which instances, and what of each: one question for what would be thousands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Canonical FMRIs; none = every instance.
    pub instances: Option<Vec<String>>,
    /// What of the live groups.
    pub live: Choice,
    /// What of the running snapshot, or of the live groups where there is no such snapshot.
    pub running: Choice,
}

/// Which instances, and which properties of each: group and name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Canonical FMRIs, in the order of the answer; none = every instance.
    pub instances: Option<Vec<String>>,
    /// Of the live groups of the instance alone.
    pub own: Vec<(String, String)>,
    /// Of the live groups, composed.
    pub live: Vec<(String, String)>,
    /// Of the running snapshot, or of the live groups where there is no such snapshot.
    pub running: Vec<(String, String)>,
}

/// A part of the groups of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Choice {
    /// None of them.
    #[default]
    Nothing,
    /// What fits one of these.
    These(Vec<Wanted>),
    /// All of them.
    Everything,
}

/// What is wanted of the groups of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// The group of this name.
    Group(String),
    /// Of the group of this name, this property.
    Property(String, String),
    /// All groups of this type.
    Kind(String),
}

/// An instance: its properties, and below them those of its service that they do not hide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Composed {
    /// Canonical FMRI.
    pub instance: String,
    /// Of the live groups.
    pub live: Groups,
    /// Of the running snapshot.
    pub running: Groups,
}

/// An instance as it travels: its FMRI, and two texts of groups (`packed`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed(pub String, pub String, pub String);

impl Packed {
    /// What was packed; none when it is no text of groups.
    #[must_use]
    pub fn unpack(self) -> Option<Composed> {
        let Self(instance, live, running) = self;
        let (live, running) = (packed::groups(&live)?, packed::groups(&running)?);
        Some(Composed { instance, live, running })
    }
}

impl Choice {
    /// Whether anything of this group may be chosen.
    #[must_use]
    pub fn touches(&self, group: &str, kind: &str) -> bool {
        let touches = |wanted: &Wanted| match wanted {
            Wanted::Group(name) | Wanted::Property(name, _) => name == group,
            Wanted::Kind(own) => own == kind,
        };
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::These(wanted) => wanted.iter().any(touches),
        }
    }

    /// Whether this property of this group is chosen.
    #[must_use]
    pub fn takes(&self, group: &str, kind: &str, property: &str) -> bool {
        let fits = |wanted: &Wanted| match wanted {
            Wanted::Group(name) => name == group,
            Wanted::Property(name, own) => name == group && own == property,
            Wanted::Kind(own) => own == kind,
        };
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::These(wanted) => wanted.iter().any(fits),
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// Services with their instances.
    Entities(BTreeMap<String, Vec<String>>),
    /// Groups by name.
    Groups(Groups),
    /// Those of the entities that are there, in the order they were asked for, each with a text of
    /// groups (`packed`).
    Own(Vec<(String, String)>),
    /// The groups of the instance and of its service, if there is such a snapshot.
    Snapshot(Option<(Groups, Groups)>),
    /// Names.
    Snapshots(Vec<String>),
    /// Names of groups.
    Hidden(Vec<String>),
    /// The instances that were asked for and are there, in the order of their names.
    Composed(Vec<Packed>),
    /// Rows as `table` writes them, of the instances that were asked for and are there.
    Table(Vec<String>),
    /// Those of the services that are there.
    Found(Vec<Found>),
    /// It is done, durably.
    Done,
    /// Where the backup is; none when the last one of that name holds the same.
    Backup(Option<String>),
    /// How far changes have come.
    Mark(u64),
    /// What a group is at.
    Generation(u64),
    /// It is not done.
    Refused(Refusal),
}

/// Why a request is refused.  Nothing of it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// An entity, group, property or snapshot is not there.
    #[error("{0}: not found")]
    NotFound(String),
    /// An entity or group is there already.
    #[error("{0}: already exists")]
    Exists(String),
    /// The caller may not.
    #[error("permission denied")]
    Denied,
    /// The repository cannot be written.
    #[error("repository is read-only")]
    ReadOnly,
    /// A group has changed since the caller read it: to be read and decided again.
    #[error("{0}: changed meanwhile")]
    Outdated(String),
    /// A name that no repository takes.
    #[error("\"{0}\": not a name")]
    InvalidName(String),
    /// A type that there is not.
    #[error("\"{0}\": not a type")]
    InvalidType(String),
    /// A value that is not one of its type.
    #[error("\"{value}\": not a value of type {kind}")]
    InvalidValue {
        /// The type.
        kind: String,
        /// The value.
        value: String,
    },
    /// A name, or a value of the property named, that is too long.
    #[error("{what}: longer than {longest} bytes")]
    TooLong {
        /// The name.
        what: String,
        /// What fits.
        longest: usize,
    },
    /// The caller has as much under way as one may.
    #[error("too many requests at once")]
    Busy,
    /// The repository's file cannot be read or written.
    #[error("{0}")]
    Failed(String),
}

/// Writes one message.
///
/// # Errors
/// The stream's, or `InvalidData` for a message that is too long.
pub fn send<T: Serialize>(stream: impl Write, message: &T) -> io::Result<()> {
    send_at_most(stream, message, ANSWER_MAX)
}

/// Writes one message of at most this many bytes.
///
/// # Errors
/// The stream's, or `InvalidData` for a message that is too long: nothing of it is written.
pub fn send_at_most<T: Serialize>(
    mut stream: impl Write,
    message: &T,
    longest: usize,
) -> io::Result<()> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > longest {
        return Err(too_long(length));
    }
    let header = u32::try_from(length).map_err(|_| too_long(length))?;
    bytes[..4].copy_from_slice(&header.to_be_bytes());
    stream.write_all(&bytes)
}

/// Reads one message; none when the other side has closed between two.
///
/// # Errors
/// The stream's, or `InvalidData` for what is no message.
pub fn receive<T: DeserializeOwned>(stream: impl Read) -> io::Result<Option<T>> {
    receive_at_most(stream, ANSWER_MAX)
}

/// Reads one message of at most this many bytes; none when the other side has closed between two.
///
/// # Errors
/// The stream's, or `InvalidData` for what is no message.
pub fn receive_at_most<T: DeserializeOwned>(
    mut stream: impl Read,
    longest: usize,
) -> io::Result<Option<T>> {
    let mut header = [0; 4];
    let first = stream.read(&mut header)?;
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[first..])?;
    let length = u32::from_be_bytes(header) as usize;
    if length > longest {
        return Err(too_long(length));
    }
    // Room is made as bytes come, not as a header promises.
    let mut bytes = Vec::new();
    stream.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(serde_json::from_slice(&bytes)?))
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_travel() {
        let request = Request::Wait { since: 7, longest_ms: 9 };
        let mut bytes = Vec::new();
        send(&mut bytes, &request).unwrap();
        send(&mut bytes, &Request::Mark).unwrap();
        let mut stream = bytes.as_slice();
        assert_eq!(receive(&mut stream).unwrap(), Some(request));
        assert_eq!(receive(&mut stream).unwrap(), Some(Request::Mark));
        assert_eq!(receive::<Request>(&mut stream).unwrap(), None);
        let mut bytes = Vec::new();
        assert!(send_at_most(&mut bytes, &Request::Mark, 5).is_err() && bytes.is_empty());
        assert!(send_at_most(&mut bytes, &Request::Mark, 6).is_ok());
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [
            &b"\0\0"[..],
            b"\xff\xff\xff\xff",
            b"\0\0\0\x05\"Ma",
            b"\0\0\0\x03foo",
            b"\0\0\0\x06\"Nope\"",
        ] {
            assert!(receive::<Request>(bytes).is_err(), "{bytes:?}");
        }
    }
}
