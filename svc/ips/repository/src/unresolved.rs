//! unresolved.rs - dependencies that no package of the repository satisfies.
//!
//! Every kind counts that asks for a package to be there or says which version it may have;
//! `exclude` asks for none, and `parent` looks at another image.

use std::collections::BTreeMap;

use ips_model::{Action, Fmri, Version};

use crate::verify::Verified;

/// A dependency that nothing satisfies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The package that has it.
    pub package: Fmri,
    /// What it names, as written; of several the first.
    pub target: String,
    /// Its type.
    pub kind: String,
}

/// The unresolved dependencies of what was verified, in the order of the packages.
pub fn unresolved(verified: &[Verified]) -> Vec<Unresolved> {
    let mut held: BTreeMap<&str, Vec<&Fmri>> = BTreeMap::new();
    for (fmri, _) in verified.iter().flat_map(|verified| &verified.packages) {
        held.entry(&fmri.name).or_default().push(fmri);
    }
    let mut all = Vec::new();
    for (package, depends) in verified.iter().flat_map(|verified| &verified.packages) {
        for depend in depends {
            let kind = depend.get("type").unwrap_or_default();
            if matches!(kind, "exclude" | "parent") || is_satisfied(depend, kind, &held) {
                continue;
            }
            let target = depend.get("fmri").unwrap_or_default().to_string();
            all.push(Unresolved { package: package.clone(), target, kind: kind.to_string() });
        }
    }
    all
}

/// Of several targets one is enough.
fn is_satisfied(depend: &Action, kind: &str, held: &BTreeMap<&str, Vec<&Fmri>>) -> bool {
    depend.values("fmri").iter().any(|text| {
        let Ok(target) = Fmri::parse(text) else { return false };
        // Firmware is asked of the machine.
        if kind == "origin" && target.name.starts_with("feature/firmware/") {
            return true;
        }
        let suits = |version: Option<&Version>| match (&target.version, version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(version)) if kind == "incorporate" => version.matches(wanted),
            (Some(wanted), Some(version)) => version >= wanted,
        };
        held.get(target.name.as_str()).into_iter().flatten().any(|fmri| {
            let publisher = target.publisher.is_none() || target.publisher == fmri.publisher;
            publisher && suits(fmri.version.as_ref())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_satisfies() {
        let held = ["pkg://p/a@1.9,5.11", "pkg://p/b@1.10.1,5.11"];
        for (depend, satisfied) in [
            ("depend type=require fmri=a", true),
            ("depend type=require fmri=pkg:/a@1.8", true),
            ("depend type=require fmri=a@1.10", false),
            ("depend type=require fmri=c", false),
            ("depend type=require fmri=pkg://q/a", false),
            ("depend type=incorporate fmri=b@1.10", true),
            ("depend type=incorporate fmri=b@1.1", false),
            ("depend type=optional fmri=c", false),
            ("depend type=require-any fmri=c fmri=a", true),
            ("depend type=exclude fmri=c", true),
            ("depend type=parent fmri=feature/package/dependency/self", true),
            ("depend type=origin fmri=feature/firmware/mpt_sas", true),
            ("depend type=conditional predicate=c fmri=a", true),
        ] {
            let action = Action::parse(depend).unwrap();
            let mut packages: Vec<(Fmri, Vec<Action>)> =
                held.iter().map(|text| (Fmri::parse(text).unwrap(), Vec::new())).collect();
            packages[0].1.push(action);
            let verified = [Verified { packages, ..Verified::default() }];
            assert_eq!(unresolved(&verified).is_empty(), satisfied, "{depend}");
        }
    }
}
