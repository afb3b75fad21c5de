//! change_facet.rs - `pkg change-facet`: which optional parts of packages the image has.

use std::collections::BTreeMap;

use ips_client::change::Want;
use ips_cmd::Failure;

use crate::call::Call;
use crate::change::{Change, given};

/// Changes them.
pub fn change_facet(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &[])?;
    if given.operands.is_empty() {
        return Err(call.usage("no facets specified"));
    }
    let mut facets = BTreeMap::new();
    for operand in &given.operands {
        let malformed =
            || call.usage("facets must to be of the form 'facet....=[True|False|None]'.");
        let (name, value) = operand.split_once('=').ok_or_else(malformed)?;
        let value = match value.to_ascii_lowercase().as_str() {
            "t" | "true" => Some(true),
            "f" | "false" => Some(false),
            "none" => None,
            _ => return Err(malformed()),
        };
        if name.is_empty() {
            return Err(malformed());
        }
        let name =
            if name.starts_with("facet.") { name.to_string() } else { format!("facet.{name}") };
        facets.insert(name, value);
    }
    Change::of(call, &given, "change-facet")?.run(Want::Facets(facets))
}
