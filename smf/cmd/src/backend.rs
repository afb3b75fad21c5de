//! backend.rs - where the repository is, and what serves it: the server of svc.startd, or the
//! repository's file when no svc.startd runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use smf_configd::rights::Caller;
use smf_configd::{Change, Reading, Repository};
use smf_scf::handle::{CallError, Handle};
use smf_scf::import::Operation;
use smf_scf::import::held::Found;
use smf_scf::import::merge::Groups;
use smf_scf::protocol::{
    Choice, Columns, Composed, Expected, Packed, Query, Refusal, Request, Response, WAIT_MAX_MS,
};
use smf_scf::{packed, root};

use crate::operand::Entities;
use crate::repository::{Backend, Mark, RepositoryError};
use crate::stored::Stored;

type Answer<T> = Result<T, RepositoryError>;

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The root of the state.
#[must_use]
pub fn root() -> PathBuf {
    let is_root = nix::unistd::geteuid().is_root();
    root::root(variable, is_root).unwrap_or_else(|| "/".into())
}

/// For reading: the server, or the file.
///
/// # Errors
/// Nobody answers and there is no file.
pub fn open() -> Answer<Box<dyn Backend>> {
    match open_live() {
        Err(RepositoryError::NoServer) => open_file(&root()),
        other => other,
    }
}

/// For reading and writing: the server.
///
/// # Errors
/// Nobody answers.
pub fn open_live() -> Answer<Box<dyn Backend>> {
    open_door(&root::door(variable, &root()))
}

/// For reading and writing: the server behind this socket.
///
/// # Errors
/// Nobody answers.
pub fn open_door(door: &Path) -> Answer<Box<dyn Backend>> {
    match Handle::connect(door) {
        Ok(handle) => Ok(Box::new(Server { handle })),
        Err(_) => Err(RepositoryError::NoServer),
    }
}

fn open_file(root: &Path) -> Answer<Box<dyn Backend>> {
    use nix::unistd::{AccessFlags, access};
    let (lasting, volatile) = (root.join(root::LASTING), root.join(root::VOLATILE));
    // The file holds what only some may read: it is its owner's, and others have the server alone.
    if access(&lasting, AccessFlags::R_OK) == Err(nix::errno::Errno::EACCES) {
        return Err(RepositoryError::NoServer);
    }
    match Reading::open(&lasting, &volatile) {
        Ok(reading) => Ok(Box::new(Stored::new(reading))),
        Err(smf_configd::OpenError::Absent(_)) => Err(RepositoryError::NoServer),
        Err(error) => Err(RepositoryError::Other(error.to_string())),
    }
}

/// One file of the caller's own, for reading and writing.
///
/// # Errors
/// The file cannot be opened, or is no repository.
pub fn open_private(file: &Path) -> Answer<Box<dyn Backend>> {
    match Repository::open_private(file) {
        Ok(repository) => Ok(Box::new(Private { repository })),
        Err(error) => Err(RepositoryError::Other(error.to_string())),
    }
}

impl From<Refusal> for RepositoryError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(what) => Self::NotFound(what),
            Refusal::Exists(what) => Self::Exists(what),
            Refusal::Denied => Self::Denied,
            Refusal::ReadOnly => Self::ReadOnly,
            Refusal::Outdated(what) => Self::Outdated(what),
            Refusal::InvalidName(_)
            | Refusal::InvalidType(_)
            | Refusal::InvalidValue { .. }
            | Refusal::TooLong { .. } => Self::Invalid(refusal.to_string()),
            Refusal::Busy => Self::Other(refusal.to_string()),
            Refusal::Failed(what) => Self::Other(what),
        }
    }
}

impl From<CallError> for RepositoryError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => refusal.into(),
            CallError::Lost(_) | CallError::TooLong(_) | CallError::Protocol => {
                Self::Other(error.to_string())
            }
        }
    }
}

/// The server of svc.startd.
struct Server {
    handle: Handle,
}

/// Takes the answer that fits the question.
macro_rules! ask {
    ($server:expr, $request:expr, $response:ident) => {
        match $server.handle.call(&$request)? {
            Response::$response(answer) => Ok(answer),
            _ => Err(CallError::Protocol.into()),
        }
    };
}

impl Server {
    fn act(&mut self, request: &Request) -> Answer<()> {
        match self.handle.call(request)? {
            Response::Done => Ok(()),
            _ => Err(CallError::Protocol.into()),
        }
    }
}

