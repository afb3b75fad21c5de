//! diff.rs - `pkgrepo diff`: what one repository has and the other has not.
//!
//! Without `-v` a table of counts; with it every package; `--parsable` as JSON.  `--strict` also
//! compares when the catalogs were changed.

use std::collections::{BTreeMap, BTreeSet};

use ips_client::{PublisherCatalog, Source};
use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_model::fmri::is_publisher;
use serde_json::{Value, json};

use crate::options::Options;

/// The status of repositories that differ.
const DIFFERENT: u8 = 10;

/// Names of packages, and all their versions.
#[derive(Debug, Default)]
struct Held {
    names: BTreeSet<String>,
    versions: BTreeSet<String>,
}

impl Held {
    fn of(catalog: &PublisherCatalog) -> Held {
        let mut held = Held::default();
        for (fmri, _) in catalog.base.entries() {
            held.names.insert(fmri.name.clone());
            held.versions.insert(fmri.to_string());
        }
        held
    }

    fn counts(&self) -> (usize, usize) {
        (self.names.len(), self.versions.len())
    }
}

fn counted((packages, versions): (usize, usize)) -> Value {
    json!({"packages": packages, "versions": versions})
}

/// A publisher of both repositories.
struct Common {
    name: String,
    first: Held,
    second: Held,
    /// When the catalogs were changed, where that is compared and different.
    changed: Option<(String, String)>,
}

impl Common {
    fn only(&self, of: fn(&Held) -> &BTreeSet<String>) -> [Vec<&String>; 2] {
        let (first, second) = (of(&self.first), of(&self.second));
        [first.difference(second).collect(), second.difference(first).collect()]
    }

    fn is_alike(&self) -> bool {
        self.first.versions == self.second.versions
    }

    fn shared(&self) -> (usize, usize) {
        let both = |of: fn(&Held) -> &BTreeSet<String>| {
            of(&self.first).intersection(of(&self.second)).count()
        };
        (both(|held| &held.names), both(|held| &held.versions))
    }
}

/// What two repositories have.
struct Comparison {
    places: [String; 2],
    first_only: BTreeMap<String, Held>,
    second_only: BTreeMap<String, Held>,
    common: Vec<Common>,
}

/// Compares; status 10 if there is a difference.
pub fn diff(options: &Options) -> Result<u8, Failure> {
    if let Some(bad) = options.publishers.iter().find(|name| !is_publisher(name)) {
        return Err(Failure::new(format!("Invalid publisher prefix '{bad}'")).of(options.name));
    }
    if !options.operands.is_empty() {
        return Err(Failure::usage("command does not take any operands").of(options.name));
    }
    if options.has("q") && options.has("v") {
        return Err(Failure::usage("-q and -v can not be combined").of(options.name));
    }
    let (first, second) = match options.repositories.as_slice() {
        [] => {
            let told = "Two package repository locations must be provided using -s.";
            return Err(Failure::usage(told).of(options.name));
        }
        [_] => {
            let told = "A second package repository location must also be provided using -s.";
            return Err(Failure::usage(told).of(options.name));
        }
        [first, second] => (Place::parse(first)?, Place::parse(second)?),
        [_, _, _, ..] => {
            let told = "only two repositories can be specified";
            return Err(Failure::usage(told).of(options.name));
        }
    };
    let comparison = compare(options, &first, &second)?;
    let alike = comparison.first_only.is_empty()
        && comparison.second_only.is_empty()
        && comparison.common.iter().all(|one| one.is_alike() && one.changed.is_none());
    if alike {
        return Ok(0);
    }
    match (options.has("q"), options.has("v"), options.has("parsable")) {
        (true, _, _) => {}
        (false, true, true) => println!("{}", verbose_json(&comparison)),
        (false, true, false) => print!("{}", verbose(&comparison)),
        (false, false, true) => println!("{}", summary(&comparison)),
        (false, false, false) => print!("{}", table(&comparison)),
    }
    Ok(DIFFERENT)
}

