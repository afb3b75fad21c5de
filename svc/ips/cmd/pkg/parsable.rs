//! parsable.rs - a plan as one line of JSON (`--parsable=0`).

use std::io::Write;

use ips_client::change::{License, PackageChange, Planned};
use ips_client::image::MediatorSetting;
use ips_cmd::Failure;
use ips_model::Fmri;
use serde_json::{Value, json};

/// Prints it.
pub fn print(planned: &Planned<'_>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    Ok(writeln!(out, "{}", value(planned))?)
}

fn value(planned: &Planned<'_>) -> Value {
    let text = |fmri: &Fmri| fmri.to_string();
    let only = |wanted: fn(&PackageChange) -> Option<&Fmri>| -> Vec<String> {
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
    let tags = |head: &str| -> Vec<Value> {
        let own = planned.tags.iter().filter(|(name, _)| name.starts_with(head));
        own.map(|(name, value)| match value.as_str() {
            "True" if head == "facet." => json!([name, true]),
            "False" if head == "facet." => json!([name, false]),
            "None" if head == "facet." => json!([name, null]),
            value => json!([name, value]),
        })
        .collect()
    };
    let services: Vec<[&String; 2]> = planned
        .actuators
        .iter()
        .filter(|(name, _)| name != "reboot-needed")
        .map(|(name, value)| [name, value])
        .collect();
    json!({
        "activate-be": true,
        "add-packages": added,
        "affect-packages": [],
        "affect-services": services,
        "backup-be-name": null,
        "be-name": null,
        "boot-archive-rebuild": false,
        "change-editables": [],
        "change-facets": tags("facet."),
        "change-mediators": planned.mediators.iter().map(mediator).collect::<Vec<Value>>(),
        "change-packages": changed,
        "change-variants": tags("variant."),
        "child-images": [],
        "create-backup-be": false,
        "create-new-be": false,
        "image-name": null,
        "item-messages": {},
        "licenses": planned.licenses.iter().map(license).collect::<Vec<Value>>(),
        "release-notes": planned.release_notes.iter().map(|item| item.action.key()).collect::<Vec<_>>(),
        "remove-packages": removed,
        "version": 0,
    })
}

fn mediator(
    (name, old, new): &(String, Option<MediatorSetting>, Option<MediatorSetting>),
) -> Value {
    let side = |one: &Option<MediatorSetting>| match one {
        Some(one) => json!([
            [one.version, one.version_source],
            [one.implementation, one.implementation_source]
        ]),
        None => json!([[null, null], [null, null]]),
    };
    json!([name, [side(old), side(new)]])
}

fn license(license: &License<'_>) -> Value {
    let accept = license.action.get("must-accept") == Some("true");
    let display = license.action.get("must-display") == Some("true");
    let fmri = license.fmri.to_string();
    let name = license.action.key();
    json!([fmri, [], [fmri, name, license.action.hash, accept, display]])
}
