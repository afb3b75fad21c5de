//! get.rs - `pkgrepo get`: properties of the repository, or with `-p` of publishers.
//!
//! A depot says them in status/0 and publisher/0.

use ips_client::Source;
use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_cmd::table::{Form, json};
use ips_model::configuration::list_members;
use ips_model::p5i;
use ips_repository::Repository;
use serde_json::{Map, Value, json as value};

use crate::options::Options;

/// What a property has.
#[derive(Debug, Clone, PartialEq)]
enum Property {
    /// Nothing, which JSON calls `None` and columns leave blank.
    Unset,
    Text(String),
    List(Vec<String>),
}

/// A line of the table.
struct Row {
    publisher: Option<String>,
    section: String,
    name: String,
    property: Property,
}

/// Prints the properties; status 3 where some of what was asked for is not there.
pub fn get(options: &Options) -> Result<u8, Failure> {
    let place = options.place()?;
    let mut rows = if matches!(place, Place::Url(_)) {
        depot_rows(&options.source()?, options)?
    } else {
        let repository = place.open()?;
        match options.publishers.is_empty() {
            true => repository_rows(&repository)?,
            false => publisher_rows(&repository, options)?,
        }
    };
    // Widths are those of all properties, whatever is asked for.
    let widths = widths(&rows);
    let named = |row: &Row| format!("{}/{}", row.section, row.name);
    if !options.operands.is_empty() {
        rows.retain(|row| options.operands.contains(&named(row)));
    }
    if rows.is_empty() {
        return Err(options.unfound("no matching properties found"));
    }
    print!("{}", table(&rows, widths, options));
    let is_there = |operand: &String| rows.iter().any(|row| named(row) == *operand);
    if !options.operands.iter().all(is_there) {
        return Ok(3);
    }
    Ok(options.status(&rows.into_iter().filter_map(|row| row.publisher).collect::<Vec<_>>()))
}

fn repository_rows(repository: &Repository) -> Result<Vec<Row>, Failure> {
    let configuration = repository.configuration()?;
    let mut rows: Vec<Row> = configuration
        .properties()
        .filter(|(section, _, _)| *section != "CONFIGURATION")
        .map(|(section, name, text)| {
            let text_value = || Property::Text(text.to_string());
            let property = list_members(text).map_or_else(text_value, Property::List);
            Row { publisher: None, section: section.into(), name: name.into(), property }
        })
        .collect();
    rows.sort_by(|one, other| (&one.section, &one.name).cmp(&(&other.section, &other.name)));
    Ok(rows)
}

fn depot_rows(source: &Source, options: &Options) -> Result<Vec<Row>, Failure> {
    if options.publishers.is_empty() {
        let configuration = source.configuration().map_err(Failure::new)?.unwrap_or_default();
        let mut rows = Vec::new();
        for (section, properties) in configuration.as_object().into_iter().flatten() {
            for (name, said) in properties.as_object().into_iter().flatten() {
                let (publisher, section, name) = (None, section.clone(), name.clone());
                rows.push(Row { publisher, section, name, property: Property::of(said) });
            }
        }
        rows.sort_by(|one, other| (&one.section, &one.name).cmp(&(&other.section, &other.name)));
        return Ok(rows);
    }
    let mut rows = Vec::new();
    for described in source.publishers().map_err(Failure::new)? {
        if options.wants(&described.name) {
            rows.extend(rows_of(&described.name, &described));
        }
    }
    rows.sort_by(|one, other| one.publisher.cmp(&other.publisher));
    options.found(rows)
}

fn rows_of(publisher: &str, described: &p5i::Publisher) -> Vec<Row> {
    let row = |(section, name, property): (&str, &str, Property)| Row {
        publisher: Some(publisher.to_string()),
        section: section.into(),
        name: name.into(),
        property,
    };
    properties(publisher, described).into_iter().map(row).collect()
}

fn publisher_rows(repository: &Repository, options: &Options) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for publisher in repository.publishers()?.into_iter().filter(|name| options.wants(name)) {
        rows.extend(rows_of(&publisher, &described(repository, &publisher)?));
    }
    options.found(rows)
}

/// What is known of a publisher.
pub fn described(repository: &Repository, publisher: &str) -> Result<p5i::Publisher, Failure> {
    let Some(text) = repository.description(publisher)? else {
        return Ok(p5i::Publisher::default());
    };
    let described = p5i::parse(&text)
        .map_err(|error| Failure::new(format!("{publisher}: pub.p5i: {error}")))?;
    Ok(described.into_iter().next().unwrap_or_default())
}

