//! run.rs - resolves the dependencies of manifests, and says what cannot be.

use std::collections::{BTreeMap, BTreeSet};

use ips_model::action::Action;
use ips_model::{Fmri, FmriError, Kind, Manifest};

use super::Dependency;
use super::combine::combine;
use super::deliveries::{Deliveries, Side};
use super::find::find;
use super::told;
use crate::depend::{TO_BE_DONE, attribute};
use crate::variants::{Combination, Combinations, Difference, MOST, Template};

/// A manifest to be resolved.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Where it is; messages name it.
    pub path: String,
    /// What the package is called where the manifest does not say it.
    pub name: String,
    /// Its actions.
    pub manifest: Manifest,
}

/// A package that is there already.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Its name.
    pub fmri: Fmri,
    /// Its actions.
    pub manifest: Manifest,
}

/// Variants of actions that their package is not for.
pub type Undeclared = BTreeMap<String, Difference>;

/// What cannot be resolved; the texts are pkg5's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A manifest of no package.
    #[error("The manifest '{path}' has an invalid package FMRI:\n\t{source}")]
    Name {
        /// The manifest.
        path: String,
        /// Why.
        source: FmriError,
    },
    /// More variants than can be put together.
    #[error("the variants of the packages have too many combinations")]
    Variants,
    /// Nobody delivers the file.
    #[error("{}", unresolved(.path, .need, .open))]
    Unresolved {
        /// The manifest.
        path: String,
        /// The dependency.
        need: Box<Action>,
        /// The variants; none = all.
        open: BTreeSet<Combination>,
    },
    /// Dependencies under variants that the package is not for.
    #[error("{}", undeclared(.package, .actions, *.written))]
    Undeclared {
        /// The package.
        package: String,
        /// By the path or FMRI that has the tag.
        actions: Undeclared,
        /// Whether they were written, not found out.
        written: bool,
    },
    /// Conditional dependencies that pkg(7) has no type for.
    #[error("{}", conditional(.pairs))]
    Conditional {
        /// The pairs, as they are told.
        pairs: Vec<String>,
    },
}

/// What was done that may not be wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A package out of many that would do does not, by another dependency.
    #[error("WARNING: package {} was ignored as it cannot satisfy all dependencies:\n{dependency}\n", .packages.join(", "))]
    Dropped {
        /// The packages.
        packages: Vec<String>,
        /// The dependency.
        dependency: Action,
    },
}

fn unresolved(path: &str, need: &Action, open: &BTreeSet<Combination>) -> String {
    let need = told::spread(need);
    if open.is_empty() {
        return format!("{path} has unresolved dependency '\n{need}'.");
    }
    format!(
        "{path} has unresolved dependency '\n{need}\n' under the following combinations of variants:\n{}",
        told::combinations(open, "\n")
    )
}

fn undeclared(package: &str, actions: &Undeclared, written: bool) -> String {
    let mut lines = String::new();
    for (action, difference) in actions {
        for name in &difference.names {
            lines.push_str(&format!("\t{action:15} Variant '{name}' is not declared.\n"));
        }
        for (name, value) in &difference.values {
            lines.push_str(&format!(
                "\t{action:15} Variant '{name}' is not declared to have value '{value}'.\n"
            ));
        }
    }
    if written {
        format!(
            "The package '{package}' contains manually specified dependencies\nwhich have variants set on them which are not set on the package.  These\nvariants must be set on the package or removed from the actions.\n\n{lines}"
        )
    } else {
        format!(
            "The package '{package}' contains actions with the\npaths seen below which have variants set on them which are not set on the\npackage.  These variants must be set on the package or removed from the actions.\n\n{lines}"
        )
    }
}

fn conditional(pairs: &[String]) -> String {
    let mut text = String::from(
        "pkgdepend has inferred conditional dependencies with different targets but\nwhich share a predicate.  pkg(7) can not represent these dependencies.  This\nissue can be resolved by changing the packaging of the links which generated the\nconditional dependencies so that they have different predicates or share the\nsame FMRI.  Each pair of problematic conditional dependencies follows:\n",
    );
    for (at, pair) in pairs.iter().enumerate() {
        text.push_str(&format!("Pair {}{pair}", at + 1));
    }
    text
}

/// What came out.
#[derive(Debug, Default)]
pub struct Resolved {
    /// For each manifest its dependencies.
    pub dependencies: Vec<Vec<Action>>,
    /// What could not be resolved.
    pub errors: Vec<ResolveError>,
    /// What else is to be told.
    pub warnings: Vec<Warning>,
    /// The stems of packages that were there for nothing.
    pub unused: BTreeSet<String>,
    /// The stems of packages that are depended on and were not among the manifests.
    pub external: BTreeSet<String>,
}

