//! variants.rs - the combinations of variants that something holds under.
//!
//! A `Template` names variants and the values each may have; `Combinations` are all the ways to
//! choose one value of each, some of them satisfied, the others not.  Nothing at all (no variant
//! is known) is a state of its own: it meets everything and is both satisfied and not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use ips_model::action::Action;
use ips_model::{Kind, Manifest};

/// Variants with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template(BTreeMap<String, BTreeSet<String>>);

/// One value for each variant.  Shared, for there are few of them and they are in many sets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Combination(Arc<BTreeSet<(String, String)>>);

impl Deref for Combination {
    type Target = BTreeSet<(String, String)>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromIterator<(String, String)> for Combination {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Combination {
        Combination(Arc::new(pairs.into_iter().collect()))
    }
}

/// What one template has and another has not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Variants.
    pub names: BTreeSet<String>,
    /// Values of variants that both have.
    pub values: BTreeSet<(String, String)>,
}

/// More combinations than this are no package's.
pub const MOST: usize = 1 << 14;

impl Template {
    /// The variant tags of an action.
    pub fn of_action(action: &Action) -> Template {
        let tags = action.attributes.iter().filter(|(name, _)| name.starts_with("variant."));
        Template(
            tags.map(|(name, values)| (name.clone(), values.iter().cloned().collect())).collect(),
        )
    }

    /// What a package says it is for.
    pub fn of_manifest(manifest: &Manifest) -> Template {
        let mut template = Template::default();
        for action in manifest.of_kind(Kind::Set) {
            if let Some(name) = action.key().filter(|name| name.starts_with("variant.")) {
                let values: BTreeSet<String> = action.values("value").iter().cloned().collect();
                // A variant without a value would leave no combination at all.
                if !values.is_empty() {
                    template.0.insert(name.to_string(), values);
                }
            }
        }
        template
    }

    /// Whether it names no variant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a variant is named.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// How many combinations there are.
    pub fn size(&self) -> usize {
        self.0.values().fold(1, |size, values| size.saturating_mul(values.len()))
    }

    /// Whether all of it is in another.
    pub fn is_subset(&self, other: &Template) -> bool {
        self.difference(other) == Difference::default()
    }

    /// What it has and another has not.
    pub fn difference(&self, other: &Template) -> Difference {
        let mut difference = Difference::default();
        for (name, values) in &self.0 {
            match other.0.get(name) {
                None => drop(difference.names.insert(name.clone())),
                Some(known) => {
                    let missing = values.difference(known);
                    difference.values.extend(missing.map(|value| (name.clone(), value.clone())));
                }
            }
        }
        difference
    }

    /// Takes over the variants that it does not name.
    pub fn merge_unknown(&mut self, other: &Template) {
        for (name, values) in &other.0 {
            self.0.entry(name.clone()).or_insert_with(|| values.clone());
        }
    }

    /// Takes over all variants and values.
    pub fn merge_values(&mut self, other: &Template) {
        for (name, values) in &other.0 {
            self.0.entry(name.clone()).or_default().extend(values.iter().cloned());
        }
    }

    /// As attributes.
    pub fn attributes(&self) -> impl Iterator<Item = (&String, Vec<String>)> {
        self.0.iter().map(|(name, values)| (name, values.iter().cloned().collect()))
    }

    fn combinations(&self) -> BTreeSet<Combination> {
        let mut all = vec![BTreeSet::new()];
        for (name, values) in &self.0 {
            let longer = values.iter().flat_map(|value| {
                let pair = (name.clone(), value.clone());
                all.iter().map(move |one| one.iter().cloned().chain([pair.clone()]).collect())
            });
            all = longer.collect();
        }
        all.retain(|one| !one.is_empty());
        all.into_iter().map(|one| Combination(Arc::new(one))).collect()
    }
}

/// ` variant.a="x","y" variant.b="z"`, or ` <none>`.
impl std::fmt::Display for Template {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return to.write_str(" <none>");
        }
        for (name, values) in &self.0 {
            let values: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
            write!(to, " {name}={}", values.join(","))?;
        }
        Ok(())
    }
}

/// Combinations, satisfied and not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combinations {
    template: Template,
    satisfied: BTreeSet<Combination>,
    open: BTreeSet<Combination>,
}

/// The combinations satisfied in one only, in both, in the other only.
pub type Separated = (Option<Combinations>, Option<Combinations>, Option<Combinations>);

impl Combinations {
    /// All combinations, satisfied.
    pub fn satisfied(template: Template) -> Combinations {
        let satisfied = template.combinations();
        Combinations { template, satisfied, open: BTreeSet::new() }
    }

    /// All combinations, not satisfied.
    pub fn open(template: Template) -> Combinations {
        let open = template.combinations();
        Combinations { template, satisfied: BTreeSet::new(), open }
    }

    /// The same, none of them satisfied.
    pub fn reopened(&self) -> Combinations {
        Combinations::open(self.template.clone())
    }

    /// Whether there is no combination.
    pub fn is_empty(&self) -> bool {
        self.satisfied.is_empty() && self.open.is_empty()
    }

