//! stored.rs - the repository's files as the last svc.startd left them, for reading: nobody serves.

use std::path::PathBuf;
use std::time::Duration;

use smf_configd::reading::{ReadError, Reading};
use smf_scf::import::Operation;
use smf_scf::import::held::Found;
use smf_scf::import::merge::Groups;
use smf_scf::protocol::{Choice, Columns, Composed, Expected, Query};

use crate::operand::Entities;
use crate::repository::{Backend, Mark, RepositoryError};

type Answer<T> = Result<T, RepositoryError>;

/// The files.
pub(crate) struct Stored {
    reading: Reading,
}

impl Stored {
    pub(crate) fn new(reading: Reading) -> Self {
        Self { reading }
    }
}

impl From<ReadError> for RepositoryError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Open(error) => error.into(),
            ReadError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<smf_configd::OpenError> for RepositoryError {
    fn from(error: smf_configd::OpenError) -> Self {
        Self::Other(error.to_string())
    }
}

/// Nobody takes changes, and there will be none to wait for.
fn nobody<T>() -> Answer<T> {
    Err(RepositoryError::NoServer)
}

impl Backend for Stored {
    fn entities(&mut self) -> Answer<Entities> {
        Ok(self.reading.entities()?)
    }

    fn groups(&mut self, entity: &str) -> Answer<Groups> {
        Ok(self.reading.groups(entity)?)
    }

    fn snapshot(&mut self, instance: &str, name: &str) -> Answer<Option<(Groups, Groups)>> {
        Ok(self.reading.snapshot(instance, name)?)
    }

    fn snapshots(&mut self, instance: &str) -> Answer<Vec<String>> {
        Ok(self.reading.snapshots(instance)?)
    }

    fn hidden(&mut self, _entity: &str) -> Answer<Vec<String>> {
        // Who can read the files may read all of them.
        Ok(Vec::new())
    }

    fn generation(&mut self, entity: &str, group: &str) -> Answer<u64> {
        Ok(self.reading.generation(entity, group)?)
    }

    fn composed(&mut self, query: &Query) -> Answer<Vec<Composed>> {
        Ok(self.reading.composed(query)?)
    }

    fn table(&mut self, columns: &Columns) -> Answer<Vec<String>> {
        Ok(self.reading.table(columns)?)
    }

    fn carry_out_upon(&mut self, _: &[Expected], _: &[Operation]) -> Answer<()> {
        nobody()
    }

    fn own(&mut self, _: &[String], _: &Choice) -> Answer<Vec<(String, Groups)>> {
        nobody()
    }

    fn found(&mut self, _: &[String]) -> Answer<Vec<Found>> {
        nobody()
    }

    fn revert(&mut self, _: &str, _: &str) -> Answer<()> {
        nobody()
    }

    fn remove_snapshot(&mut self, _: &str, _: &str) -> Answer<()> {
        nobody()
    }

    fn delete(&mut self, _: &str) -> Answer<()> {
        nobody()
    }

    fn carry_out(&mut self, _: &[Operation]) -> Answer<()> {
        nobody()
    }

    fn back_up(&mut self, _: &str) -> Answer<Option<PathBuf>> {
        nobody()
    }

    fn mark(&mut self) -> Answer<Mark> {
        nobody()
    }

    fn wait_group(&mut self, _: &Expected, _: Option<Duration>) -> Answer<u64> {
        nobody()
    }

    fn wait_since(&mut self, _: Mark, _: Option<Duration>) -> Answer<()> {
        nobody()
    }
}
