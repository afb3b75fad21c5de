//! config - what property groups say: dependencies, methods, the startd group.
//!
//! Pure reading.  What is wrong comes back as a value, because it leads to a state of the instance
//! and to lines in logs, never to an error of the engine.

use std::time::Duration;

use crate::graph::{Dependency, Entity, Grouping};
use crate::state::{Method, Model, Severity};
use crate::store::{Group, Groups};

/// Why a dependency group cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dependency {group}: {what}")]
pub struct InvalidDependency {
    /// The property group.
    pub group: String,
    /// What is wrong.
    pub what: &'static str,
}

/// Reads all dependency groups of an instance.  Empty groups do not count.
///
/// # Errors
/// The first group that cannot be used.
pub fn dependencies(groups: &Groups) -> Result<Vec<Dependency>, InvalidDependency> {
    let of_kind = groups.iter().filter(|(_, group)| group.kind == "dependency");
    of_kind
        .filter(|(_, group)| !group.properties.is_empty())
        .map(|(name, group)| {
            dependency(name, group).map_err(|what| InvalidDependency { group: name.clone(), what })
        })
        .collect()
}

fn dependency(name: &str, group: &Group) -> Result<Dependency, &'static str> {
    let grouping = match group.first("grouping") {
        Some("require_all") => Grouping::RequireAll,
        Some("require_any") => Grouping::RequireAny,
        Some("optional_all") => Grouping::OptionalAll,
        Some("exclude_all") => Grouping::ExcludeAll,
        Some(_) | None => return Err("unknown grouping"),
    };
    let restart_on =
        group.first("restart_on").and_then(Severity::parse).ok_or("unknown restart_on")?;
    let kind = group.first("type").ok_or("no type")?;
    let entities = group.properties.get("entities").ok_or("no entities")?;
    let entities: Result<Vec<Entity>, _> =
        entities.values.iter().map(|value| entity(kind, value)).collect();
    Ok(Dependency { name: name.to_owned(), grouping, restart_on, entities: entities? })
}

fn entity(kind: &str, value: &str) -> Result<Entity, &'static str> {
    match kind {
        "service" => service(value),
        "path" => {
            let rest = value.strip_prefix("file:").ok_or("a path is not a file: FMRI")?;
            // A host, if any, is skipped and not looked at.
            let path = match rest.strip_prefix("//") {
                Some(with_host) => &with_host[with_host.find('/').ok_or("a path is missing")?..],
                None => rest,
            };
            if path.starts_with('/') {
                Ok(Entity::File(path.to_owned()))
            } else {
                Err("a path is not absolute")
            }
        }
        _ => Err("unknown type"),
    }
}

/// Canonical form of an instance or service FMRI.
fn service(value: &str) -> Result<Entity, &'static str> {
    let rest = value.strip_prefix("svc:").ok_or("a service is not a svc: FMRI")?;
    let rest = rest
        .strip_prefix("//localhost")
        .or_else(|| rest.strip_prefix("//").map(|_| ""))
        .unwrap_or(rest)
        .strip_prefix('/')
        .ok_or("a service is not a svc: FMRI")?;
    if rest.is_empty() || rest.contains("/:properties") {
        return Err("an entity is neither a service nor an instance");
    }
    let fmri = format!("svc:/{rest}");
    Ok(if rest.contains(':') { Entity::Instance(fmri) } else { Entity::Service(fmri) })
}

/// Who runs an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restarter {
    /// This program.
    Master,
    /// The instance of another restarter.
    Delegate(String),
    /// What `general/restarter` says names no instance.
    Invalid,
}

/// The instance this program is.
pub const MASTER: &str = "svc:/system/svc/restarter:default";

/// Reads `general/restarter`.
#[must_use]
pub fn restarter(live: &Groups) -> Restarter {
    let named = live.get("general").and_then(|general| general.first("restarter"));
    match named.filter(|name| !name.is_empty()).map(service) {
        None => Restarter::Master,
        Some(Ok(Entity::Instance(fmri))) if fmri == MASTER => Restarter::Master,
        Some(Ok(Entity::Instance(fmri))) => Restarter::Delegate(fmri),
        Some(Ok(Entity::Service(_) | Entity::File(_)) | Err(_)) => Restarter::Invalid,
    }
}

/// Whether the instance is about to be deleted.
#[must_use]
pub fn condemned(live: &Groups) -> bool {
    let word = live.get("deathrow").and_then(|group| group.first("deathrow"));
    word.is_some_and(is_true)
}

/// Reads a boolean.
#[must_use]
pub fn is_true(word: &str) -> bool {
    matches!(word, "true" | "1")
}

/// A method as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Configured {
    /// There is no property group of that name.
    NoGroup,
    /// The group has no `exec`.
    NoExec,
    /// What to run.
    Exec {
        /// With its tokens.
        exec: String,
        /// How long; none = for ever.
        timeout: Option<Duration>,
        /// Lines for the log.
        warnings: Vec<String>,
    },
}

