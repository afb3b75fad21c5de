//! inventory.rs - the rows of `pkg list`: which fields they have (`-o`), and in which form (`-F`).

use std::collections::BTreeSet;

use ips_client::image::{Image, Package, states};
use ips_cmd::Failure;
use ips_model::catalog::Part;
use ips_model::{Action, Fmri, Version};

use crate::call::{Call, Given};
use crate::listing::{self, Column, FORMS, Form};
use crate::packages::Packages;

/// What can be told of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Branch,
    Flags,
    Fmri,
    Name,
    NamePublisher,
    OsRelease,
    Publisher,
    Release,
    Summary,
    Timestamp,
    Version,
}

/// Each by its name for `-o` and in JSON, with its heading; in alphabetical order.
const FIELDS: [(&str, &str, Field); 11] = [
    ("branch", "BRANCH", Field::Branch),
    ("flags", "IFO", Field::Flags),
    ("fmri", "FMRI", Field::Fmri),
    ("name", "NAME", Field::Name),
    ("namepub", "NAME (PUBLISHER)", Field::NamePublisher),
    ("osrelease", "OS RELEASE", Field::OsRelease),
    ("publisher", "PUBLISHER", Field::Publisher),
    ("release", "RELEASE", Field::Release),
    ("summary", "SUMMARY", Field::Summary),
    ("timestamp", "TIMESTAMP", Field::Timestamp),
    ("version", "VERSION", Field::Version),
];

/// How the list looks.
pub struct Layout {
    fields: Vec<Field>,
    form: Form,
    bare: bool,
    /// Widths of the columns but the last; `None`: as wide as what is in them (`-o`).
    widths: Option<&'static [usize]>,
}

impl Layout {
    /// Reads `-F`, `-H`, `-o`, `-s` and `-v`.
    pub fn of(call: &Call, given: &Given) -> Result<Layout, Failure> {
        let form = Form::of(call, given, &FORMS)?;
        let bare = given.has("H");
        if let Some(names) = given.value("o") {
            if given.has("v") || given.has("s") {
                return Err(call.usage("-o cannot be used with -v or -s"));
            }
            return Ok(Layout { fields: named(call, names)?, form, bare, widths: None });
        }
        let (fields, widths): (&[Field], &'static [usize]) = match (given.has("v"), given.has("s"))
        {
            (true, _) => (&[Field::Fmri, Field::Flags], &[76]),
            (_, true) => (&[Field::NamePublisher, Field::Summary], &[55]),
            _ => (&[Field::NamePublisher, Field::Version, Field::Flags], &[49, 26]),
        };
        Ok(Layout { fields: fields.to_vec(), form, bare, widths: Some(widths) })
    }
}

fn named(call: &Call, names: &str) -> Result<Vec<Field>, Failure> {
    let known: Vec<&str> = FIELDS.iter().map(|(name, ..)| *name).collect();
    let (mut fields, mut unknown) = (Vec::new(), Vec::new());
    for name in names.to_lowercase().split(',') {
        match FIELDS.iter().find(|(known, ..)| *known == name) {
            Some((.., field)) if fields.contains(field) => {}
            Some((.., field)) => fields.push(*field),
            None => unknown.push(name.to_string()),
        }
    }
    if unknown.is_empty() {
        return Ok(fields);
    }
    Err(call.usage(format!(
        "Unknown output field(s): {}\nKnown fields are: {}",
        unknown.join(", "),
        known.join(", ")
    )))
}

/// Prints packages; those in `optional` are what others may do without.
pub fn show(
    image: &Image,
    packages: &Packages,
    chosen: &[(Fmri, &Package)],
    optional: &BTreeSet<String>,
    layout: &Layout,
) -> Result<(), Failure> {
    let first = image.configuration().publishers().iter().find(|one| !one.disabled);
    let first = first.map(|one| one.prefix.clone());
    let summaries = match layout.fields.contains(&Field::Summary) {
        true => summaries(image, packages)?,
        false => Part::default(),
    };
    let mut rows = Vec::new();
    for (fmri, package) in chosen {
        let cell = |field: &Field| -> Result<Option<String>, Failure> {
            let version = fmri.version.as_ref();
            Ok(match field {
                Field::Flags => Some(flags(package, optional.contains(&fmri.name))),
                Field::Summary => Some(summary(&summaries, image, packages, fmri)?),
                Field::Fmri => Some(fmri.without_build()),
                Field::Name => Some(fmri.name.clone()),
                Field::Publisher => fmri.publisher.clone(),
                Field::NamePublisher => Some(match &fmri.publisher {
                    Some(publisher) if fmri.publisher != first => {
                        format!("{} ({publisher})", fmri.name)
                    }
                    Some(_) | None => fmri.name.clone(),
                }),
                Field::Version => version.map(Version::short),
                Field::Release => version.map(|one| one.release.as_str().to_string()),
                Field::OsRelease => version.map(|one| one.build.as_str().to_string()),
                Field::Branch => {
                    version.and_then(|one| Some(one.branch.as_ref()?.as_str().to_string()))
                }
                Field::Timestamp => version.and_then(|one| one.timestamp.clone()),
            })
        };
        rows.push(layout.fields.iter().map(cell).collect::<Result<Vec<_>, _>>()?);
    }
    print!("{}", table(layout, &rows));
    Ok(())
}

fn table(layout: &Layout, rows: &[Vec<Option<String>>]) -> String {
    let column = |field: &Field| {
        let known = FIELDS.iter().find(|(.., known)| known == field);
        let (key, heading, _) = known.copied().unwrap_or(FIELDS[0]);
        Column { heading, key, hidden: false }
    };
    let columns: Vec<Column> = layout.fields.iter().map(column).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row[at].as_deref());
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0) + 1
    };
    let own: Vec<usize> = (0..columns.len()).map(width).collect();
    let aligned = |row: &[&str]| match layout.widths {
        None if row.len() == 1 => row[0].to_string(),
        None => row.iter().zip(&own).map(|(cell, width)| format!("{cell:width$}")).collect(),
        Some(widths) => {
            let last = row.len() - 1;
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$} "));
            cells.collect::<String>() + row[last]
        }
    };
    listing::print(&columns, rows, layout.form, layout.bare || rows.is_empty(), aligned)
}

