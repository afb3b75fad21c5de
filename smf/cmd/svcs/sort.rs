//! sort.rs - in which order the lines stand.
//!
//! States have ranks of their own; an FMRI is compared by its first fifty bytes, and a component by
//! twenty.  What is equal by all keys stands in reverse order of visiting.

use std::cmp::Ordering;

use crate::columns::Column;
use crate::row::Row;

/// A column to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    pub column: Column,
    pub direction: Direction,
}

/// Which way a key sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// Without -s, -S and -o.
pub const DEFAULT: [Column; 3] = [Column::State, Column::Stime, Column::Fmri];

/// Sorts by the keys in their order.
pub fn sort(rows: &mut [Row], keys: &[Key]) {
    rows.reverse();
    rows.sort_by(|a, b| {
        let each = keys.iter().map(|key| match key.direction {
            Direction::Ascending => compare(key.column, a, b),
            Direction::Descending => compare(key.column, b, a),
        });
        each.fold(Ordering::Equal, Ordering::then)
    });
}

fn compare(column: Column, a: &Row, b: &Row) -> Ordering {
    let by = |of: fn(&Row) -> &str, width| cut(of(a), width).cmp(cut(of(b), width));
    match column {
        Column::State | Column::S | Column::Sta => rank(&a.state).cmp(&rank(&b.state)),
        Column::Nstate | Column::N | Column::Nsta => rank(&a.next_state).cmp(&rank(&b.next_state)),
        Column::Sn => {
            let ranks = |row: &Row| (rank(&row.state), rank(&row.next_state));
            ranks(a).cmp(&ranks(b))
        }
        // None comes before all times; a fraction has nine digits, or none.
        Column::Stime => a.time.cmp(&b.time),
        Column::Ctid => contract(a).cmp(&contract(b)),
        Column::Fmri => by(|row| &row.fmri, 50),
        Column::Inst => by(|row| &row.instance, 20),
        Column::Svc => by(|row| &row.service, 20),
        Column::Desc => by(|row| row.description.as_deref().unwrap_or("-"), 100),
        Column::Scope | Column::Zone => Ordering::Equal,
    }
}

fn cut(text: &str, width: usize) -> &[u8] {
    &text.as_bytes()[..text.len().min(width)]
}

/// The first contract; none counts as zero.
fn contract(row: &Row) -> u64 {
    row.contracts.first().and_then(|id| id.parse().ok()).unwrap_or(0)
}

/// The order of states, which is not that of the alphabet.
fn rank(state: &str) -> u8 {
    match state {
        "legacy_run" => 0,
        "disabled" => 1,
        "online" => 2,
        "degraded" => 3,
        "offline" => 4,
        "maintenance" => 5,
        "uninitialized" => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |fmri: &str, state: &str, seconds, contract: &str| Row {
            fmri: fmri.into(),
            state: state.into(),
            next_state: "none".into(),
            time: Some((seconds, "5".into())),
            contracts: contract.split_whitespace().map(str::to_owned).collect(),
            ..Row::default()
        };
        vec![
            row("a", "maintenance", 5, "9"),
            row("b", "online", 7, "10"),
            row("c", "online", 6, ""),
            row("d", "legacy_run", 8, "100 1"),
            row("e", "", 1, ""),
            row("f", "disabled", 2, ""),
            row("g", "offline", 2, ""),
            row("h", "uninitialized", 2, ""),
            row("i", "degraded", 2, ""),
        ]
    }

    #[test]
    fn keys_apply_in_their_order() {
        use Column::{Ctid, Fmri, Scope, Sn, State, Stime};
        use Direction::{Ascending, Descending};
        for (keys, expected) in [
            (&[][..], "ihgfedcba"),
            (&[(State, Ascending)], "dfcbigahe"),
            (&[(State, Descending)], "ehagicbfd"),
            (&[(Sn, Ascending), (Fmri, Ascending)], "dfbcigahe"),
            (&[(State, Ascending), (Stime, Ascending), (Fmri, Ascending)], "dfcbigahe"),
            (&[(State, Ascending), (Stime, Descending)], "dfbcigahe"),
            (&[(Fmri, Ascending)], "abcdefghi"),
            (&[(Ctid, Ascending), (Fmri, Ascending)], "cefghiabd"),
            (&[(Scope, Ascending)], "ihgfedcba"),
        ] {
            let keys: Vec<Key> = keys
                .iter()
                .map(|(column, direction)| Key { column: *column, direction: *direction })
                .collect();
            let mut all = rows();
            sort(&mut all, &keys);
            let got: String = all.iter().map(|row| row.fmri.as_str()).collect();
            assert_eq!(got, expected, "{keys:?}");
        }
    }

    #[test]
    fn fmris_are_compared_by_fifty_bytes() {
        let row = |end: &str| Row { fmri: format!("{}{end}", "x".repeat(50)), ..Row::default() };
        let mut rows = vec![row("a"), row("b")];
        sort(&mut rows, &[Key { column: Column::Fmri, direction: Direction::Ascending }]);
        assert!(rows[0].fmri.ends_with('b'), "equal by the key, so in reverse");
    }
}
