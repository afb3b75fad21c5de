//! set_mediator.rs - `pkg set-mediator` and `pkg unset-mediator`: which of several links the image gets.

use std::collections::BTreeMap;

use ips_client::change::Want;
use ips_client::image::MediatorSetting;
use ips_cmd::Failure;
use ips_model::version::DotSequence;

use crate::call::{Call, Given};
use crate::change::{Change, given};

fn named(call: &Call, given: &Given) -> Result<(), Failure> {
    if given.operands.is_empty() {
        return Err(call.usage("at least one mediator must be specified"));
    }
    let plain = |name: &String| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match given.operands.iter().find(|name| !plain(name)) {
        Some(name) => Err(call.usage(format!("invalid mediator '{name}'"))),
        None => Ok(()),
    }
}

fn run(
    call: &Call,
    given: &Given,
    operation: &'static str,
    set: impl Fn(MediatorSetting) -> Option<MediatorSetting>,
) -> Result<u8, Failure> {
    let mut change = Change::of(call, given, operation)?;
    change.nothing = "No changes required.";
    let image = call.image()?;
    let known = image.configuration().mediators();
    let wanted: BTreeMap<String, Option<MediatorSetting>> = given
        .operands
        .iter()
        .map(|name| (name.clone(), set(known.get(name).cloned().unwrap_or_default())))
        .collect();
    drop(image);
    change.run(Want::Mediators(wanted))
}

/// Sets them.
pub fn set_mediator(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &["V=", "I="])?;
    named(call, &given)?;
    let (version, implementation) = (given.value("V"), given.value("I"));
    if version.is_none() && implementation.is_none() {
        return Err(call
            .usage("a mediator version and/or implementation must be specified using -V and -I"));
    }
    if let Some(text) = version.filter(|text| !text.is_empty()) {
        if DotSequence::parse(text).is_err() {
            return Err(call.usage(format!("invalid mediator version '{text}'")));
        }
    }
    let local = || Some("local".to_string());
    run(call, &given, "set-mediator", |mut setting| {
        match version {
            None => {}
            Some("") => (setting.version, setting.version_source) = (None, None),
            Some(text) => {
                (setting.version, setting.version_source) = (Some(text.to_string()), local());
            }
        }
        if let Some(text) = implementation {
            let (name, number) = text.split_once('@').map_or((text, None), |(n, v)| (n, Some(v)));
            // "None" asks for links that have no implementation.
            let name = Some(name).filter(|name| !matches!(*name, "" | "None"));
            setting.implementation = name.map(str::to_string);
            setting.implementation_version = number.map(str::to_string);
            setting.implementation_source = if text.is_empty() { None } else { local() };
        }
        Some(setting)
    })
}

/// Takes back what was set.
pub fn unset_mediator(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &["V", "I"])?;
    named(call, &given)?;
    let (version, implementation) = (given.has("V"), given.has("I"));
    run(call, &given, "unset-mediator", |mut setting| {
        if version == implementation {
            return None;
        }
        if version {
            (setting.version, setting.version_source) = (None, None);
        } else {
            setting.implementation = None;
            setting.implementation_version = None;
            setting.implementation_source = None;
        }
        Some(setting)
    })
}
