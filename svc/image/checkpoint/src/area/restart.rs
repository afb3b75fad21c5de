//! restart.rs - a build that begins with what an earlier one reached, and checkpoints that depend on no file
//! of build_data.
//!
//! Records are written one after the other; killed in between, what is left is a stack without its
//! lowest checkpoints, or none at all, and each of it is complete.

use super::{Area, Checkpoint};
use crate::error::{PathError, RollbackError, StoreError};
use crate::name::{Id, Step};
use crate::record::{self, Record};
use crate::store::KeptFile;

/// How many folders are kept below the checkpoints for their bytes.
const BASES: usize = 16;

impl Area {
    /// Makes the state before `reached` the state before `first` as well, with this id, and forgets all
    /// checkpoints but that: a build can begin with what an earlier one reached, and its checkpoints
    /// share bytes with it.  `false`, and nothing is done: there is no such checkpoint, what is kept
    /// for that has become too much, or these checkpoints are not kept so.
    ///
    /// # Errors
    /// Something cannot be read or written; a repeat, or [`Area::clear`], goes on.
    pub fn restart(
        &mut self,
        reached: &Step,
        first: &Step,
        id: &Id,
        manifest: &[u8],
    ) -> Result<bool, RollbackError> {
        let found = self.checkpoints.iter().position(|made| made.step == *reached);
        let Some(found) = found.filter(|_| self.back_end.kind() == record::PACKED) else {
            return Ok(false);
        };
        let mut bases = self.bases.clone();
        for number in &self.numbers[..found] {
            let bytes = Record::of(&self.folder(*number)).map_err(StoreError::from)?.bytes();
            bases.push((*number, bytes));
        }
        let first_bytes = bases.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        let all: u64 = bases.iter().map(|(_, bytes)| *bytes).sum();
        if bases.len() > BASES || all > 2 * first_bytes {
            return Ok(false);
        }
        self.rollback(reached)?;
        self.torn = true;
        self.rename_checkpoint(found, first, id, manifest).map_err(StoreError::from)?;
        self.numbers[..=found].iter().for_each(|number| self.keeper.flush(&self.folder(*number)));
        self.bases = bases;
        let made = self.checkpoints.split_off(found).into_iter().map(|made| Checkpoint {
            step: first.clone(),
            id: id.clone(),
            manifest: manifest.to_vec(),
            ..made
        });
        self.checkpoints = made.collect();
        self.numbers.drain(..found);
        self.remove_side_cars().map_err(StoreError::from)?;
        self.torn = false;
        Ok(true)
    }

    /// Makes bases of those before a checkpoint, then calls it otherwise.
    fn rename_checkpoint(
        &self,
        found: usize,
        step: &Step,
        id: &Id,
        manifest: &[u8],
    ) -> Result<(), PathError> {
        for number in &self.numbers[..found] {
            let folder = self.folder(*number);
            Record { is_base: true, ..Record::of(&folder)? }.write(&self.disk, &folder)?;
        }
        let folder = self.folder(self.numbers[found]);
        let mut record = Record::of(&folder)?;
        // Until the record is there the sum of the manifest is wrong: it is no checkpoint then.
        self.disk.replace(&folder.join("manifest"), manifest)?;
        self.disk.replace(&record::side_car(&self.root, step), manifest)?;
        record.files.retain(|file| file.name != "manifest");
        record.files.push(KeptFile::of("manifest", manifest));
        (record.step, record.id) = (step.clone(), id.clone());
        record.write(&self.disk, &folder)
    }

    /// Makes checkpoints independent of the files of build_data, whoever writes into them.
    ///
    /// # Errors
    /// Something cannot be read or written; a repeat goes on.
    pub fn harden(&mut self) -> Result<(), PathError> {
        let bases = self.bases.iter().map(|(number, _)| number);
        for number in bases.chain(&self.numbers) {
            let folder = self.folder(*number);
            if Record::harden(&self.disk, &folder)? {
                self.keeper.flush(&folder);
            }
        }
        Ok(())
    }
}