impl Backend for Server {
    fn entities(&mut self) -> Answer<Entities> {
        ask!(self, Request::Entities, Entities)
    }

    fn groups(&mut self, entity: &str) -> Answer<Groups> {
        ask!(self, Request::Groups(entity.to_owned()), Groups)
    }

    fn own(&mut self, entities: &[String], choice: &Choice) -> Answer<Vec<(String, Groups)>> {
        let request = Request::Own(entities.to_vec(), choice.clone());
        let texts: Answer<Vec<(String, String)>> = ask!(self, request, Own);
        unpacked(texts?).ok_or(CallError::Protocol.into())
    }

    fn snapshot(&mut self, instance: &str, name: &str) -> Answer<Option<(Groups, Groups)>> {
        ask!(self, Request::Snapshot(instance.to_owned(), name.to_owned()), Snapshot)
    }

    fn snapshots(&mut self, instance: &str) -> Answer<Vec<String>> {
        ask!(self, Request::Snapshots(instance.to_owned()), Snapshots)
    }

    fn hidden(&mut self, entity: &str) -> Answer<Vec<String>> {
        ask!(self, Request::Hidden(entity.to_owned()), Hidden)
    }

    fn generation(&mut self, entity: &str, group: &str) -> Answer<u64> {
        ask!(self, Request::Generation(entity.to_owned(), group.to_owned()), Generation)
    }

    fn carry_out_upon(&mut self, expected: &[Expected], operations: &[Operation]) -> Answer<()> {
        self.act(&Request::CarryOutUpon(expected.to_vec(), operations.to_vec()))
    }

    fn found(&mut self, services: &[String]) -> Answer<Vec<Found>> {
        ask!(self, Request::Found(services.to_vec()), Found)
    }

    fn composed(&mut self, query: &Query) -> Answer<Vec<Composed>> {
        let packed: Answer<Vec<Packed>> = ask!(self, Request::Composed(query.clone()), Composed);
        let unpacked = packed?.into_iter().map(Packed::unpack).collect::<Option<_>>();
        unpacked.ok_or(CallError::Protocol.into())
    }

    fn table(&mut self, columns: &Columns) -> Answer<Vec<String>> {
        ask!(self, Request::Table(columns.clone()), Table)
    }

    fn revert(&mut self, instance: &str, name: &str) -> Answer<()> {
        self.act(&Request::Revert(instance.to_owned(), name.to_owned()))
    }

    fn remove_snapshot(&mut self, instance: &str, name: &str) -> Answer<()> {
        self.act(&Request::RemoveSnapshot(instance.to_owned(), name.to_owned()))
    }

    fn delete(&mut self, entity: &str) -> Answer<()> {
        self.act(&Request::Delete(entity.to_owned()))
    }

    fn carry_out(&mut self, operations: &[Operation]) -> Answer<()> {
        self.act(&Request::CarryOut(operations.to_vec()))
    }

    fn back_up(&mut self, name: &str) -> Answer<Option<PathBuf>> {
        let made: Answer<Option<String>> = ask!(self, Request::Backup(name.to_owned()), Backup);
        Ok(made?.map(PathBuf::from))
    }

    fn mark(&mut self) -> Answer<Mark> {
        let mark: Answer<u64> = ask!(self, Request::Mark, Mark);
        mark.map(Mark)
    }

    fn wait_since(&mut self, mark: Mark, longest: Option<Duration>) -> Answer<()> {
        let Mark(since) = mark;
        in_turns(longest, |longest_ms| {
            let now: Answer<u64> = ask!(self, Request::Wait { since, longest_ms }, Mark);
            Ok((now? > since).then_some(()))
        })
        .map(drop)
    }

    fn wait_group(&mut self, known: &Expected, longest: Option<Duration>) -> Answer<u64> {
        let moved = in_turns(longest, |longest_ms| {
            let request = Request::WaitGroup(known.clone(), longest_ms);
            let now: Answer<u64> = ask!(self, request, Generation);
            Ok(Some(now?).filter(|now| *now != known.generation))
        });
        Ok(moved?.unwrap_or(known.generation))
    }
}

/// Texts of groups, taken apart; none when they are no such texts.
fn unpacked(texts: Vec<(String, String)>) -> Option<Vec<(String, Groups)>> {
    texts.into_iter().map(|(fmri, text)| Some((fmri, packed::groups(&text)?))).collect()
}

