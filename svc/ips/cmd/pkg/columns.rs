//! columns.rs - attributes of actions as columns, for `pkg contents` and `pkg search`.

use ips_model::{Action, Fmri};

use crate::info::short;

/// A line: of each attribute its value, empty where the action has none.
pub type Line = Vec<String>;

/// The value of an attribute of an action in a package; `None` where it has none.
pub fn value(name: &str, fmri: &Fmri, action: Option<&Action>) -> Option<String> {
    match (name, action) {
        ("action.name", Some(action)) => Some(action.kind.as_str().to_string()),
        ("action.hash", Some(action)) => action.hash.clone().filter(|hash| hash != "NOHASH"),
        ("action.key", Some(action)) => action.key().map(str::to_string),
        ("action.raw", Some(action)) => Some(action.to_string()),
        ("pkg.name", _) => Some(fmri.name.clone()),
        ("pkg.fmri", _) => Some(fmri.to_string()),
        ("pkg.shortfmri", _) => Some(short(fmri)),
        ("pkg.publisher", _) => fmri.publisher.clone(),
        (name, Some(action)) => {
            let values = action.values(name);
            (!values.is_empty()).then(|| values.join(" "))
        }
        (_, None) => None,
    }
}

/// Whether a column is left-aligned whatever stands in it.
fn is_left(name: &str) -> bool {
    matches!(
        name,
        "action.name"
            | "action.key"
            | "action.raw"
            | "pkg.name"
            | "pkg.fmri"
            | "pkg.shortfmri"
            | "pkg.publisher"
    )
}

/// How lines are laid out.
pub struct Layout {
    widths: Vec<usize>,
    left: Vec<bool>,
}

impl Layout {
    /// As wide as these lines and the names of their attributes.
    pub fn of(attributes: &[String], headings: &[String], lines: &[Line]) -> Layout {
        let last = |name: &str| name.rsplit_once('.').map_or(name.len(), |(_, last)| last.len());
        let mut widths: Vec<usize> = attributes.iter().map(|name| last(name)).collect();
        for line in lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (width, heading) in widths.iter_mut().zip(headings) {
            *width = (*width).max(heading.len());
        }
        let left = attributes.iter().map(|name| is_left(name)).collect();
        Layout { widths, left }
    }

    /// The headings.
    pub fn heading(&self, headings: &[String]) -> String {
        let cells = self.widths.iter().zip(headings);
        let cells: Vec<String> =
            cells.map(|(width, name)| format!("{:width$}", name.to_uppercase())).collect();
        cells.join(" ").trim_end().to_string()
    }

    /// A line under its headings: numbers stand right.
    pub fn line(&self, line: &Line) -> String {
        let cells = self.widths.iter().zip(&self.left).zip(line);
        let cells: Vec<String> = cells
            .map(|((width, left), cell)| match !left && cell.trim().parse::<i64>().is_ok() {
                true => format!("{cell:>width$}"),
                false => format!("{cell:width$}"),
            })
            .collect();
        cells.join(" ").trim_end().to_string()
    }
}

/// A line without headings.
pub fn bare(line: &Line) -> String {
    line.join("\t").trim_end().to_string()
}