/// These are never timed out: the host does not boot without them.
const NEVER_TIMED_OUT: [&str; 10] = [
    "svc:/system/manifest-import:default",
    "svc:/network/initial:default",
    "svc:/network/service:default",
    "svc:/network/loopback:default",
    "svc:/network/physical:default",
    "svc:/system/filesystem/usr:default",
    "svc:/system/filesystem/minimal:default",
    "svc:/system/filesystem/local:default",
    "svc:/system/device/local:default",
    "svc:/system/rmtmpfiles:default",
];

/// Reads a method group.
#[must_use]
pub fn method(fmri: &str, groups: &Groups, method: Method) -> Configured {
    let Some(group) = groups.get(method.name()) else { return Configured::NoGroup };
    let exec = match group.properties.get("exec").and_then(|exec| exec.values.first()) {
        Some(exec) => exec.clone(),
        None => return Configured::NoExec,
    };
    let mut warnings = Vec::new();
    let mut timeout = timeout(group, method, &mut warnings);
    if timeout.is_some() && NEVER_TIMED_OUT.contains(&fmri) {
        warnings.push("Timeout override by svc.startd.  Using infinite timeout.".to_owned());
        timeout = None;
    }
    Configured::Exec { exec, timeout, warnings }
}

fn timeout(group: &Group, method: Method, warnings: &mut Vec<String>) -> Option<Duration> {
    let property = group.properties.get("timeout_seconds");
    let seconds = property
        .filter(|property| property.kind == "count" && property.values.len() == 1)
        .and_then(|property| property.values[0].parse::<u64>().ok());
    match seconds {
        Some(0 | u64::MAX) => None,
        Some(seconds) if seconds > i64::MAX as u64 / 1_000_000_000 => {
            warnings.push("timeout_seconds too large, treating as infinite.".to_owned());
            None
        }
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => {
            warnings.push(format!(
                "{}/timeout_seconds is multi-valued or not of type count.  \
                 Using infinite timeout.",
                method.name()
            ));
            None
        }
    }
}

/// The `startd` group, and what else decides how an instance is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watching {
    /// How its processes are looked at.
    pub model: Model,
    /// A core is an event.
    pub core: bool,
    /// A fatal signal is one.
    pub signal: bool,
    /// An empty contract is one.
    pub empty: bool,
    /// A timed out method is tried again.
    pub retry_timeout: bool,
    /// So many starts ...
    pub rate_count: usize,
    /// ... in the average quicker than this one after the other are too many.
    pub rate_period: Duration,
}

/// Reads it.
#[must_use]
pub fn watching(groups: &Groups) -> Watching {
    let startd = |property: &str| groups.get("startd").and_then(|group| group.first(property));
    let model = match startd("duration") {
        Some("transient") => Model::Transient,
        Some("child" | "wait") => Model::Wait,
        Some(_) | None => Model::Contract,
    };
    let ignored = startd("ignore_error").unwrap_or_default();
    let (no_core, no_signal) = match ignored {
        "core" => (true, false),
        "signal" => (false, true),
        "core,signal" | "signal,core" => (true, true),
        _ => (false, false),
    };
    let restart_on = groups.get("start").and_then(|group| group.first("restart_on"));
    let (core, signal, empty) = match restart_on {
        Some("external_fault") => (false, true, false),
        Some("any_fault") => (true, true, false),
        Some(_) | None => (true, true, true),
    };
    let default_period = if model == Model::Wait { 1 } else { 600 };
    let number = |property: &str| {
        let found = groups.get("startd")?.properties.get(property)?;
        let integer = found.kind == "integer";
        found.values.first().filter(|_| integer).and_then(|text| text.parse::<u64>().ok())
    };
    let (count, period) =
        match (number("critical_failure_count"), number("critical_failure_period")) {
            // Less than two starts have no average interval.
            (Some(count), Some(period)) => (count.max(2), period),
            (Some(_), None) | (None, Some(_) | None) => (5, default_period),
        };
    Watching {
        model,
        core: core && !no_core,
        signal: signal && !no_signal,
        empty,
        retry_timeout: startd("timeout_retry") != Some("false"),
        rate_count: usize::try_from(count).unwrap_or(usize::MAX),
        rate_period: Duration::from_secs(period),
    }
}

/// Whether the instance is to run: the override wins; none when nothing says anything.
#[must_use]
pub fn enabled(live: &Groups) -> Option<bool> {
    let of = |group: &str| live.get(group).and_then(|group| group.first("enabled"));
    // Without general/enabled an instance is not managed, whatever the override says.
    let general = of("general")?;
    let word = of("general_ovr").unwrap_or(general);
    Some(is_true(word))
}