/// Asks for at most this long, or until there is an answer; the server holds no question longer
/// than its own limit.
fn in_turns<T>(
    longest: Option<Duration>,
    mut ask: impl FnMut(u64) -> Answer<Option<T>>,
) -> Answer<Option<T>> {
    let mut left = longest.map(|longest| u64::try_from(longest.as_millis()).unwrap_or(u64::MAX));
    loop {
        let longest_ms = left.unwrap_or(WAIT_MAX_MS).min(WAIT_MAX_MS);
        let answer = ask(longest_ms)?;
        left = left.map(|left| left - longest_ms);
        if answer.is_some() || left == Some(0) {
            return Ok(answer);
        }
    }
}

/// A file of the caller's own.
struct Private {
    repository: Repository,
}

impl Private {
    fn commit(&mut self, commit: Commit<'_>) -> Answer<()> {
        Ok(commit(&mut self.repository).map(drop)?)
    }
}

type Commit<'a> = &'a mut dyn FnMut(&mut Repository) -> Result<Vec<Change>, Refusal>;

impl Backend for Private {
    fn entities(&mut self) -> Answer<Entities> {
        Ok(self.repository.entities())
    }

    fn groups(&mut self, entity: &str) -> Answer<Groups> {
        Ok(self.repository.groups(entity)?)
    }

    fn own(&mut self, entities: &[String], choice: &Choice) -> Answer<Vec<(String, Groups)>> {
        let view = self.repository.seen_by(&Caller::Owner);
        let own = |fmri: &String| Some((fmri.clone(), view.own(fmri, choice)?));
        let texts = entities.iter().filter_map(own).collect();
        unpacked(texts).ok_or(CallError::Protocol.into())
    }

    fn snapshot(&mut self, instance: &str, name: &str) -> Answer<Option<(Groups, Groups)>> {
        Ok(self.repository.snapshot(instance, name)?)
    }

    fn snapshots(&mut self, instance: &str) -> Answer<Vec<String>> {
        Ok(self.repository.snapshots(instance)?)
    }

    fn hidden(&mut self, _entity: &str) -> Answer<Vec<String>> {
        // Who can read the file may read all of it.
        Ok(Vec::new())
    }

    fn generation(&mut self, entity: &str, group: &str) -> Answer<u64> {
        Ok(self.repository.generation(entity, group))
    }

    fn carry_out_upon(&mut self, expected: &[Expected], operations: &[Operation]) -> Answer<()> {
        self.commit(&mut |repository| {
            repository.carry_out_upon(expected, operations, &Caller::Owner)
        })
    }

    fn found(&mut self, services: &[String]) -> Answer<Vec<Found>> {
        let view = self.repository.seen_by(&Caller::Owner);
        Ok(services.iter().filter_map(|service| view.found(service)).collect())
    }

    fn composed(&mut self, query: &Query) -> Answer<Vec<Composed>> {
        Ok(self.repository.composed(query))
    }

    fn table(&mut self, columns: &Columns) -> Answer<Vec<String>> {
        Ok(self.repository.seen_by(&Caller::Owner).table(columns))
    }

    fn revert(&mut self, instance: &str, name: &str) -> Answer<()> {
        self.commit(&mut |repository| repository.revert(instance, name, &Caller::Owner))
    }

    fn remove_snapshot(&mut self, instance: &str, name: &str) -> Answer<()> {
        self.commit(&mut |repository| repository.remove_snapshot(instance, name, &Caller::Owner))
    }

    fn delete(&mut self, entity: &str) -> Answer<()> {
        self.commit(&mut |repository| repository.delete(entity, &Caller::Owner))
    }

    fn carry_out(&mut self, operations: &[Operation]) -> Answer<()> {
        self.commit(&mut |repository| repository.carry_out(operations, &Caller::Owner))
    }

    fn back_up(&mut self, name: &str) -> Answer<Option<PathBuf>> {
        self.repository.backup(name).map_err(|error| RepositoryError::Other(error.to_string()))
    }

    fn mark(&mut self) -> Answer<Mark> {
        Ok(Mark(0))
    }

    fn wait_group(&mut self, _known: &Expected, _longest: Option<Duration>) -> Answer<u64> {
        Err(RepositoryError::NoServer)
    }

    fn wait_since(&mut self, _mark: Mark, _longest: Option<Duration>) -> Answer<()> {
        // Nothing will change: there is nobody who changes it.
        Err(RepositoryError::NoServer)
    }
}
