//! merge.rs - manifests of one package, built for several variants, as one.
//!
//! Law (pkgmerge's): variants are merged one after the other, in reverse order of their names; a
//! step takes together what agrees in all variants that are still to come.  Of each manifest the
//! tags of the variant go first: what is for another value is dropped, what is for this one is
//! everybody's.  Then an action that all manifests have alike stays as it is; every other one is
//! tagged with the value of its manifest.  A package of one manifest is tagged nowhere but in its
//! `set name=variant.X`.
//!
//! Not here: where manifests and payloads come from.  Content hashes do not take part in the
//! comparison, the positional hash does.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, Kind};
use crate::fmri::Fmri;
use crate::manifest::Manifest;

/// Names the variants (with or without `variant.`) for which an action is everybody's.
const BLEND: &str = "pkg.merge.blend";

/// Manifests that are not one package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A package says itself that it is not for the value its source is for.
    #[error("package {fmri} is tagged as not supporting {variant} {value}")]
    Unsupported {
        /// The package.
        fmri: String,
        /// The variant, with `variant.`.
        variant: String,
        /// The value of its source.
        value: String,
    },
    /// A manifest has two actions where there can be one.
    #[error("Duplicate action(s) in package \"{name}\": \n{}", .actions.join("\n"))]
    Duplicate {
        /// The package's name.
        name: String,
        /// The actions, in pairs.
        actions: Vec<String>,
    },
}

/// A manifest and what it was built for.
#[derive(Debug, Clone)]
pub struct Build {
    /// The package's full name in its source.
    pub fmri: Fmri,
    /// The variants of its source, `variant.X` → value.
    pub variants: BTreeMap<String, String>,
    /// What it says.
    pub manifest: Manifest,
}

/// One package of several builds.  All have values for the same variants; there is one build at
/// least.  The name is that of the newest.
pub fn merge(builds: Vec<Build>) -> Result<(Fmri, Manifest), MergeError> {
    let variants: BTreeSet<String> =
        builds.iter().flat_map(|build| build.variants.keys().cloned()).collect();
    let mut builds = builds;
    let mut coming = variants.clone();
    for variant in variants.iter().rev() {
        coming.remove(variant);
        builds = step(builds, variant, &coming)?;
    }
    let merged = builds.pop().expect("one build at least is merged");
    assert!(builds.is_empty(), "builds that have values for all variants become one");
    Ok((merged.fmri, sorted(merged.manifest)))
}

/// Merges one variant; `coming` are those still to be merged.
fn step(
    builds: Vec<Build>,
    variant: &str,
    coming: &BTreeSet<String>,
) -> Result<Vec<Build>, MergeError> {
    let mut groups: Vec<(Vec<String>, Vec<Build>)> = Vec::new();
    for build in builds {
        let values: Vec<String> = coming
            .iter()
            .map(|name| build.variants.get(name).cloned().unwrap_or_default())
            .collect();
        match groups.iter_mut().find(|(key, _)| *key == values) {
            Some((_, group)) => group.push(build),
            None => groups.push((values, vec![build])),
        }
    }
    groups.into_iter().map(|(_, group)| one(group, variant)).collect()
}

