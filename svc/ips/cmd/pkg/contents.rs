//! contents.rs - `pkg contents`: attributes of what is in packages.

use std::collections::BTreeMap;

use ips_cmd::Failure;
use ips_model::pattern::glob_matches;
use ips_model::{Action, Fmri, Manifest};

use crate::call::{Call, Given};
use crate::columns::{Layout, Line, bare, value};
use crate::packages::{Packages, Wanted, ranked};

const OPTIONS: [&str; 9] = ["H*", "a=*", "g=*", "o=*", "s=*", "t=*", "m*", "f*", "r*"];

/// Attributes that are no attributes of actions.
const SPECIAL: [&str; 4] = ["action.hash", "action.key", "action.name", "action.raw"];

/// Shows it.
pub fn contents(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&OPTIONS)?;
    let remote = given.has("g") || given.has("r");
    if remote && given.operands.is_empty() {
        return Err(call.usage("contents: must request remote contents for specific packages"));
    }
    let wished = wished(call, &given)?;
    let attributes = attributes(call, &given)?;
    let mut wanted = Wanted::parse(&given.operands)?;
    let image = call.image()?;
    let packages = match (given.has("g"), remote) {
        (true, _) => Packages::of_repositories(&image, given.values("g"))?,
        (false, true) => Packages::known(&image)?,
        (false, false) => Packages::installed(&image)?,
    };
    let mut chosen = wanted.choose(packages.sorted());
    if remote {
        chosen = ranked(&image, chosen);
    }
    if chosen.is_empty() && given.operands.is_empty() {
        return Err(call.failed("no packages installed"));
    }
    let conditions = image.configuration().conditions();
    let mut manifests: Vec<(Fmri, Manifest)> = Vec::new();
    for (fmri, _) in chosen {
        let mut manifest = packages.manifest(&image, &fmri)?;
        if !given.has("m") {
            manifest.actions.retain(|action| conditions.allow(action));
        }
        manifests.push((fmri, manifest));
    }
    let kinds: Vec<&str> = given.values("t").flat_map(|list| list.split(',')).collect();
    let actions: Vec<(&Fmri, &Action)> = manifests
        .iter()
        .flat_map(|(fmri, manifest)| manifest.actions.iter().map(move |action| (fmri, action)))
        .filter(|(_, action)| kinds.is_empty() || kinds.contains(&action.kind.as_str()))
        .filter(|(_, action)| fits(action, &wished))
        .collect();
    let mut status = 0;
    if !wished.is_empty() && !manifests.is_empty() && actions.is_empty() {
        status = 1;
        eprintln!("pkg: contents: no matching actions found in the listed packages");
    }
    if !manifests.is_empty() && status == 0 && !show(&given, &attributes, &actions) {
        eprintln!("pkg: {}", nothing(&given));
    }
    let unmet = wanted.unmet();
    if unmet.is_empty() {
        return Ok(status);
    }
    if !manifests.is_empty() {
        eprintln!();
    }
    eprintln!("{}\n", if remote { UNKNOWN } else { ABSENT });
    for pattern in unmet {
        eprintln!("        {pattern}");
    }
    Ok(1)
}

const UNKNOWN: &str = "\
pkg: contents: no packages matching the following patterns you specified were
found in the catalog.  Try relaxing the patterns, refreshing, and/or
examining the catalogs:";

const ABSENT: &str = "\
pkg: contents: no packages matching the following patterns you specified are
installed on the system.  Try specifying -r to query remotely:";

/// `-a ATTRIBUTE=PATTERN`: an attribute has to match one of its patterns.
fn wished(call: &Call, given: &Given) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let mut wished: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in given.values("a") {
        let form = || call.usage("-a takes an argument of the form <attribute>=<pattern>");
        let (name, pattern) = text.split_once('=').ok_or_else(form)?;
        wished.entry(name.to_string()).or_default().push(pattern.to_string());
    }
    Ok(wished)
}

fn fits(action: &Action, wished: &BTreeMap<String, Vec<String>>) -> bool {
    wished.iter().all(|(name, patterns)| {
        let values: Vec<&str> = match name.as_str() {
            "action.hash" => action.hash.as_deref().into_iter().collect(),
            "action.name" => vec![action.kind.as_str()],
            "action.key" => action.key().into_iter().collect(),
            name => action.values(name).iter().map(String::as_str).collect(),
        };
        values.iter().any(|value| patterns.iter().any(|pattern| glob_matches(pattern, value)))
    })
}

fn attributes(call: &Call, given: &Given) -> Result<Vec<String>, Failure> {
    if given.has("m") {
        if let Some(other) = ["H", "o", "t", "s", "a"].iter().find(|name| given.has(name)) {
            let message = format!("-m and -{other} may not be specified at the same time");
            return Err(call.usage(message));
        }
        return Ok(vec!["action.raw".to_string()]);
    }
    let named: Vec<String> =
        given.values("o").flat_map(|list| list.split(',')).map(str::to_string).collect();
    let odd =
        named.iter().find(|name| name.starts_with("action.") && !SPECIAL.contains(&name.as_str()));
    if let Some(odd) = odd {
        return Err(call.usage(format!("Invalid attribute '{odd}'")));
    }
    Ok(if named.is_empty() { vec!["path".to_string()] } else { named })
}

/// Prints the lines; whether there were any.
fn show(given: &Given, attributes: &[String], actions: &[(&Fmri, &Action)]) -> bool {
    let cells = |(fmri, action): &(&Fmri, &Action)| -> Option<Line> {
        let cells: Vec<Option<String>> =
            attributes.iter().map(|name| value(name, fmri, Some(action))).collect();
        // What has none of the attributes is not listed.
        cells
            .iter()
            .flatten()
            .any(|cell| !cell.is_empty())
            .then(|| cells.into_iter().map(Option::unwrap_or_default).collect())
    };
    let mut lines: Vec<Line> = actions.iter().filter_map(cells).collect();
    if !given.has("m") {
        let default = if attributes.iter().any(|name| name == "path") {
            "path"
        } else {
            attributes[0].as_str()
        };
        let key = given.values("s").next().unwrap_or(default);
        let at = attributes.iter().position(|name| name == key).unwrap_or(0);
        lines.sort_by(|one, other| one[at].cmp(&other[at]));
    }
    let layout = Layout::of(attributes, attributes, &lines);
    let mut out = String::new();
    let bare_lines = given.has("H") || given.has("m");
    for line in &lines {
        let text = if bare_lines { bare(line) } else { layout.line(line) };
        if text.is_empty() {
            continue;
        }
        if out.is_empty() && !bare_lines {
            out.push_str(&layout.heading(attributes));
            out.push('\n');
        }
        out.push_str(&text);
        out.push('\n');
    }
    print!("{out}");
    !out.is_empty()
}

fn nothing(given: &Given) -> &'static str {
    match (given.has("o"), given.operands.len() == 1) {
        (true, true) => {
            "This package contains no actions with the fields specified using the -o\noption. Please specify other fields, or use the -m option to show the raw\npackage manifests."
        }
        (true, false) => {
            "These packages contain no actions with the fields specified using the -o\noption. Please specify other fields, or use the -m option to show the raw\npackage manifests."
        }
        (false, true) => {
            "This package delivers no filesystem content, but may contain metadata. Use\nthe -o option to specify fields other than 'path', or use the -m option to show\nthe raw package manifests."
        }
        (false, false) => {
            "These packages deliver no filesystem content, but may contain metadata. Use\nthe -o option to specify fields other than 'path', or use the -m option to show\nthe raw package manifests."
        }
    }
}