/// Installed; frozen, dispensable or named by the user; obsolete, renamed or legacy.
fn flags(package: &Package, optional: bool) -> String {
    let installed = package.is(states::INSTALLED);
    let held = match (package.is(states::FROZEN), optional, package.is(states::MANUAL)) {
        (true, ..) => 'f',
        (_, true, _) => 'S',
        (.., true) => 'm',
        _ => '-',
    };
    let gone = [(states::OBSOLETE, 'o'), (states::RENAMED, 'r'), (states::LEGACY, 'l')];
    let gone = gone.iter().find(|(state, _)| package.is(*state)).map_or('-', |(_, letter)| *letter);
    [if installed { 'i' } else { '-' }, held, gone].iter().collect()
}

fn summaries(image: &Image, packages: &Packages) -> Result<Part, Failure> {
    if !packages.sources.is_empty() {
        return Ok(Part::default());
    }
    image.known_summaries().map_err(Failure::new)
}

fn summary(
    part: &Part,
    image: &Image,
    packages: &Packages,
    fmri: &Fmri,
) -> Result<String, Failure> {
    let of = |actions: &mut dyn Iterator<Item = Action>| {
        let (mut summary, mut older) = (None, None);
        for action in actions {
            let value = || action.get("value").map(str::to_string);
            match action.key() {
                Some("pkg.summary") => summary = value(),
                Some("description") => older = value(),
                Some(_) | None => {}
            }
        }
        summary.or(older).unwrap_or_default()
    };
    match part.get(fmri) {
        Some(entry) => {
            Ok(of(&mut entry.actions.iter().filter_map(|text| Action::parse(text).ok())))
        }
        None if packages.sources.is_empty() => Ok(String::new()),
        // Repositories named on the command line are asked for the manifest.
        None => Ok(of(&mut packages.manifest(image, fmri)?.actions.into_iter())),
    }
}
