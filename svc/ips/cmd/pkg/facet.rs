//! facet.rs - `pkg facet`: the image's facets, or those its packages have.

use std::collections::{BTreeMap, BTreeSet};

use ips_client::image::Image;
use ips_cmd::Failure;
use ips_model::pattern::glob_matches;

use crate::call::Call;
use crate::listing::{Column, FORMS, Form, print};
use crate::variant::matches;

const COLUMNS: [Column; 4] = [
    Column { heading: "FACET", key: "facet", hidden: false },
    Column { heading: "VALUE", key: "value", hidden: false },
    Column { heading: "SRC", key: "src", hidden: false },
    Column { heading: "MASKED", key: "masked", hidden: false },
];

/// A facet as it is listed: value, source, and whether a parent image's setting hides it.
type Facet = (bool, &'static str, bool);

/// Lists them.
pub fn facet(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H", "a", "i", "m", "F|output-format="])?;
    call.apart(&given, "a", "i")?;
    let form = Form::of(call, &given, &FORMS)?;
    let image = call.image()?;
    let (local, parent) =
        (image.configuration().facets(), image.configuration().inherited_facets());
    let mut facets: Vec<(String, Facet)> = Vec::new();
    let set = |names: &mut Vec<(String, Facet)>| {
        names.extend(parent.iter().map(|(name, on)| (name.clone(), (*on, "parent", false))));
        let hidden = |name: &String| parent.contains_key(name);
        names.extend(local.iter().map(|(name, on)| (name.clone(), (*on, "local", hidden(name)))));
    };
    let mut named: BTreeSet<String> = BTreeSet::new();
    match (given.has("a"), given.has("i")) {
        (false, false) => set(&mut facets),
        (true, _) => {
            set(&mut facets);
            named.extend(of_packages(&image)?);
        }
        (false, true) => named.extend(of_packages(&image)?),
    }
    // Who names a facet wants to know what holds for it, even if nobody has set it.
    let exact = given.operands.iter().filter(|pattern| !pattern.contains(['*', '?']));
    named.extend(exact.map(|name| match name.starts_with("facet.") {
        true => name.clone(),
        false => format!("facet.{name}"),
    }));
    for name in named {
        if !facets.iter().any(|(other, _)| *other == name) {
            let held = held(&name, &local, &parent);
            facets.push((name, held));
        }
    }
    facets.retain(|(name, _)| matches(name, "facet.", &given.operands));
    facets.sort();
    let found = !facets.is_empty();
    facets.retain(|(_, (_, _, masked))| given.has("m") || !masked);
    let word = |on: bool| Some(if on { "True" } else { "False" }.to_string());
    let columns = if given.has("m") { &COLUMNS[..] } else { &COLUMNS[..3] };
    let rows: Vec<Vec<Option<String>>> = facets
        .iter()
        .map(|(name, (on, source, masked))| {
            let shown = match form {
                Form::Default => name.trim_start_matches("facet.").to_string(),
                Form::Tabs | Form::Json | Form::JsonFormatted => name.clone(),
            };
            let row = vec![Some(shown), word(*on), Some(source.to_string()), word(*masked)];
            row.into_iter().take(columns.len()).collect()
        })
        .collect();
    std::print!(
        "{}",
        print(columns, &rows, form, given.has("H"), |cells| match cells {
            [name, value, source] => format!("{name:64} {value:5} {source}"),
            [name, value, source, masked] => format!("{name:57} {value:5} {source:6} {masked}"),
            _ => String::new(),
        })
    );
    if !found && !given.operands.is_empty() {
        if form == Form::Default {
            return Err(call.failed("no matching facets found"));
        }
        return Ok(1);
    }
    Ok(0)
}

/// What holds for a facet: a parent's setting, the image's, each by the longest pattern, or what
/// facets are from the start.
fn held(name: &str, local: &BTreeMap<String, bool>, parent: &BTreeMap<String, bool>) -> Facet {
    for (facets, source) in [(parent, "parent"), (local, "local")] {
        let exact = facets.get(name).copied();
        let patterns = facets.iter().filter(|(pattern, _)| glob_matches(pattern, name));
        let longest = patterns.max_by_key(|(pattern, _)| pattern.len()).map(|(_, on)| *on);
        if let Some(on) = exact.or(longest) {
            return (on, source, false);
        }
    }
    let on = !name.starts_with("facet.debug.") && !name.starts_with("facet.optional.");
    (on, "system", false)
}

/// The facets of installed packages.
fn of_packages(image: &Image) -> Result<BTreeSet<String>, Failure> {
    let mut found = BTreeSet::new();
    let packages: Vec<_> =
        image.installed().map_err(Failure::new)?.packages().map(|(fmri, _)| fmri).collect();
    for fmri in packages {
        let manifest = image.manifest(&fmri).map_err(Failure::new)?;
        for action in &manifest.actions {
            found.extend(
                action.attributes.keys().filter(|name| name.starts_with("facet.")).cloned(),
            );
        }
    }
    Ok(found)
}
