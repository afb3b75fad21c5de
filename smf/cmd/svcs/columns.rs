//! columns.rs - the table of svcs: what each column holds and how wide it is.
//!
//! Columns are joined; a cell that is too long pushes the others on, but INST and SCOPE are cut, and
//! then no blank is left.  Everything stands left but the contract's number.  Trailing blanks go.

use jiff::tz::TimeZone;
use smf_cmd::clock;

use crate::row::Row;

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

/// Name, column, width with the separator, what -? says of it.
pub const COLUMNS: &[(&str, Column, usize, &str)] = &[
    ("CTID", Ctid, 7, "contract ID for service (see contract(4))"),
    ("DESC", Desc, 100, "human-readable description of the service"),
    ("FMRI", Fmri, 51, "Fault Managed Resource Identifier for service"),
    ("INST", Inst, 21, "portion of the FMRI indicating service instance"),
    ("N", N, 2, "abbreviation for next state (if in transition)"),
    ("NSTA", Nsta, 5, "abbreviation for next state (if in transition)"),
    ("NSTATE", Nstate, 14, "name for next state (if in transition)"),
    ("S", S, 3, "abbreviation for current state"),
    ("SCOPE", Scope, 21, "name for scope associated with service"),
    ("SN", Sn, 3, "abbreviation for current state and next state"),
    ("SVC", Svc, 21, "portion of the FMRI representing service name"),
    ("STA", Sta, 5, "abbreviation for current state"),
    ("STATE", State, 15, "name for current state"),
    ("STIME", Stime, 9, "time of last state change"),
    ("ZONE", Zone, 17, "name of zone"),
];

impl Column {
    /// Without -o.
    pub const DEFAULT: &'static [Column] = &[State, Stime, Fmri];
    /// With -v.
    pub const VERBOSE: &'static [Column] = &[State, Nstate, Stime, Ctid, Fmri];

    /// By its name in either case.
    pub fn from_name(name: &str) -> Option<Self> {
        COLUMNS.iter().find(|(own, ..)| own.eq_ignore_ascii_case(name)).map(|(_, own, ..)| *own)
    }

    fn name_and_width(self) -> (&'static str, usize) {
        let found = COLUMNS.iter().find(|(_, column, ..)| *column == self);
        found.map_or(("", 0), |(name, _, width, _)| (name, *width))
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
        let cells = self.columns.iter().map(|column| {
            let (name, width) = column.name_and_width();
            format!("{name:width$}")
        });
        cells.collect::<String>().trim_end().to_owned()
    }

