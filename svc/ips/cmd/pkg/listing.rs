//! listing.rs - the forms of pkg's small tables: aligned, tab-separated, JSON.

use ips_cmd::Failure;
use serde_json::{Map, Value};

use crate::call::{Call, Given};

/// A column: its heading, its key in JSON, and whether only machines see it.
pub struct Column {
    /// `VERSION`.
    pub heading: &'static str,
    /// `version`.
    pub key: &'static str,
    /// Left out of the aligned form.
    pub hidden: bool,
}

/// What `-F` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Columns with a heading.
    Default,
    /// Columns between tabs.
    Tabs,
    /// One line of JSON.
    Json,
    /// JSON with an indent.
    JsonFormatted,
}

impl Form {
    /// Reads `-F`.
    pub fn of(call: &Call, given: &Given, forms: &[&str]) -> Result<Form, Failure> {
        let text = given.value("F").unwrap_or("default");
        if !forms.contains(&text) {
            let forms: Vec<String> = forms.iter().map(|form| format!("'{form}'")).collect();
            return Err(call.usage(format!(
                "Argument '{text}' for option '-F/--output-format' is invalid.\nSupported: {}",
                forms.join(", ")
            )));
        }
        Ok(match text {
            "tsv" => Form::Tabs,
            "json" => Form::Json,
            "json-formatted" => Form::JsonFormatted,
            _ => Form::Default,
        })
    }
}

/// Every form there is.
pub const FORMS: [&str; 4] = ["default", "tsv", "json", "json-formatted"];

/// The table as text; a value that is `None` is empty in columns and null in JSON.
pub fn print(
    columns: &[Column],
    rows: &[Vec<Option<String>>],
    form: Form,
    bare: bool,
    aligned: impl Fn(&[&str]) -> String,
) -> String {
    let shown = |row: &[&str], hidden: bool| -> Vec<String> {
        let cells = row.iter().zip(columns).filter(|(_, column)| hidden || !column.hidden);
        cells.map(|(cell, _)| cell.to_string()).collect()
    };
    match form {
        Form::Json | Form::JsonFormatted => {
            let object = |row: &Vec<Option<String>>| {
                let members = columns.iter().zip(row).map(|(column, cell)| {
                    let value = cell.clone().map_or(Value::Null, Value::String);
                    (column.key.to_string(), value)
                });
                members.collect::<Map<String, Value>>()
            };
            let form = match form {
                Form::JsonFormatted => ips_cmd::table::Form::JsonIndented,
                Form::Default | Form::Tabs | Form::Json => ips_cmd::table::Form::Json,
            };
            ips_cmd::table::json(&rows.iter().map(object).collect::<Vec<_>>(), form)
        }
        Form::Default | Form::Tabs => {
            let heading: Vec<&str> = columns.iter().map(|column| column.heading).collect();
            let cells = rows.iter().map(|row| {
                row.iter().map(|cell| cell.as_deref().unwrap_or_default()).collect::<Vec<&str>>()
            });
            let lines = (!bare).then_some(heading).into_iter().chain(cells);
            let line = |row: Vec<&str>| match form {
                Form::Tabs => shown(&row, true).join("\t") + "\n",
                _ => {
                    let row = shown(&row, false);
                    aligned(&row.iter().map(String::as_str).collect::<Vec<_>>()) + "\n"
                }
            };
            lines.map(line).collect()
        }
    }
}
