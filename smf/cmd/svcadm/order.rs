//! order.rs - what each verb writes.
//!
//! A permanent order sets general/enabled first and then takes the temporary one away, in this
//! order: in between, the instance is what the temporary order says, never something else.
//! Actions are properties of restarter_actions, named by the action, valued by the time.

use smf_cmd::instance::Instance;
use smf_cmd::repository::RepositoryError;
use smf_scf::import::merge::Property;

use crate::World;
use crate::options::Mark;

/// Why an order was not stored.
#[derive(Debug)]
pub enum OrderError {
    Repository(RepositoryError),
    Refused(String),
}

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Repository(error) => error.fmt(f),
            Self::Refused(text) => f.write_str(text),
        }
    }
}

impl From<RepositoryError> for OrderError {
    fn from(error: RepositoryError) -> Self {
        Self::Repository(error)
    }
}

/// Whether an instance is enabled or disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Enabled,
    Disabled,
}

fn boolean(value: bool) -> Property {
    Property { kind: "boolean".into(), values: vec![value.to_string()] }
}

/// Sets a property, making its volatile or persistent group if need be.
fn set(
    world: &mut World,
    fmri: &str,
    (group, volatile): (&str, bool),
    property: &str,
    value: &Property,
) -> Result<(), RepositoryError> {
    if !world.repository.groups(fmri)?.contains_key(group) {
        match world.repository.add_group(fmri, group, "framework", volatile) {
            // Somebody else was faster.
            Ok(()) | Err(RepositoryError::Exists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    world.repository.set(fmri, group, property, value)
}

/// Who asks: the restarter tells an administrator from a service by it.
fn auxiliary(world: &mut World, fmri: &str) -> Result<(), RepositoryError> {
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stdin());
    let actions = ("restarter_actions", true);
    set(world, fmri, actions, "auxiliary_tty", &boolean(terminal))?;
    // A command run by a method speaks for its service.
    let values = std::env::var("SMF_FMRI").into_iter().collect();
    let caller = Property { kind: "astring".into(), values };
    set(world, fmri, actions, "auxiliary_fmri", &caller)
}

/// Stores whether an instance is enabled.
pub fn wish(world: &mut World, fmri: &str, wish: Wish, temporary: bool) -> Result<(), OrderError> {
    auxiliary(world, fmri)?;
    let value = boolean(wish == Wish::Enabled);
    if temporary {
        let managed = world.repository.groups(fmri)?;
        let managed = managed.get("general").is_some_and(|g| g.properties.contains_key("enabled"));
        if !managed {
            set(world, fmri, ("general", false), "enabled", &boolean(false))?;
        }
        set(world, fmri, ("general_ovr", true), "enabled", &value)?;
    } else {
        set(world, fmri, ("general", false), "enabled", &value)?;
        let groups = world.repository.groups(fmri)?;
        if groups.get("general_ovr").is_some_and(|group| group.properties.contains_key("enabled")) {
            match world.repository.unset(fmri, "general_ovr", "enabled") {
                Ok(()) | Err(RepositoryError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    if world.verbose {
        let adverb = if temporary { "temporarily " } else { "" };
        let done = if wish == Wish::Enabled { "enabled" } else { "disabled" };
        println!("{fmri} {adverb}{done}.");
    }
    Ok(())
}

/// svcadm disable.
pub fn disable(world: &mut World, fmri: &str, temporary: bool) -> Result<(), OrderError> {
    wish(world, fmri, Wish::Disabled, temporary)
}

/// Stores an action.
pub fn action(world: &mut World, fmri: &str, action: &str) -> Result<(), OrderError> {
    auxiliary(world, fmri)?;
    world.repository.order(fmri, action)?;
    if world.verbose {
        println!("Action {action} set for {fmri}.");
    }
    Ok(())
}

/// svcadm restart.
pub fn restart(world: &mut World, fmri: &str, dump: bool) -> Result<(), OrderError> {
    if dump {
        action(world, fmri, "do_dump")?;
    }
    action(world, fmri, "restart")
}

/// svcadm clear.
pub fn clear(world: &mut World, fmri: &str) -> Result<(), OrderError> {
    let instance = Instance::read(&mut world.repository, fmri)?;
    match instance.state() {
        Some("maintenance") => action(world, fmri, "maint_off"),
        Some("degraded") => action(world, fmri, "restore"),
        _ => Err(OrderError::Refused(format!(
            "Instance \"{fmri}\" is not in a maintenance or degraded state."
        ))),
    }
}

/// svcadm mark.
pub fn mark(world: &mut World, fmri: &str, state: Mark) -> Result<(), OrderError> {
    match state {
        Mark::Maintenance => action(world, fmri, "maint_on"),
        Mark::Degraded => {
            let instance = Instance::read(&mut world.repository, fmri)?;
            if instance.state() != Some("online") {
                return Err(OrderError::Refused(format!("Instance \"{fmri}\" is not online.")));
            }
            action(world, fmri, "degraded")
        }
    }
}
