//! table.rs - a few properties of very many instances, without taking their groups apart.

use std::sync::Arc;

use smf_model::fmri::{is_instance, service_of};
use smf_scf::packed;
use smf_scf::protocol::{Columns, Refusal};
use smf_scf::table::add_cell;

use crate::authorization::may_read;
use crate::rights::Caller;
use crate::version::{self, Entity, Version};
use crate::view::View;

/// The levels one column is looked up in, the upper hiding the lower.
struct Levels<'r> {
    own: &'r [Arc<Version>],
    service: &'r [Arc<Version>],
}

impl View<'_> {
    /// A row for each instance that is there, in the order of their names where all are asked for.
    #[must_use]
    pub fn table(&self, columns: &Columns) -> Vec<String> {
        match &columns.instances {
            Some(some) => {
                let found = some.iter().filter_map(|fmri| {
                    let entity = self.repository.entity(fmri).ok().filter(|_| is_instance(fmri))?;
                    self.row(fmri, entity, columns).ok()
                });
                found.collect()
            }
            None => {
                let every = self.repository.every();
                let instances = every.filter(|(fmri, _)| is_instance(fmri));
                instances.filter_map(|(fmri, one)| self.row(fmri, one, columns).ok()).collect()
            }
        }
    }

    fn row(&self, fmri: &str, own: &Entity, columns: &Columns) -> Result<String, Refusal> {
        let service = self.repository.entity(service_of(fmri))?;
        let mut row = String::with_capacity(fmri.len() + 16 * columns.live.len());
        row.push_str(fmri);
        self.cells(Levels { own: &own.level, service: &service.level }, &columns.live, &mut row);
        let running = match own.snapshot("running") {
            Some(taken) => Levels { own: &taken.own, service: &taken.service },
            None => Levels { own: &own.level, service: &service.level },
        };
        self.cells(running, &columns.running, &mut row);
        Ok(row)
    }

    fn cells(&self, levels: Levels<'_>, columns: &[(String, String)], row: &mut String) {
        // Columns of one group stand together, so it is looked up once.
        let mut last: Option<(&str, [Option<&Version>; 2])> = None;
        for (group, name) in columns {
            let versions = match last {
                Some((same, versions)) if same == group => versions,
                _ => [levels.own, levels.service].map(|level| self.readable(&levels, level, group)),
            };
            last = Some((group, versions));
            let line = versions.into_iter().flatten().find_map(|version| version.property(name));
            let property = line.and_then(packed::property);
            let values = property.iter().flat_map(|property| &property.values);
            add_cell(row, values.map(String::as_str));
        }
    }

    fn readable<'r>(
        &self,
        levels: &Levels<'r>,
        level: &'r [Arc<Version>],
        group: &str,
    ) -> Option<&'r Version> {
        let version = version::find(level, group)?;
        let below = || version::find(levels.service, group).map(AsRef::as_ref);
        let open = *self.caller == Caller::Owner || may_read(self.caller, version, below());
        open.then_some(version)
    }
}
