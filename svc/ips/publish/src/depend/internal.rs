//! internal.rs - needs that the package meets itself.

use std::collections::HashMap;

use ips_model::{Fmri, Kind, Manifest};

use super::Need;
use crate::paths::basename;
use crate::resolve::deliveries::{Deliveries, Side};
use crate::variants::{Combinations, Template};

/// The needs that are left, each open where the package does not meet it.
pub(super) fn unmet(needs: Vec<Need>, manifest: &Manifest, package: &Template) -> Vec<Need> {
    let mut deliveries = Deliveries::default();
    // Any name will do; it is told to nobody.
    let fmri = Fmri { publisher: None, name: "internal".to_string(), version: None };
    deliveries.add(Side::Delivered, fmri, manifest);
    deliveries.widen(package);
    let mut names: HashMap<&str, Template> = HashMap::new();
    for action in manifest.of_kind(Kind::File) {
        let mut tags = Template::of_action(action);
        if tags.is_empty() {
            tags = package.clone();
        }
        names.entry(basename(action.get("path").unwrap_or_default())).or_insert(tags);
    }
    let left = needs.into_iter().filter_map(|mut need| {
        let asked = need.met.reopened();
        for path in need.paths() {
            for file in deliveries.reach(Side::Delivered, &path, &asked).files {
                need.met.satisfy(&file.holds);
                if need.met.is_satisfied() {
                    return None;
                }
            }
        }
        // The library is there, though where nobody looks: somebody may be told where.
        let delivered = need.files.first().and_then(|file| names.get(file.as_str()));
        if let Some(tags) = delivered.filter(|_| need.kind == "elf" && need.met.is_satisfied()) {
            need.elsewhere = true;
            need.met.satisfy(&Combinations::satisfied(tags.clone()));
        }
        Some(need)
    });
    left.collect()
}
