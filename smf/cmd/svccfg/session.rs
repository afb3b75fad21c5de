//! session.rs - what is selected, in which repository, and to whom svccfg speaks.
//!
//! Everything that is changed goes through `commit`: on a private repository, where no restarter
//! looks, it takes the running snapshot of what is touched in the same transaction.

use std::time::{Duration, Instant};

use smf_cmd::operand::{is_instance, service_of};
use smf_cmd::repository::{Repository, RepositoryError};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Groups};
use smf_scf::protocol::{Choice, Query, Wanted};

use crate::connection::Connection;
use crate::voice::Voice;

/// The longest time the restarter is given to take up what is new.
const SETTLE: Duration = Duration::from_secs(2);

const DELETED: &str = "Current selection has been deleted.";

/// Why a command did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// The words are not those of the command.
    Syntax,
    /// It could not be done; ends everything but a terminal's session.
    Refused(String),
    /// Ends svccfg.
    Fatal(String),
    /// What there is to say has been said; ends everything but a terminal's session.
    Said,
}

impl From<RepositoryError> for Complaint {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Denied => Self::Refused("Permission denied.".into()),
            RepositoryError::ReadOnly => Self::Refused("Backend read-only.".into()),
            RepositoryError::NoServer => Self::Fatal(
                "Could not connect to repository server: repository server unavailable.".into(),
            ),
            other => Self::Refused(format!("{other}.")),
        }
    }
}

/// A refusal with this text.
pub fn complain<T>(text: impl Into<String>) -> Result<T, Complaint> {
    Err(Complaint::Refused(text.into()))
}

/// What a command comes to.
pub type Outcome = Result<(), Complaint>;

/// A level of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Instance,
    Service,
}

/// One svccfg.
pub struct Session {
    pub connection: Connection,
    pub voice: Voice,
    pub verbose: bool,
    /// The selected service or instance.
    pub selection: Option<String>,
    /// The selected snapshot of the selected instance.
    pub snapshot: Option<(String, Level)>,
    /// `end` was said.
    pub over: bool,
}

impl Session {
    /// Nothing is selected.
    pub fn new(connection: Connection, voice: Voice, verbose: bool) -> Self {
        Self { connection, voice, verbose, selection: None, snapshot: None, over: false }
    }

    /// The repository, which is opened when it is first asked for.
    pub fn repository(&mut self) -> Result<&mut Repository, Complaint> {
        self.connection.repository()
    }

    /// `svc:`, `svc:/network/ssh`, `[snap]svc:/network/ssh:default`, `[snap]svc:/network/ssh[:default]`.
    pub fn prompt(&self) -> String {
        let fmri = self.selection.as_deref().unwrap_or("svc:");
        match &self.snapshot {
            None => fmri.to_owned(),
            Some((name, Level::Instance)) => format!("[{name}]{fmri}"),
            Some((name, Level::Service)) => {
                let service = service_of(fmri);
                format!("[{name}]{service}[{}]", &fmri[service.len()..])
            }
        }
    }

    /// Lets go of a selection that somebody has deleted.
    pub fn settle(&mut self) -> Outcome {
        let Some(selected) = self.selection.clone() else { return Ok(()) };
        let entities = self.repository()?.entities()?;
        let there = |fmri: &str| match is_instance(fmri) {
            true => entities.get(service_of(fmri)).is_some_and(|all| all.iter().any(|i| i == fmri)),
            false => entities.contains_key(fmri),
        };
        if !there(&selected) {
            self.snapshot = None;
            let service = service_of(&selected).to_owned();
            self.selection = there(&service).then_some(service);
            self.voice.say(DELETED);
        }
        Ok(())
    }

    /// The selected entity.
    pub fn entity(&self) -> Result<String, Complaint> {
        self.selection.clone().ok_or(Complaint::Refused("An entity is not selected.".into()))
    }

    /// The selected entity, to be changed.
    pub fn editable(&self) -> Result<String, Complaint> {
        if self.snapshot.is_some() {
            return complain("Cannot modify snapshots.");
        }
        self.entity()
    }

    /// The selected instance.
    pub fn instance(&self) -> Result<String, Complaint> {
        match &self.selection {
            Some(fmri) if is_instance(fmri) => Ok(fmri.clone()),
            _ => complain("Instance not selected."),
        }
    }

    /// The groups of the selected entity, or of the selected level of a snapshot.
    pub fn groups(&mut self) -> Result<Groups, Complaint> {
        let entity = self.entity()?;
        match self.snapshot.clone() {
            None => self.live(&entity),
            Some((name, level)) => match self.repository()?.snapshot(&entity, &name)? {
                Some((own, _)) if level == Level::Instance => Ok(own),
                Some((_, service)) => Ok(service),
                None => complain("No such snapshot."),
            },
        }
    }

