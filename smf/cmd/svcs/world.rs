//! world.rs - what is asked of the repository, and what was found wanting.
//!
//! Everything is asked for at once, however many instances there are.  A list of what there is, is
//! read only where an operand has to be looked up.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use smf_cmd::instance::{Depth, Instance};
use smf_cmd::locale;
use smf_cmd::operand::{self, Entities, Pattern, Wanted};
use smf_cmd::repository::{Repository, RepositoryError};
use smf_cmd::say;
use smf_cmd::states;
use smf_scf::import::merge::Groups;

use crate::options::Zones;
use crate::row::{self, Row};

/// What every mode needs.
pub struct World {
    pub repository: Repository,
    pub zone: TimeZone,
    pub zones: Zones,
    pub locale: String,
    pub now: i64,
    pub failed: bool,
    entities: Option<Entities>,
    /// The lines of legacy scripts that were chosen.
    legacy: Vec<Row>,
}

type Answer<T> = Result<T, RepositoryError>;

impl World {
    /// Finds the repository.
    pub fn open(zones: Zones) -> Answer<Self> {
        Ok(Self {
            repository: Repository::open()?,
            zone: TimeZone::system(),
            zones,
            locale: locale::messages(|name| std::env::var_os(name)),
            now: smf_cmd::clock::now(),
            failed: false,
            entities: None,
            legacy: Vec::new(),
        })
    }

    /// Every service with its instances.
    pub fn entities(&mut self) -> Answer<&Entities> {
        let entities = match self.entities.take() {
            Some(entities) => entities,
            None => self.repository.entities()?,
        };
        Ok(self.entities.insert(entities))
    }

    /// Says what is wrong; where every zone is asked, not finding is no reason to speak.
    pub fn complain(&mut self, message: &str) {
        if self.zones != Zones::Every {
            say!("svcs: {message}");
        }
        self.failed = true;
    }

    /// The instances that the operands name, each once; all where there are no operands.
    pub fn chosen(&mut self, operands: &[String], depth: Depth) -> Answer<Vec<Instance>> {
        match self.named(operands, &Groups::new())? {
            None => Instance::every(&mut self.repository, depth),
            Some(fmris) => Instance::of(&mut self.repository, &fmris, depth),
        }
    }

    /// The names of the instances that the operands name; none where there are no operands.
    /// Legacy scripts are kept for `take_legacy`.
    pub fn chosen_or_legacy(&mut self, operands: &[String]) -> Answer<Option<Vec<String>>> {
        let scripts = match self.repository.groups(row::LEGACY) {
            Ok(groups) => groups,
            Err(RepositoryError::NotFound(_)) => Groups::new(),
            Err(error) => return Err(error),
        };
        let patterns: Vec<Pattern> = operands.iter().map(|operand| Pattern::new(operand)).collect();
        let named = |row: &Row| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.names(&row.fmri))
        };
        self.legacy = scripts.values().map(Row::of_legacy).filter(named).collect();
        self.named(operands, &scripts)
    }

    /// The lines of the legacy scripts that were chosen last.
    pub fn take_legacy(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.legacy)
    }

    /// The instances, if every operand is the FMRI of one: then nobody has to look through all.
    fn exact(&mut self, operands: &[String]) -> Answer<Option<Vec<String>>> {
        let of = |operand: &String| operand::canonical(operand).filter(|f| operand::is_instance(f));
        let Some(mut fmris) = operands.iter().map(of).collect::<Option<Vec<String>>>() else {
            return Ok(None);
        };
        let mut seen = HashSet::new();
        fmris.retain(|fmri| seen.insert(fmri.clone()));
        let there = states::there(&mut self.repository, fmris.clone())?;
        Ok((there.len() == fmris.len()).then_some(fmris))
    }

    /// The names that the operands stand for; an operand may name one of the scripts instead.
    pub fn named(&mut self, operands: &[String], scripts: &Groups) -> Answer<Option<Vec<String>>> {
        if operands.is_empty() {
            return Ok(None);
        }
        if let Some(fmris) = self.exact(operands)? {
            return Ok(Some(fmris));
        }
        let names_script = |operand: &str| {
            let pattern = Pattern::new(operand);
            scripts.values().any(|script| pattern.names(&row::legacy_fmri(script)))
        };
        let (mut chosen, mut seen) = (Vec::new(), HashSet::new());
        for operand in operands {
            match operand::find(operand, Wanted::Instances, self.entities()?) {
                Ok(matched) => {
                    let new = matched.fmris.into_iter().filter(|fmri| seen.insert(fmri.clone()));
                    chosen.extend(new);
                }
                Err(_) if names_script(operand) => {}
                Err(message) => self.complain(&message),
            }
        }
        Ok(Some(chosen))
    }
}
