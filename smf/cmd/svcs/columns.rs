//! columns.rs - the table of svcs: what each column holds, how wide it is, how rows sort.
//!
//! Columns are joined; a cell that is too long pushes the others on only in FMRI and SVC.
//! Trailing blanks go.

use std::cmp::Ordering;

use jiff::tz::TimeZone;
use smf_cmd::clock;
use smf_cmd::instance::Instance;
use smf_cmd::operand::service_of;

use crate::options::Direction;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Ctid,
    Desc,
    Fmri,
    Inst,
    N,
    Nsta,
    Nstate,
    S,
    Scope,
    Sn,
    Sta,
    State,
    Stime,
    Svc,
    Zone,
}
use Column::{Ctid, Desc, Fmri, Inst, N, Nsta, Nstate, S, Scope, Sn, Sta, State, Stime, Svc, Zone};

/// Name, column, width with the separator.
const COLUMNS: &[(&str, Column, usize)] = &[
    ("CTID", Ctid, 7),
    ("DESC", Desc, 100),
    ("FMRI", Fmri, 51),
    ("INST", Inst, 21),
    ("N", N, 2),
    ("NSTA", Nsta, 5),
    ("NSTATE", Nstate, 14),
    ("S", S, 3),
    ("SCOPE", Scope, 21),
    ("SN", Sn, 3),
    ("STA", Sta, 5),
    ("STATE", State, 15),
    ("STIME", Stime, 9),
    ("SVC", Svc, 21),
    ("ZONE", Zone, 17),
];

impl Column {
    /// Without -o.
    pub const DEFAULT: &'static [Column] = &[State, Stime, Fmri];
    /// With -v.
    pub const VERBOSE: &'static [Column] = &[State, Nstate, Stime, Ctid, Fmri];

    /// By its name in either case.
    pub fn from_name(name: &str) -> Option<Self> {
        COLUMNS.iter().find(|(n, _, _)| n.eq_ignore_ascii_case(name)).map(|(_, column, _)| *column)
    }

    fn name_and_width(self) -> (&'static str, usize) {
        let found = COLUMNS.iter().find(|(_, column, _)| *column == self);
        found.map_or(("", 0), |(name, _, width)| (name, *width))
    }
}

/// A key to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    State,
    Stime,
    Fmri,
    Other(Column),
}

impl SortKey {
    /// By the name of its column.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match Column::from_name(name)? {
            State | S | Sta => Self::State,
            Stime => Self::Stime,
            Fmri => Self::Fmri,
            other => Self::Other(other),
        })
    }
}

/// What a table shows, and when.
pub struct Table<'a> {
    pub columns: &'a [Column],
    pub zone: &'a TimeZone,
    pub now: i64,
}

impl Table<'_> {
    /// The header line.
    pub fn header(&self) -> String {
        let cell = |column: &Column| {
            let (name, width) = column.name_and_width();
            // The contract's number stands right, and so does its name.
            if *column == Ctid { format!("{name:>6} ") } else { format!("{name:width$}") }
        };
        self.columns.iter().map(cell).collect::<String>().trim_end().to_owned()
    }

    /// The line of an instance.
    pub fn row(&self, instance: &Instance) -> String {
        self.columns.iter().map(|c| self.cell(*c, instance)).collect::<String>().trim_end().into()
    }

    fn cell(&self, column: Column, instance: &Instance) -> String {
        let (_, width) = column.name_and_width();
        let text = match column {
            Ctid => match instance.contracts() {
                None | Some([]) => format!("{:>6}", "-"),
                Some([one]) => format!("{one:>6}"),
                Some([first, ..]) => format!("{first:>5}*"),
            },
            Desc => instance.common_name().unwrap_or_else(|| "-".into()),
            Fmri => return wide(&instance.fmri, width),
            Inst => name(&instance.fmri).chars().take(width - 1).collect(),
            N => instance.next_state().map_or("-", letter).to_owned(),
            Nsta => instance.next_state().map_or("-", short).to_owned(),
            Nstate => instance.next_state().unwrap_or("-").to_owned(),
            S => marked(instance, letter),
            Scope => "localhost".to_owned(),
            Sn => format!(
                "{}{}",
                instance.state().map_or("-", letter),
                instance.next_state().map_or("-", letter)
            ),
            Sta => marked(instance, short),
            State => {
                let state = instance.state().unwrap_or("-");
                let shown = [N, Sn, Nsta, Nstate].iter().any(|c| self.columns.contains(c));
                let mark = if instance.next_state().is_some() && !shown { "*" } else { "" };
                format!("{state}{mark}")
            }
            Stime => instance
                .state_seconds()
                .map_or("-".into(), |then| clock::stime(then, self.now, self.zone)),
            Svc => return wide(&service_of(&instance.fmri)["svc:/".len()..], width),
            Zone => "global".to_owned(),
        };
        format!("{text:width$}")
    }
}

/// A cell that grows, and still keeps a blank behind it.
fn wide(text: &str, width: usize) -> String {
    if text.len() < width { format!("{text:width$}") } else { format!("{text} ") }
}

fn name(fmri: &str) -> &str {
    fmri[service_of(fmri).len()..].trim_start_matches(':')
}

fn marked(instance: &Instance, form: fn(&str) -> &'static str) -> String {
    let mark = if instance.next_state().is_some() { "*" } else { "" };
    format!("{}{mark}", instance.state().map_or("-", form))
}

fn letter(state: &str) -> &'static str {
    match state {
        "uninitialized" => "u",
        "offline" => "0",
        "online" => "1",
        "maintenance" => "m",
        "disabled" => "d",
        "degraded" => "D",
        "legacy_run" => "L",
        _ => "?",
    }
}