fn properties(
    prefix: &str,
    described: &p5i::Publisher,
) -> Vec<(&'static str, &'static str, Property)> {
    let text = |text: &str| Property::Text(text.to_string());
    let list = |list: &[String]| Property::List(list.to_vec());
    // Once a repository is described, what it leaves out is nothing rather than empty.
    let unset = match described.repositories.is_empty() {
        true => Property::Text(String::new()),
        false => Property::Unset,
    };
    let repository = described.repositories.first().cloned().unwrap_or_default();
    let alias = described.alias.as_deref().map_or(Property::Unset, text);
    let seconds = repository.refresh_seconds.map(|seconds| text(&seconds.to_string()));
    let description = match repository.description.is_empty() {
        true => unset.clone(),
        false => text(&repository.description),
    };
    vec![
        ("publisher", "alias", alias),
        ("publisher", "prefix", text(prefix)),
        ("repository", "collection-type", text(repository.collection_type())),
        ("repository", "description", description),
        ("repository", "legal-uris", list(&repository.legal_uris)),
        ("repository", "mirrors", list(&repository.mirrors)),
        ("repository", "name", text(&repository.name)),
        ("repository", "origins", list(&repository.origins)),
        ("repository", "refresh-seconds", seconds.unwrap_or(unset)),
        ("repository", "registration-uri", text(&repository.registration_uri)),
        ("repository", "related-uris", list(&repository.related_uris)),
    ]
}

/// A word as pkg5 shows it: as for a shell, but double quotes stay as they are.
fn shell_word(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_string();
    }
    let mut word = String::new();
    for next in text.chars() {
        if " \t\n'\\$`()[]{}*?<>|&;!#~".contains(next) {
            word.push('\\');
        }
        word.push(next);
    }
    word
}

impl Property {
    /// What a depot says of a property; its types are those of the configuration.
    fn of(said: &Value) -> Property {
        match said {
            Value::Null => Property::Unset,
            Value::Bool(true) => Property::Text("True".to_string()),
            Value::Bool(false) => Property::Text("False".to_string()),
            Value::Array(list) => Property::List(
                list.iter().map(|one| one.as_str().unwrap_or_default().to_string()).collect(),
            ),
            Value::String(text) => Property::Text(text.clone()),
            other => Property::Text(other.to_string()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Property::Unset => String::new(),
            Property::Text(text) => shell_word(text),
            Property::List(list) => {
                format!(
                    "({})",
                    list.iter().map(|item| shell_word(item)).collect::<Vec<_>>().join(" ")
                )
            }
        }
    }

    fn json(&self) -> Value {
        match self {
            Property::Unset => value!("None"),
            Property::Text(text) => value!(text),
            Property::List(list) => value!(list),
        }
    }
}

/// Of publisher, section and name.
fn widths(rows: &[Row]) -> [usize; 3] {
    let longest = |heading: &str, of: fn(&Row) -> usize| {
        rows.iter().map(of).max().unwrap_or(0).max(heading.len())
    };
    [
        longest("PUBLISHER", |row| row.publisher.as_ref().map_or(0, String::len)),
        longest("SECTION", |row| row.section.len()),
        longest("PROPERTY", |row| row.name.len()),
    ]
}

fn table(rows: &[Row], [first, second, third]: [usize; 3], options: &Options) -> String {
    let with_publisher = !options.publishers.is_empty();
    let line = |publisher: &str, section: &str, name: &str, shown: &str| {
        if options.form == Form::Tabs {
            let lead = if with_publisher { format!("{publisher}\t") } else { String::new() };
            return format!("{lead}{section}\t{name}\t{shown}\n");
        }
        let lead = if with_publisher { format!("{publisher:first$} ") } else { String::new() };
        format!("{lead}{section:second$} {name:third$} {shown}\n")
    };
    match options.form {
        Form::Aligned | Form::Tabs => {
            let mut text = String::new();
            if !options.bare {
                text.push_str(&line("PUBLISHER", "SECTION", "PROPERTY", "VALUE"));
            }
            for row in rows {
                let publisher = row.publisher.as_deref().unwrap_or_default();
                text.push_str(&line(publisher, &row.section, &row.name, &row.property.shown()));
            }
            text
        }
        Form::Json | Form::JsonIndented => {
            let object = |row: &Row| {
                let mut members = Map::new();
                members.insert("property".into(), value!(row.name));
                if let Some(publisher) = &row.publisher {
                    members.insert("publisher".into(), value!(publisher));
                }
                members.insert("section".into(), value!(row.section));
                members.insert("value".into(), row.property.json());
                members
            };
            json(&rows.iter().map(object).collect::<Vec<_>>(), options.form)
        }
    }
}