/// Resolves all; `installed` has nothing to say of packages that are among the subjects.
pub fn resolve(subjects: &[Subject], installed: &[Installed]) -> Result<Resolved, ResolveError> {
    let mut everything = Template::default();
    let mut names = Vec::new();
    for subject in subjects {
        everything.merge_values(&Template::of_manifest(&subject.manifest));
        let name = subject.manifest.property("pkg.fmri").unwrap_or(&subject.name);
        let refused = |source| ResolveError::Name { path: subject.path.clone(), source };
        names.push(Fmri::parse(name).map_err(refused)?);
    }
    let own: BTreeSet<&str> = names.iter().map(|fmri| fmri.name.as_str()).collect();
    let mut resolved = Resolved::default();
    let mut deliveries = Deliveries::default();
    for package in installed.iter().filter(|package| !own.contains(package.fmri.name.as_str())) {
        everything.merge_values(&Template::of_manifest(&package.manifest));
        // A dependency names no publisher.
        let fmri = Fmri { publisher: None, ..package.fmri.clone() };
        resolved.unused.insert(fmri.name.clone());
        deliveries.add(Side::Installed, fmri, &package.manifest);
    }
    if everything.size() > MOST {
        return Err(ResolveError::Variants);
    }
    for (subject, fmri) in subjects.iter().zip(&names) {
        deliveries.add(Side::Delivered, fmri.clone(), &subject.manifest);
    }
    deliveries.widen(&everything);
    for (subject, fmri) in subjects.iter().zip(&names) {
        let mut package = Template::of_manifest(&subject.manifest);
        package.merge_unknown(&everything);
        let named = subject.manifest.property("pkg.fmri").is_some();
        let one = Package { subject, fmri, named, variants: package };
        let actions = one.resolve(&deliveries, !installed.is_empty(), &mut resolved);
        let external = actions
            .iter()
            .filter(|action| {
                matches!(action.get("type"), Some("conditional" | "require" | "require-any"))
            })
            .flat_map(|action| action.values("fmri"))
            .filter_map(|text| Fmri::parse(text).ok())
            .filter(|fmri| !own.contains(fmri.name.as_str()));
        for fmri in external {
            resolved.unused.remove(&fmri.name);
            resolved.external.insert(fmri.name);
        }
        resolved.dependencies.push(actions);
    }
    Ok(resolved)
}

/// Whether an action is a dependency on a file.
fn is_file_need(action: &Action) -> bool {
    let names = [attribute::FILE, attribute::FULL_PATH];
    action.get("fmri") == Some(TO_BE_DONE)
        && names.iter().any(|name| action.attributes.contains_key(*name))
}

/// One of the subjects.
struct Package<'a> {
    subject: &'a Subject,
    fmri: &'a Fmri,
    named: bool,
    variants: Template,
}

impl Package<'_> {
    fn resolve(&self, deliveries: &Deliveries, installed: bool, to: &mut Resolved) -> Vec<Action> {
        let (needs, bad_needs) = self.split(true);
        let (written, bad_written) = self.split(false);
        let shown = match self.named {
            true => self.fmri.to_string(),
            false => self.subject.name.clone(),
        };
        for (actions, written) in [(bad_needs, false), (bad_written, true)] {
            if !actions.is_empty() {
                let package = shown.clone();
                to.errors.push(ResolveError::Undeclared { package, actions, written });
            }
        }
        let mut dependencies: Vec<Dependency> = written
            .into_iter()
            .map(|(action, tags)| Dependency { action, holds: Combinations::satisfied(tags) })
            .collect();
        for (need, tags) in needs {
            let asked = Combinations::open(tags);
            let (found, open) = find(deliveries, &need, &asked, installed);
            if found.is_empty() || !open.is_satisfied() {
                to.errors.push(ResolveError::Unresolved {
                    path: self.subject.path.clone(),
                    need: Box::new(need),
                    open: open.open_in(&self.variants),
                });
            }
            dependencies.extend(found);
        }
        let own = self.named.then_some(self.fmri);
        let combined = combine(dependencies, &self.variants, own);
        to.errors.extend(combined.errors);
        to.warnings.extend(combined.warnings);
        combined.actions
    }

    /// The dependencies of one kind without their tags, and those whose tags are undeclared.
    fn split(&self, file_needs: bool) -> (Vec<(Action, Template)>, Undeclared) {
        let (mut split, mut bad) = (Vec::new(), Undeclared::new());
        let depends = self.subject.manifest.of_kind(Kind::Depend);
        for action in depends.filter(|action| is_file_need(action) == file_needs) {
            let mut tags = Template::of_action(action);
            let difference = tags.difference(&self.variants);
            if difference != Difference::default() {
                let name = if file_needs { attribute::REASON } else { "fmri" };
                let known =
                    bad.entry(action.get(name).unwrap_or_default().to_string()).or_default();
                known.names.extend(difference.names);
                known.values.extend(difference.values);
                continue;
            }
            tags.merge_unknown(&self.variants);
            let mut action = action.clone();
            action.attributes.retain(|name, _| !name.starts_with("variant."));
            split.push((action, tags));
        }
        (split, bad)
    }
}

/// The dependencies without what only tells where they came from.
pub fn pruned(actions: &[Action]) -> Vec<Action> {
    actions.iter().map(told::without_debug).collect()
}
