//! list.rs - `pkgrepo list`: the packages, newest version first.

use std::collections::BTreeMap;

use ips_cmd::place::Place;
use ips_cmd::table::{Form, json};
use ips_cmd::{Failure, patterns};
use ips_model::catalog::{BASE, DEPENDENCY, PartText, SUMMARY, lines};
use ips_model::{Action, Fmri, Kind, Pattern, Version};
use serde_json::{Map, Value, json as value};

use crate::options::Options;

/// A package and the `set` actions the catalog has of it.
struct Listed {
    fmri: Fmri,
    sets: Vec<Action>,
}

/// The packages meant by `patterns` (none = all), by publisher and name, newest first; and the
/// patterns that meant none.
pub fn select<'a>(all: &'a [Fmri], patterns: &'a [Pattern]) -> (Vec<&'a Fmri>, Vec<&'a str>) {
    let mut found: Vec<&Fmri> = if patterns.is_empty() { all.iter().collect() } else { Vec::new() };
    let mut unmatched = Vec::new();
    for pattern in patterns {
        let meant = pattern.select(all);
        if meant.is_empty() {
            unmatched.push(pattern.as_str());
        }
        found.extend(meant);
    }
    found.sort_by(|one, other| {
        let names = (&one.publisher, &one.name).cmp(&(&other.publisher, &other.name));
        names
            .then_with(|| other.version.cmp(&one.version))
            .then_with(|| one.to_string().cmp(&other.to_string()))
    });
    found.dedup_by(|one, other| {
        one.publisher == other.publisher
            && one.name == other.name
            && match (&one.version, &other.version) {
                (Some(one), Some(other)) => one.is_written_as(other),
                (one, other) => one.is_none() && other.is_none(),
            }
    });
    (found, unmatched)
}

/// What a repository, on disk or behind a depot, says of its packages.
#[derive(Default)]
struct Offered {
    publishers: Vec<String>,
    /// By publisher, the parts that describe packages.
    parts: BTreeMap<String, Vec<PartText>>,
    all: Vec<Fmri>,
}

fn offered(options: &Options) -> Result<Offered, Failure> {
    let place = options.place()?;
    let mut offered = Offered::default();
    match &place {
        Place::Directory(_) => {
            let repository = place.open()?;
            // Tables tell names and states; only JSON tells all that is said of a package.
            let described: &[&str] = match options.form {
                Form::Aligned | Form::Tabs => &[DEPENDENCY],
                Form::Json | Form::JsonIndented => &[DEPENDENCY, SUMMARY],
            };
            for name in repository.publishers()?.into_iter().filter(|name| options.wants(name)) {
                packages(&repository.catalog_part(&name, BASE)?, &mut offered.all)?;
                let parts = described.iter().map(|part| repository.catalog_part(&name, part));
                offered.parts.insert(name.clone(), parts.collect::<Result<_, _>>()?);
                offered.publishers.push(name);
            }
        }
        // Others are asked for what names and states stand in, not for the summaries.
        Place::Url(_) | Place::Archive(_) => {
            let source = options.source()?;
            for catalog in source.catalogs() {
                let name = catalog.publisher.clone();
                if options.wants(&name) {
                    offered.all.extend(catalog.base.entries().map(|(fmri, _)| fmri));
                    let text = PartText::of(&catalog.dependency).map_err(Failure::new)?;
                    offered.parts.insert(name.clone(), vec![text]);
                    offered.publishers.push(name);
                }
            }
        }
    }
    Ok(offered)
}

/// The packages of a base part, by publisher, name and ascending version.
fn packages(base: &PartText, to: &mut Vec<Fmri>) -> Result<(), Failure> {
    for (publisher, stem, list) in base.stems() {
        for line in lines(list).map_err(Failure::new)? {
            to.push(Fmri {
                publisher: Some(publisher.to_string()),
                name: stem.to_string(),
                version: Some(Version::parse(&line.version).map_err(Failure::new)?),
            });
        }
    }
    Ok(())
}

/// Prints the packages; status 1 where no pattern matched, 3 where some did.
pub fn list(options: &Options) -> Result<(), Failure> {
    let wanted = patterns::parse(&options.operands)?;
    let Offered { publishers, parts, all } = offered(options)?;
    let publishers = options.found(publishers)?;
    let (found, unmatched) = select(&all, &wanted);
    let listed: Vec<Listed> =
        found.iter().map(|fmri| described(fmri, &parts, options.form)).collect::<Result<_, _>>()?;
    let width = publishers.iter().map(String::len).max().unwrap_or(0).max("PUBLISHER".len());
    print!("{}", table(&listed, width, options));
    match unmatched.is_empty() {
        true => Ok(()),
        false => {
            let message = format!("\n{}", patterns::unmatched(&unmatched));
            let some = unmatched.len() < wanted.len();
            let failure = if some { Failure::partial(message) } else { Failure::new(message) };
            Err(failure.of(options.name))
        }
    }
}

