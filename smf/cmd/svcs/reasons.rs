//! reasons.rs - why an instance is in its state, in words, from its own properties.
//!
//! What others do to it, `graph` finds out.  Nothing is printed here.

use smf_cmd::instance::{Instance, MASTER_RESTARTER};
use smf_cmd::operand;

use crate::graph::{Graph, Node, RestarterFault};

/// A reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub text: String,
    /// The code that is explained on the message's page, behind `SMF-8000-`.
    pub code: Option<&'static str>,
    /// Whose logs tell more.
    pub requester: Option<String>,
}

fn reason(text: impl Into<String>, code: &'static str) -> Reason {
    Reason { text: text.into(), code: Some(code), requester: None }
}

/// The reason of an instance that does not wait for others; none where there is nothing to explain.
pub fn own(graph: &Graph, node: &Node) -> Option<Reason> {
    let instance = &node.instance;
    Some(match instance.state()? {
        "online" | "legacy_run" => return None,
        "uninitialized" => uninitialized(graph, instance.restarter()),
        "disabled" => disabled(instance),
        "maintenance" => maintenance(instance),
        "degraded" => degraded(instance),
        "offline" => match (instance.next_state(), node.restarter_fault) {
            (Some("online"), _) => reason("Start method is running.", "C4"),
            (Some(next), _) => reason(format!("Transitioning to state {next}."), "PH"),
            (None, Some(RestarterFault::Invalid)) => invalid_restarter(instance.restarter()),
            (None, Some(RestarterFault::Absent)) => absent_restarter(instance.restarter()),
            (None, None) => reason("Unknown.", "AR"),
        },
        other => reason(format!("Not in valid state ({other})."), "N3"),
    })
}

fn invalid_restarter(fmri: &str) -> Reason {
    reason(format!("Restarter \"{fmri}\" is invalid."), "2A")
}

fn absent_restarter(fmri: &str) -> Reason {
    reason(format!("Restarter \"{fmri}\" does not exist."), "3P")
}

fn uninitialized(graph: &Graph, restarter: &str) -> Reason {
    let valid = operand::valid(restarter).filter(|fmri| operand::is_instance(fmri));
    let Some(fmri) = valid else { return invalid_restarter(restarter) };
    // svc.startd is at work, whether or not it is among the services it cares for.
    let runs = match graph.id(&fmri) {
        _ if fmri == MASTER_RESTARTER => true,
        None => return absent_restarter(restarter),
        Some(id) => graph.nodes[id].instance.runs(),
    };
    match runs {
        true => reason(format!("Restarter {restarter} has not initialized service state."), "4D"),
        false => reason(format!("Restarter {restarter} is not running."), "5H"),
    }
}

fn disabled(instance: &Instance) -> Reason {
    let (text, code) = match instance.is_temporary() {
        true => ("Temporarily disabled by an administrator", "1S"),
        false => ("Disabled by an administrator", "05"),
    };
    match instance.comment() {
        Some(comment) => reason(format!("{text}: {comment}"), code),
        None => reason(format!("{text}."), code),
    }
}

/// restarter/auxiliary_state: `none` where the restarter gives no reason, and nothing where it
/// does not even say that.
fn auxiliary(instance: &Instance) -> &str {
    instance.live("restarter", "auxiliary_state").unwrap_or_default()
}

fn maintenance(instance: &Instance) -> Reason {
    let restarter = instance.restarter();
    match auxiliary(instance) {
        "administrative_request" => reason("Maintenance requested by an administrator.", "63"),
        "service_request" => match requester(instance) {
            Some(fmri) => Reason {
                requester: Some(fmri.to_owned()),
                ..reason(format!("Maintenance requested by \"{fmri}\""), "R4")
            },
            None => reason("Maintenance requested by another service.", "R4"),
        },
        "dependency_cycle" => reason("Completes a dependency cycle.", "HP"),
        "invalid_dependency" => reason("Has invalid dependency.", "JA"),
        "invalid_restarter" => invalid_restarter(restarter),
        aux @ ("method_failed" | "fault_threshold_reached") => method_failed(instance, aux),
        "restarting_too_quickly" => reason("Restarting too quickly.", "L5"),
        "none" => reason(format!("Restarter {restarter} gave no explanation."), "9C"),
        _ => reason("Unknown.", "AR"),
    }
}

fn degraded(instance: &Instance) -> Reason {
    match auxiliary(instance) {
        "administrative_request" => reason("Degraded by an administrator.", "DX"),
        "service_request" => {
            let who = requester(instance);
            let text = match who {
                Some(fmri) => format!("Degraded by \"{fmri}\""),
                None => "Degraded by another service.".into(),
            };
            Reason { text, code: None, requester: who.map(str::to_owned) }
        }
        aux @ "method_failed" => method_failed(instance, aux),
        _ => reason("Unknown.", "AR"),
    }
}

fn requester(instance: &Instance) -> Option<&str> {
    instance.live("restarter", "auxiliary_fmri").filter(|fmri| !fmri.is_empty())
}