fn short(state: &str) -> &'static str {
    match state {
        "uninitialized" => "UN",
        "offline" => "OFF",
        "online" => "ON",
        "maintenance" => "MNT",
        "disabled" => "DIS",
        "degraded" => "DGD",
        "legacy_run" => "LRC",
        _ => "?",
    }
}

/// The order of states, which is not that of the alphabet.
fn rank(instance: &Instance) -> u8 {
    match instance.state() {
        Some("legacy_run") => 0,
        Some("disabled") => 1,
        Some("online") => 2,
        Some("degraded") => 3,
        Some("offline") => 4,
        Some("maintenance") => 5,
        Some("uninitialized") => 6,
        _ => 7,
    }
}

/// Sorts by the keys in their order; ties stand in reverse order of visiting.
pub fn sort(instances: &mut [&Instance], keys: &[(SortKey, Direction)]) {
    instances.reverse();
    instances.sort_by(|a, b| {
        keys.iter()
            .map(|(key, direction)| match direction {
                Direction::Ascending => compare(*key, a, b),
                Direction::Descending => compare(*key, b, a),
            })
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    });
}

fn compare(key: SortKey, a: &Instance, b: &Instance) -> Ordering {
    match key {
        SortKey::State => rank(a).cmp(&rank(b)),
        // With the fraction: the stored form sorts by seconds first.
        SortKey::Stime => time(a).cmp(&time(b)),
        SortKey::Fmri => a.fmri.cmp(&b.fmri),
        SortKey::Other(column) => {
            let table = Table { columns: &[column], zone: &TimeZone::UTC, now: 0 };
            table.cell(column, a).cmp(&table.cell(column, b))
        }
    }
}

fn time(instance: &Instance) -> (i64, String) {
    let stored = instance.live("restarter", "state_timestamp").unwrap_or_default();
    let fraction = stored.split_once('.').map_or("", |(_, fraction)| fraction);
    (clock::seconds(stored).unwrap_or(i64::MIN), fraction.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smf_scf::import::merge::{Group, Property};

    fn instance(fmri: &str, properties: &[(&str, &str)]) -> Instance {
        let property = |values: &str| Property {
            kind: "astring".into(),
            values: values.split_whitespace().map(str::to_owned).collect(),
        };
        let properties =
            properties.iter().map(|(name, values)| ((*name).to_owned(), property(values)));
        let group = Group {
            kind: "framework".into(),
            properties: properties.collect(),
            ..Group::default()
        };
        let live = [("restarter".to_owned(), group)].into();
        Instance { fmri: fmri.into(), live, ..Instance::default() }
    }

    fn row(columns: &str, instance: &Instance) -> String {
        let columns: Vec<_> = columns.split(',').filter_map(Column::from_name).collect();
        let zone = TimeZone::UTC;
        let table = Table { columns: &columns, zone: &zone, now: 1_265_947_111 + 60 };
        format!("{}|{}", table.header(), table.row(instance))
    }

    #[test]
    fn the_layout_is_literal() {
        let one = instance(
            "svc:/network/smtp:sendmail",
            &[
                ("state", "online"),
                ("next_state", "none"),
                ("state_timestamp", "1265947111.5"),
                ("contract", "63"),
            ],
        );
        let moving = instance(
            "svc:/application/a-very-long-name-of-a-service/that-does-not-fit:default",
            &[("state", "offline"), ("next_state", "online"), ("contract", "7 8")],
        );
        let unknown = instance("svc:/a/b:c", &[]);
        for (columns, instance, expected) in [
            (
                "state,stime,fmri",
                &one,
                "STATE          STIME    FMRI|online          3:58:31 svc:/network/smtp:sendmail",
            ),
            (
                "state,nstate,stime,ctid,fmri",
                &one,
                "STATE          NSTATE        STIME      CTID FMRI|online         -              \
                 3:58:31     63 svc:/network/smtp:sendmail",
            ),
            (
                "state,fmri,ctid",
                &moving,
                "STATE          FMRI                                                 CTID|offline*       \
                 svc:/application/a-very-long-name-of-a-service/that-does-not-fit:default     7*",
            ),
            ("s,sn,n,sta,nsta", &moving, "S  SN N STA  NSTA|0* 01 1 OFF* ON"),
            (
                "state,stime,ctid",
                &unknown,
                "STATE          STIME      CTID|-              -             -",
            ),
            (
                "svc,inst,scope",
                &one,
                "SVC                  INST                 SCOPE|network/smtp         sendmail             localhost",
            ),
        ] {
            assert_eq!(row(columns, instance), expected, "{columns}");
        }
    }

    #[test]
    fn states_sort_by_rank_and_ties_reverse() {
        let a = instance("svc:/a:x", &[("state", "maintenance")]);
        let b = instance("svc:/b:x", &[("state", "online")]);
        let c = instance("svc:/c:x", &[("state", "online")]);
        let names = |keys: &[(SortKey, Direction)]| {
            let mut all = vec![&a, &b, &c];
            sort(&mut all, keys);
            all.iter().map(|i| &i.fmri["svc:/".len()..][..1]).collect::<String>()
        };
        assert_eq!(names(&[(SortKey::State, Direction::Ascending)]), "cba");
        assert_eq!(names(&[(SortKey::State, Direction::Descending)]), "acb");
        assert_eq!(names(&[]), "cba");
        assert_eq!(names(&[(SortKey::Fmri, Direction::Ascending)]), "abc");
    }
}