fn compare(options: &Options, first: &Place, second: &Place) -> Result<Comparison, Failure> {
    let opened = [first.source_as(&options.identity(0))?, second.source_as(&options.identity(1))?];
    let of = |source: &Source, place: &Place| -> Result<BTreeMap<_, _>, Failure> {
        let catalogs = source.catalogs().iter().map(|one| (one.publisher.clone(), one.clone()));
        let mut catalogs: BTreeMap<String, PublisherCatalog> = catalogs.collect();
        catalogs.retain(|name, _| options.wants(name));
        if catalogs.is_empty() && !options.publishers.is_empty() {
            let told = format!("no matching publishers found in repository: {place}");
            return Err(Failure::new(told).of(options.name));
        }
        Ok(catalogs)
    };
    let [first_all, second_all] = [of(&opened[0], first)?, of(&opened[1], second)?];
    let only = |these: &BTreeMap<String, PublisherCatalog>, those: &BTreeMap<_, _>| {
        let mine = these.iter().filter(|(name, _)| !those.contains_key(*name));
        mine.map(|(name, catalog)| (name.clone(), Held::of(catalog))).collect()
    };
    let mut common = Vec::new();
    for (name, one) in &first_all {
        let Some(other) = second_all.get(name) else { continue };
        let time = |catalog: &PublisherCatalog| {
            let time = catalog.updated.map(|time| time.extended()).unwrap_or_default();
            time.trim_end_matches('Z').to_string()
        };
        let changed = options.has("strict") && one.updated != other.updated;
        common.push(Common {
            name: name.clone(),
            first: Held::of(one),
            second: Held::of(other),
            changed: changed.then(|| (time(one), time(other))),
        });
    }
    let shown = |place: &Place| match place {
        Place::Directory(path) | Place::Archive(path) => path.display().to_string(),
        Place::Url(url) => url.clone(),
    };
    Ok(Comparison {
        places: [shown(first), shown(second)],
        first_only: only(&first_all, &second_all),
        second_only: only(&second_all, &first_all),
        common,
    })
}

fn verbose(comparison: &Comparison) -> String {
    let mut text = String::new();
    for (sign, publishers) in [('-', &comparison.first_only), ('+', &comparison.second_only)] {
        for (name, held) in publishers {
            let (packages, versions) = held.counts();
            text.push_str(&format!(
                "{sign} {name}\n        {sign} ({packages} package(s) with {versions} different version(s))\n"
            ));
        }
    }
    for one in comparison.common.iter().filter(|one| !one.is_alike() || one.changed.is_some()) {
        text.push_str(&format!("{}\n", one.name));
        if let Some((first, second)) = &one.changed {
            for (sign, time) in [('-', first), ('+', second)] {
                text.push_str(&format!("        {sign} catalog last modified: {time}\n"));
            }
        }
        if one.is_alike() {
            continue;
        }
        for (sign, fmris) in ['-', '+'].into_iter().zip(one.only(|held| &held.versions)) {
            for fmri in fmris {
                text.push_str(&format!("        {sign} {fmri}\n"));
            }
        }
        let (packages, versions) = one.shared();
        text.push_str(&format!(
            "        ({packages} pkg(s) with {versions} version(s) are in both repositories.)\n"
        ));
    }
    text
}

fn verbose_json(comparison: &Comparison) -> Value {
    let publishers = |all: &BTreeMap<String, Held>| -> Vec<Value> {
        let one = |(name, held): (&String, &Held)| {
            let (packages, versions) = held.counts();
            json!({"publisher": name, "packages": packages, "versions": versions})
        };
        all.iter().map(one).collect()
    };
    let common = comparison.common.iter().filter(|one| !one.is_alike() || one.changed.is_some());
    let common: Vec<Value> = common
        .map(|one| {
            let [minus, plus] = one.only(|held| &held.versions);
            let mut value = json!({"publisher": one.name, "+": plus, "-": minus});
            if let Some((first, second)) = &one.changed {
                let told = |time: &str| format!("catalog last modified: {time}");
                value["catalog"] = json!({"-": told(first), "+": told(second)});
            }
            if !one.is_alike() {
                value["common"] = counted(one.shared());
            }
            value
        })
        .collect();
    json!({
        "plus_pubs": publishers(&comparison.second_only),
        "minus_pubs": publishers(&comparison.first_only),
        "common_pubs": common,
    })
}

