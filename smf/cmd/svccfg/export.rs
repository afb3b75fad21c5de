//! export.rs - export and archive; extract is profile.rs's.

use std::collections::BTreeMap;
use std::io::Write;

use smf_cmd::operand::{self, Entities, Wanted, is_instance};
use smf_cmd::repository::RepositoryError;
use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::write::{self, Contents, Protected, Targets, Warning, Written};
use smf_model::fmri::canonical;

use crate::arguments::{flagged, redirect, words};
use crate::session::{Complaint, Outcome, Session, complain};
use crate::verbs::{ANYWHERE, Verb};
use crate::voice::{print, reason};

pub const VERBS: &[Verb] = &[
    Verb {
        name: "export",
        usage: "export [-a] {service | pattern} [> file]",
        about: "Print a manifest of a service, or write it to a file.  With -a values that not\n\
                everybody may read are written too.",
        at: ANYWHERE,
        run: export,
    },
    Verb {
        name: "archive",
        usage: "archive [-a] [> file]",
        about: "Print an archive of all services, or write it to a file; -a as for export.",
        at: ANYWHERE,
        run: archive,
    },
];

fn protected(all: bool) -> Protected {
    if all { Protected::Shown } else { Protected::LeftOut }
}

fn export(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (rest, file) = redirect(tokens)?;
    let (all, name) = flagged(rest, "-a")?;
    let entities = session.repository()?.entities()?;
    let name = without_instance(session, name);
    let service = match operand::find(name, Wanted::Services, &entities) {
        Ok(matched) => match matched.fmris.as_slice() {
            [one] => one.clone(),
            several => return complain(operand::several("Pattern", name, several)),
        },
        Err(message) => return complain(message),
    };
    let contents = contents(session, &service, &entities)?;
    let targets = targets(session, &[&contents])?;
    deliver(session, &write::export(&contents, &targets, protected(all)), file)
}

/// The service of what was typed, if that is an instance.
fn without_instance<'a>(session: &Session, name: &'a str) -> &'a str {
    match name.rsplit_once(':') {
        Some((service, _instance)) if canonical(name).is_some_and(|fmri| is_instance(&fmri)) => {
            session
                .voice
                .say("Only services may be exported; ignoring instance portion of argument.");
            service
        }
        Some(_) | None => name,
    }
}

fn archive(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (rest, file) = redirect(tokens)?;
    let all = match words(rest)?[..] {
        [] => false,
        ["-a"] => true,
        _ => return Err(Complaint::Syntax),
    };
    let services = every(session)?;
    let targets = targets(session, &services.iter().collect::<Vec<_>>())?;
    deliver(session, &write::archive(&services, &targets, protected(all)), file)
}

/// All services, with all they have.
pub fn every(session: &mut Session) -> Result<Vec<Contents>, Complaint> {
    let entities = session.repository()?.entities()?;
    entities.keys().map(|service| contents(session, service, &entities)).collect()
}

fn contents(
    session: &mut Session,
    service: &str,
    entities: &Entities,
) -> Result<Contents, Complaint> {
    let mut instances = BTreeMap::new();
    for instance in entities.get(service).into_iter().flatten() {
        let groups = session.live(instance)?;
        instances.insert(instance[service.len() + 1..].to_owned(), groups);
    }
    let name = service.trim_start_matches("svc:/").to_owned();
    Ok(Contents { name, groups: session.live(service)?, instances })
}

/// The groups of the entities on which these services have placed dependencies.
fn targets(session: &mut Session, services: &[&Contents]) -> Result<Targets, Complaint> {
    let mut targets = Targets::new();
    for target in services.iter().flat_map(|service| write::targets(service)) {
        match session.repository()?.groups(&target) {
            Ok(groups) => {
                targets.insert(target, groups);
            }
            Err(RepositoryError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(targets)
}

/// Prints what was written, or puts it into a file, with what there is to say about it.
pub fn deliver(session: &mut Session, written: &Written, file: Option<&str>) -> Outcome {
    for warning in &written.warnings {
        match warning {
            Warning::Always(text) => session.voice.say(text),
            Warning::Verbose(text) if session.verbose => session.voice.say(text),
            Warning::Verbose(_) => {}
        }
    }
    let Some(file) = file else { return print(&written.text) };
    let put =
        std::fs::File::create(file).and_then(|mut out| out.write_all(written.text.as_bytes()));
    put.map_err(|error| Complaint::Fatal(format!("Could not open \"{file}\": {}.", reason(&error))))
}
