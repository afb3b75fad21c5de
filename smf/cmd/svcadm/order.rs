//! order.rs - what each verb writes.
//!
//! ```text
//! general/enabled, general/comment            the permanent wish
//! general_ovr/enabled, general_ovr/comment    the temporary one, which counts while it stands
//! restarter_actions/<order>                   the time it was given
//! restarter_actions/auxiliary_tty, _fmri      who gave it: the restarter tells an administrator
//!                                             from a service by it
//! ```
//!
//! A permanent wish takes the temporary one away, both in one commit: at no instant is the
//! instance anything but what one of the two said.  What one instance may not be told does not
//! stop the others.

use smf_cmd::clock;
use smf_cmd::instance::Instance;
use smf_cmd::operand::{self, Wanted};
use smf_cmd::repository::RepositoryError;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Groups, Property};

use crate::World;
use crate::options::Mark;

const ACTIONS: &str = "restarter_actions";

/// Whether an instance is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub enabled: bool,
    pub temporary: bool,
    /// Why not.
    pub comment: Option<String>,
}

/// What a restarter is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Restart,
    Dump,
    Refresh,
    Clear,
    Restore,
    Maintain { immediate: bool, temporary: bool },
    Degrade { immediate: bool },
}

impl Order {
    /// The property that stands for it.
    fn property(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Dump => "do_dump",
            Self::Refresh => "refresh",
            Self::Clear => "maint_off",
            Self::Restore => "restore",
            Self::Maintain { immediate: false, temporary: false } => "maint_on",
            Self::Maintain { immediate: false, temporary: true } => "maint_on_temporary",
            Self::Maintain { immediate: true, temporary: false } => "maint_on_immediate",
            Self::Maintain { immediate: true, temporary: true } => "maint_on_immtemp",
            Self::Degrade { immediate: false } => "degraded",
            Self::Degrade { immediate: true } => "degrade_immediate",
        }
    }
}

fn property(kind: &str, values: Vec<String>) -> Property {
    Property { kind: kind.into(), values }
}

fn boolean(value: bool) -> Property {
    property("boolean", vec![value.to_string()])
}

fn set(fmri: &str, group: &str, name: &str, value: Property) -> Operation {
    Operation::Set(fmri.into(), group.into(), name.into(), value)
}

fn unset(fmri: &str, group: &str, name: &str) -> Operation {
    Operation::Unset(fmri.into(), group.into(), name.into())
}

/// Makes a group of type framework, unless it is there.
fn make(fmri: &str, groups: &Groups, group: &str, volatile: bool) -> Option<Operation> {
    let made = Group { kind: "framework".into(), volatile, ..Group::default() };
    let absent = !groups.contains_key(group);
    absent.then(|| Operation::AddGroup(fmri.into(), group.into(), made))
}

/// Who asks.
fn auxiliary(fmri: &str, groups: &Groups) -> Vec<Operation> {
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stdin());
    // A command that a method runs speaks for its service.
    let caller = std::env::var("SMF_FMRI").into_iter().filter(|fmri| !fmri.is_empty()).collect();
    let mut operations: Vec<Operation> = make(fmri, groups, ACTIONS, true).into_iter().collect();
    operations.push(set(fmri, ACTIONS, "auxiliary_tty", boolean(terminal)));
    operations.push(set(fmri, ACTIONS, "auxiliary_fmri", property("astring", caller)));
    operations
}

/// What `wish` writes, given the instance's own groups.
fn wished(fmri: &str, groups: &Groups, wish: &Wish) -> Vec<Operation> {
    let has = |group: &str, name: &str| {
        groups.get(group).is_some_and(|group| group.properties.contains_key(name))
    };
    let mut operations: Vec<Operation> = make(fmri, groups, "general", false).into_iter().collect();
    let group = if wish.temporary { "general_ovr" } else { "general" };
    if wish.temporary {
        // Without general/enabled nobody would manage it.
        if !has("general", "enabled") {
            operations.push(set(fmri, "general", "enabled", boolean(false)));
        }
        operations.extend(make(fmri, groups, "general_ovr", true));
    }
    operations.push(set(fmri, group, "enabled", boolean(wish.enabled)));
    // What was said of an earlier wish is no longer true.
    if wish.comment.is_some() || has(group, "comment") {
        let comment = wish.comment.clone().unwrap_or_default();
        operations.push(set(fmri, group, "comment", property("astring", vec![comment])));
    }
    if !wish.temporary {
        for name in ["enabled", "comment"].into_iter().filter(|name| has("general_ovr", name)) {
            operations.push(unset(fmri, "general_ovr", name));
        }
    }
    operations
}

