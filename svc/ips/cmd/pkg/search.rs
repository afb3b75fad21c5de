//! search.rs - `pkg search`: packages and actions by words, in the image (`-l`) or in repositories.

use std::collections::BTreeMap;

use ips_client::image::Image;
use ips_client::{AskError, Found};
use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_model::action::Kind;
use ips_model::query::{Line, Request, Returns};
use ips_model::{Action, Fmri, Version};

use crate::call::{Call, Given};
use crate::columns::{Layout, bare, value};

const OPTIONS: [&str; 9] = ["H*", "I*", "a*", "f*", "l*", "o=*", "p*", "r*", "s=*"];

/// Attributes that are no attributes of actions.
const SPECIAL: [&str; 6] =
    ["action.hash", "action.key", "action.name", "action.raw", "search.match", "search.match_type"];

/// What was found, and what could not be asked.
#[derive(Default)]
struct Answers {
    found: Vec<Found>,
    failed: Vec<(String, AskError)>,
}

/// Searches: status 1 where nothing was found, 3 where somebody could not be asked.
pub fn search(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&OPTIONS)?;
    if given.operands.is_empty() {
        return Err(call.usage("at least one search term must be provided"));
    }
    let attributes = attributes(call, &given)?;
    let returns = if given.has("p") { Returns::Packages } else { Returns::Actions };
    let mut request = Request::of(&without_schemes(&given.operands.join(" ")), returns);
    request.case_sensitive = given.has("I");
    let image = call.image()?;
    let mut answers = Answers::default();
    let remote = given.has("r") || given.has("s") || !given.has("l");
    if given.has("l") {
        local(&image, &request, &mut answers)?;
    }
    if remote {
        match given.has("s") {
            true => named(&given, &request, &mut answers)?,
            false => configured(&image, &request, &given, &mut answers)?,
        }
    }
    for (_, error) in &answers.failed {
        if let AskError::Query(error) = error {
            return Err(Failure::new(error));
        }
    }
    if !answers.found.is_empty() {
        show(call, &given, attributes, &answers.found)?;
    }
    if !answers.failed.is_empty() {
        let mut text = "Some repositories failed to respond appropriately:\n".to_string();
        for (place, error) in &answers.failed {
            text.push_str(&format!("{place}:\n{error}\n"));
        }
        Failure::new(text.trim_end()).tell("pkg");
    }
    Ok(match (answers.found.is_empty(), answers.failed.is_empty()) {
        (false, true) => 0,
        (false, false) => 3,
        (true, _) => 1,
    })
}

fn attributes(call: &Call, given: &Given) -> Result<Vec<String>, Failure> {
    let named: Vec<String> =
        given.values("o").flat_map(|list| list.split(',')).map(str::to_string).collect();
    for name in &named {
        let special = name.starts_with("action.") || name.starts_with("search.");
        if special && !SPECIAL.contains(&name.as_str()) {
            return Err(call.usage(format!("Invalid attribute '{name}'")));
        }
        if special && given.has("p") {
            return Err(call.usage(format!(
                "action level options ('{name}') to -o cannot be used with the -p option"
            )));
        }
    }
    Ok(named)
}

/// A query may name packages as FMRIs; the index has them without scheme and publisher.
fn without_schemes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("pkg:/") {
        out.push_str(&rest[..at]);
        rest = &rest[at + "pkg:/".len()..];
        if let Some(after) = rest.strip_prefix('/') {
            // The publisher goes with its slash; without a slash after it nothing does.
            rest = match after.split_once('/') {
                Some((_, name)) => name,
                None => after,
            };
        }
    }
    out + rest
}

fn local(image: &Image, request: &Request, answers: &mut Answers) -> Result<(), Failure> {
    let lines = match image.search(request) {
        Ok(lines) => lines,
        Err(error @ AskError::Query(_)) => {
            answers.failed.push((String::new(), error));
            return Ok(());
        }
        Err(error) => return Err(Failure::new(error)),
    };
    let installed = image.installed().map_err(Failure::new)?;
    let publishers: BTreeMap<&str, &str> =
        installed.iter().map(|(publisher, stem, _)| (stem, publisher)).collect();
    answers.found.extend(lines.into_iter().map(|line| {
        let publisher = publishers.get(line.fmri().name.as_str()).copied().unwrap_or_default();
        Found { publisher: publisher.to_string(), line }
    }));
    Ok(())
}

