//! change_variant.rs - `pkg change-variant`: what kind of image it is, and what that means for what is
//! installed.

use std::collections::BTreeMap;

use ips_client::change::Want;
use ips_cmd::Failure;

use crate::call::Call;
use crate::change::{Change, given};

/// Changes them.
pub fn change_variant(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &[])?;
    if given.operands.is_empty() {
        return Err(call.usage("no variants specified"));
    }
    let mut variants = BTreeMap::new();
    for operand in &given.operands {
        let malformed = || call.usage("variants must to be of the form '<name>=<value>'.");
        let (name, value) = operand.split_once('=').ok_or_else(malformed)?;
        if name.is_empty() || value.is_empty() {
            return Err(malformed());
        }
        let name =
            if name.starts_with("variant.") { name.to_string() } else { format!("variant.{name}") };
        if variants.insert(name, value.to_string()).is_some() {
            return Err(call.usage(format!("duplicate variant specified: {operand}")));
        }
    }
    Change::of(call, &given, "change-variant")?.run(Want::Variants(variants))
}
