//! variant.rs - `pkg variant`: the image's variants, or those its packages know.

use std::collections::{BTreeMap, BTreeSet};

use ips_client::image::Image;
use ips_cmd::Failure;
use ips_model::action::Kind;
use ips_model::pattern::glob_matches;

use crate::call::Call;
use crate::listing::{Column, FORMS, Form, print};

const COLUMNS: [Column; 2] = [
    Column { heading: "VARIANT", key: "variant", hidden: false },
    Column { heading: "VALUE", key: "value", hidden: false },
];

/// Lists them.
pub fn variant(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H", "a", "i", "v", "F|output-format="])?;
    call.apart(&given, "a", "i")?;
    let form = Form::of(call, &given, &FORMS)?;
    let image = call.image()?;
    let mut own = image.configuration().variants();
    for (name, value) in
        [("arch", "i386"), ("opensolaris.zone", "global"), ("opensolaris.imagetype", "full")]
    {
        own.entry(format!("variant.{name}")).or_insert_with(|| value.to_string());
    }
    let possible =
        match given.has("a") || given.has("i") || given.has("v") || !given.operands.is_empty() {
            true => of_packages(&image)?,
            false => BTreeMap::new(),
        };
    let mut names: BTreeSet<String> = match given.has("i") {
        true => possible.keys().cloned().collect(),
        false => own.keys().cloned().collect(),
    };
    if given.has("a") {
        names.extend(possible.keys().cloned());
    }
    // Who names a variant wants to know what holds for it, even if nobody has set it.
    for pattern in &given.operands {
        let name = if pattern.starts_with("variant.") {
            pattern.clone()
        } else {
            format!("variant.{pattern}")
        };
        if !pattern.contains(['*', '?']) {
            names.insert(name);
        }
    }
    names.retain(|name| matches(name, "variant.", &given.operands));
    let mut rows = Vec::new();
    for name in &names {
        let shown = match form {
            Form::Default => name.trim_start_matches("variant.").to_string(),
            Form::Tabs | Form::Json | Form::JsonFormatted => name.clone(),
        };
        // A variant that the image has not is false.
        let value = own.get(name).cloned().unwrap_or_else(|| "false".to_string());
        match given.has("v") {
            true => {
                let values = possible.get(name).into_iter().flatten();
                rows.extend(values.map(|value| vec![Some(shown.clone()), Some(value.clone())]));
            }
            false => rows.push(vec![Some(shown), Some(value)]),
        }
    }
    std::print!(
        "{}",
        print(&COLUMNS, &rows, form, given.has("H"), |cells| {
            format!("{:70} {}", cells[0], cells[1])
        })
    );
    if names.is_empty() && !given.operands.is_empty() {
        if form == Form::Default {
            return Err(call.failed("no matching variants found"));
        }
        return Ok(1);
    }
    Ok(0)
}

/// Whether one of the patterns (none: anything) means a name, with or without what all begin with.
pub fn matches(name: &str, head: &str, patterns: &[String]) -> bool {
    let short = name.strip_prefix(head).unwrap_or(name);
    patterns.is_empty()
        || patterns
            .iter()
            .any(|pattern| glob_matches(pattern, name) || glob_matches(pattern, short))
}

/// The variants of installed packages and their values.
fn of_packages(image: &Image) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let packages: Vec<_> =
        image.installed().map_err(Failure::new)?.packages().map(|(fmri, _)| fmri).collect();
    for fmri in packages {
        let manifest = image.manifest(&fmri).map_err(Failure::new)?;
        for action in &manifest.actions {
            if action.kind == Kind::Set {
                if let Some(name) = action.key().filter(|name| name.starts_with("variant.")) {
                    found
                        .entry(name.to_string())
                        .or_default()
                        .extend(action.values("value").iter().cloned());
                }
            }
            for (name, values) in &action.attributes {
                if name.starts_with("variant.") {
                    found.entry(name.clone()).or_default().extend(values.iter().cloned());
                }
            }
        }
    }
    Ok(found)
}