/// A row: the publisher, what is in the first only, in the second only, in both, in all.
type Row = (String, [Option<(usize, usize)>; 4]);

fn rows(comparison: &Comparison) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, held) in &comparison.first_only {
        let all = Some(held.counts());
        rows.push((name.clone(), [all, None, Some((0, 0)), all]));
    }
    for (name, held) in &comparison.second_only {
        let all = Some(held.counts());
        rows.push((name.clone(), [None, all, Some((0, 0)), all]));
    }
    for one in comparison.common.iter().filter(|one| !one.is_alike()) {
        let [first, second] = one.only(|held| &held.names).map(|names| names.len());
        let [first_all, second_all] = one.only(|held| &held.versions).map(|all| all.len());
        let both = one.shared();
        let all = (both.0 + first + second, both.1 + first_all + second_all);
        let first = Some((first, first_all));
        rows.push((one.name.clone(), [first, Some((second, second_all)), Some(both), Some(all)]));
    }
    rows
}

const HEADING: [&str; 5] = ["Publisher", "Repo1 only", "Repo2 only", "In both", "Total"];

fn changed(comparison: &Comparison) -> Vec<&str> {
    let changed = comparison.common.iter().filter(|one| one.changed.is_some());
    changed.map(|one| one.name.as_str()).collect()
}

fn summary(comparison: &Comparison) -> Value {
    let row = |(name, counts): Row| {
        let counts = counts.map(|count| count.map_or(Value::Null, counted));
        Value::Array([vec![json!(name)], counts.to_vec()].concat())
    };
    let [first, second] = &comparison.places;
    let mut value = json!({
        "table_legend": [["Repo1", first], ["Repo2", second]],
        "table_header": HEADING,
        "table_data": rows(comparison).into_iter().map(row).collect::<Vec<Value>>(),
    });
    let changed = changed(comparison);
    if !changed.is_empty() {
        value["nonstrict_pubs"] = json!(changed);
    }
    value
}

fn table(comparison: &Comparison) -> String {
    let [first, second] = &comparison.places;
    let mut text = String::new();
    let changed = changed(comparison);
    if !changed.is_empty() {
        text.push_str(&format!(
            "\nThe catalog for the following publisher(s) in repository {first} is not an exact copy of the one for the same publisher in repository {second}:\n    {}\n",
            changed.join(", ")
        ));
    }
    let rows = rows(comparison);
    if rows.is_empty() {
        return text;
    }
    // Versions are as wide as the longest of their column.
    let width_of = |column: usize| {
        let versions = rows.iter().filter_map(|(_, counts)| counts[column]).map(|(_, all)| all);
        versions.max().unwrap_or(0).to_string().len()
    };
    let mut cells = vec![HEADING.map(str::to_string).to_vec()];
    for (name, counts) in &rows {
        let cell = |(column, count): (usize, &Option<(usize, usize)>)| match count {
            Some((packages, all)) => format!("{packages} [{all:width$}]", width = width_of(column)),
            None => "-".to_string(),
        };
        let counts: Vec<String> = counts.iter().enumerate().map(cell).collect();
        cells.push([vec![name.clone()], counts].concat());
    }
    text.push_str(&format!(
        "\nThe table below shows the number of packages [total distinct versions]\nby publisher in the specified repositories.\n\n* Repo1: {first}\n* Repo2: {second}\n\n{}",
        framed(&cells)
    ));
    text
}

/// Rows in a frame, the first of them a heading; the first column to the left.
fn framed(cells: &[Vec<String>]) -> String {
    let width = |column: usize| cells.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..cells[0].len()).map(width).collect();
    let edge: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    let edge = format!("+{}+\n", edge.join("+"));
    let mut text = edge.clone();
    for (number, row) in cells.iter().enumerate() {
        let cell = |(column, cell): (usize, &String)| {
            let width = widths[column];
            if column == 0 { format!(" {cell:width$} ") } else { format!(" {cell:>width$} ") }
        };
        let row: Vec<String> = row.iter().enumerate().map(cell).collect();
        text.push_str(&format!("|{}|\n", row.join("|")));
        if number == 0 {
            text.push_str(&edge);
        }
    }
    text + &edge
}
