//! reasons.rs - why an instance is in its state, from properties alone.
//!
//! `reason` looks at one instance; `causes` follows the dependencies of an offline one to the
//! instances at the end of the chain, which are what has to be repaired.  Nothing is printed here.

use std::collections::BTreeMap;
use std::path::Path;

use smf_cmd::instance::Instance;
use smf_cmd::operand::Entities;

use crate::depend::members;

/// All instances by FMRI, and what there is.
pub struct Graph {
    pub instances: BTreeMap<String, Instance>,
    pub entities: Entities,
}

/// A reason and its code; `None` where there is none to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub text: String,
    pub code: &'static str,
}

fn reason(text: impl Into<String>, code: &'static str) -> Reason {
    Reason { text: text.into(), code }
}

/// What keeps an offline instance down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Something that is not there: an FMRI or a file.
    Absent(String),
    /// An instance that does not run, with the way to it (the last is itself).
    NotRunning(Vec<String>),
    /// An excluded instance that runs, with the way to it.
    Excluded(Vec<String>),
}

impl Cause {
    /// The instance to be looked at, if there is one.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Absent(_) => None,
            Self::NotRunning(path) | Self::Excluded(path) => path.last().map(String::as_str),
        }
    }

    /// The way to it.
    pub fn path(&self) -> &[String] {
        match self {
            Self::Absent(_) => &[],
            Self::NotRunning(path) | Self::Excluded(path) => path,
        }
    }
}

/// The reasons of an instance that is not offline for the sake of others.
pub fn own(graph: &Graph, instance: &Instance) -> Option<Reason> {
    let restarter = instance.restarter();
    match instance.state() {
        None | Some("uninitialized") => Some(uninitialized(graph, restarter)),
        Some("disabled") => Some(match instance.enabled_temporarily() {
            Some(_) => reason("Temporarily disabled by an administrator.", "1S"),
            None => reason("Disabled by an administrator.", "05"),
        }),
        Some("maintenance") => Some(maintenance(instance)),
        Some("degraded") => Some(reason("Degraded by an administrator.", "DX")),
        Some("online" | "legacy_run") => None,
        Some("offline") => Some(match instance.next_state() {
            Some("online") => reason("Start method is running.", "C4"),
            Some(next) => reason(format!("Transitioning to state {next}."), "PH"),
            None => reason("Unknown.", "AR"),
        }),
        Some(other) => Some(reason(format!("Not in valid state ({other})."), "N3")),
    }
}

fn uninitialized(graph: &Graph, restarter: &str) -> Reason {
    match graph.instances.get(restarter) {
        // svc.startd is itself, wherever its own instance was not imported.
        _ if restarter == "svc:/system/svc/restarter:default" => {
            reason(format!("Restarter {restarter} has not initialized service state."), "4D")
        }
        None => reason(format!("Restarter \"{restarter}\" does not exist."), "3P"),
        Some(there) if !there.runs() => {
            reason(format!("Restarter {restarter} is not running."), "5H")
        }
        Some(_) => {
            reason(format!("Restarter {restarter} has not initialized service state."), "4D")
        }
    }
}

fn maintenance(instance: &Instance) -> Reason {
    let status = instance.live("restarter", "start_method_waitstatus");
    let status = status.and_then(|text| text.parse::<i32>().ok()).unwrap_or(0);
    match instance.live("restarter", "auxiliary_state").unwrap_or("none") {
        "administrative_request" => reason("Maintenance requested by an administrator.", "63"),
        "service_request" => match instance.live("restarter", "auxiliary_fmri") {
            Some(fmri) => reason(format!("Maintenance requested by \"{fmri}\""), "R4"),
            None => reason("Maintenance requested by another service.", "R4"),
        },
        "dependency_cycle" => reason("Completes a dependency cycle.", "HP"),
        "invalid_dependency" => reason("Has invalid dependency.", "JA"),
        "invalid_restarter" => {
            reason(format!("Restarter \"{}\" is invalid.", instance.restarter()), "2A")
        }
        "method_failed" if status == 0 => reason("Method failed.", "8Q"),
        "method_failed" => reason(format!("Start method {}.", died(status)), "KS"),
        "fault_threshold_reached" if status == 0 => reason("Method failed repeatedly.", "8Q"),
        "fault_threshold_reached" => {
            reason(format!("Start method failed repeatedly, last {}.", died(status)), "KS")
        }
        "restarting_too_quickly" => reason("Restarting too quickly.", "L5"),
        "none" | "" => {
            reason(format!("Restarter {} gave no explanation.", instance.restarter()), "9C")
        }
        _ => reason("Unknown.", "AR"),
    }
}

/// A wait(2) status in words.
fn died(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        let verb = if libc::WCOREDUMP(status) { "dumped core" } else { "died" };
        return format!("{verb} on {} ({signal})", signal_text(signal));
    }
    match libc::WEXITSTATUS(status) {
        95 => "exited with $SMF_EXIT_ERR_FATAL".into(),
        96 => "exited with $SMF_EXIT_ERR_CONFIG".into(),
        other => format!("exited with status {other}"),
    }
}

