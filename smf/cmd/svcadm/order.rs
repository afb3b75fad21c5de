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

use std::collections::HashMap;

use smf_cmd::clock;
use smf_cmd::operand;
use smf_cmd::repository::RepositoryError;
use smf_cmd::say;
use smf_cmd::states::{self, State};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Groups, Property};
use smf_scf::protocol::{Choice, Wanted};

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
            (RepositoryError::NotFound(_), _) => {
                operand::no_match(fmri, operand::Wanted::Instances)
            }
            (other, _) => return Err(other),
        };
        self.complain(&message);
        Ok(())
    }
}

/// What one instance is told.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    Wish(&'a Wish),
    Orders(&'a [Order]),
}

/// A step of what svcadm does.
#[derive(Debug)]
pub enum Deed<'a> {
    Tell(String, Told<'a>),
    /// Said on standard error; whether it makes the status 1.
    Say {
        text: String,
        fails: bool,
    },
    /// Said on standard output.
    Show(String),
}

/// So many instances are told in one transaction.
const TOGETHER: usize = 256;

impl Told<'_> {
    /// All that it writes.
    fn operations(self, fmri: &str, groups: &Groups) -> Vec<Operation> {
        let mut operations = auxiliary(fmri, groups);
        match self {
            Told::Wish(wish) => operations.extend(wished(fmri, groups, wish)),
            Told::Orders(orders) => {
                operations.extend(orders.iter().map(|order| ordered(fmri, *order)));
            }
        }
        operations
    }

    /// What -v says of it.
    fn report(self, fmri: &str) {
        match self {
            Told::Wish(wish) => {
                let adverb = if wish.temporary { "temporarily " } else { "" };
                let done = if wish.enabled { "enabled" } else { "disabled" };
                say::done(format_args!("{fmri} {adverb}{done}.\n"));
            }
            Told::Orders(orders) => {
                orders.iter().for_each(|order| {
                    say::done(format_args!("Action {} set for {fmri}.\n", order.property()))
                });
            }
        }
    }
}

/// The order itself, at this moment.
fn ordered(fmri: &str, order: Order) -> Operation {
    let time = property("integer", vec![clock::monotonic_ns().to_string()]);
    set(fmri, ACTIONS, order.property(), time)
}

/// Does what is to be done, in order.  Many instances are told at once; where that is refused, each
/// by itself, so that it can be said what is wrong with which.
pub fn carry_out(world: &mut World, deeds: &[Deed<'_>]) -> Result<(), RepositoryError> {
    for turn in deeds.chunks(TOGETHER) {
        let done = world.together(turn)?;
        for deed in turn {
            match deed {
                Deed::Tell(fmri, told) if done => {
                    if world.verbose {
                        told.report(fmri);
                    }
                }
                Deed::Tell(fmri, told) => alone(world, fmri, *told)?,
                Deed::Say { text, fails: true } => world.complain(text),
                Deed::Say { text, fails: false } => say!("svcadm: {text}"),
                Deed::Show(text) => say::done(format_args!("{text}\n")),
            }
        }
    }
    Ok(())
}

impl World {
    /// Tells all in one transaction; false if nothing was done.
    fn together(&mut self, deeds: &[Deed<'_>]) -> Result<bool, RepositoryError> {
        let told = deeds.iter().filter_map(|deed| match deed {
            Deed::Tell(fmri, told) => Some((fmri, *told)),
            Deed::Say { .. } | Deed::Show(_) => None,
        });
        let fmris: Vec<String> = told.clone().map(|(fmri, _)| fmri.clone()).collect();
        if fmris.is_empty() {
            return Ok(true);
        }
        let looked_at = ["general", "general_ovr", ACTIONS].map(|name| Wanted::Group(name.into()));
        let found = self.repository.own(&fmris, &Choice::These(looked_at.to_vec()))?;
        if found.len() != fmris.len() {
            return Ok(false);
        }
        let operations: Vec<Operation> = told
            .zip(&found)
            .flat_map(|((fmri, told), (_, groups))| told.operations(fmri, groups))
            .collect();
        // Whatever it is, it is said of the one it is about.
        Ok(self.repository.carry_out(&operations).is_ok())
    }
}

/// Tells one instance, and says what is wrong.
fn alone(world: &mut World, fmri: &str, told: Told<'_>) -> Result<(), RepositoryError> {
    let who = Target::Property(ACTIONS, "auxiliary_tty");
    let done = match told {
        Told::Wish(wish) => {
            let group = if wish.temporary { "general_ovr" } else { "general" };
            world.commit(fmri, who, |groups| auxiliary(fmri, groups))?
                && world.commit(fmri, Target::Group(group), |groups| wished(fmri, groups, wish))?
        }
        Told::Orders(orders) => {
            let name = orders.first().map_or("", |order| order.property());
            let target = Target::Property(ACTIONS, name);
            world.commit(fmri, target, |groups| told.operations(fmri, groups))?
        }
    };
    if done && world.verbose {
        told.report(fmri);
    }
    Ok(())
}

/// Tells what fits the state an instance is in, or says that nothing does.
fn by_state<'a>(
    world: &mut World,
    fmris: &[String],
    fits: impl Fn(Option<&State>) -> Option<&'a [Order]>,
    otherwise: &str,
) -> Result<(), RepositoryError> {
    let found = states::read(&mut world.repository, Some(fmris), None)?;
    let by_name: HashMap<&str, &State> =
        found.iter().map(|state| (state.fmri.as_str(), state)).collect();
    let deed = |fmri: &String| {
        let say = |text: String| Deed::Say { text, fails: true };
        match by_name.get(fmri.as_str()).copied() {
            Some(state) if state.state.is_empty() => {
                say(format!("{fmri} is misconfigured (lacks \"restarter\" property group)."))
            }
            state => match fits(state) {
                Some(orders) => Deed::Tell(fmri.clone(), Told::Orders(orders)),
                None => say(format!("Instance \"{fmri}\" {otherwise}")),
            },
        }
    };
    let deeds: Vec<Deed<'_>> = fmris.iter().map(deed).collect();
    carry_out(world, &deeds)
}

/// Tells all the same.
pub fn tell(world: &mut World, fmris: &[String], told: Told<'_>) -> Result<(), RepositoryError> {
    let deeds: Vec<_> = fmris.iter().map(|fmri| Deed::Tell(fmri.clone(), told)).collect();
    carry_out(world, &deeds)
}

/// svcadm clear.
pub fn clear(world: &mut World, fmris: &[String]) -> Result<(), RepositoryError> {
    let fits = |state: Option<&State>| match state.map(|state| state.state.as_str()) {
        // One that is gone is told, and that is refused.
        Some("maintenance") | None => Some(&[Order::Clear][..]),
        Some("degraded") => Some(&[Order::Restore][..]),
        Some(_) => None,
    };
    by_state(world, fmris, fits, "is not in a maintenance or degraded state.")
}

/// svcadm mark.
pub fn mark(
    world: &mut World,
    fmris: &[String],
    state: Mark,
    immediate: bool,
    temporary: bool,
) -> Result<(), RepositoryError> {
    if state == Mark::Maintenance {
        let orders = [Order::Maintain { immediate, temporary }];
        return tell(world, fmris, Told::Orders(&orders));
    }
    let orders = [Order::Degrade { immediate }];
    let fits = |state: Option<&State>| match state {
        Some(state) if state.state != "online" => None,
        Some(_) | None => Some(&orders[..]),
    };
    by_state(world, fmris, fits, "is not online.")
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
