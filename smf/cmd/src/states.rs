//! states.rs - of very many instances, what a line of a table tells: states and wishes.
//!
//! One question for all of them, and no more of each than is shown.

use smf_scf::protocol::Columns;
use smf_scf::table::{self, Cell};

use crate::clock;
use crate::instance::MASTER_RESTARTER;
use crate::repository::{Repository, RepositoryError};

/// The properties that only an instance has, in the order of the fields of `State`.
const OWN: [(&str, &str); 6] = [
    ("restarter", "state"),
    ("restarter", "next_state"),
    ("restarter", "state_timestamp"),
    ("restarter", "contract"),
    ("restarter", "transient_contract"),
    ("general_ovr", "enabled"),
];

/// The properties that its service may have for it.
const COMPOSED: [(&str, &str); 2] = [("general", "enabled"), ("general", "restarter")];

/// An instance, as far as a table goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Canonical FMRI.
    pub fmri: String,
    /// Empty when the restarter does not know the instance.
    pub state: String,
    /// As it is stored: `none` when no transition is under way.
    pub next_state: String,
    /// When the state was written: seconds, and the digits of the fraction.
    pub time: Option<(i64, String)>,
    /// Contracts of the service.
    pub contracts: Vec<String>,
    /// Contracts of a method that runs.
    pub method_contracts: Vec<String>,
    /// general/enabled.
    pub enabled: Option<bool>,
    /// Its restarter.
    pub restarter: String,
    /// general_ovr/enabled.
    pub enabled_temporarily: Option<bool>,
    /// The common name, where a locale was named.
    pub common_name: Option<String>,
}

fn text(cell: Option<Cell<'_>>) -> String {
    cell.and_then(Cell::first).map_or_else(String::new, std::borrow::Cow::into_owned)
}

fn boolean(cell: Option<Cell<'_>>) -> Option<bool> {
    cell.and_then(Cell::first).map(|value| value == "true")
}

fn all(cell: Option<Cell<'_>>) -> Vec<String> {
    cell.map(|cell| cell.values().map(std::borrow::Cow::into_owned).collect()).unwrap_or_default()
}

impl State {
    fn of_row(row: &str) -> Self {
        let (fmri, mut cells) = table::cells(row);
        let mut next = || cells.next();
        let (state, next_state) = (text(next()), text(next()));
        let time = next().and_then(Cell::first);
        let (contracts, method_contracts) = (all(next()), all(next()));
        let enabled_temporarily = boolean(next());
        let (enabled, restarter) = (boolean(next()), text(next()));
        let name = [text(next()), text(next())].into_iter().find(|name| !name.is_empty());
        Self {
            fmri: fmri.to_owned(),
            state,
            next_state,
            time: time.and_then(|stored| clock::seconds_and_fraction(&stored)),
            contracts,
            method_contracts,
            enabled,
            restarter: if restarter.is_empty() { MASTER_RESTARTER.into() } else { restarter },
            enabled_temporarily,
            common_name: name,
        }
    }

    /// Whether it is listed without being asked for: a wish that it runs, of whatever kind.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.enabled == Some(true) || self.enabled_temporarily == Some(true)
    }
}

/// Which of these instances are there, in their order.
///
/// # Errors
/// The repository cannot be read.
pub fn there(
    repository: &mut Repository,
    fmris: Vec<String>,
) -> Result<Vec<String>, RepositoryError> {
    repository.table(&Columns { instances: Some(fmris), ..Columns::default() })
}

/// Reads the states of these instances in their order, or of all; with the common names in a
/// locale, if one is given.
///
/// # Errors
/// The repository cannot be read.
pub fn read(
    repository: &mut Repository,
    fmris: Option<&[String]>,
    locale: Option<&str>,
) -> Result<Vec<State>, RepositoryError> {
    let own = |(group, name): (&str, &str)| (group.to_owned(), name.to_owned());
    let names = locale.map(|locale| [locale, "C"].map(|name| own(("tm_common_name", name))));
    let columns = Columns {
        instances: fmris.map(<[String]>::to_vec),
        own: OWN.map(own).to_vec(),
        live: COMPOSED.map(own).to_vec(),
        running: names.map(Vec::from).unwrap_or_default(),
    };
    Ok(repository.table(&columns)?.iter().map(|row| State::of_row(row)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        let row = "svc:/a:b|offline|online|5.25|7,8|9|false|true|||name";
        let state = State::of_row(row);
        let expected = State {
            fmri: "svc:/a:b".into(),
            state: "offline".into(),
            next_state: "online".into(),
            time: Some((5, "25".into())),
            contracts: vec!["7".into(), "8".into()],
            method_contracts: vec!["9".into()],
            enabled: Some(true),
            restarter: MASTER_RESTARTER.into(),
            enabled_temporarily: Some(false),
            common_name: Some("name".into()),
        };
        assert_eq!(state, expected);
        let empty = State::of_row("svc:/a:b||||||||");
        assert_eq!((empty.time.as_ref(), empty.enabled), (None, None));
        assert!(!empty.is_wanted() && state.is_wanted());
    }
}