/// Repositories named with `-s`: of each its default publisher, which the bare URI means.
fn named(given: &Given, request: &Request, answers: &mut Answers) -> Result<(), Failure> {
    for text in given.values("s") {
        let source = Place::parse(text)?.source()?;
        let publishers: Vec<String> =
            source.catalogs().iter().take(1).map(|one| one.publisher.clone()).collect();
        for publisher in publishers {
            match source.search(&publisher, request) {
                Ok(lines) => {
                    let found = |line| Found { publisher: publisher.clone(), line };
                    answers.found.extend(lines.into_iter().map(found));
                }
                Err(error) => answers.failed.push((source.origin().uri().to_string(), error)),
            }
        }
    }
    Ok(())
}

/// The image's publishers; without `-f` only what is found in the newest version of a package.
fn configured(
    image: &Image,
    request: &Request,
    given: &Given,
    answers: &mut Answers,
) -> Result<(), Failure> {
    let sources = image.sources().map_err(Failure::new)?;
    let mut found = Vec::new();
    for one in sources {
        match one.source.search(&one.publisher, request) {
            Ok(lines) => {
                let own = |line| Found { publisher: one.publisher.clone(), line };
                for line in lines.into_iter().map(own) {
                    // Several origins of a publisher may have the same.
                    if sources.len() == 1 || !found.contains(&line) {
                        found.push(line);
                    }
                }
            }
            Err(error) => answers.failed.push((one.source.origin().uri().to_string(), error)),
        }
    }
    if !given.has("f") {
        let mut newest: BTreeMap<(&str, &str), &Version> = BTreeMap::new();
        for (publisher, stem, package) in image.known().map_err(Failure::new)?.iter() {
            let best = newest.entry((publisher, stem)).or_insert(&package.version);
            *best = (*best).max(&package.version);
        }
        found.retain(|one| {
            let fmri = one.line.fmri();
            let best = newest.get(&(one.publisher.as_str(), fmri.name.as_str()));
            best.is_none_or(|best| fmri.version.as_ref() >= Some(best))
        });
    }
    answers.found.extend(found);
    Ok(())
}

fn show(call: &Call, given: &Given, named: Vec<String>, found: &[Found]) -> Result<(), Failure> {
    let packages = found.iter().all(|one| matches!(one.line, Line::Package(_)));
    if packages && named.iter().any(|name| SPECIAL.contains(&name.as_str())) {
        return Err(call.usage(
            "action level options to -o cannot be used with the queries that return packages",
        ));
    }
    let list = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let (attributes, headings) = match (named.is_empty(), packages) {
        (false, _) => (named.clone(), named),
        (true, true) => {
            (list(&["pkg.shortfmri", "pkg.publisher"]), list(&["package", "publisher"]))
        }
        (true, false) => (
            list(&["search.match_type", "action.name", "search.match", "pkg.shortfmri"]),
            list(&["index", "action", "value", "package"]),
        ),
    };
    let mut lines: Vec<Vec<String>> = found.iter().map(|one| cells(one, &attributes)).collect();
    lines.dedup();
    let layout = Layout::of(&attributes, &headings, &lines);
    let mut out = String::new();
    if !given.has("H") {
        out.push_str(&layout.heading(&headings));
        out.push('\n');
    }
    for line in &lines {
        out.push_str(&if given.has("H") { bare(line) } else { layout.line(line) });
        out.push('\n');
    }
    print!("{out}");
    Ok(())
}

fn cells(found: &Found, attributes: &[String]) -> Vec<String> {
    let fmri = Fmri { publisher: Some(found.publisher.clone()), ..found.line.fmri().clone() };
    let action = match &found.line {
        Line::Action { text, .. } => Action::parse(text).ok(),
        Line::Package(_) => None,
    };
    let matched = match &found.line {
        Line::Action { value, .. } => value.as_str(),
        Line::Package(_) => "",
    };
    let cell = |name: &String| match (name.as_str(), &action) {
        ("search.match_type", Some(action)) if action.kind == Kind::Set => {
            action.key().unwrap_or_default().to_string()
        }
        ("search.match_type", _) => matched.to_string(),
        ("search.match", Some(action)) => token(action, matched),
        ("search.match", None) => String::new(),
        (name, action) => value(name, &fmri, action.as_ref()).unwrap_or_default(),
    };
    attributes.iter().map(cell).collect()
}

/// What matched: of a `set` its value, of a file found by its name its path.
fn token(action: &Action, matched: &str) -> String {
    if action.kind == Kind::Set {
        return matched.to_string();
    }
    if matched == "basename" {
        return action.get("path").unwrap_or_default().to_string();
    }
    let own = action.get(matched).or_else(|| action.key());
    own.unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_left_out() {
        for (text, query) in [
            ("pear", "pear"),
            ("pkg:/fruit/pear", "fruit/pear"),
            ("a pkg://p.example/x AND pkg:///y", "a x AND y"),
            ("pkg://x", "x"),
        ] {
            assert_eq!(without_schemes(text), query);
        }
    }
}