    /// Whether none is left open.
    pub fn is_satisfied(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether some are satisfied.
    pub fn somewhere(&self) -> bool {
        !self.satisfied.is_empty()
    }

    /// Whether some are satisfied, or there are none to be.
    pub fn applies(&self) -> bool {
        self.is_empty() || self.somewhere()
    }

    /// Whether something that holds where `other` is satisfied concerns this.
    pub fn meets(&self, other: &Combinations) -> bool {
        self.is_empty() || other.is_empty() || !self.common(other).is_empty()
    }

    /// The combinations in which `other` is satisfied too.
    pub fn common(&self, other: &Combinations) -> Combinations {
        let within = |set: &BTreeSet<Combination>| {
            set.intersection(&other.satisfied).cloned().collect::<BTreeSet<_>>()
        };
        let (satisfied, open) = (within(&self.satisfied), within(&self.open));
        Combinations { template: self.template.clone(), satisfied, open }
    }

    /// Marks all as satisfied.
    pub fn close(&mut self) {
        self.satisfied.append(&mut self.open);
    }

    /// Marks those as satisfied that are in `other`.
    pub fn satisfy(&mut self, other: &Combinations) {
        let now: Vec<_> = self.open.intersection(&other.satisfied).cloned().collect();
        for one in now {
            self.open.remove(&one);
            self.satisfied.insert(one);
        }
    }

    /// Marks those as open that are satisfied in `other`; whether there were any.
    pub fn reopen(&mut self, other: &Combinations) -> bool {
        let now: Vec<_> = self.satisfied.intersection(&other.satisfied).cloned().collect();
        let any = !now.is_empty();
        for one in now {
            self.satisfied.remove(&one);
            self.open.insert(one);
        }
        any
    }

    /// Takes apart what is satisfied here, in both, there.
    pub fn separated(&self, other: &Combinations) -> Separated {
        if self.is_empty() && other.is_empty() {
            return (None, Some(self.clone()), None);
        }
        let wide = if other.template.is_subset(&self.template) {
            &self.template
        } else if self.template.is_subset(&other.template) {
            &other.template
        } else {
            return (Some(self.clone()), None, Some(other.clone()));
        };
        let of = |satisfied: BTreeSet<Combination>| {
            if satisfied.is_empty() {
                return None;
            }
            let all = wide.combinations();
            let open = all.difference(&satisfied).cloned().collect();
            Some(Combinations { template: wide.clone(), satisfied, open })
        };
        let (mine, theirs) = (&self.satisfied, &other.satisfied);
        (
            of(mine.difference(theirs).cloned().collect()),
            of(mine.intersection(theirs).cloned().collect()),
            of(theirs.difference(mine).cloned().collect()),
        )
    }

    /// What is satisfied, in as few words as a package of these variants needs; nothing where that
    /// is all of them.
    pub fn satisfied_in(&self, package: &Template) -> BTreeSet<Combination> {
        simplified(&self.satisfied, package)
    }

    /// What is open, in as few words.
    pub fn open_in(&self, package: &Template) -> BTreeSet<Combination> {
        simplified(&self.open, package)
    }
}

/// Leaves out a variant where all values it can have are there.
fn simplified(set: &BTreeSet<Combination>, package: &Template) -> BTreeSet<Combination> {
    let possible = if package.is_empty() { 0 } else { package.size() };
    if possible == set.len() {
        return BTreeSet::new();
    }
    let mut set = set.clone();
    loop {
        let mut fewer = false;
        for (name, values) in package.0.iter().rev() {
            let mut groups: BTreeMap<Combination, Vec<Combination>> = BTreeMap::new();
            for one in set {
                let rest = one.iter().filter(|(other, _)| other != name).cloned().collect();
                groups.entry(rest).or_default().push(one);
            }
            set = BTreeSet::new();
            for (rest, group) in groups {
                let value = |value: &String| {
                    let pair = (name.clone(), value.clone());
                    group.iter().any(|one| one.contains(&pair))
                };
                if values.iter().all(value) {
                    fewer = true;
                    set.insert(rest);
                } else {
                    set.extend(group);
                }
            }
        }
        if !fewer {
            return set;
        }
    }
}

/// `name:value name:value`.
pub fn told(combination: &Combination) -> String {
    let pairs = combination.iter().map(|(name, value)| format!("{name}:{value}"));
    pairs.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::of_action(&Action::parse(&format!("depend fmri=x {text}")).unwrap())
    }

    const TWO: &str = "variant.arch=i386 variant.arch=sparc variant.zone=global variant.zone=other";

    #[test]
    fn what_is_open_is_told_in_few_words() {
        let package = template(TWO);
        for (satisfied, open) in [
            ("", ""),
            ("variant.arch=i386 variant.zone=global variant.zone=other", "variant.arch:sparc"),
            (
                "variant.arch=i386 variant.zone=global",
                "variant.arch:i386 variant.zone:other|variant.arch:sparc",
            ),
            (TWO, ""),
        ] {
            let mut all = Combinations::open(package.clone());
            all.satisfy(&Combinations::satisfied(template(satisfied)));
            let left: Vec<String> = all.open_in(&package).iter().map(told).collect();
            assert_eq!(left.join("|"), open, "{satisfied}");
            assert_eq!(all.is_satisfied(), satisfied == TWO, "{satisfied}");
        }
    }

    #[test]
    fn taken_apart() {
        let all = Combinations::satisfied(template(TWO));
        let mut half = all.reopened();
        let i386 = "variant.arch=i386 variant.zone=global variant.zone=other";
        half.satisfy(&Combinations::satisfied(template(i386)));
        let (mine, both, theirs) = all.separated(&half);
        assert_eq!(both, Some(half.clone()));
        assert_eq!(theirs, None);
        let told = |all: Option<Combinations>| {
            all.map(|all| all.satisfied_in(&template(TWO)).iter().map(told).collect::<Vec<_>>())
        };
        assert_eq!(told(mine).unwrap(), ["variant.arch:sparc"]);
        let none = Combinations::open(Template::default());
        assert_eq!(none.separated(&none), (None, Some(none.clone()), None));
        assert!(none.meets(&all) && all.meets(&none) && half.meets(&all));
        let other = Combinations::satisfied(template("variant.other=x"));
        assert!(!all.meets(&other));
        assert_eq!(all.separated(&other), (Some(all.clone()), None, Some(other)));
    }
}
