//! link_properties.rs - `pkg property-linked`, `set-property-linked` and `--prop-linked`: what is
//! said of the link between two images.  Only `li-recurse` is for users to set.

use std::collections::BTreeMap;

use ips_client::image::{LinkedName, Outcome};
use ips_cmd::Failure;

use crate::call::Call;
use crate::change::{Change, given};
use crate::linked::{open_child, refused, table};
use crate::session::Session;

/// Every property there is.
const KNOWN: [&str; 8] = [
    "li-current-parent",
    "li-current-path",
    "li-model",
    "li-name",
    "li-parent",
    "li-path",
    "li-path-transform",
    "li-recurse",
];

const RECURSE: &str = "li-recurse";

/// Lists the properties of the image's link, or of a child's.
pub fn property_linked(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H", "l="])?;
    let image = call.image()?;
    let failed = |error| refused(call, &error);
    let child = given.value("l").map(LinkedName::parse).transpose().map_err(failed)?;
    let properties = image.link_properties(child.as_ref()).map_err(failed)?;
    for name in &given.operands {
        if !properties.contains_key(name) {
            return Err(call.failed(format!("unknown linked image property '{name}'")));
        }
    }
    let wanted = |name: &String| given.operands.is_empty() || given.operands.contains(name);
    let rows: Vec<Vec<String>> = properties
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| vec![name, value])
        .collect();
    print!("{}", table(&["PROPERTY", "VALUE"], &rows, given.has("H")));
    Ok(0)
}

/// Sets properties of a child's link (`-l`), or of the image's own.
pub fn set_property_linked(call: &Call) -> Result<u8, Failure> {
    let options = ["l=", "linked-md-only", "no-pkg-updates", "no-parent-sync"];
    let given = given(call, &options)?;
    Change::of(call, &given, "set-property-linked")?;
    if given.operands.is_empty() {
        return Err(call.usage("at least one property must be specified"));
    }
    let failed = |error| refused(call, &error);
    let asked = parse(call, given.operands.iter().map(String::as_str))?;
    let recurse = recurse(call, &asked, true)?;
    let name = given.value("l").map(LinkedName::parse).transpose().map_err(failed)?;
    let image = call.image()?;
    let child = name.as_ref().map(|name| image.child(name)).transpose().map_err(failed)?;
    let Some(recurse) = recurse.filter(|_| !given.has("n")) else { return Ok(0) };
    let mut session = Session::of(call, image, "set-property-linked")?;
    match child {
        None => session.image.know_recurse(&session.lock, recurse).map_err(failed)?,
        Some(child) => {
            // The child first: what the parent has is what counts.
            let other = open_child(&child.path).map_err(failed)?;
            let below = Session::of(call, other, "set-property-linked")?;
            below.image.know_recurse(&below.lock, recurse).map_err(failed)?;
            below.end(Outcome::SUCCEEDED)?;
            let (lock, time) = (&session.lock, session.start);
            session.image.set_recurse(lock, &child.name, recurse, time).map_err(failed)?;
        }
    }
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}

/// Reads `NAME=VALUE`, each name once.
pub fn parse<'a>(
    call: &Call,
    texts: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut all = BTreeMap::new();
    for text in texts {
        let malformed = "linked image property arguments must be of the form '<name>=<value>'.";
        let (name, value) = text.split_once('=').ok_or_else(|| call.usage(malformed))?;
        if !KNOWN.contains(&name) {
            return Err(call.usage(format!("invalid linked image property: '{name}'.")));
        }
        if all.insert(name.to_string(), value.to_string()).is_some() {
            let message = format!("linked image property specified multiple times: '{name}'.");
            return Err(call.usage(message));
        }
    }
    Ok(all)
}

/// Whether changes of the parent are meant for the child, if that is asked for; only a parent that
/// pushes can be told.
pub fn recurse(
    call: &Call,
    asked: &BTreeMap<String, String>,
    pushes: bool,
) -> Result<Option<bool>, Failure> {
    let mut recurse = None;
    for (name, value) in asked {
        if name != RECURSE || !pushes {
            return Err(call.failed(format!("Invalid linked image attach property: {name}")));
        }
        recurse = Some(match value.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => {
                let message = format!("Invalid linked image attach property value: {name}={value}");
                return Err(call.failed(message));
            }
        });
    }
    Ok(recurse)
}