    /// The line of a row.
    pub fn line(&self, row: &Row) -> String {
        let mut line = String::with_capacity(96);
        for column in self.columns {
            let (_, width) = column.name_and_width();
            let text = self.cell(*column, row);
            let length = text.chars().count();
            if length >= width && matches!(column, Inst | Scope) {
                line.extend(text.chars().take(width));
                continue;
            }
            line.push_str(&text);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(length).max(1)));
        }
        line.truncate(line.trim_end_matches(' ').len());
        line
    }

    /// The contents of a cell.
    pub fn cell(&self, column: Column, row: &Row) -> String {
        let next = |form: fn(&str) -> &'static str| match row.next_state.as_str() {
            "none" => "-",
            other => form(other),
        };
        match column {
            Ctid => match row.contracts.as_slice() {
                [] => format!("{:>6}", "-"),
                [one] => format!("{one:>6}"),
                [first, ..] => format!("{first:>5}*"),
            },
            Desc => row.description.clone().unwrap_or_else(|| "-".into()),
            Fmri => row.fmri.clone(),
            Inst => row.instance.clone(),
            N => next(letter).to_owned(),
            Nsta => next(short).to_owned(),
            Nstate => if row.in_transition() { row.next_state.as_str() } else { "-" }.to_owned(),
            S => format!("{}{}", letter(&row.state), self.mark(row)),
            Scope => "localhost".to_owned(),
            Sn => format!("{}{}", letter(&row.state), next(letter)),
            Sta => format!("{}{}", short(&row.state), self.mark(row)),
            State if row.state.is_empty() => "-".to_owned(),
            State => format!("{}{}", row.state, self.mark(row)),
            Stime => match &row.time {
                Some((then, _)) => clock::stime(*then, self.now, self.zone),
                None => "-".to_owned(),
            },
            Svc => row.service.clone(),
            // There is but one, off illumos as in the global zone.
            Zone => "global".to_owned(),
        }
    }

    /// The star behind a state, unless a column tells the next one.
    fn mark(&self, row: &Row) -> &'static str {
        let told = [N, Sn, Nsta, Nstate].iter().any(|column| self.columns.contains(column));
        if row.in_transition() && !told { "*" } else { "" }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: i64 = 1_265_947_111; // Fri Feb 12 03:58:31 2010 UTC

    fn row(fmri: &str, state: &str, next: &str, contracts: &[&str]) -> Row {
        let (service, instance) = fmri["svc:/".len()..].rsplit_once(':').unwrap();
        Row {
            fmri: fmri.into(),
            service: service.into(),
            instance: instance.into(),
            state: state.into(),
            next_state: next.into(),
            time: (!state.is_empty()).then(|| (THEN, "5".into())),
            contracts: contracts.iter().map(|id| (*id).to_owned()).collect(),
            ..Row::default()
        }
    }

    fn shown(columns: &str, row: &Row, age: i64) -> String {
        let columns: Vec<_> = columns.split(',').filter_map(Column::from_name).collect();
        let table = Table { columns: &columns, zone: &TimeZone::UTC, now: THEN + age };
        format!("{}|{}", table.header(), table.line(row))
    }

    #[test]
    fn the_layout_is_literal() {
        let one = row("svc:/network/smtp:sendmail", "online", "none", &["63"]);
        let long = "svc:/application/a-very-long-name-of-a-service/that-does-not-fit:an-instance-that-is-long";
        let moving = row(long, "offline", "online", &["7", "8"]);
        let unknown = row("svc:/a/b:c", "", "", &[]);
        for (columns, row, expected) in [
            (
                "state,stime,fmri",
                &one,
                "STATE          STIME    FMRI|online          3:58:31 svc:/network/smtp:sendmail",
            ),
            (
                "state,nstate,stime,ctid,fmri",
                &one,
                "STATE          NSTATE        STIME    CTID   FMRI|online         -              \
                 3:58:31     63 svc:/network/smtp:sendmail",
            ),
            (
                "fmri,ctid",
                &moving,
                "FMRI                                               CTID|svc:/application/\
                 a-very-long-name-of-a-service/that-does-not-fit:an-instance-that-is-long     7*",
            ),
            ("state", &moving, "STATE|offline*"),
            ("state,n", &moving, "STATE          N|offline        1"),
            ("s,sta", &moving, "S  STA|0* OFF*"),
            ("s,sn,n,sta,nsta", &moving, "S  SN N STA  NSTA|0  01 1 OFF  ON"),
            (
                "state,stime,ctid",
                &unknown,
                "STATE          STIME    CTID|-              -             -",
            ),
            ("s,sta,n,nsta,nstate", &unknown, "S  STA  N NSTA NSTATE|?  ?    ? ?    -"),
            (
                "svc,inst,scope",
                &one,
                "SVC                  INST                 SCOPE|network/smtp         \
                 sendmail             localhost",
            ),
            (
                "inst,svc,s",
                &moving,
                "INST                 SVC                  S|an-instance-that-is-lapplication/a-very-long-name-of-a-service/that-does-not-fit 0*",
            ),
            ("zone,desc", &one, "ZONE             DESC|global           -"),
        ] {
            assert_eq!(shown(columns, row, 60), expected, "{columns}");
        }
    }

    #[test]
    fn a_description_is_never_cut() {
        let described =
            Row { description: Some("d".repeat(120)), ..row("svc:/a:b", "online", "none", &[]) };
        let said = shown("desc,s", &described, 0);
        assert!(said.ends_with(&format!("|{} 1", "d".repeat(120))), "{said}");
    }

    #[test]
    fn names_are_taken_in_either_case() {
        for (name, expected) in
            [("StaTe", Some(State)), ("ctid", Some(Ctid)), ("", None), ("states", None)]
        {
            assert_eq!(Column::from_name(name), expected, "{name}");
        }
    }
}