    /// The groups of an entity as they are now.
    pub fn live(&mut self, entity: &str) -> Result<Groups, Complaint> {
        let gone = self.selection.as_deref() == Some(entity);
        match self.repository()?.groups(entity) {
            Err(RepositoryError::NotFound(_)) if gone => complain(DELETED),
            other => Ok(other?),
        }
    }

    /// One group of an entity as it is now.  However many others there are, they are not sent.
    pub fn group(&mut self, entity: &str, name: &str) -> Result<Option<Group>, Complaint> {
        let selected = self.selection.as_deref() == Some(entity);
        let choice = Choice::These(vec![Wanted::Group(name.to_owned())]);
        match self.repository()?.own(&[entity.to_owned()], &choice)?.pop() {
            Some((_, mut groups)) => Ok(groups.remove(name)),
            None if selected => complain(DELETED),
            None => Err(RepositoryError::NotFound(entity.to_owned()).into()),
        }
    }

    /// Carries out all operations, or none.
    pub fn commit(&mut self, mut operations: Vec<Operation>) -> Outcome {
        self.take_running(&mut operations)?;
        Ok(self.repository()?.carry_out(&operations)?)
    }

    /// Reads a group, decides by it, and commits; again if somebody else was faster.
    pub fn edit(
        &mut self,
        entity: &str,
        group: &str,
        decide: impl Fn(Option<Group>) -> Result<Vec<Operation>, Complaint>,
    ) -> Outcome {
        loop {
            let expected = self.repository()?.generation(entity, group)?;
            // Who may not read values would lose them.
            if self.repository()?.hidden(entity)?.iter().any(|hidden| hidden == group) {
                return complain("Permission denied.");
            }
            let mut operations = decide(self.group(entity, group)?)?;
            self.take_running(&mut operations)?;
            match self.repository()?.carry_out_upon(&[expected], &operations) {
                Err(RepositoryError::Outdated(_)) => {}
                other => return Ok(other?),
            }
        }
    }

    /// What `commit` would add: nothing, unless the repository is private.
    pub fn take_running(&mut self, operations: &mut Vec<Operation>) -> Outcome {
        if !self.connection.is_private() {
            return Ok(());
        }
        let (mut instances, services): (Vec<String>, Vec<String>) = operations
            .iter()
            .filter_map(changed)
            .map(str::to_owned)
            .partition(|entity| is_instance(entity));
        if !services.is_empty() {
            let entities = self.repository()?.entities()?;
            let of = |service| entities.get(service).into_iter().flatten().cloned();
            instances.extend(services.iter().flat_map(of));
        }
        instances.sort();
        instances.dedup();
        let running = |instance| Operation::Take(instance, "running".into());
        operations.extend(instances.into_iter().map(running));
        Ok(())
    }

    /// Has the restarter take an instance as it is configured; a private repository has none, so
    /// the running snapshot is taken here.
    pub fn refresh(&mut self, instance: &str) -> Outcome {
        if self.connection.is_private() {
            let take = Operation::Take(instance.to_owned(), "running".into());
            return Ok(self.repository()?.carry_out(&[take])?);
        }
        Ok(self.repository()?.refresh(instance)?)
    }

    /// Waits until the restarter knows instances that are new, so that the next command finds them
    /// in a state.
    pub fn settled(&mut self, new: &[String]) -> Outcome {
        if new.is_empty() || !self.connection.has_restarter() {
            return Ok(());
        }
        let state = Wanted::Property("restarter".into(), "state".into());
        let query = Query {
            instances: Some(new.to_vec()),
            live: Choice::These(vec![state]),
            running: Choice::Nothing,
        };
        let until = Instant::now() + SETTLE;
        loop {
            let repository = self.repository()?;
            let mark = repository.mark()?;
            // One that has been deleted meanwhile is not waited for.
            let there = repository.composed(&query)?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || there.iter().all(|one| one.live.contains_key("restarter")) {
                return Ok(());
            }
            repository.wait_since(mark, left)?;
        }
    }
}

/// The entity whose groups an operation changes.
fn changed(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::AddGroup(entity, ..)
        | Operation::RemoveGroup(entity, ..)
        | Operation::Set(entity, ..)
        | Operation::Unset(entity, ..) => Some(entity),
        Operation::Add(_) | Operation::Take(..) | Operation::Record { .. } => None,
    }
}
