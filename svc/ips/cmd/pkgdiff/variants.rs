//! variants.rs - the variants two manifests declare, and one variant's view of a manifest.

use std::collections::{BTreeMap, BTreeSet};

use ips_cmd::Failure;
use ips_model::{Kind, Manifest};

/// The values of each variant that `set name=variant.X` declares.
pub fn declared(manifest: &Manifest) -> BTreeMap<String, BTreeSet<String>> {
    let mut variants: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for action in manifest.of_kind(Kind::Set) {
        if let Some(name) = action.key().filter(|name| name.starts_with("variant.")) {
            let values = variants.entry(name.to_string()).or_default();
            values.extend(action.values("value").iter().cloned());
        }
    }
    variants
}

/// Leaves what is delivered where the variant has this value, without its tag.
pub fn restrict(
    manifest: &mut Manifest,
    path: &str,
    variant: &str,
    value: &str,
) -> Result<(), Failure> {
    let Some(values) = declared(manifest).remove(variant) else { return Ok(()) };
    if !values.contains(value) {
        let message = format!("Manifest {path} doesn't support variant {variant}={value}");
        return Err(Failure::usage(message));
    }
    let is = |values: &[String]| values.is_empty() || values == [value];
    manifest.actions.retain(|action| is(action.values(variant)));
    for action in &mut manifest.actions {
        action.set(variant, Vec::new());
        if action.kind == Kind::Set && action.key() == Some(variant) {
            action.set("value", vec![value.to_string()]);
        }
    }
    Ok(())
}

/// A variant that both declare has to have the same values.
pub fn agree(old: &Manifest, new: &Manifest) -> Result<(), Failure> {
    let (old, new) = (declared(old), declared(new));
    for (name, values) in &old {
        if new.get(name).is_some_and(|other| other != values) {
            let told = |all: &BTreeMap<String, BTreeSet<String>>| {
                let one = |(name, values): (&String, &BTreeSet<String>)| {
                    let values: Vec<&str> = values.iter().map(String::as_str).collect();
                    format!("{name}={}", values.join(","))
                };
                all.iter().map(one).collect::<Vec<_>>().join(" ")
            };
            return Err(Failure::partial(format!(
                "Manifests support different variants {} {}",
                told(&old),
                told(&new)
            )));
        }
    }
    Ok(())
}
