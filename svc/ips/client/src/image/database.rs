//! database.rs - the catalogs of an image of format 5: `state/catalog.db`.
//!
//! ```text
//! meta      NAME, VALUE                                       complete = 1
//! packages  id, PUB, STEM, VERSION, sortkey, INSTALLED, BASE  BASE: the entry of catalog.base.C
//! actions   PACKAGE, PART, LOCALE, ACTIONS                    PART: 0 dependency, 1 summary; a line
//!                                                             for each action
//! ```
//!
//! Law: read, never written.

use std::collections::BTreeMap;

use ips_model::Version;
use ips_model::catalog::{Entry, Part};

use super::sqlite::{Column, Database, DatabaseError, Row};
use super::{StateCatalog, StateError};

/// The schema that is known.
const SCHEMA: usize = 1;

/// Why a database has no catalogs.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It is no database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Its tables are others, or its writer was not done.
    #[error("schema {found} is not the one known ({SCHEMA}), or the database is not complete")]
    Schema {
        /// Its number.
        found: usize,
    },
    /// A package's entry makes no sense.
    #[error(transparent)]
    Entry(#[from] StateError),
}

/// Both catalogs, with dependency and summary parts: known, installed.
#[derive(Debug)]
pub struct Catalogs {
    /// Base parts.
    pub base: [StateCatalog; 2],
    /// Dependency parts.
    pub dependency: [Part; 2],
    /// Summary parts.
    pub summary: [Part; 2],
}

/// Reads a database.
pub fn read(bytes: &[u8]) -> Result<Catalogs, CatalogError> {
    let database = Database::open(bytes)?;
    let found = database.user_version()?;
    let incomplete = || CatalogError::Schema { found };
    let rows = |table: &str| -> Result<Vec<Row>, CatalogError> {
        database.rows(table)?.ok_or_else(incomplete)
    };
    let complete = rows("meta")?.into_iter().any(|(_, columns)| {
        let text = |text: &str| Column::Text(text.to_string());
        columns == [text("complete"), text("1")]
    });
    if found != SCHEMA || !complete {
        return Err(incomplete());
    }
    let mut catalogs = Catalogs {
        base: Default::default(),
        dependency: Default::default(),
        summary: Default::default(),
    };
    let mut packages: BTreeMap<i64, (String, String, Version, bool)> = BTreeMap::new();
    for (id, columns) in rows("packages")? {
        let (publisher, one, installed) = package(&columns)?;
        for (fmri, package) in one.packages() {
            let version = package.version.clone();
            catalogs.base[0].insert(publisher, &fmri.name, package.clone());
            if installed {
                catalogs.base[1].insert(publisher, &fmri.name, package.clone());
            }
            packages.insert(id, (publisher.to_string(), fmri.name, version, installed));
        }
    }
    for (_, columns) in rows("actions")? {
        let [
            Column::Integer(id),
            Column::Integer(part),
            Column::Text(locale),
            Column::Text(actions),
        ] = columns.as_slice()
        else {
            return Err(DatabaseError.into());
        };
        let Some((publisher, stem, version, installed)) = packages.get(id) else { continue };
        let parts = match part {
            0 => &mut catalogs.dependency,
            1 if locale == "C" => &mut catalogs.summary,
            _ => continue,
        };
        let actions = actions.split('\n').map(str::to_string).collect();
        let entry = Entry { version: version.clone(), signature: None, actions };
        if *installed {
            parts[1].insert(publisher, stem, entry.clone());
        }
        parts[0].insert(publisher, stem, entry);
    }
    Ok(catalogs)
}

/// The publisher of a row of `packages`, a catalog of this package alone, whether it is installed.
fn package(columns: &[Column]) -> Result<(&str, StateCatalog, bool), CatalogError> {
    let [
        _,
        Column::Text(publisher),
        Column::Text(stem),
        Column::Text(version),
        _,
        Column::Integer(installed),
        Column::Text(base),
    ] = columns
    else {
        return Err(DatabaseError.into());
    };
    // The same reader as of format 4 holds the entry to the same rules.
    let entry = base.trim_start().strip_prefix('{').ok_or(DatabaseError)?;
    let comma = if entry.trim_start().starts_with('}') { "" } else { "," };
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let one = StateCatalog::parse(&format!(
        "{{{}:{{{}:[{{\"version\":{}{comma}{entry}]}}}}",
        quoted(publisher),
        quoted(stem),
        quoted(version)
    ))?;
    Ok((publisher, one, *installed != 0))
}