fn signal_text(signal: i32) -> String {
    match signal {
        1 => "Hangup".into(),
        2 => "Interrupt".into(),
        3 => "Quit".into(),
        4 => "Illegal Instruction".into(),
        6 => "Abort".into(),
        8 => "Arithmetic Exception".into(),
        9 => "Killed".into(),
        11 => "Segmentation Fault".into(),
        13 => "Broken Pipe".into(),
        14 => "Alarm Clock".into(),
        15 => "Terminated".into(),
        other => match nix::sys::signal::Signal::try_from(other) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {other}"),
        },
    }
}

/// What keeps an offline instance down, by the ends of the chains.
pub fn causes(graph: &Graph, instance: &Instance) -> Vec<Cause> {
    let mut found = Vec::new();
    let mut path = vec![instance.fmri.clone()];
    follow(graph, instance, &mut path, &mut found);
    let mut unique: Vec<Cause> = Vec::new();
    for cause in found {
        let same = |other: &Cause| match (other.instance(), cause.instance()) {
            (Some(a), Some(b)) => a == b,
            _ => *other == cause,
        };
        if !unique.iter().any(same) {
            unique.push(cause);
        }
    }
    unique
}

fn follow(graph: &Graph, instance: &Instance, path: &mut Vec<String>, found: &mut Vec<Cause>) {
    for dependency in instance.dependencies() {
        if dependency.path {
            let files = dependency.entities.iter().filter(|entity| !file_is_there(entity));
            found.extend(files.map(|entity| Cause::Absent(entity.clone())));
            continue;
        }
        let grouping = dependency.grouping.as_str();
        let sets: Vec<(String, Vec<&Instance>)> = dependency
            .entities
            .iter()
            .map(|entity| {
                let names = members(entity, &graph.entities);
                let there = names.iter().filter_map(|name| graph.instances.get(name));
                (entity.clone(), there.collect())
            })
            .collect();
        let runs = |set: &[&Instance]| set.iter().any(|member| member.runs());
        if grouping == "require_any" && (sets.is_empty() || sets.iter().any(|(_, set)| runs(set))) {
            continue;
        }
        for (entity, set) in sets {
            match grouping {
                "exclude_all" => {
                    for member in set.iter().filter(|member| member.runs()) {
                        let mut way = path.clone();
                        way.push(member.fmri.clone());
                        found.push(Cause::Excluded(way));
                    }
                    continue;
                }
                "optional_all" if set.iter().all(|member| settled(member)) => continue,
                "require_all" if set.is_empty() => {
                    found.push(Cause::Absent(entity));
                    continue;
                }
                _ => {}
            }
            if runs(&set) {
                continue;
            }
            for member in set {
                step(graph, member, path, found);
            }
        }
    }
}

/// One member of a dependency that does not run: itself, or what keeps it down.
fn step(graph: &Graph, member: &Instance, path: &mut Vec<String>, found: &mut Vec<Cause>) {
    if path.contains(&member.fmri) {
        return;
    }
    path.push(member.fmri.clone());
    let before = found.len();
    if member.state() == Some("offline") && member.next_state().is_none() {
        follow(graph, member, path, found);
    }
    // Absent things are the fault of whoever needs them.
    let only_absent = found[before..].iter().all(|cause| matches!(cause, Cause::Absent(_)));
    if only_absent {
        found.truncate(before);
        found.push(Cause::NotRunning(path.clone()));
    }
    path.pop();
}

/// An optional dependency waits only for what is on its way.
fn settled(member: &Instance) -> bool {
    member.runs() || matches!(member.state(), None | Some("disabled" | "maintenance"))
}

fn file_is_there(entity: &str) -> bool {
    let path = entity.strip_prefix("file:").unwrap_or(entity);
    let path = path.strip_prefix("//").map_or(path, |rest| {
        // Whatever host is named is skipped.
        rest.find('/').map_or("", |at| &rest[at..])
    });
    Path::new(path).exists()
}

/// How an instance that keeps others down is described.
pub fn summary(instance: &Instance) -> &'static str {
    match instance.state() {
        Some("online" | "degraded") => "is running.",
        None | Some("uninitialized") => "is uninitialized.",
        Some("disabled") if instance.enabled_temporarily().is_some() => "is temporarily disabled.",
        Some("disabled") => "is disabled.",
        Some("offline") if instance.next_state() == Some("online") => "is starting.",
        Some("offline") => "is offline.",
        Some("maintenance") => {
            match instance.live("restarter", "auxiliary_state").unwrap_or_default() {
                "administrative_request" => "was taken down for maintenace by an administrator.",
                "dependency_cycle" => "completed a dependency cycle.",
                "fault_threshold_reached" => "is not running because a method failed repeatedly.",
                "invalid_dependency" => "has an invalid dependency.",
                "invalid_restarter" => "has an invalid restarter.",
                "method_failed" => "is not running because a method failed.",
                "none" | "" => "is not running for an unknown reason.",
                "restarting_too_quickly" => "was restarting too quickly.",
                _ => "requires maintenance.",
            }
        }
        Some(_) => "is in an invalid state.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_status_in_words() {
        for (status, expected) in [
            (1 << 8, "exited with status 1"),
            (95 << 8, "exited with $SMF_EXIT_ERR_FATAL"),
            (96 << 8, "exited with $SMF_EXIT_ERR_CONFIG"),
            (9, "died on Killed (9)"),
            (11 | 0x80, "dumped core on Segmentation Fault (11)"),
        ] {
            assert_eq!(died(status), expected);
        }
    }
}
