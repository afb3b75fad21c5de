//! table.rs - a few properties of very many instances, without taking their groups apart.

use std::collections::BTreeSet;
use std::sync::Arc;

use smf_model::fmri::{is_instance, service_of};
use smf_scf::packed;
use smf_scf::protocol::{Columns, Refusal};
use smf_scf::table::add_cell;

use crate::version::{self, Entity, Version};
use crate::view::View;

/// The levels one column is looked up in, the upper hiding the lower.
#[derive(Clone, Copy)]
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
        let running = own.snapshot("running");
        let hidden = self.hidden_in(fmri, running)?;
        let live = Levels { own: &own.level, service: &service.level };
        let running =
            running.map_or(live, |taken| Levels { own: &taken.own, service: &taken.service });
        let count = columns.own.len() + columns.live.len() + columns.running.len();
        let mut row = String::with_capacity(fmri.len() + 16 * count);
        row.push_str(fmri);
        cells(Levels { service: &[], ..live }, &columns.own, &hidden, &mut row);
        cells(live, &columns.live, &hidden, &mut row);
        cells(running, &columns.running, &hidden, &mut row);
        Ok(row)
    }
}

fn cells(
    levels: Levels<'_>,
    columns: &[(String, String)],
    hidden: &BTreeSet<String>,
    row: &mut String,
) {
    // Columns of one group stand together, so it is looked up and looked through once.
    for columns in columns.chunk_by(|(one, _), (next, _)| one == next) {
        let group = columns[0].0.as_str();
        let mut lines: Vec<Option<&str>> = vec![None; columns.len()];
        for level in [levels.own, levels.service] {
            if !hidden.contains(group) && lines.iter().any(Option::is_none) {
                if let Some(version) = version::find(level, group) {
                    look_through(version, columns, &mut lines);
                }
            }
        }
        lines.into_iter().for_each(|line| cell(line, row));
    }
}

/// Takes the lines of the columns that are not found yet.
fn look_through<'r>(
    version: &'r Version,
    columns: &[(String, String)],
    lines: &mut [Option<&'r str>],
) {
    for (name, rest) in packed::lines(version.properties()) {
        if let Some(at) = columns.iter().position(|(_, column)| column == name) {
            lines[at].get_or_insert(rest);
        }
    }
}

/// Adds the cell of a property's line: its type, then its values.
fn cell(line: Option<&str>, row: &mut String) {
    match line {
        None => add_cell(row, std::iter::empty()),
        Some(line) if !line.contains('\\') => add_cell(row, line.split('\t').skip(1)),
        Some(line) => {
            let property = packed::property(line);
            let values = property.iter().flat_map(|property| &property.values);
            add_cell(row, values.map(String::as_str));
        }
    }
}