/// Whether it is enabled, whatever overrides that.
#[must_use]
pub fn lasting(live: &Groups) -> bool {
    live.get("general").and_then(|group| group.first("enabled")).is_some_and(is_true)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::store::Property;

    /// A group from (name, type, values separated by blanks).
    pub(crate) fn group(kind: &str, properties: &[(&str, &str, &str)]) -> Group {
        let properties = properties.iter().map(|(name, kind, values)| {
            let values = if kind.contains("string") {
                vec![(*values).to_owned()]
            } else {
                values.split_whitespace().map(str::to_owned).collect()
            };
            ((*name).to_owned(), Property { kind: (*kind).to_owned(), values })
        });
        Group { kind: kind.to_owned(), properties: properties.collect() }
    }

    #[test]
    fn dependency_groups() {
        for (grouping, level, kind, entities, valid) in [
            ("require_all", "none", "service", "svc:/a:x svc:/b", true),
            ("require_all", "none", "service", "", true),
            ("exclude_all", "refresh", "path", "file:///etc/x file://localhost/y file:/z", true),
            ("require", "none", "service", "svc:/a", false),
            ("require_all", "reset", "service", "svc:/a", false),
            ("require_all", "none", "service", "file:///x", false),
            ("require_all", "none", "path", "svc:/a", false),
            ("require_all", "none", "path", "file:x", false),
            ("require_all", "none", "other", "svc:/a", false),
            ("require_all", "none", "service", "svc:/a/:properties/b", false),
        ] {
            let group = group(
                "dependency",
                &[
                    ("grouping", "astring", grouping),
                    ("restart_on", "astring", level),
                    ("type", "astring", kind),
                    ("entities", "fmri", entities),
                ],
            );
            let groups = Groups::from([("d".to_owned(), group)]);
            let found = dependencies(&groups);
            assert_eq!(valid, found.is_ok(), "{grouping} {level} {kind} {entities}: {found:?}");
        }
        assert_eq!(
            Ok(vec![]),
            dependencies(&Groups::from([("d".into(), group("dependency", &[]))]))
        );
    }

    #[test]
    fn restarters() {
        for (value, want) in [
            ("", Restarter::Master),
            ("svc:/system/svc/restarter:default", Restarter::Master),
            ("svc://localhost/system/svc/restarter:default", Restarter::Master),
            (
                "svc:/network/inetd:default",
                Restarter::Delegate("svc:/network/inetd:default".into()),
            ),
            ("svc:/network/inetd", Restarter::Invalid),
            ("inetd", Restarter::Invalid),
            ("file:///x", Restarter::Invalid),
        ] {
            let general = group("framework", &[("restarter", "ustring", value)]);
            let groups = Groups::from([("general".to_owned(), general)]);
            assert_eq!(want, restarter(&groups), "{value}");
        }
        assert_eq!(Restarter::Master, restarter(&Groups::new()));
    }

    #[test]
    fn timeouts() {
        let second = Some(Duration::from_secs(1));
        for (kind, value, want, warned) in [
            ("count", "1", second, 0),
            ("count", "0", None, 0),
            ("count", "18446744073709551615", None, 0),
            ("count", "18446744073709551614", None, 1),
            ("count", "1 2", None, 1),
            ("integer", "1", None, 1),
        ] {
            let properties = [("exec", "astring", "x y"), ("timeout_seconds", kind, value)];
            let groups = Groups::from([("start".to_owned(), group("method", &properties))]);
            match method("svc:/a:b", &groups, Method::Start) {
                Configured::Exec { exec, timeout, warnings } => {
                    assert_eq!(("x y", want, warned), (&*exec, timeout, warnings.len()), "{value}");
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(Configured::NoGroup, method("svc:/a:b", &groups, Method::Stop));
        }
    }

    #[test]
    fn effective_enable() {
        for (general, over, want) in [
            (None, None, None),
            (None, Some("true"), None),
            (Some("true"), None, Some(true)),
            (Some("1"), Some("0"), Some(false)),
            (Some("false"), Some("true"), Some(true)),
        ] {
            let mut groups = Groups::new();
            for (name, value) in [("general", general), ("general_ovr", over)] {
                let properties: Vec<_> =
                    value.into_iter().map(|value| ("enabled", "boolean", value)).collect();
                groups.insert(name.to_owned(), group("framework", &properties));
            }
            assert_eq!(want, enabled(&groups), "{general:?} {over:?}");
        }
    }

    #[test]
    fn the_startd_group() {
        for (property, value, check) in [
            ("duration", "transient", (Model::Transient, true, true)),
            ("duration", "child", (Model::Wait, true, true)),
            ("duration", "other", (Model::Contract, true, true)),
            ("ignore_error", "core,signal", (Model::Contract, false, false)),
            ("ignore_error", "signal", (Model::Contract, true, false)),
            ("ignore_error", "everything", (Model::Contract, true, true)),
        ] {
            let startd = group("framework", &[(property, "astring", value)]);
            let found = watching(&Groups::from([("startd".to_owned(), startd)]));
            assert_eq!(check, (found.model, found.core, found.signal), "{property} {value}");
        }
    }
}
