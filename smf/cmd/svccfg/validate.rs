//! validate.rs - a bundle, or an instance as it runs, against the templates.

use std::path::Path;

use smf_cmd::operand::{self, Wanted, service_of};
use smf_cmd::say;
use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::Bundle;
use smf_model::template::{
    Mode, Style, TemplateError, builtin, validate as check, validate_bundle,
};

use crate::arguments::optional;
use crate::files;
use crate::session::{Complaint, Outcome, Session, complain};
use crate::template::{self, Owners};
use crate::verbs::{ANYWHERE, Verb};
use crate::voice::Voice;

pub const VERBS: &[Verb] = &[Verb {
    name: "validate",
    usage: "validate [file | fmri]",
    about: "Validate a manifest file without changing the repository, or an instance against\n\
            its templates.",
    at: ANYWHERE,
    run: validate,
}];

fn validate(session: &mut Session, tokens: &[Token]) -> Outcome {
    match optional(tokens)? {
        None => match session.instance() {
            Ok(instance) => running(session, &instance),
            Err(_) => complain("No instance selected"),
        },
        Some(word) => match word.strip_prefix("file:") {
            Some(path) => file(session, Path::new(path)),
            None if !word.starts_with("svc:") && Path::new(word).is_file() => {
                file(session, Path::new(word))
            }
            None => instance(session, word),
        },
    }
}

fn file(session: &mut Session, path: &Path) -> Outcome {
    let bundle = files::read_stream(path)?;
    let errors = bundle_errors(session, &bundle, &mut Owners::default())?;
    if errors.is_empty() {
        return Ok(());
    }
    say(session, &errors, "");
    complain("Validation failed.")
}

/// Everything that is wrong with the instances of a bundle.  Without a repository the built-in
/// patterns have to do.
pub fn bundle_errors(
    session: &mut Session,
    bundle: &Bundle,
    owners: &mut Owners,
) -> Result<Vec<TemplateError>, Complaint> {
    let mut names = vec![builtin::GLOBAL.to_owned()];
    let services = bundle.services.iter();
    let entities = services.flat_map(|s| {
        std::iter::once(&s.entity).chain(s.instances.iter().map(|instance| &instance.entity))
    });
    for general in entities.filter_map(|entity| entity.group("general")) {
        let held = general.held();
        names.extend(held.properties.get("restarter").into_iter().flat_map(|p| p.values.clone()));
    }
    names.push("svc:/system/svc/restarter:default".to_owned());
    match owners.read(session, &names) {
        Ok(()) | Err(Complaint::Fatal(_)) => {}
        Err(complaint) => return Err(complaint),
    }
    Ok(validate_bundle(bundle, &|name| owners.get(name)))
}

/// Says what is wrong, one after the other.
pub fn say(session: &Session, errors: &[TemplateError], prefix: &str) {
    let style = if session.voice == Voice::Interactive { Style::Human } else { Style::OneLine };
    errors.iter().for_each(|error| say!("{}", error.text(prefix, style)));
}

fn instance(session: &mut Session, word: &str) -> Outcome {
    let entities = session.repository()?.entities()?;
    match operand::find(word, Wanted::Instances, &entities) {
        Ok(matched) => match matched.fmris.as_slice() {
            [one] => running(session, one),
            several => complain(operand::several("Pattern", word, several)),
        },
        Err(message) => complain(message),
    }
}

/// The running configuration of an instance, or the selected snapshot of it.
fn running(session: &mut Session, fmri: &str) -> Outcome {
    let snapshot = session.snapshot.as_ref().filter(|_| session.selection.as_deref() == Some(fmri));
    let snapshot = snapshot.map_or_else(|| "running".to_owned(), |(name, _)| name.clone());
    let looked = match session.repository()?.snapshot(fmri, &snapshot)? {
        Some((own, service)) => {
            // What decides at once is read live.
            let (mut own, mut service) = (own, service);
            for (groups, entity) in [(&mut own, fmri), (&mut service, service_of(fmri))] {
                if let Some(general) = session.live(entity)?.remove("general") {
                    groups.insert("general".into(), general);
                }
            }
            template::look(session, fmri, own, service)?
        }
        None => template::look_live(session, fmri)?,
    };
    say(session, &check(&looked.levels(), Mode::Running), "");
    Ok(())
}
