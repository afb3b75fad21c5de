//! milestone.rs - svcadm milestone: which services are to run at all.
//!
//! The restarter's own instance holds it: options/milestone for good, options_ovr/milestone until
//! the next boot.

use smf_cmd::instance::MASTER_RESTARTER;
use smf_cmd::operand::service_of;
use smf_cmd::repository::{Repository, RepositoryError};
use smf_cmd::say;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};

use crate::options::MILESTONE_USAGE;

/// The milestones that are services.
const MILESTONES: [&str; 3] = [
    "svc:/milestone/single-user:default",
    "svc:/milestone/multi-user:default",
    "svc:/milestone/multi-user-server:default",
];

/// Prints the usage on standard error.
pub fn print_usage() {
    say::error(format_args!("{MILESTONE_USAGE}"));
    MILESTONES.iter().for_each(|milestone| say!("\t{milestone}"));
}

/// The milestone that a name stands for: `all`, `none`, or the end of one, or of its service, from
/// the beginning of an element on.
fn named(name: &str) -> Option<&str> {
    if matches!(name, "all" | "none") {
        return Some(name);
    }
    let fits = |milestone: &&&'static str| {
        let Some(at) = milestone.find(name).filter(|_| !name.is_empty()) else { return false };
        let rest = &milestone[at + name.len()..];
        (at == 0 || milestone.as_bytes()[at - 1] == b'/')
            && (rest.is_empty() || rest.starts_with(':'))
    };
    MILESTONES.iter().find(fits).copied()
}

/// Stores a milestone.
pub fn set(
    repository: &mut Repository,
    name: &str,
    for_good: bool,
    verbose: bool,
) -> Result<u8, RepositoryError> {
    let Some(milestone) = named(name) else {
        say!("\"{name}\" is not a valid major milestone.");
        print_usage();
        return Ok(2);
    };
    loop {
        let operations = operations(repository, milestone, for_good)?;
        match repository.carry_out(&operations) {
            Ok(()) => return Ok(0),
            // Somebody else was faster.
            Err(RepositoryError::Exists(_) | RepositoryError::NotFound(_)) => {}
            Err(RepositoryError::Denied) => {
                let why = if verbose { denied(&operations) } else { "Permission denied.".into() };
                say!("svcadm: {MASTER_RESTARTER}: {why}");
                return Ok(1);
            }
            Err(error) => return Err(error),
        }
    }
}

/// What could not be done.
fn denied(operations: &[Operation]) -> String {
    let what = operations.iter().find_map(|operation| match operation {
        Operation::AddGroup(_, group, _) => Some(format!("create \"{group}\" property group")),
        Operation::Set(_, group, name, _) => Some(format!("modify \"{group}/{name}\" property")),
        _ => None,
    });
    format!("Couldn't {} (permission denied).", what.unwrap_or_default())
}

/// The override goes in the commit that sets what it stood for.
fn operations(
    repository: &mut Repository,
    milestone: &str,
    for_good: bool,
) -> Result<Vec<Operation>, RepositoryError> {
    let fmri = || MASTER_RESTARTER.to_owned();
    let mut operations = Vec::new();
    let entities = repository.entities()?;
    let service = service_of(MASTER_RESTARTER);
    let instances = entities.get(service);
    if instances.is_none() {
        operations.push(Operation::Add(service.to_owned()));
    }
    let is_there = instances.is_some_and(|all| all.iter().any(|one| one == MASTER_RESTARTER));
    let groups = if is_there { repository.groups(MASTER_RESTARTER)? } else { <_>::default() };
    if !is_there {
        operations.push(Operation::Add(fmri()));
    }
    let (group, volatile) = if for_good { ("options", false) } else { ("options_ovr", true) };
    if !groups.contains_key(group) {
        let made = Group { kind: "framework".into(), volatile, ..Group::default() };
        operations.push(Operation::AddGroup(fmri(), group.into(), made));
    }
    let value = Property { kind: "astring".into(), values: vec![milestone.to_owned()] };
    operations.push(Operation::Set(fmri(), group.into(), "milestone".into(), value));
    let overridden =
        groups.get("options_ovr").is_some_and(|group| group.properties.contains_key("milestone"));
    if for_good && overridden {
        operations.push(Operation::Unset(fmri(), "options_ovr".into(), "milestone".into()));
    }
    Ok(operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected) in [
            ("all", Some("all")),
            ("none", Some("none")),
            ("single-user", Some(MILESTONES[0])),
            ("milestone/multi-user:default", Some(MILESTONES[1])),
            ("multi-user", Some(MILESTONES[1])),
            ("multi-user-server", Some(MILESTONES[2])),
            ("svc:/milestone/multi-user-server:default", Some(MILESTONES[2])),
            ("milestone/single-user", Some(MILESTONES[0])),
            ("user", None),
            ("multi", None),
            ("default", None),
            ("", None),
        ] {
            assert_eq!(named(name), expected, "{name}");
        }
    }
}
