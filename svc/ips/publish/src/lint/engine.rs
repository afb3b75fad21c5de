//! engine.rs - a run of all checks over all packages.

use std::collections::BTreeSet;

use ips_model::action::Action;

use super::checks::{ALL, Check, Looks};
use super::log::{Ambiguous, Log, action_waves, package_waves};
use super::package::World;
use super::seeds::{Seeds, Thing};
use super::{Classification, Config, Level, Package};

/// What a run needs beside packages.
#[derive(Debug)]
pub struct Setup<'a> {
    /// pkglintrc.
    pub config: &'a Config,
    /// The least severe level that is told.
    pub least: Level,
    /// The values that `info.classification` may have.
    pub classification: Classification,
}

/// Things that were told once are not told again.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) things: BTreeSet<(Thing, String)>,
    pub(super) counted: BTreeSet<String>,
    pub(super) overlays: BTreeSet<String>,
    pub(super) types: BTreeSet<String>,
    pub(super) links: BTreeSet<String>,
    pub(super) leaves: BTreeSet<String>,
    pub(super) missing: BTreeSet<String>,
    pub(super) classification: bool,
}

/// A run.
pub(super) struct Run<'a> {
    pub(super) world: &'a World,
    pub(super) setup: &'a Setup<'a>,
    pub(super) seeds: Seeds<'a>,
    pub(super) log: Log<'a>,
    pub(super) done: Done,
    pub(super) any_publisher: bool,
    /// The check that is being made.
    id: &'static str,
}

/// Checks the packages and tells each finding to `out`; whether there was none worse than a
/// warning.
pub fn run<'a>(world: &'a World, setup: &'a Setup<'a>, out: &'a mut dyn FnMut(&str)) -> bool {
    let config = setup.config;
    let mut run = Run {
        world,
        setup,
        seeds: Seeds::new(world, config),
        log: Log::new(setup.least, config.tells_linted(), out),
        done: Done::default(),
        any_publisher: config.any_publisher(),
        id: "",
    };
    let made: Vec<&Check> = ALL.iter().filter(|check| !config.excludes(check.method)).collect();
    for package in world.checked() {
        run.package(package, &made);
    }
    !run.log.failed
}

impl<'a> Run<'a> {
    fn package(&mut self, package: &'a Package, made: &[&Check]) {
        self.log.about(package, None);
        self.log.tell(Level::Debug, "pkglint001.3", &format!("Checking {}", package.fmri));
        for check in made {
            if let Looks::Manifest(looks) = check.looks {
                self.log.about(package, None);
                self.id = check.id;
                looks(self, package);
            }
        }
        for action in &package.manifest.actions {
            for check in made {
                if let Looks::Action(looks) = check.looks {
                    self.log.about(package, Some(action));
                    self.id = check.id;
                    looks(self, package, action);
                }
            }
        }
    }

    /// The check's id with the number of a finding; 0 = none.
    pub(super) fn id(&self, finding: u8) -> String {
        match finding {
            0 => self.id.to_string(),
            finding => format!("{}.{finding}", self.id),
        }
    }

    pub(super) fn error(&mut self, finding: u8, text: impl AsRef<str>) {
        let id = self.id(finding);
        self.log.tell(Level::Error, &id, text.as_ref());
    }

    pub(super) fn warning(&mut self, finding: u8, text: impl AsRef<str>) {
        let id = self.id(finding);
        self.log.tell(Level::Warning, &id, text.as_ref());
    }

    /// Whether the packager waved a finding aside, on the action or on the package.
    pub(super) fn waves(
        &mut self,
        package: Option<&Package>,
        action: Option<&Action>,
        id: &str,
    ) -> bool {
        let by_action = action.map_or(Ok(false), |action| action_waves(action, id));
        let by_package = || package.map_or(Ok(false), |package| package_waves(package, id));
        match by_action.and_then(|waves| Ok(waves || by_package()?)) {
            Ok(waves) => waves,
            Err(Ambiguous(what)) => {
                self.log.tell_always(Level::Error, "pkglint001.6", &what);
                false
            }
        }
    }

    /// A parameter of a check: on the package, the action, or in pkglintrc.
    pub(super) fn parameter(
        &self,
        name: &str,
        package: &Package,
        action: &Action,
    ) -> Option<String> {
        let own = format!("pkg.lint.{name}");
        let of_package = package.attributes.get(&own).filter(|values| !values.is_empty());
        let of_action = action.attributes.get(&own);
        match of_package.or(of_action) {
            Some(values) => Some(values.join(" ")),
            None => self.setup.config.get(name),
        }
    }
}
