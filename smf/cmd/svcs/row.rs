//! row.rs - what one line of the table tells of an instance, or of a legacy script.
//!
//! A legacy script is a property group of svc:/smf/legacy_run: it ran once when the system
//! started, and has neither a state that changes nor a restarter.

use smf_cmd::clock::seconds_and_fraction;
use smf_cmd::operand::service_of;
use smf_cmd::states::State;
use smf_scf::import::merge::Group;

/// The service whose groups are the legacy scripts.
pub const LEGACY: &str = "svc:/smf/legacy_run";

/// One line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    pub fmri: String,
    pub service: String,
    pub instance: String,
    /// Empty when the restarter does not know the instance.
    pub state: String,
    /// As it is stored: `none` when no transition is under way.
    pub next_state: String,
    /// Seconds, and the digits of the fraction.
    pub time: Option<(i64, String)>,
    pub contracts: Vec<String>,
    /// On one line.
    pub description: Option<String>,
    /// Contracts whose processes belong to it.
    pub processes: Vec<String>,
}

impl Row {
    /// The line of an instance.
    pub fn of(one: State) -> Self {
        let at = service_of(&one.fmri).len();
        let mut processes = one.contracts.clone();
        processes.extend(one.method_contracts);
        Self {
            service: one.fmri["svc:/".len()..at].to_owned(),
            instance: one.fmri[at..].trim_start_matches(':').to_owned(),
            fmri: one.fmri,
            state: one.state,
            next_state: one.next_state,
            time: one.time,
            contracts: one.contracts,
            description: one.common_name.map(|name| name.replace('\n', " ")),
            processes,
        }
    }

    /// The line of a legacy script.
    pub fn of_legacy(group: &Group) -> Self {
        let values = |name| group.properties.get(name).map(|p| p.values.as_slice());
        let first = |name| values(name).and_then(<[String]>::first).map(String::as_str);
        let contracts = values("contract").unwrap_or_default().to_vec();
        Self {
            fmri: legacy_fmri(group),
            service: first("name").unwrap_or("unknown").to_owned(),
            instance: "-".into(),
            state: "legacy_run".into(),
            next_state: "none".into(),
            time: first("state_timestamp").and_then(seconds_and_fraction),
            contracts: contracts.clone(),
            description: None,
            processes: contracts,
        }
    }

    /// Whether a transition is under way.
    pub fn in_transition(&self) -> bool {
        !matches!(self.next_state.as_str(), "" | "none")
    }
}

/// The name of a legacy script, for display only.
pub fn legacy_fmri(group: &Group) -> String {
    let name = group.properties.get("name").and_then(|property| property.values.first());
    format!("lrc:{}", name.map_or("unknown", String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use smf_scf::import::merge::Property;

    #[test]
    fn a_legacy_script() {
        let property =
            |value: &str| Property { kind: "astring".into(), values: vec![value.into()] };
        let properties = [
            ("name", "/etc/rc2_d/S47pppd"),
            ("state_timestamp", "1265947111.000000001"),
            ("contract", "61"),
        ];
        let properties = properties.map(|(name, value)| (name.to_owned(), property(value)));
        let group = Group { properties: properties.into(), ..Group::default() };
        let row = Row::of_legacy(&group);
        assert_eq!(row.fmri, "lrc:/etc/rc2_d/S47pppd");
        assert_eq!(row.time, Some((1_265_947_111, "000000001".into())));
        assert!(!row.in_transition());
        assert_eq!(Row::of_legacy(&Group::default()).fmri, "lrc:unknown");
    }
}
