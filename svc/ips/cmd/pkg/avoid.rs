//! avoid.rs - `pkg avoid` and `unavoid`: packages that group dependencies do not bring.

use std::collections::{BTreeMap, BTreeSet};

use ips_client::image::{Change, Image, Outcome};
use ips_cmd::{Failure, patterns};
use ips_model::{Action, Fmri};

use crate::call::Call;
use crate::session::Session;

/// Adds packages to the list, or shows it.
pub fn avoid(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&[])?;
    if given.operands.is_empty() {
        return show(&call.image()?);
    }
    let mut session = Session::begin(call, "avoid")?;
    let known: BTreeSet<String> = session
        .image
        .known()
        .map_err(Failure::new)?
        .iter()
        .map(|(_, stem, _)| stem.to_string())
        .collect();
    let stems =
        matching(call, &given.operands, &known, "did not match any packages known to the system")?;
    let installed = session.image.installed().map_err(Failure::new)?;
    let there: Vec<&String> =
        stems.iter().filter(|stem| installed.of_stem(stem).next().is_some()).collect();
    if !there.is_empty() {
        let list = there.iter().map(|stem| format!("\t{stem}")).collect::<Vec<_>>().join("\n");
        let failure = call.failed(format!(
            "The following packages are already installed in this image; use uninstall to avoid these:\n{list}"
        ));
        return Err(session.fail(Outcome::BAD_REQUEST, failure));
    }
    let mut avoided = session.image.avoided().map_err(Failure::new)?;
    avoided.avoided.extend(stems);
    let mut change = Change::at(session.start);
    change.avoided = Some(avoided);
    session.record(&change)?;
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}

/// Takes packages off the list, or shows it.
pub fn unavoid(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&[])?;
    if given.operands.is_empty() {
        return show(&call.image()?);
    }
    let mut session = Session::begin(call, "unavoid")?;
    let mut avoided = session.image.avoided().map_err(Failure::new)?;
    let stems =
        matching(call, &given.operands, &avoided.avoided, "did not match any avoided packages")?;
    let tracking = tracking(&session.image)?;
    let needed: Vec<String> = stems
        .iter()
        .filter_map(|stem| {
            Some(format!("\t{stem} (group dependency of '{}')", tracking.get(stem)?.join(" ")))
        })
        .collect();
    if !needed.is_empty() {
        let failure = call.failed(format!(
            "The following packages are a target of group dependencies; use install to unavoid these:\n{}",
            needed.join("\n")
        ));
        return Err(session.fail(Outcome::BAD_REQUEST, failure));
    }
    avoided.avoided.retain(|stem| !stems.contains(stem));
    let mut change = Change::at(session.start);
    change.avoided = Some(avoided);
    session.record(&change)?;
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}

/// The stems that patterns mean; every pattern has to mean one.
pub fn matching(
    call: &Call,
    texts: &[String],
    stems: &BTreeSet<String>,
    unmatched: &str,
) -> Result<BTreeSet<String>, Failure> {
    let mut found = BTreeSet::new();
    let mut missing = Vec::new();
    for pattern in patterns::parse(texts)? {
        let meant: Vec<&String> = stems
            .iter()
            .filter(|stem| {
                let fmri = Fmri { publisher: None, name: (*stem).clone(), version: None };
                pattern.matches(&fmri)
            })
            .collect();
        if meant.is_empty() {
            missing.push(format!("\t{}", pattern.as_str()));
        }
        found.extend(meant.into_iter().cloned());
    }
    if missing.is_empty() {
        return Ok(found);
    }
    Err(call.failed(format!("The following pattern(s) {unmatched}:\n{}", missing.join("\n"))))
}

/// Stem → installed packages whose group dependencies name it.
fn tracking(image: &Image) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let conditions = image.configuration().conditions();
    let mut tracking: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (fmri, entry) in image.installed_dependencies().map_err(Failure::new)?.entries() {
        let groups = entry.actions.iter().filter_map(|text| Action::parse(text).ok());
        for action in groups.filter(|one| one.get("type") == Some("group") && conditions.allow(one))
        {
            for target in action.values("fmri").iter().filter_map(|text| Fmri::parse(text).ok()) {
                let users = tracking.entry(target.name).or_default();
                if !users.contains(&fmri.name) {
                    users.push(fmri.name.clone());
                }
            }
        }
    }
    Ok(tracking)
}

fn show(image: &Image) -> Result<u8, Failure> {
    let avoided = image.avoided().map_err(Failure::new)?;
    let tracking = tracking(image)?;
    for stem in avoided.avoided.union(&avoided.implied) {
        match tracking.get(stem) {
            Some(users) => println!("    {stem} (group dependency of '{}')", users.join(" ")),
            None => println!("    {stem}"),
        }
    }
    Ok(0)
}
