//! apply.rs - a kept catalog brought up to date by the origin's update logs.
//!
//! Law: what comes out has the signatures that the origin's attributes say, or it is not taken.

use std::collections::BTreeMap;

use ips_model::Timestamp;
use ips_model::catalog::{Attributes, LogEntry, LogText, Operation, PartText};

/// The logs that lead from a kept catalog to the present one, by name in order of time; `None`
/// where they do not: another catalog, an older one, or hours without a log.
pub fn logs_between<'a>(kept: &Attributes, now: &'a Attributes) -> Option<Vec<&'a str>> {
    if kept.created != now.created || kept.last_modified > now.last_modified {
        return None;
    }
    let since = format!("update.{}.C", kept.last_modified.hour());
    // The hour of the kept catalog has to have a log, else entries of it are lost.
    if !now.updates.contains_key(&since) {
        return None;
    }
    let later = now.updates.keys().filter(|name| name.ends_with(".C") && **name >= since);
    Some(later.map(String::as_str).collect())
}

/// Takes over what logs say happened after `since`; `false` where an entry does not fit.
pub fn apply(
    parts: &mut BTreeMap<String, PartText>,
    logs: &[LogText],
    publisher: &str,
    since: Timestamp,
) -> bool {
    logs.iter().all(|log| {
        let Ok(stems) = log.later(publisher, since) else { return false };
        let mut each = stems.iter().flat_map(|(stem, all)| all.iter().map(move |one| (stem, one)));
        each.all(|(stem, entry)| fits(parts, publisher, stem, entry))
    })
}

/// Takes over one operation.
fn fits(
    parts: &mut BTreeMap<String, PartText>,
    publisher: &str,
    stem: &str,
    entry: &LogEntry,
) -> bool {
    entry.parts.iter().all(|(name, said)| {
        let Some(part) = parts.get_mut(name) else { return true };
        match entry.operation {
            Operation::Add => part.insert(publisher, stem, said.clone()).is_ok(),
            Operation::Remove => {
                let removed = part.remove(publisher, stem, &entry.version);
                removed.is_ok_and(|entry| entry.is_some())
            }
        }
    })
}
