//! package.rs - a package that is checked or checked with, and how others are found from it.

use std::collections::BTreeMap;

use ips_model::action::Action;
use ips_model::manifest::NameError;
use ips_model::{Fmri, Kind, Manifest};

use crate::variants::Template;

/// A package.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub fmri: Fmri,
    /// Its actions.
    pub manifest: Manifest,
    /// How many actions of type `unknown` were left out of them.
    pub unknown: usize,
    pub(super) attributes: BTreeMap<String, Vec<String>>,
    pub(super) variants: Template,
}

impl Package {
    /// A package by its manifest, which names it.
    pub fn new(manifest: Manifest, unknown: usize) -> Result<Package, NameError> {
        let fmri = manifest.fmri()?;
        let mut attributes = BTreeMap::new();
        for action in manifest.of_kind(Kind::Set) {
            if let Some(name) = action.key() {
                attributes.insert(name.to_string(), action.values("value").to_vec());
            }
        }
        let variants = Template::of_manifest(&manifest);
        Ok(Package { fmri, manifest, unknown, attributes, variants })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The first `set` action of a name.
    pub(super) fn set(&self, name: &str) -> Option<&Action> {
        self.manifest.of_kind(Kind::Set).find(|action| action.key() == Some(name))
    }

    /// The variants an action holds under, in this package.
    pub(super) fn tags(&self, action: &Action) -> Template {
        let mut tags = Template::of_action(action);
        tags.merge_unknown(&self.variants);
        tags
    }
}

/// All packages of a run.
#[derive(Debug, Default)]
pub struct World {
    /// The manifests that were named, by FMRI.
    pub local: Vec<Package>,
    /// The packages of the lint repositories that are checked, by name.
    pub lint: Vec<Package>,
    /// All newest packages of the lint repositories that are not in `lint`.
    pub others: Vec<Package>,
    /// The newest packages of the reference repositories.
    pub reference: Vec<Package>,
}

/// Whether `new` takes the place of `old`: the same package, not older; what has no version is
/// newer than what has, and the time of publication does not count.
pub(super) fn succeeds(new: &Fmri, old: &Fmri, any_publisher: bool) -> bool {
    if (!any_publisher && new.publisher != old.publisher) || new.name != old.name {
        return false;
    }
    match (&new.version, &old.version) {
        (Some(new), Some(old)) => {
            let key = |version: &ips_model::Version| {
                (version.release.clone(), version.branch.clone(), version.build.clone())
            };
            key(new) >= key(old)
        }
        (None, _) | (Some(_), None) => true,
    }
}

/// Why a chain of renames cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RenameError {
    #[error("obsolete package: {0}")]
    Obsolete(String),
    #[error("loop detected in rename: {0}")]
    Loop(String),
}

impl World {
    /// The packages that are checked.
    pub(super) fn checked(&self) -> impl Iterator<Item = &Package> {
        self.local.iter().chain(&self.lint)
    }

    /// The package an FMRI means: a manifest that was named, of no older version; else the newest
    /// of the repositories, whatever its version.
    pub(super) fn find(&self, name: &str, any_publisher: bool) -> Option<&Package> {
        let wanted = Fmri::parse(name).ok()?;
        let local = self.local.iter();
        let mut local = local.filter(|one| succeeds(&one.fmri, &wanted, any_publisher));
        let repositories = || {
            let all = self.lint.iter().chain(&self.others).chain(&self.reference);
            all.into_iter().find(|one| {
                let publisher =
                    wanted.publisher.is_none() || wanted.publisher == one.fmri.publisher;
                one.fmri.name == wanted.name && publisher
            })
        };
        local.next().or_else(repositories)
    }

    /// Follows renames from a package to what it is now; none where the chain breaks.
    pub(super) fn follow<'a>(
        &'a self,
        name: &str,
        rule: &Follow<'_>,
        seen: &mut Vec<&'a Package>,
    ) -> Result<Option<&'a Package>, RenameError> {
        if let Some(target) = rule.target.filter(|_| rule.legacy) {
            // An old SVR4 name may be the last part of the name it has now.
            if target.name.rsplit('/').next() == Some(name) {
                let leaf = self.find(&target.name, rule.any_publisher);
                if let Some(leaf) =
                    leaf.filter(|leaf| leaf.get("pkg.renamed").unwrap_or("false") == "false")
                {
                    return Ok(Some(leaf));
                }
            }
        }
        let Some(found) = self.find(name, rule.any_publisher) else { return Ok(None) };
        if rule.refuses_obsolete && found.has("pkg.obsolete") {
            return Err(RenameError::Obsolete(found.fmri.to_string()));
        }
        if seen.iter().any(|old| old.fmri.name == found.fmri.name) {
            let names = seen.iter().chain([&found]).map(|one| one.fmri.to_string());
            return Err(RenameError::Loop(names.collect::<Vec<_>>().join(" -> ")));
        }
        if !found.is("pkg.renamed") {
            return Ok(Some(found));
        }
        seen.push(found);
        let mut last = Some(found);
        for depend in found.manifest.of_kind(Kind::Depend) {
            let Some(to) = depend.key().filter(|to| !to.contains("incorporation")) else {
                continue;
            };
            let to = to.split('@').next().unwrap_or_default();
            last = self.follow(to, rule, seen)?;
            if let (Some(target), Some(last)) = (rule.target, last) {
                if succeeds(target, &last.fmri, rule.any_publisher) {
                    return Ok(Some(last));
                }
            }
        }
        Ok(last)
    }
}

/// How renames are followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Follow<'t> {
    pub(super) target: Option<&'t Fmri>,
    pub(super) refuses_obsolete: bool,
    pub(super) legacy: bool,
    pub(super) any_publisher: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_succeeds() {
        for (new, old, any, expected) in [
            ("a@1", "a@1", true, true),
            ("a@1.0-2", "a@1.0-1", true, true),
            ("a@1.0-1", "a@1.0-2", true, false),
            ("a@1:20240101T000000Z", "a@1:20250101T000000Z", true, true),
            ("a", "a@9", true, true),
            ("a@1", "a", true, true),
            ("a@1", "b@1", true, false),
            ("pkg://x/a@2", "pkg://y/a@1", true, true),
            ("pkg://x/a@2", "pkg://y/a@1", false, false),
            ("a@1,5.11-1", "a@1,5.12-1", true, false),
        ] {
            let (one, other) = (Fmri::parse(new).unwrap(), Fmri::parse(old).unwrap());
            assert_eq!(succeeds(&one, &other, any), expected, "{new} {old}");
        }
    }
}