/// What is refused, for a message.
#[derive(Clone, Copy)]
enum Target<'a> {
    Group(&'a str),
    Property(&'a str, &'a str),
    NewGroup(&'a str),
}

impl World {
    /// Carries out what depends on the instance's own groups; somebody else may be faster, and
    /// then it is looked at again.  Whether it is done; otherwise something was said.
    fn commit(
        &mut self,
        fmri: &str,
        target: Target<'_>,
        plan: impl Fn(&Groups) -> Vec<Operation>,
    ) -> Result<bool, RepositoryError> {
        loop {
            let groups = match self.repository.groups(fmri) {
                Ok(groups) => groups,
                Err(error) => return self.refused(fmri, target, error).map(|()| false),
            };
            match self.repository.carry_out(&plan(&groups)) {
                Ok(()) => return Ok(true),
                Err(RepositoryError::Exists(_) | RepositoryError::NotFound(_)) => {}
                Err(error) => {
                    let target = match target {
                        Target::Property(group, _) if !groups.contains_key(group) => {
                            Target::NewGroup(group)
                        }
                        other => other,
                    };
                    return self.refused(fmri, target, error).map(|()| false);
                }
            }
        }
    }

    fn refused(
        &mut self,
        fmri: &str,
        target: Target<'_>,
        error: RepositoryError,
    ) -> Result<(), RepositoryError> {
        let message = match (error, self.verbose) {
            (RepositoryError::Denied, false) => format!("{fmri}: Permission denied."),
            (RepositoryError::Denied, true) => {
                let what = match target {
                    Target::Group(group) => format!("modify \"{group}\" property group"),
                    Target::Property(group, name) => format!("modify \"{group}/{name}\" property"),
                    Target::NewGroup(group) => format!("create \"{group}\" property group"),
                };
                format!("{fmri}: Couldn't {what} (permission denied).")
            }
            (RepositoryError::ReadOnly, false) => format!("{fmri}: Repository read-only."),
            (RepositoryError::ReadOnly, true) => {
                let what = match target {
                    Target::Group(group) => format!("{group}/enabled"),
                    Target::Property(group, name) => format!("{group}/{name}"),
                    Target::NewGroup(group) => group.to_owned(),
                };
                format!("{fmri}: Could not set {what} (repository read-only).")
            }
            // Deleted since it was found.
            (RepositoryError::NotFound(_), _) => operand::no_match(fmri, Wanted::Instances),
            (other, _) => return Err(other),
        };
        self.complain(&message);
        Ok(())
    }

    /// The instance; none when it is gone, and that was said.
    fn read(&mut self, fmri: &str) -> Result<Option<Instance>, RepositoryError> {
        match Instance::read(&mut self.repository, fmri) {
            Ok(instance) => Ok(Some(instance)),
            Err(error) => self.refused(fmri, Target::Group("restarter"), error).map(|()| None),
        }
    }
}

/// Stores whether an instance is enabled.
pub fn wish(world: &mut World, fmri: &str, wish: &Wish) -> Result<(), RepositoryError> {
    let who = Target::Property(ACTIONS, "auxiliary_tty");
    if !world.commit(fmri, who, |groups| auxiliary(fmri, groups))? {
        return Ok(());
    }
    let target = Target::Group(if wish.temporary { "general_ovr" } else { "general" });
    if world.commit(fmri, target, |groups| wished(fmri, groups, wish))? && world.verbose {
        let adverb = if wish.temporary { "temporarily " } else { "" };
        let done = if wish.enabled { "enabled" } else { "disabled" };
        println!("{fmri} {adverb}{done}.");
    }
    Ok(())
}

/// Stores an order.
pub fn act(world: &mut World, fmri: &str, order: Order) -> Result<(), RepositoryError> {
    let name = order.property();
    let plan = |groups: &Groups| {
        let mut operations = auxiliary(fmri, groups);
        let time = property("integer", vec![clock::monotonic_ns().to_string()]);
        operations.push(set(fmri, ACTIONS, name, time));
        operations
    };
    if world.commit(fmri, Target::Property(ACTIONS, name), plan)? && world.verbose {
        println!("Action {name} set for {fmri}.");
    }
    Ok(())
}

/// svcadm clear.
pub fn clear(world: &mut World, fmri: &str) -> Result<(), RepositoryError> {
    let Some(instance) = world.read(fmri)? else { return Ok(()) };
    match instance.state() {
        Some("maintenance") => act(world, fmri, Order::Clear),
        Some("degraded") => act(world, fmri, Order::Restore),
        Some(_) | None => {
            let text = "is not in a maintenance or degraded state.";
            world.complain(&format!("Instance \"{fmri}\" {text}"));
            Ok(())
        }
    }
}

/// svcadm mark.
pub fn mark(
    world: &mut World,
    fmri: &str,
    state: Mark,
    immediate: bool,
    temporary: bool,
) -> Result<(), RepositoryError> {
    if state == Mark::Maintenance {
        return act(world, fmri, Order::Maintain { immediate, temporary });
    }
    let Some(instance) = world.read(fmri)? else { return Ok(()) };
    if instance.state() == Some("online") {
        return act(world, fmri, Order::Degrade { immediate });
    }
    world.complain(&format!("Instance \"{fmri}\" is not online."));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FMRI: &str = "svc:/a:b";

    fn groups(properties: &[(&str, &str)]) -> Groups {
        let mut groups = Groups::new();
        for (group, name) in properties {
            let group = groups.entry((*group).to_owned()).or_default();
            group.properties.insert((*name).to_owned(), boolean(true));
        }
        groups
    }

    fn said(operations: &[Operation]) -> String {
        let one = |operation: &Operation| match operation {
            Operation::AddGroup(_, group, made) => {
                format!("+{group}{}", if made.volatile { "!" } else { "" })
            }
            Operation::Set(_, group, name, value) => {
                format!("{group}/{name}={}", value.values.join(" "))
            }
            Operation::Unset(_, group, name) => format!("-{group}/{name}"),
            other => panic!("{other:?}"),
        };
        operations.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn wishes() {
        let enable = |temporary| Wish { enabled: true, temporary, comment: None };
        let disable = |temporary, comment: Option<&str>| Wish {
            enabled: false,
            temporary,
            comment: comment.map(str::to_owned),
        };
        for (before, wish, expected) in [
            (&[][..], enable(false), "+general general/enabled=true"),
            (&[("general", "enabled")], enable(false), "general/enabled=true"),
            (
                &[("general", "enabled"), ("general_ovr", "enabled"), ("general_ovr", "comment")],
                enable(false),
                "general/enabled=true -general_ovr/enabled -general_ovr/comment",
            ),
            (
                &[],
                enable(true),
                "+general general/enabled=false +general_ovr! general_ovr/enabled=true",
            ),
            (
                &[("general", "enabled")],
                disable(false, Some("why")),
                "general/enabled=false general/comment=why",
            ),
            (
                &[("general", "enabled"), ("general", "comment")],
                enable(false),
                "general/enabled=true general/comment=",
            ),
            (
                &[("general", "enabled")],
                disable(true, Some("why")),
                "+general_ovr! general_ovr/enabled=false general_ovr/comment=why",
            ),
        ] {
            assert_eq!(
                said(&wished(FMRI, &groups(before), &wish)),
                expected,
                "{before:?} {wish:?}"
            );
        }
    }

    #[test]
    fn every_order_has_a_property_of_its_own() {
        let flags = [false, true];
        let mut all =
            vec![Order::Restart, Order::Dump, Order::Refresh, Order::Clear, Order::Restore];
        for immediate in flags {
            all.push(Order::Degrade { immediate });
            all.extend(flags.map(|temporary| Order::Maintain { immediate, temporary }));
        }
        let names: std::collections::BTreeSet<_> =
            all.iter().map(|order| order.property()).collect();
        assert_eq!(names.len(), all.len());
    }
}
