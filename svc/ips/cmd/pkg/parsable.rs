//! parsable.rs - a plan as one line of JSON (`--parsable=0`).

use std::collections::BTreeSet;

use ips_client::change::{
    Editables, License, Order, PackageChange, Planned, editables, free_space, payload_text,
};
use ips_client::image::{Image, MediatorSetting};
use ips_cmd::Failure;
use ips_model::{Fmri, Timestamp};
use serde_json::{Map, Value, json};

/// A plan that changes nothing: every key, in the original's order.
pub fn nothing() -> Map<String, Value> {
    let value = json!({
        "activate-be": true,
        "add-packages": [],
        "affect-packages": [],
        "affect-services": [],
        "backup-be-name": null,
        "be-name": null,
        "boot-archive-rebuild": false,
        "change-facets": [],
        "change-editables": [],
        "change-mediators": [],
        "change-packages": [],
        "change-variants": [],
        "child-images": [],
        "create-backup-be": false,
        "create-new-be": false,
        "image-name": null,
        "item-messages": {},
        "licenses": [],
        "release-notes": [],
        "remove-packages": [],
        "space-available": null,
        "space-required": null,
        "version": 0,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Prints it.
pub fn write(value: Map<String, Value>) {
    println!("{}", Value::Object(value));
}

/// A plan of an image, with the release notes that come with it.
pub fn value(
    image: &Image,
    order: &Order<'_>,
    planned: &Planned<'_>,
    notes: &[String],
    time: Timestamp,
) -> Result<Map<String, Value>, Failure> {
    let text = |fmri: &Fmri| fmri.to_string();
    let only = |wanted: fn(&PackageChange) -> Option<&Fmri>| -> BTreeSet<String> {
        planned.packages.iter().filter_map(wanted).map(text).collect()
    };
    let added = only(|change| change.new.as_ref().filter(|_| change.old.is_none()));
    let removed = only(|change| change.old.as_ref().filter(|_| change.new.is_none()));
    let changed: Vec<[String; 2]> = planned
        .packages
        .iter()
        .filter_map(|change| {
            Some([change.old.as_ref()?.to_string(), change.new.as_ref()?.to_string()])
        })
        .collect();
    let services: Vec<[&String; 2]> = planned
        .actuators
        .iter()
        .filter(|(name, _)| name != "reboot-needed")
        .map(|(name, value)| [name, value])
        .collect();
    let licenses = planned.licenses.iter().filter(|license| !license.is_known);
    let licenses: Vec<Value> = licenses
        .map(|one| license(image, order, one))
        .collect::<Result<_, _>>()
        .map_err(Failure::new)?;
    let edited = editables(image, planned, time).map_err(Failure::new)?;
    let mut value = nothing();
    for (name, what) in [
        ("add-packages", json!(added)),
        ("affect-packages", json!(planned.affected().into_iter().map(text).collect::<Vec<_>>())),
        ("affect-services", json!(services)),
        ("change-editables", of_editables(&edited)),
        ("change-facets", tags(planned, "facet.")),
        ("change-mediators", json!(planned.mediators.iter().map(mediator).collect::<Vec<_>>())),
        ("change-packages", json!(changed)),
        ("change-variants", tags(planned, "variant.")),
        ("licenses", Value::Array(licenses)),
        ("release-notes", json!(notes)),
        ("remove-packages", json!(removed)),
        ("space-available", json!(free_space(image).map_err(Failure::new)?)),
        ("space-required", json!(planned.size())),
    ] {
        value.insert(name.to_string(), what);
    }
    Ok(value)
}

/// What becomes of files that may be edited; kinds of which there are none are left out.
pub fn of_editables(edited: &Editables) -> Value {
    let moved: Vec<[&String; 2]> = edited.moved.iter().map(|(from, to)| [from, to]).collect();
    let mut all = Vec::new();
    if !moved.is_empty() {
        all.push(json!(["moved", moved]));
    }
    for (name, paths) in [
        ("removed", &edited.removed),
        ("installed", &edited.installed),
        ("updated", &edited.updated),
    ] {
        if !paths.is_empty() {
            all.push(json!([name, paths]));
        }
    }
    Value::Array(all)
}

/// Variants: name, value.  Facets besides: what it was, who says so, whether it is masked and was.
fn tags(planned: &Planned<'_>, head: &str) -> Value {
    let word = |value: &str| match value {
        "True" => json!(true),
        "False" => json!(false),
        _ => Value::Null,
    };
    let before = planned.facets_before();
    let own = planned.tags.iter().filter(|(name, _)| name.starts_with(head));
    let all = own.map(|(name, value)| match head {
        "facet." => {
            json!([name, word(value), before.get(name), "local", false, false])
        }
        _ => json!([name, value]),
    });
    Value::Array(all.collect())
}

/// Name, version before and after, implementation before and after, each with who says so.
fn mediator(
    (name, old, new): &(String, Option<MediatorSetting>, Option<MediatorSetting>),
) -> Value {
    let version = |one: &Option<MediatorSetting>| match one {
        Some(one) => json!([one.version, one.version_source]),
        None => json!([null, null]),
    };
    let implementation = |one: &Option<MediatorSetting>| match one {
        Some(one) => json!([one.implementation, one.implementation_source]),
        None => json!([null, null]),
    };
    json!([name, [version(old), version(new)], [implementation(old), implementation(new)]])
}

/// The package; the licence it had, and the one it gets: package, name, text, whether it must be
/// accepted, whether it must be shown.
fn license(
    image: &Image,
    order: &Order<'_>,
    license: &License<'_>,
) -> Result<Value, ips_client::change::ChangeError> {
    let side = |fmri: &Fmri, action: &ips_model::Action, text: String| {
        let is = |name: &str| action.get(name) == Some("true");
        json!([fmri.to_string(), action.key(), text, is("must-accept"), is("must-display")])
    };
    let old = match license.old {
        None => json!([]),
        Some(item) => {
            let (fmri, name) = (&item.package.fmri, item.action.key().unwrap_or_default());
            let kept = std::fs::read(image.license_path(fmri, name));
            let text = match kept {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(_) => payload_text(image, order, fmri, item.action)?,
            };
            side(fmri, item.action, text)
        }
    };
    let text = payload_text(image, order, license.fmri, license.action)?;
    Ok(json!([license.fmri.to_string(), old, side(license.fmri, license.action, text)]))
}
