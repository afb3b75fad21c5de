//! mediator.rs - `pkg mediator`: which version and implementation of each mediator the image has,
//! and with `-a` which there are.

use std::collections::{BTreeMap, BTreeSet};

use ips_client::image::{Image, MediatorSetting};
use ips_cmd::Failure;
use ips_model::action::Kind;

use crate::call::Call;
use crate::listing::{Column, FORMS, Form, print};

const COLUMNS: [Column; 6] = [
    Column { heading: "MEDIATOR", key: "mediator", hidden: false },
    Column { heading: "VER. SRC.", key: "version-source", hidden: false },
    Column { heading: "VERSION", key: "version", hidden: false },
    Column { heading: "IMPL. SRC.", key: "implementation-source", hidden: false },
    Column { heading: "IMPLEMENTATION", key: "implementation", hidden: false },
    Column { heading: "IMPL. VER.", key: "implementation-version", hidden: true },
];

/// Lists them.
pub fn mediator(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["a", "H", "F|output-format="])?;
    let form = Form::of(call, &given, &FORMS)?;
    let image = call.image()?;
    let all: Vec<(String, MediatorSetting)> = match given.has("a") {
        true => available(&image)?,
        false => image.configuration().mediators().into_iter().collect(),
    };
    let wanted: BTreeSet<&String> = given.operands.iter().collect();
    let names: BTreeSet<&String> = all.iter().map(|(name, _)| name).collect();
    let found: Vec<&(String, MediatorSetting)> =
        all.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)).collect();
    let width = |least: usize, of: &dyn Fn(&(String, MediatorSetting)) -> usize| {
        all.iter().map(of).max().unwrap_or(0).max(least)
    };
    let name = width(8, &|(name, _)| name.len());
    let version = width(7, &|(_, setting)| setting.version.as_deref().unwrap_or_default().len());
    let rows: Vec<Vec<Option<String>>> =
        found.iter().map(|(name, setting)| row(name, setting, form)).collect();
    if !found.is_empty() || (wanted.is_empty() && form == Form::Default) {
        let text = print(&COLUMNS, &rows, form, given.has("H"), |cells| {
            let [mediator, source, number, from, implementation] = cells else {
                return String::new();
            };
            format!("{mediator:name$} {source:9} {number:version$} {from:10} {implementation}")
        });
        std::print!("{text}");
    }
    let missing = wanted.iter().any(|name| !names.contains(name));
    if found.is_empty() && !wanted.is_empty() {
        if form == Form::Default {
            return Err(call.failed("no matching mediators found"));
        }
        return Ok(1);
    }
    Ok(if missing { 3 } else { 0 })
}

fn row(name: &str, setting: &MediatorSetting, form: Form) -> Vec<Option<String>> {
    let implementation = match (&setting.implementation, &setting.implementation_version) {
        (Some(name), Some(version)) if form == Form::Default => Some(format!("{name}(@{version})")),
        (name, _) => name.clone(),
    };
    vec![
        Some(name.to_string()),
        setting.version_source.clone(),
        setting.version.clone(),
        setting.implementation_source.clone(),
        implementation,
        setting.implementation_version.clone(),
    ]
}

/// What the installed packages' links offer, best first.
fn available(image: &Image) -> Result<Vec<(String, MediatorSetting)>, Failure> {
    let conditions = image.configuration().conditions();
    let mut offered: BTreeMap<String, Vec<MediatorSetting>> = BTreeMap::new();
    let packages: Vec<_> =
        image.installed().map_err(Failure::new)?.packages().map(|(fmri, _)| fmri).collect();
    for fmri in packages {
        let manifest = image.manifest(&fmri).map_err(Failure::new)?;
        for action in &manifest.actions {
            let linked = matches!(action.kind, Kind::Link | Kind::Hardlink);
            let Some(name) = action.get("mediator").filter(|_| linked) else { continue };
            if !conditions.allow(action) {
                continue;
            }
            let source = action.get("mediator-priority").unwrap_or("system").to_string();
            let version = action.get("mediator-version").map(str::to_string);
            let implementation = action.get("mediator-implementation");
            let (name_of, number) = match implementation.map(|text| text.split_once('@')) {
                Some(Some((name, number))) => (Some(name.to_string()), Some(number.to_string())),
                Some(None) => (implementation.map(str::to_string), None),
                None => (None, None),
            };
            let setting = MediatorSetting {
                version,
                version_source: Some(source.clone()),
                implementation: name_of,
                implementation_version: number,
                implementation_source: Some(source),
            };
            let known = offered.entry(name.to_string()).or_default();
            if !known.contains(&setting) {
                known.push(setting);
            }
        }
    }
    let mut all = Vec::new();
    for (name, mut settings) in offered {
        settings.sort_by_cached_key(order);
        all.extend(settings.into_iter().map(|setting| (name.clone(), setting)));
    }
    Ok(all)
}

/// Less is better.
fn order(setting: &MediatorSetting) -> (u8, std::cmp::Reverse<Option<Numbers>>, Option<String>) {
    let rank = match setting.version_source.as_deref() {
        Some("site") => 0,
        Some("vendor") => 1,
        Some(_) | None => 2,
    };
    let version = setting.version.as_deref();
    let version = version.and_then(|text| ips_model::version::DotSequence::parse(text).ok());
    (rank, std::cmp::Reverse(version), setting.implementation.clone())
}

type Numbers = ips_model::version::DotSequence;
