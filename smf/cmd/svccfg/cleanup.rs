//! cleanup.rs - cleanup: services and instances whose manifests are gone go too.
//!
//! Only what came from the managed directories is looked at: `lib/svc/manifest` and
//! `var/svc/manifest` of the root, and the manifests of this installation.  A service of which one
//! manifest was imported from elsewhere is left alone, and so is an instance that was made by hand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use smf_cmd::instance;
use smf_cmd::svccfg_lex::Token;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Groups, Property};

use crate::arguments::words;
use crate::entity::Running;
use crate::files;
use crate::hash;
use crate::session::{Complaint, Outcome, Session};
use crate::verbs::{ANYWHERE, Verb};
use crate::voice::print;
use crate::withdraw;

pub const VERBS: &[Verb] = &[Verb {
    name: "cleanup",
    usage: "cleanup [-a]",
    about: "Delete services and instances whose manifests have been removed from the managed\n\
            directories.  With -a instances are looked at only where a manifest has gone.",
    at: ANYWHERE,
    run: cleanup,
}];

/// The longest time an instance is given to stop.
const STOP: Duration = Duration::from_secs(10);

fn cleanup(session: &mut Session, tokens: &[Token]) -> Outcome {
    let thorough = match words(tokens)?[..] {
        [] => true,
        ["-a"] => false,
        _ => return Err(Complaint::Syntax),
    };
    let entities = session.repository()?.entities()?;
    for service in entities.keys() {
        // What stands in the way of one service does not stand in the way of the next.
        match one(session, service, thorough) {
            Ok(()) => {}
            Err(Complaint::Refused(text)) => session.voice.say(&text),
            Err(other) => return Err(other),
        }
    }
    forget_hashes(session)
}

/// Where manifests are managed, as they are recorded.
fn managed() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from("/lib/svc/manifest"), "/var/svc/manifest".into()];
    let program = std::env::current_exe().ok();
    let prefix = program.as_deref().and_then(Path::parent).and_then(Path::parent);
    places.extend(prefix.map(|prefix| prefix.join("lib/svc/manifest")));
    places
}

/// Where a recorded path is seen from outside of its root.
fn outside(recorded: &Path) -> PathBuf {
    let root = smf_cmd::backend::root();
    let within = root.join(recorded.strip_prefix("/").unwrap_or(recorded));
    if within.exists() { within } else { recorded.to_path_buf() }
}

/// The manifests of a service by the names of their properties; none for a service that is not
/// to be cleaned up.
fn manifests(groups: &Groups) -> Option<Vec<(String, PathBuf)>> {
    let recorded = groups.get("manifestfiles")?;
    let managed = managed();
    let mut files = Vec::new();
    for (name, Property { kind, values }) in &recorded.properties {
        let value = values.first()?;
        if name == "support" && kind == "boolean" {
            if value == "false" {
                return None;
            }
            continue;
        }
        let path = PathBuf::from(value);
        if !managed.iter().any(|place| path.starts_with(place)) {
            return None;
        }
        files.push((name.clone(), path));
    }
    Some(files)
}

fn one(session: &mut Session, service: &str, thorough: bool) -> Outcome {
    let Some(files) = manifests(&session.live(service)?) else { return Ok(()) };
    let (there, gone): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(_, path)| outside(path).exists());
    if there.is_empty() {
        return tear_down(session, service);
    }
    let unset = |(name, _): &(String, PathBuf)| {
        Operation::Unset(service.to_owned(), "manifestfiles".into(), name.clone())
    };
    session.commit(gone.iter().map(unset).collect())?;
    if !thorough && gone.is_empty() {
        return Ok(());
    }
    let mut supported = BTreeSet::new();
    let mut described = false;
    for (_, path) in &there {
        // A manifest that cannot be read may describe anything.
        let Ok(bundle) = files::read(&outside(path)) else { return Ok(()) };
        for own in bundle.services.iter().filter(|own| service[5..] == own.name) {
            described = true;
            supported.extend(own.instances.iter().map(|instance| instance.name.clone()));
        }
    }
    let instances = delivered(session, service)?;
    let unsupported = |name: &&String| !supported.contains(*name);
    if !described && !instances.is_empty() {
        return tear_down(session, service);
    }
    for name in instances.iter().filter(unsupported) {
        print(&format!("Delete instance {name} from service {service}\n"))?;
        let fmri = format!("{service}:{name}");
        disable(session, &fmri)?;
        withdraw::entity(session, &fmri, Running::Delete)?;
    }
    Ok(())
}

/// The instances that a bundle has delivered.
fn delivered(session: &mut Session, service: &str) -> Result<Vec<String>, Complaint> {
    let mut names = Vec::new();
    for instance in session.repository()?.entities()?.remove(service).unwrap_or_default() {
        if session.repository()?.snapshot(&instance, "last-import")?.is_some() {
            names.push(instance[service.len() + 1..].to_owned());
        }
    }
    Ok(names)
}

fn tear_down(session: &mut Session, service: &str) -> Outcome {
    print(&format!("Delete service {service} as there are no supporting manifests\n"))?;
    for instance in session.repository()?.entities()?.remove(service).unwrap_or_default() {
        disable(session, &instance)?;
    }
    withdraw::entity(session, service, Running::Delete)
}

/// Disables an instance that runs, and waits a while until it does not.
fn disable(session: &mut Session, fmri: &str) -> Outcome {
    if !instance::Instance::read(session.repository()?, fmri)?.runs() {
        return Ok(());
    }
    let no = Property { kind: "boolean".into(), values: vec!["false".into()] };
    let off = Operation::Set(fmri.to_owned(), "general".into(), "enabled".into(), no);
    session.commit(vec![off])?;
    let until = Instant::now() + STOP;
    loop {
        let repository = session.repository()?;
        let mark = repository.mark()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || !instance::Instance::read(repository, fmri)?.runs() {
            return Ok(());
        }
        repository.wait_since(mark, left)?;
    }
}

/// Removes the hashes of manifests that are gone.
fn forget_hashes(session: &mut Session) -> Outcome {
    if !session.repository()?.entities()?.contains_key(hash::SERVICE) {
        return Ok(());
    }
    let file = |group: &smf_scf::import::merge::Group| {
        Some(PathBuf::from(group.properties.get("manifestfile")?.values.first()?))
    };
    let known = session.live(hash::SERVICE)?;
    let gone = known.iter().filter(|(_, group)| file(group).is_some_and(|f| !outside(&f).exists()));
    let remove =
        |(name, _): (&String, _)| Operation::RemoveGroup(hash::SERVICE.into(), name.clone());
    let operations: Vec<_> = gone.map(remove).collect();
    session.commit(operations)
}