fn one(mut group: Vec<Build>, variant: &str) -> Result<Build, MergeError> {
    let mut blended: Vec<(usize, Action)> = Vec::new();
    for (at, build) in group.iter_mut().enumerate() {
        let value = value_of(build, variant);
        strip(build, variant, &value)?;
        let blends = build.manifest.actions.iter().filter(|action| is_blended(action, variant));
        blended.extend(blends.map(|action| (at, action.clone())));
    }
    for (at, build) in group.iter_mut().enumerate() {
        let others = blended.iter().filter(|(owner, _)| *owner != at);
        build.manifest.actions.extend(others.map(|(_, action)| action.clone()));
    }
    let newest = newest(&group);
    let (fmri, variants) = (group[newest].fmri.clone(), group[newest].variants.clone());
    let mut values: Vec<String> = Vec::new();
    for build in &group {
        let value = value_of(build, variant);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let mut actions = compared(&group, variant, &fmri)?;
    actions.push(Action::set_of("pkg.fmri", &fmri.to_string()));
    let mut supported = Action::set_of(variant, "");
    supported.set("value", values);
    actions.push(supported);
    Ok(Build { fmri, variants, manifest: Manifest { actions } })
}

fn value_of(build: &Build, variant: &str) -> String {
    build.variants.get(variant).cloned().unwrap_or_default()
}

fn newest(group: &[Build]) -> usize {
    let mut newest = 0;
    for (at, build) in group.iter().enumerate() {
        if build.fmri.version > group[newest].fmri.version {
            newest = at;
        }
    }
    newest
}

/// Takes out of a manifest what the merged package says anew, and the variant's tags.
fn strip(build: &mut Build, variant: &str, value: &str) -> Result<(), MergeError> {
    let declares =
        |action: &Action, name: &str| action.kind == Kind::Set && action.key() == Some(name);
    let unsupported = build
        .manifest
        .actions
        .iter()
        .filter(|action| declares(action, variant))
        .any(|action| !action.values("value").iter().any(|other| other == value));
    if unsupported {
        let (fmri, variant) = (build.fmri.to_string(), variant.to_string());
        return Err(MergeError::Unsupported { fmri, variant, value: value.to_string() });
    }
    // A list of values is equal to none of them.
    let is_for = |tags: &[String]| tags.is_empty() || tags == [value];
    build.manifest.actions.retain(|action| {
        action.kind != Kind::Signature
            && !declares(action, "pkg.fmri")
            && !declares(action, variant)
            && is_for(action.values(variant))
    });
    for action in &mut build.manifest.actions {
        action.set(variant, Vec::new());
    }
    Ok(())
}

fn short(variant: &str) -> &str {
    variant.strip_prefix("variant.").unwrap_or(variant)
}

fn is_blended(action: &Action, variant: &str) -> bool {
    action.values(BLEND).iter().any(|name| short(name) == short(variant))
}

/// What tells actions of one manifest apart: type, key, and the tags of other variants.
type Identity = (Kind, Vec<String>, Vec<(String, Vec<String>)>);

fn identity(action: &Action) -> Identity {
    let mut key = action.values(action.kind.key_attribute()).to_vec();
    key.sort();
    let more: &[&str] = match action.kind {
        Kind::Depend if action.get("type") == Some("conditional") => &["type", "predicate"],
        Kind::Depend => &["type"],
        Kind::Link | Kind::Hardlink => &["mediator-version", "mediator-implementation"],
        Kind::Set
        | Kind::Group
        | Kind::User
        | Kind::Dir
        | Kind::File
        | Kind::Driver
        | Kind::License
        | Kind::Legacy
        | Kind::Signature => &[],
    };
    // An absent attribute is an empty one: the places of the others stay.
    key.extend(more.iter().map(|name| action.values(name).join(" ")));
    let tags = action.attributes.iter().filter(|(name, _)| name.starts_with("variant."));
    (action.kind, key, tags.map(|(name, values)| (name.clone(), values.clone())).collect())
}

fn is_hash(attribute: &str) -> bool {
    matches!(attribute, "chash" | "elfhash" | "pkg.content-hash")
        || ["pkg.hash.", "pkg.chash.", "pkg.elfhash."]
            .iter()
            .any(|head| attribute.starts_with(head))
}

/// Whether two actions say the same: contents by the payload's name, lists without their order.
fn alike(one: &Action, other: &Action) -> bool {
    let told = |action: &Action| -> Vec<(String, Vec<String>)> {
        let told = action.attributes.iter().filter(|(name, _)| !is_hash(name));
        let sorted = |values: &Vec<String>| {
            let mut values = values.clone();
            values.sort();
            values
        };
        told.map(|(name, values)| (name.clone(), sorted(values))).collect()
    };
    one.hash == other.hash && told(one) == told(other)
}

/// The actions of all: those that are alike everywhere once, the others with their tag.
fn compared(group: &[Build], variant: &str, fmri: &Fmri) -> Result<Vec<Action>, MergeError> {
    let indexed: Vec<BTreeMap<Identity, &Action>> =
        group.iter().map(|build| index(build, fmri)).collect::<Result<_, _>>()?;
    let mut actions = Vec::new();
    let common = |identity: &Identity| {
        let mut all = indexed.iter().map(|manifest| manifest.get(identity));
        let first = all.next().flatten()?;
        all.all(|other| other.is_some_and(|other| alike(first, other))).then_some(*first)
    };
    for (build, manifest) in group.iter().zip(&indexed) {
        let value = value_of(build, variant);
        for (identity, action) in manifest {
            if common(identity).is_none() {
                let mut tagged = (*action).clone();
                tagged.set(variant, vec![value.clone()]);
                // Two builds for one value say it once.
                if !actions.contains(&tagged) {
                    actions.push(tagged);
                }
            }
        }
    }
    for action in indexed[0].keys().filter_map(common) {
        let mut action = action.clone();
        let blend = action.values(BLEND).iter().filter(|name| short(name) != short(variant));
        let blend = blend.cloned().collect();
        action.set(BLEND, blend);
        actions.push(action);
    }
    Ok(actions)
}

fn index<'a>(build: &'a Build, fmri: &Fmri) -> Result<BTreeMap<Identity, &'a Action>, MergeError> {
    let mut index: BTreeMap<Identity, &Action> = BTreeMap::new();
    let mut actions = Vec::new();
    for action in &build.manifest.actions {
        match index.get(&identity(action)) {
            Some(other) if alike(other, action) => {}
            Some(other) => actions.extend([format!("{other}"), format!("{action}\n")]),
            None => {
                index.insert(identity(action), action);
            }
        }
    }
    if actions.is_empty() {
        return Ok(index);
    }
    Err(MergeError::Duplicate { name: fmri.name.clone(), actions })
}