fn method_failed(instance: &Instance, aux: &str) -> Reason {
    let status = instance.live("restarter", "start_method_waitstatus");
    let status = status.and_then(|text| text.parse::<i32>().ok()).unwrap_or(0);
    let ended = if status == 0 { None } else { ended(status) };
    match (ended, aux == "fault_threshold_reached") {
        (Some(how), true) => reason(format!("Start method failed repeatedly, last {how}."), "KS"),
        (Some(how), false) => reason(format!("Start method {how}."), "KS"),
        // The start was good, so it was another method.
        (None, true) => reason("Method failed repeatedly.", "8Q"),
        (None, false) => reason("Method failed.", "8Q"),
    }
}

/// A wait(2) status in words, of a process that ended.
fn ended(status: i32) -> Option<String> {
    if libc::WIFEXITED(status) {
        return Some(match libc::WEXITSTATUS(status) {
            95 => "exited with $SMF_EXIT_ERR_FATAL".into(),
            96 => "exited with $SMF_EXIT_ERR_CONFIG".into(),
            other => format!("exited with status {other}"),
        });
    }
    if !libc::WIFSIGNALED(status) {
        return None;
    }
    let signal = libc::WTERMSIG(status);
    let verb = if libc::WCOREDUMP(status) { "dumped core" } else { "died" };
    Some(match signal_text(signal) {
        Some(text) => format!("{verb} on {text} ({signal})"),
        None if verb == "died" => format!("died on signal {signal}"),
        None => format!("dumped core signal {signal}"),
    })
}

/// What strsignal(3C) calls a signal there.
fn signal_text(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "Hangup",
        libc::SIGINT => "Interrupt",
        libc::SIGQUIT => "Quit",
        libc::SIGILL => "Illegal Instruction",
        libc::SIGTRAP => "Trace/Breakpoint Trap",
        libc::SIGABRT => "Abort",
        libc::SIGFPE => "Arithmetic Exception",
        libc::SIGKILL => "Killed",
        libc::SIGBUS => "Bus Error",
        libc::SIGSEGV => "Segmentation Fault",
        libc::SIGSYS => "Bad System Call",
        libc::SIGPIPE => "Broken Pipe",
        libc::SIGALRM => "Alarm Clock",
        libc::SIGTERM => "Terminated",
        libc::SIGUSR1 => "User Signal 1",
        libc::SIGUSR2 => "User Signal 2",
        libc::SIGCHLD => "Child Status Changed",
        libc::SIGWINCH => "Window Size Change",
        libc::SIGURG => "Urgent Socket Condition",
        libc::SIGSTOP => "Stopped (signal)",
        libc::SIGTSTP => "Stopped (user)",
        libc::SIGCONT => "Continued",
        libc::SIGTTIN => "Stopped (tty input)",
        libc::SIGTTOU => "Stopped (tty output)",
        libc::SIGVTALRM => "Virtual Timer Expired",
        libc::SIGPROF => "Profiling Timer Expired",
        libc::SIGXCPU => "Cpu Limit Exceeded",
        libc::SIGXFSZ => "File Size Limit Exceeded",
        _ => return None,
    })
}

/// How an instance that keeps others down is described.
pub fn summary(node: &Node) -> &'static str {
    let instance = &node.instance;
    match instance.state() {
        Some("online" | "degraded") => "is running.",
        Some("uninitialized") => "is uninitialized.",
        Some("disabled") if instance.is_temporary() => "is temporarily disabled.",
        Some("disabled") => "is disabled.",
        Some("offline") if !node.absent.is_empty() => "has missing dependencies.",
        Some("offline") if instance.next_state() == Some("online") => "is starting.",
        Some("offline") => "is offline.",
        Some("maintenance") => match auxiliary(instance) {
            "administrative_request" => "was taken down for maintenace by an administrator.",
            "dependency_cycle" => "completed a dependency cycle.",
            "fault_threshold_reached" => "is not running because a method failed repeatedly.",
            "invalid_dependency" => "has an invalid dependency.",
            "invalid_restarter" => "has an invalid restarter.",
            "method_failed" => "is not running because a method failed.",
            "none" => "is not running for an unknown reason.",
            "restarting_too_quickly" => "was restarting too quickly.",
            _ => "requires maintenance.",
        },
        Some(_) | None => "is in an invalid state.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_status_in_words() {
        for (status, expected) in [
            (1 << 8, Some("exited with status 1")),
            (95 << 8, Some("exited with $SMF_EXIT_ERR_FATAL")),
            (96 << 8, Some("exited with $SMF_EXIT_ERR_CONFIG")),
            (9, Some("died on Killed (9)")),
            (15, Some("died on Terminated (15)")),
            (11 | 0x80, Some("dumped core on Segmentation Fault (11)")),
            (60, Some("died on signal 60")),
            (60 | 0x80, Some("dumped core signal 60")),
            (0x7f, None),
        ] {
            assert_eq!(ended(status).as_deref(), expected, "{status}");
        }
    }
}
