//! info.rs - `pkgrepo info`: a line for each publisher.

use ips_client::PublisherCatalog;
use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_cmd::table::{Form, json};
use ips_model::Timestamp;
use ips_repository::Info;
use serde_json::{Map, Value};

use crate::options::Options;

const HEADING: [&str; 4] = ["PUBLISHER", "PACKAGES", "STATUS", "UPDATED"];

/// Prints the publishers; status 3 where some asked for are not there.
pub fn info(options: &Options) -> Result<u8, Failure> {
    options.no_operands()?;
    let rows = match options.place()? {
        Place::Url(_) | Place::Archive(_) => of_source(options)?,
        place @ Place::Directory(_) => of_directory(&place, options)?,
    };
    let rows = options.found(rows)?;
    print!("{}", table(&rows, options.form, options.bare));
    let found: Vec<String> = rows.into_iter().map(|[publisher, ..]| publisher).collect();
    Ok(options.status(&found))
}

fn row(info: Info) -> [String; 4] {
    let updated = info.updated.map(Timestamp::extended).unwrap_or_default();
    [info.publisher, info.packages.to_string(), info.status.to_string(), updated]
}

fn of_directory(place: &Place, options: &Options) -> Result<Vec<[String; 4]>, Failure> {
    let repository = place.open()?;
    let mut rows = Vec::new();
    for publisher in repository.publishers()?.iter().filter(|name| options.wants(name)) {
        rows.push(row(repository.info(publisher)?));
    }
    Ok(rows)
}

/// A depot's catalogs say what its status/0 says, and other depots have them too.
fn of_source(options: &Options) -> Result<Vec<[String; 4]>, Failure> {
    let source = options.source()?;
    let wanted = source.catalogs().iter().filter(|catalog| options.wants(&catalog.publisher));
    let info = |one: &PublisherCatalog| Info {
        publisher: one.publisher.clone(),
        packages: one.packages,
        status: "online",
        updated: one.updated,
    };
    let mut rows: Vec<[String; 4]> = wanted.map(|one| row(info(one))).collect();
    // In the order in which a directory lists them.
    rows.sort();
    Ok(rows)
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