/// By type, then by what the type is sorted by; the name first.
fn sorted(mut manifest: Manifest) -> Manifest {
    let number = |action: &Action, name: &str| {
        action.get(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(1024)
    };
    let rank = |action: &Action| match action.kind {
        Kind::Set => i64::from(action.key() != Some("pkg.fmri")),
        Kind::Driver => i64::from(action.key() != Some("clone")),
        Kind::User => number(action, "uid"),
        Kind::Group => number(action, "gid"),
        Kind::Depend
        | Kind::Dir
        | Kind::File
        | Kind::Hardlink
        | Kind::Link
        | Kind::License
        | Kind::Legacy
        | Kind::Signature => 0,
    };
    manifest.actions.sort_by_cached_key(|action| {
        (action.kind, rank(action), action.key().map(str::to_string), action.to_string())
    });
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds as text: the variants of the source, the time, the manifest's lines.
    fn merged(builds: &[(&str, &str, &str)]) -> Result<String, MergeError> {
        let build = |(variants, second, text): &(&str, &str, &str)| {
            let pair = |text: &str| {
                let (name, value) = text.split_once('=').unwrap();
                (format!("variant.{name}"), value.to_string())
            };
            Build {
                fmri: Fmri::of("p", "a", &format!("1,5.11:20240102T03040{second}Z")).unwrap(),
                variants: variants.split(' ').map(pair).collect(),
                manifest: Manifest::parse(text).unwrap(),
            }
        };
        let (fmri, manifest) = merge(builds.iter().map(build).collect())?;
        let text = manifest.to_string();
        let name = format!("set name=pkg.fmri value={fmri}\n");
        Ok(text.strip_prefix(&name).expect("the name is first").to_string())
    }

    const SUPPORTED: &str = "set name=variant.arch value=i386 value=sparc\n";

    #[test]
    fn two_architectures() {
        for (i386, sparc, expected) in [
            ("dir path=a\n", "dir path=a\n", "dir path=a\n"),
            ("dir path=a\n", "", "dir path=a variant.arch=i386\n"),
            (
                "dir path=a mode=0755\n",
                "dir path=a mode=755\n",
                "dir mode=0755 path=a variant.arch=i386\ndir mode=755 path=a variant.arch=sparc\n",
            ),
            ("dir path=a variant.arch=i386\n", "dir path=a variant.arch=sparc\n", "dir path=a\n"),
            ("dir path=a variant.arch=other\n", "", ""),
            ("dir path=a variant.arch=i386 variant.arch=sparc\n", "", ""),
            (
                "driver name=d alias=a alias=b\n",
                "driver name=d alias=b alias=a\n",
                "driver alias=a alias=b name=d\n",
            ),
            ("file h path=a chash=1\n", "file h path=a chash=2\n", "file h chash=1 path=a\n"),
            (
                "file h path=a pkg.csize=1\n",
                "file h path=a pkg.csize=2\n",
                "file h path=a pkg.csize=1 variant.arch=i386\nfile h path=a pkg.csize=2 variant.arch=sparc\n",
            ),
            ("dir path=a pkg.merge.blend=arch\n", "", "dir path=a\n"),
            (
                "dir path=a pkg.merge.blend=variant.arch pkg.merge.blend=debug\n",
                "",
                "dir path=a pkg.merge.blend=debug\n",
            ),
            (
                "depend fmri=x type=require\n",
                "depend fmri=x type=optional\n",
                "depend fmri=x type=optional variant.arch=sparc\ndepend fmri=x type=require variant.arch=i386\n",
            ),
            (
                "link path=a target=b mediator=m mediator-version=1\nlink path=a target=c mediator=m mediator-version=2\n",
                "link path=a target=b mediator=m mediator-version=1\n",
                "link mediator=m mediator-version=1 path=a target=b\nlink mediator=m mediator-version=2 path=a target=c variant.arch=i386\n",
            ),
            ("signature value=1 algorithm=x\nset name=pkg.fmri value=x@1\n", "", ""),
        ] {
            let all = merged(&[("arch=i386", "1", i386), ("arch=sparc", "2", sparc)]).unwrap();
            let rest = all.replacen(SUPPORTED, "", 1);
            assert_ne!(all, rest);
            assert_eq!(rest, expected, "{i386}{sparc}");
        }
    }

    #[test]
    fn one_architecture_and_two_of_three() {
        let text = merged(&[("arch=i386", "1", "dir path=a\n")]).unwrap();
        assert_eq!(text, "set name=variant.arch value=i386\ndir path=a\n");
        let (with, without) = ("dir path=a\n", "");
        let text = merged(&[
            ("arch=i386", "1", with),
            ("arch=ppc", "1", without),
            ("arch=sparc", "1", with),
            ("arch=sparc", "1", with),
        ])
        .unwrap();
        assert_eq!(
            text,
            "set name=variant.arch value=i386 value=ppc value=sparc\n\
             dir path=a variant.arch=i386\ndir path=a variant.arch=sparc\n"
        );
    }

    #[test]
    fn two_variants() {
        let text = merged(&[
            ("arch=i386 debug=false", "1", "dir path=a\ndir path=i\n"),
            ("arch=i386 debug=true", "3", "dir path=a\ndir path=i\ndir path=d\n"),
            ("arch=sparc debug=false", "2", "dir path=a\n"),
            ("arch=sparc debug=true", "1", "dir path=a\ndir path=d\n"),
        ])
        .unwrap();
        assert_eq!(
            text,
            "set name=variant.arch value=i386 value=sparc\nset name=variant.debug value=false value=true\n\
             dir path=a\ndir path=d variant.debug=true\ndir path=i variant.arch=i386\n"
        );
    }

    #[test]
    fn refused() {
        let i386 = "set name=variant.arch value=i386\n";
        let error = merged(&[("arch=i386", "1", i386), ("arch=sparc", "1", i386)]).unwrap_err();
        let told = "package pkg://p/a@1,5.11:20240102030401Z is tagged as not supporting variant.arch sparc";
        assert_eq!(error.to_string(), told.replace("20240102030401Z", "20240102T030401Z"));
        let twice = "dir path=a mode=1\ndir path=a mode=2\n";
        let error = merged(&[("arch=i386", "1", twice)]).unwrap_err();
        let told = "Duplicate action(s) in package \"a\": \ndir mode=1 path=a\ndir mode=2 path=a\n";
        assert_eq!(error.to_string(), told);
    }
}
