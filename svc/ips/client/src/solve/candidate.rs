//! candidate.rs - a package version as the solver sees it: its name and what it asks of others.
//!
//! Made from the catalog's dependency part, so no manifest is read to solve.

use ips_model::action::{Action, Kind};
use ips_model::fmri::Fmri;

use crate::conditions::Conditions;

/// What a dependency asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// The target, at least in this version.
    Require,
    /// If the target is there, at least this version.
    Optional,
    /// If the target is there, a version that begins like this one.
    Incorporate,
    /// If the target is there, an older version; without version: not the target at all.
    Exclude,
    /// If the predicate is there, the target.
    Conditional,
    /// One of the targets.
    RequireAny,
    /// The target, unless there is none that can be.
    Group,
    /// One of the targets, unless there is none that can be.
    GroupAny,
}

/// One `depend` action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// What it asks.
    pub asks: Asks,
    /// Its targets: one, or several for the two kinds that take any.
    pub targets: Vec<Fmri>,
    /// The package on whose presence a conditional one depends.
    pub predicate: Option<Fmri>,
}

impl Dependency {
    /// Whether it brings packages into an image, rather than ruling versions out.
    pub fn pulls(&self) -> bool {
        match self.asks {
            Asks::Require | Asks::Conditional | Asks::RequireAny | Asks::Group | Asks::GroupAny => {
                true
            }
            Asks::Optional | Asks::Incorporate | Asks::Exclude => false,
        }
    }

    /// The word of its type.
    pub fn kind(&self) -> &'static str {
        match self.asks {
            Asks::Require => "require",
            Asks::Optional => "optional",
            Asks::Incorporate => "incorporate",
            Asks::Exclude => "exclude",
            Asks::Conditional => "conditional",
            Asks::RequireAny => "require-any",
            Asks::Group => "group",
            Asks::GroupAny => "group-any",
        }
    }

    /// Reads a depend action.  `None`: a kind that asks for no package (`origin` looks at what is
    /// installed, `parent` at a parent image) or one that does not parse.
    pub fn read(action: &Action) -> Option<Self> {
        let asks = match action.get("type")? {
            "require" => Asks::Require,
            "optional" => Asks::Optional,
            "incorporate" => Asks::Incorporate,
            "exclude" => Asks::Exclude,
            "conditional" => Asks::Conditional,
            "require-any" => Asks::RequireAny,
            "group" => Asks::Group,
            "group-any" => Asks::GroupAny,
            _ => return None,
        };
        let parsed = action.values("fmri").iter().map(|text| Fmri::parse(text));
        let targets = parsed.collect::<Result<Vec<Fmri>, _>>().ok()?;
        let predicate = action.get("predicate").and_then(|text| Fmri::parse(text).ok());
        Some(Self { asks, targets, predicate })
    }

    /// Whether a chosen version of a target's stem is one this dependency can live with.
    pub fn suits(&self, target: &Fmri, chosen: &Candidate) -> bool {
        let at_least = chosen.fmri.version >= target.version;
        match self.asks {
            Asks::Require | Asks::Optional => at_least,
            Asks::Incorporate => match (&target.version, &chosen.fmri.version) {
                (Some(wanted), Some(version)) => version.matches(wanted),
                (_, _) => true,
            },
            Asks::Exclude => chosen.obsolete || (target.version.is_some() && !at_least),
            // These ask for presence; what is present otherwise does not disturb them.
            Asks::Conditional | Asks::RequireAny | Asks::Group | Asks::GroupAny => true,
        }
    }
}

/// What a package asks of the parent image of its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    /// The package itself, in the same version.
    Same,
    /// This package, in this version or a newer one.
    AtLeast(Fmri),
}

/// The name that stands for the package itself.
const SELF: &str = "feature/package/dependency/self";

impl Parent {
    fn read(text: &str) -> Option<Self> {
        let fmri = Fmri::parse(text).ok()?;
        Some(if fmri.name == SELF { Self::Same } else { Self::AtLeast(fmri) })
    }
}

/// One version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name, with publisher and version.
    pub fmri: Fmri,
    /// What it asks of others, as far as the image's variants and facets let it.
    pub dependencies: Vec<Dependency>,
    /// It marks the end of its stem and delivers nothing.
    pub obsolete: bool,
    /// It only leads to its successor.
    pub renamed: bool,
    /// It is never pulled in, only asked for.
    pub explicit: bool,
    /// What must not be older than this where it is installed.
    pub origins: Vec<Fmri>,
    /// What the parent image must have, where there is one.
    pub parents: Vec<Parent>,
    /// The variant of the image it does not support.
    pub unsupported: Option<String>,
    /// The name under which its version is held while others are installed.
    pub hold: Option<String>,
}

impl Candidate {
    /// Reads a catalog entry's actions.
    pub fn read(fmri: &Fmri, actions: &[Action], conditions: &Conditions) -> Self {
        let taken = || actions.iter().filter(|action| conditions.allow(action));
        let value = |name: &str| {
            let mut sets = taken().filter(|action| action.kind == Kind::Set);
            sets.find(|action| action.key() == Some(name)).and_then(|action| action.get("value"))
        };
        let depends = || taken().filter(|action| action.kind == Kind::Depend);
        // An origin of the root image, or of firmware, says nothing of an alternate root.
        let origin = |action: &&Action| {
            action.get("type") == Some("origin") && action.get("root-image") != Some("true")
        };
        let origins = depends().filter(origin).flat_map(|action| action.values("fmri"));
        let origins = origins.filter_map(|text| Fmri::parse(text).ok());
        let parents = depends().filter(|action| action.get("type") == Some("parent"));
        let parents = parents.flat_map(|action| action.values("fmri"));
        Self {
            fmri: fmri.clone(),
            dependencies: depends().filter_map(Dependency::read).collect(),
            obsolete: value("pkg.obsolete") == Some("true"),
            renamed: value("pkg.renamed") == Some("true"),
            explicit: value("pkg.depend.explicit-install") == Some("true"),
            origins: origins.filter(|one| !one.name.starts_with("feature/")).collect(),
            parents: parents.filter_map(|text| Parent::read(text)).collect(),
            unsupported: conditions.unsupported(actions),
            hold: value("pkg.depend.install-hold").map(str::to_string),
        }
    }

    /// Whether it ties versions of others, so that it had better be chosen early.
    pub fn incorporates(&self) -> bool {
        self.dependencies.iter().any(|dependency| dependency.asks == Asks::Incorporate)
    }
}