fn described(
    fmri: &Fmri,
    parts: &BTreeMap<String, Vec<PartText>>,
    form: Form,
) -> Result<Listed, Failure> {
    let mut sets = Vec::new();
    let publisher = fmri.publisher.as_deref().unwrap_or_default();
    for part in parts.get(publisher).into_iter().flatten() {
        let marked = part
            .list_text(publisher, &fmri.name)
            .is_some_and(|list| MARKS.iter().any(|(property, _)| list.contains(property)));
        let told = marked || !matches!(form, Form::Aligned | Form::Tabs);
        if let Some(entry) = told.then(|| part.get(fmri)).transpose().map_err(Failure::new)? {
            let actions = entry.into_iter().flat_map(|entry| entry.actions);
            let actions = actions.filter_map(|text| Action::parse(&text).ok());
            sets.extend(actions.filter(|action| action.kind == Kind::Set));
        }
    }
    Ok(Listed { fmri: fmri.clone(), sets })
}

/// What a package may be, and how that is marked; the first counts.
const MARKS: [(&str, &str); 3] = [("pkg.obsolete", "o"), ("pkg.renamed", "r"), ("pkg.legacy", "l")];

impl Listed {
    fn is(&self, property: &str) -> bool {
        let set = |action: &&Action| action.key() == Some(property);
        self.sets.iter().filter(set).any(|action| action.get("value") == Some("true"))
    }

    fn mark(&self) -> &'static str {
        let mark = MARKS.iter().find(|(property, _)| self.is(property));
        mark.map_or("", |(_, mark)| mark)
    }

    fn publisher(&self) -> &str {
        self.fmri.publisher.as_deref().unwrap_or_default()
    }

    fn object(&self) -> Map<String, Value> {
        let mut members = Map::new();
        if let Some(version) = &self.fmri.version {
            let branch = version.branch.as_ref().map_or("None", |branch| branch.as_str());
            members.insert("branch".into(), value!(branch));
            members.insert("build-release".into(), value!(version.build.as_str()));
            members.insert("release".into(), value!(version.release.as_str()));
            members.insert("timestamp".into(), value!(version.timestamp));
            members.insert("version".into(), value!(version.to_string()));
        }
        members.insert("name".into(), value!(self.fmri.name));
        members.insert("publisher".into(), value!(self.fmri.publisher));
        members.insert("pkg.fmri".into(), value!(self.fmri.to_string()));
        for action in &self.sets {
            let Some(name) = action.key() else { continue };
            let attributes: Map<String, Value> = action
                .attributes
                .iter()
                .filter(|(attribute, _)| *attribute != "name")
                .map(|(attribute, values)| (attribute.clone(), value!(values)))
                .collect();
            let entry = members.entry(name).or_insert_with(|| value!([]));
            if let Value::Array(list) = entry {
                list.push(Value::Object(attributes));
            }
        }
        members
    }
}

/// `width` is that of the first column where columns are aligned.
fn table(listed: &[Listed], width: usize, options: &Options) -> String {
    match options.form {
        Form::Aligned => aligned(listed, width, options.bare),
        Form::Tabs => tabs(listed, options.bare),
        Form::Json | Form::JsonIndented => {
            json(&listed.iter().map(Listed::object).collect::<Vec<_>>(), options.form)
        }
    }
}

fn aligned(listed: &[Listed], width: usize, bare: bool) -> String {
    let line = |publisher: &str, name: &str, mark: &str, version: &str| {
        format!("{publisher:width$} {name:45} {mark:1} {version}\n")
    };
    let mut text = String::new();
    if !bare {
        text.push_str(&line("PUBLISHER", "NAME", "O", "VERSION"));
    }
    for one in listed {
        let version = one.fmri.version.as_ref().map(|version| version.without_build());
        text.push_str(&line(
            one.publisher(),
            &one.fmri.name,
            one.mark(),
            &version.unwrap_or_default(),
        ));
    }
    text
}

fn tabs(listed: &[Listed], bare: bool) -> String {
    let mut text = String::new();
    if !bare {
        text.push_str("PUBLISHER\tNAME\tO\tRELEASE\tBUILD RELEASE\tBRANCH\tPACKAGING DATE\tFMRI\n");
    }
    for one in listed {
        let Some(version) = &one.fmri.version else { continue };
        let branch = version.branch.as_ref().map_or("None", |branch| branch.as_str());
        let row = [
            one.publisher(),
            &one.fmri.name,
            one.mark(),
            version.release.as_str(),
            version.build.as_str(),
            branch,
            version.timestamp.as_deref().unwrap_or_default(),
            &one.fmri.to_string(),
        ];
        text.push_str(&row.join("\t"));
        text.push('\n');
    }
    text
}
