//! info.rs - `pkgrepo info`: a line for each publisher.

use ips_cmd::Failure;
use ips_cmd::table::{Form, json};
use ips_model::Timestamp;
use serde_json::{Map, Value};

use crate::options::Options;

const HEADING: [&str; 4] = ["PUBLISHER", "PACKAGES", "STATUS", "UPDATED"];

/// Prints the publishers.
pub fn info(options: &Options) -> Result<(), Failure> {
    let repository = options.place()?.open()?;
    let mut rows: Vec<[String; 4]> = Vec::new();
    for publisher in repository.publishers()?.iter().filter(|name| options.wants(name)) {
        let info = repository.info(publisher)?;
        let updated = info.updated.map(Timestamp::extended).unwrap_or_default();
        rows.push([info.publisher, info.packages.to_string(), info.status.to_string(), updated]);
    }
    if rows.is_empty() && !options.publishers.is_empty() {
        return Err(Failure::new("no matching publishers found").of(options.name));
    }
    print!("{}", table(&rows, options.form, options.bare));
    Ok(())
}

fn table(rows: &[[String; 4]], form: Form, bare: bool) -> String {
    let heading = (!bare).then(|| HEADING.map(str::to_string));
    let lines = heading.iter().chain(rows);
    match form {
        Form::Aligned => {
            let width = rows.iter().map(|row| row[0].len()).max().unwrap_or(0).max(9);
            lines
                .map(|[publisher, packages, status, updated]| {
                    format!("{publisher:width$} {packages:8} {status:16} {updated}\n")
                })
                .collect()
        }
        Form::Tabs => lines.map(|row| row.join("\t") + "\n").collect(),
        Form::Json | Form::JsonIndented => {
            let object = |row: &[String; 4]| {
                let names = ["publisher", "packages", "status", "updated"];
                let pairs = names.iter().zip(row);
                pairs
                    .map(|(name, value)| (name.to_string(), Value::String(value.clone())))
                    .collect::<Map<String, Value>>()
            };
            json(&rows.iter().map(object).collect::<Vec<_>>(), form)
        }
    }
}
