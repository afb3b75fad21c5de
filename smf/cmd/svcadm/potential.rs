//! potential.rs - whether an instance can come to run at all, as things are configured.
//!
//! A walk of svcadm's own, not the restarter's: what is disabled or in maintenance is bad for who
//! requires it; what is not there is good for whoever needs or excludes nothing of it, since the
//! restarter will tell.  Files count as they are.
//!
//! | | disabled, maintenance | offline | running | absent | service without instances |
//! |---|---|---|---|---|---|
//! | require | bad | as its own | good | good | bad |
//! | optional | good | good | good | good | good |
//! | exclude | good | bad | bad | bad | good |
//! | restarter | bad | as its own | good | bad | bad |

use std::collections::HashMap;
use std::io::ErrorKind;

use smf_cmd::instance::{Dependency, Depth, Instance, MASTER_RESTARTER};
use smf_cmd::operand::{self, Entities, service_of};
use smf_cmd::repository::{Repository, RepositoryError};
use smf_cmd::say;

/// Whether the restarter of an instance works, or could.
pub fn has_restarter(
    repository: &mut Repository,
    instance: &Instance,
) -> Result<bool, RepositoryError> {
    if instance.restarter() == MASTER_RESTARTER {
        return Ok(true);
    }
    let known = Known::read(repository, instance)?;
    Ok(known.restarter(instance, &known.verdicts(&instance.fmri)))
}

/// Whether the restarter and the dependencies of an instance can be met.
pub fn can_run(repository: &mut Repository, instance: &Instance) -> Result<bool, RepositoryError> {
    let known = Known::read(repository, instance)?;
    let verdicts = known.verdicts(&instance.fmri);
    Ok(verdicts.get(instance.fmri.as_str()).copied().unwrap_or(true))
}

/// Verdicts on instances that are neither running nor settled; who is not among them is being
/// looked at, and counts as good.
type Verdicts<'a> = HashMap<&'a str, bool>;

/// The instances the walk comes to.
struct Known {
    entities: Entities,
    instances: HashMap<String, Instance>,
}

/// What one instance is for a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Disabled,
    Maintenance,
    Running,
    Offline,
    /// Neither, and it depends.
    Open,
}

fn standing(instance: &Instance) -> Standing {
    if instance.effectively_enabled() != Some(true) {
        return Standing::Disabled;
    }
    match instance.state() {
        Some("maintenance") => Standing::Maintenance,
        Some("online" | "degraded") => Standing::Running,
        Some("offline") => Standing::Offline,
        Some(_) | None => Standing::Open,
    }
}

/// Whether it depends on its own dependencies what an instance is for others.
fn is_open(instance: &Instance) -> bool {
    matches!(standing(instance), Standing::Offline | Standing::Open)
}

/// The instances of a service, or an instance; none when it is not there.
fn members<'a>(fmri: &str, entities: &'a Entities) -> Option<&'a [String]> {
    let instances = entities.get(service_of(fmri))?;
    match operand::is_instance(fmri) {
        false => Some(instances),
        true => {
            let at = instances.binary_search_by(|instance| instance.as_str().cmp(fmri)).ok()?;
            Some(&instances[at..=at])
        }
    }
}

fn neighbours(instance: &Instance, entities: &Entities) -> Vec<String> {
    let services = instance.dependencies().into_iter().filter(|d| d.kind == "service");
    let named = services.flat_map(|dependency| dependency.entities);
    let all = named.chain([instance.restarter().to_owned()]);
    let fmris = all.filter_map(|entity| operand::canonical(&entity));
    fmris.flat_map(|fmri| members(&fmri, entities).unwrap_or_default().to_vec()).collect()
}

impl Known {
    /// Reads what the walk comes to.
    fn read(repository: &mut Repository, start: &Instance) -> Result<Self, RepositoryError> {
        let entities = repository.entities()?;
        let next = |instance: &Instance| match is_open(instance) || instance.fmri == start.fmri {
            true => neighbours(instance, &entities),
            false => Vec::new(),
        };
        let from = [start.fmri.clone()];
        let mut instances = Instance::within_reach(repository, &from, Depth::Causes, next)?;
        // As the caller saw it.
        instances.insert(start.fmri.clone(), start.clone());
        Ok(Self { entities, instances })
    }

