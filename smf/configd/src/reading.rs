//! reading.rs - the repository's files, for who asks a few questions and goes: svcs and svcprop
//! where nobody serves.
//!
//! Of each question only what it is about is read from the files, so one property of one instance
//! costs the same however many instances there are.  What one question is about is read at one
//! moment; between two, another program may have written.

use std::collections::BTreeMap;
use std::path::Path;

use smf_model::fmri::{is_instance, service_of};
use smf_scf::import::merge::Groups;
use smf_scf::protocol::{Choice, Columns, Composed, Query, Refusal, Wanted};

use crate::file::{OpenError, sql};
use crate::load::{Part, Taken, load_part, names};
use crate::repository::Repository;
use crate::rights::Caller;

/// From so many instances on, going through all is quicker than looking each up.
const MANY: usize = 500;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The files.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What is asked for is not there.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The two files, open for reading.
#[derive(Debug)]
pub struct Reading {
    /// Holds what the last question was about.
    repository: Repository,
}

/// What a table or a query wants of the groups: their names and their types; none = all.
type Groupings = Option<(Vec<String>, Vec<String>)>;

impl Reading {
    /// Opens what there is.
    ///
    /// # Errors
    /// There is no repository, or it cannot be read.
    pub fn open(lasting: &Path, volatile: &Path) -> Result<Self, OpenError> {
        Ok(Self { repository: Repository::open_unread(lasting, volatile)? })
    }

    /// Every service with its instances.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn entities(&self) -> Result<BTreeMap<String, Vec<String>>, OpenError> {
        let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for fmri in names(&self.repository.file())? {
            match is_instance(&fmri) {
                true => services.entry(service_of(&fmri).to_owned()).or_default().push(fmri),
                false => drop(services.entry(fmri).or_default()),
            }
        }
        Ok(services)
    }

    /// The live groups of an entity itself.
    ///
    /// # Errors
    /// There is no such entity, or the files cannot be read.
    pub fn groups(&mut self, entity: &str) -> Result<Groups, ReadError> {
        Ok(self.of(entity, Taken::None)?.groups(entity)?)
    }

    /// What a live group is at.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn generation(&mut self, entity: &str, group: &str) -> Result<u64, OpenError> {
        Ok(self.of(entity, Taken::None)?.generation(entity, group))
    }

    /// A snapshot: the groups of the instance, and those of its service.
    ///
    /// # Errors
    /// There is no such instance, or the files cannot be read.
    pub fn snapshot(
        &mut self,
        instance: &str,
        name: &str,
    ) -> Result<Option<(Groups, Groups)>, ReadError> {
        Ok(self.of(instance, Taken::Named(name.to_owned()))?.snapshot(instance, name)?)
    }

    /// The names of the snapshots of an instance.
    ///
    /// # Errors
    /// There is no such instance, or the files cannot be read.
    pub fn snapshots(&mut self, instance: &str) -> Result<Vec<String>, ReadError> {
        Ok(self.of(instance, Taken::All)?.snapshots(instance)?)
    }

    /// Many instances, composed; those that are not there are left out.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn composed(&mut self, query: &Query) -> Result<Vec<Composed>, OpenError> {
        let groups = both(chosen(&query.live), chosen(&query.running));
        let part = part(query.instances.as_deref(), groups, query.running != Choice::Nothing);
        Ok(self.fetch(&part)?.composed(query))
    }

    /// A row for each instance that is there.
    ///
    /// # Errors
    /// The files cannot be read.
    pub fn table(&mut self, columns: &Columns) -> Result<Vec<String>, OpenError> {
        let all = columns.own.iter().chain(&columns.live).chain(&columns.running);
        let mut groups: Vec<String> = all.map(|(group, _)| group.clone()).collect();
        groups.sort_unstable();
        groups.dedup();
        let snapshot = !columns.running.is_empty();
        let part = part(columns.instances.as_deref(), Some((groups, Vec::new())), snapshot);
        Ok(self.fetch(&part)?.seen_by(&Caller::Owner).table(columns))
    }

    fn of(&mut self, entity: &str, snapshots: Taken) -> Result<&Repository, OpenError> {
        let entities = vec![entity.to_owned(), service_of(entity).to_owned()];
        self.fetch(&Part { entities: Some(entities), groups: None, snapshots })
    }

    fn fetch(&mut self, part: &Part) -> Result<&Repository, OpenError> {
        let entities = {
            let file = self.repository.file();
            let reading = file.connection.unchecked_transaction().map_err(sql(&file.path))?;
            let loaded = load_part(&file, part)?;
            // Nothing was written; that the reading ends cannot fail in a way that matters.
            drop(reading);
            loaded.entities
        };
        self.repository.hold(entities);
        Ok(&self.repository)
    }
}

/// What is read for these instances, or for all.
fn part(instances: Option<&[String]>, groups: Groupings, running: bool) -> Part {
    let some = instances.filter(|some| some.len() < MANY);
    let entities = some.map(|some| {
        let of = |fmri: &String| [fmri.clone(), service_of(fmri).to_owned()];
        let mut all: Vec<String> = some.iter().flat_map(of).collect();
        all.sort_unstable();
        all.dedup();
        all
    });
    let snapshots = if running { Taken::Named("running".into()) } else { Taken::None };
    Part { entities, groups, snapshots }
}

/// The names and types of the groups that may be chosen; none = any.
fn chosen(choice: &Choice) -> Groupings {
    let (mut names, mut kinds) = (Vec::new(), Vec::new());
    match choice {
        Choice::Everything => return None,
        Choice::Nothing => {}
        Choice::These(wanted) => {
            for one in wanted {
                match one {
                    Wanted::Group(name) | Wanted::Property(name, _) => names.push(name.clone()),
                    Wanted::Kind(kind) => kinds.push(kind.clone()),
                }
            }
        }
    }
    Some((names, kinds))
}

fn both(one: Groupings, other: Groupings) -> Groupings {
    let ((mut names, mut kinds), (more, more_kinds)) = (one?, other?);
    names.extend(more);
    kinds.extend(more_kinds);
    Some((names, kinds))
}