    fn members(&self, fmri: &str) -> Option<&[String]> {
        members(fmri, &self.entities)
    }

    /// Judges what the walk comes to, the farthest first.
    fn verdicts(&self, start: &str) -> Verdicts<'_> {
        let mut verdicts = Verdicts::new();
        let mut entered = std::collections::HashSet::new();
        let mut path: Vec<(&Instance, Vec<String>)> = Vec::new();
        let mut enter = |fmri: &str, path: &mut Vec<_>, forced: bool| {
            let Some(instance) = self.instances.get(fmri) else { return };
            if (is_open(instance) || forced) && entered.insert(fmri.to_owned()) {
                path.push((instance, neighbours(instance, &self.entities)));
            }
        };
        enter(start, &mut path, true);
        while let Some((instance, neighbours)) = path.last_mut() {
            match neighbours.pop() {
                Some(next) => enter(&next, &mut path, false),
                None => {
                    verdicts.insert(instance.fmri.as_str(), self.judge(instance, &verdicts));
                    path.pop();
                }
            }
        }
        verdicts
    }

    fn judge(&self, instance: &Instance, verdicts: &Verdicts<'_>) -> bool {
        let mut dependencies = instance.dependencies().into_iter();
        self.restarter(instance, verdicts) && dependencies.all(|d| self.satisfiable(&d, verdicts))
    }

    fn restarter(&self, instance: &Instance, verdicts: &Verdicts<'_>) -> bool {
        let restarter = instance.restarter();
        if restarter == MASTER_RESTARTER {
            return true;
        }
        let members = operand::canonical(restarter);
        let members = members.and_then(|fmri| self.members(&fmri)).unwrap_or_default();
        members.iter().any(|member| self.is_good(member, "require_all", verdicts))
    }

    fn satisfiable(&self, dependency: &Dependency, verdicts: &Verdicts<'_>) -> bool {
        let grouping = dependency.grouping.as_str();
        let good = |entity: &String| match dependency.kind.as_str() {
            "path" => is_file_good(entity, grouping == "exclude_all"),
            _ => self.is_entity_good(entity, grouping, verdicts),
        };
        match (grouping, dependency.kind.as_str()) {
            ("require_any", "path" | "service") => {
                dependency.entities.is_empty() || dependency.entities.iter().any(good)
            }
            ("require_all" | "optional_all" | "exclude_all", "path" | "service") => {
                dependency.entities.iter().all(good)
            }
            // The restarter will say what is wrong with it.
            _ => true,
        }
    }

    fn is_entity_good(&self, entity: &str, grouping: &str, verdicts: &Verdicts<'_>) -> bool {
        let fmri = operand::canonical(entity);
        let Some(members) = fmri.as_deref().and_then(|fmri| self.members(fmri)) else {
            return grouping != "exclude_all";
        };
        let good = |member: &String| self.is_good(member, grouping, verdicts);
        match grouping {
            "exclude_all" => members.iter().all(good),
            "optional_all" => {
                let runs = |member: &String| {
                    let found = self.instances.get(member);
                    found.is_some_and(|instance| standing(instance) == Standing::Running)
                };
                members.iter().any(runs) || members.iter().all(good)
            }
            _ => members.iter().any(good),
        }
    }

    fn is_good(&self, fmri: &str, grouping: &str, verdicts: &Verdicts<'_>) -> bool {
        // Deleted since the list was read.
        let Some(instance) = self.instances.get(fmri) else { return grouping != "exclude_all" };
        let open = || verdicts.get(fmri).copied().unwrap_or(true);
        match (standing(instance), grouping) {
            (Standing::Disabled | Standing::Maintenance, "optional_all" | "exclude_all") => true,
            (Standing::Disabled | Standing::Maintenance, _) => false,
            (Standing::Running | Standing::Offline | Standing::Open, "exclude_all") => false,
            (Standing::Running, _) | (Standing::Offline, "optional_all") => true,
            (Standing::Offline | Standing::Open, _) => open(),
        }
    }
}

fn is_file_good(fmri: &str, excluded: bool) -> bool {
    let Some(path) = operand::file_path(fmri) else { return !excluded };
    match path.metadata() {
        Ok(_) => !excluded,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            say!("svcadm: Unable to access \"{}\".", path.display());
            false
        }
        Err(_) => excluded,
    }
}
