//! notify.rs - setnotify, listnotify, delnotify: who is told of what.
//!
//! | events | kept in | as |
//! |---|---|---|
//! | transitions of services (`to-maintenance`, `online`, `all`) | the selected entity; with `-g` svc:/system/svc/global:default | a group `<event>,fmnotify` for each way (`to-`, `from-`) and state |
//! | events of the fault manager (`problem-diagnosed`, `list.*`, `ireport.*`) | svc:/system/fm/notify-params:default | a group `<class>,fmnotify` |
//!
//! Reading order: `Event` (the words), `Parameters` (what stands in a URI), the three commands.

use smf_cmd::operand::{is_instance, service_of};
use smf_cmd::svccfg_lex::Token;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Groups, Property};

use crate::arguments::{texts, words};
use crate::session::{Complaint, Outcome, Session, complain};
use crate::verbs::{ANYWHERE, Verb};
use crate::voice::print;

pub const VERBS: &[Verb] = &[
    Verb {
        name: "listnotify",
        usage: "listnotify [-g] [events]",
        about: "List notification parameters.  Events are transitions of services (to-STATE,\n\
                from-STATE, STATE, all), by default all, or events of the fault manager; several\n\
                are parted by commas.  With -g list those for all services.",
        at: ANYWHERE,
        run: listnotify,
    },
    Verb {
        name: "setnotify",
        usage: "setnotify [-g] events parameter ...",
        about: "Set notification parameters.  A parameter is mailto:ADDRESS[?HEADER=VALUE[&...]],\n\
                snmp:[active|inactive] or syslog:[active|inactive].",
        at: ANYWHERE,
        run: setnotify,
    },
    Verb {
        name: "delnotify",
        usage: "delnotify [-g] events",
        about: "Delete notification parameters.",
        at: ANYWHERE,
        run: delnotify,
    },
];

const GLOBAL: &str = "svc:/system/svc/global:default";
const FAULTS: &str = "svc:/system/fm/notify-params:default";
const STATES: [&str; 6] =
    ["uninitialized", "maintenance", "offline", "disabled", "online", "degraded"];
const TAGS: [(&str, &str); 4] = [
    ("problem-diagnosed", "list.suspect"),
    ("problem-updated", "list.updated"),
    ("problem-repaired", "list.repaired"),
    ("problem-resolved", "list.resolved"),
];

/// The events of one command: all of one sort.
#[derive(Debug, PartialEq, Eq)]
enum Events {
    /// `to-online`, ..., in the order in which they are listed.
    Transitions(Vec<String>),
    /// Classes of the fault manager: `list.suspect`.
    Faults(Vec<String>),
}

/// The transitions that a word stands for; none when it is no such word.
fn transitions(word: &str) -> Vec<String> {
    let (ways, state) = match (word.strip_prefix("to-"), word.strip_prefix("from-")) {
        (Some(state), _) => (&["to"][..], state),
        (_, Some(state)) => (&["from"][..], state),
        (None, None) => (&["to", "from"][..], word),
    };
    let meant = STATES.into_iter().filter(|own| state == "all" || state == *own);
    meant.flat_map(|state| ways.iter().map(move |way| format!("{way}-{state}"))).collect()
}

/// The class that a word of the fault manager stands for.
fn class(word: &str) -> Option<&str> {
    let tag = TAGS.iter().find(|(tag, _)| *tag == word).map(|(_, class)| *class);
    tag.or_else(|| (word.starts_with("list.") || word.starts_with("ireport.")).then_some(word))
}

fn events(text: &str) -> Result<Events, Complaint> {
    let (mut wanted, mut faults) = (Vec::new(), Vec::new());
    for word in text.split(',').filter(|word| !word.is_empty()) {
        let found = transitions(word);
        match class(word) {
            _ if !found.is_empty() => wanted.extend(found),
            Some(class) => faults.push(class.to_owned()),
            None => return complain("Invalid input."),
        }
    }
    match (wanted.is_empty(), faults.is_empty()) {
        (false, false) => complain("Can't mix SMF and FMA event definitions"),
        (true, true) => complain("Invalid input."),
        (true, false) => Ok(Events::Faults(faults)),
        (false, true) => {
            let every = transitions("all");
            Ok(Events::Transitions(every.into_iter().filter(|e| wanted.contains(e)).collect()))
        }
    }
}

/// Whose parameters are meant: `-g` those of all services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Selected,
    Everywhere,
}

/// Splits `-g` off.
fn scoped<'a, 'b>(words: &'b [&'a str]) -> (Scope, &'b [&'a str]) {
    match words {
        ["-g", rest @ ..] => (Scope::Everywhere, rest),
        rest => (Scope::Selected, rest),
    }
}

/// The entity that holds the parameters of transitions.
fn holder(session: &Session, scope: Scope) -> Result<String, Complaint> {
    match (scope, &session.snapshot) {
        (Scope::Everywhere, _) => Ok(GLOBAL.to_owned()),
        (Scope::Selected, Some(_)) => complain("Invalid operation on a snapshot."),
        (Scope::Selected, None) => session.entity(),
    }
}

/// The entity and the names of the groups that events stand for.
fn place(
    session: &Session,
    scope: Scope,
    events: &Events,
) -> Result<(String, Vec<String>), Complaint> {
    let group = |event: &String| format!("{event},fmnotify");
    match events {
        Events::Transitions(names) => {
            Ok((holder(session, scope)?, names.iter().map(group).collect()))
        }
        Events::Faults(_) if scope == Scope::Everywhere => {
            complain("Can't use option '-g' with FMA event definitions")
        }
        Events::Faults(classes) => Ok((FAULTS.to_owned(), classes.iter().map(group).collect())),
    }
}

/// The properties that the parameters come to.
type Parameters = Vec<(String, Property)>;

fn active(mechanism: &str, value: bool) -> (String, Property) {
    let value = Property { kind: "boolean".into(), values: vec![value.to_string()] };
    (format!("{mechanism},active"), value)
}

/// `mailto:...`, `snmp:...`, `syslog:...`
fn parameters(uri: &str) -> Result<Parameters, Complaint> {
    let uri = uri.trim_matches([' ', '\t']);
    let Some((scheme, rest)) = uri.split_once(':').filter(|(scheme, _)| !scheme.is_empty()) else {
        return complain(format!("'{uri}' is not an URI"));
    };
    let mechanism = match scheme {
        "mailto" => "smtp",
        "snmp" | "syslog" => scheme,
        other => return complain(format!("Unknown URI scheme: {other}")),
    };
    match rest {
        "" | "active" => return Ok(vec![active(mechanism, true)]),
        "inactive" => return Ok(vec![active(mechanism, false)]),
        other if mechanism != "smtp" => {
            return complain(format!("Not valid parameters: '{other}'"));
        }
        _ => {}
    }
    let text = |name: &str, value: &str| {
        let value = Property { kind: "astring".into(), values: vec![value.to_owned()] };
        (format!("{mechanism},{name}"), value)
    };
    let mut pieces = rest.split(['?', '&']).filter(|piece| !piece.is_empty());
    let mut parameters = vec![active(mechanism, true)];
    parameters.extend(pieces.next().map(|address| text("to", address)));
    for piece in pieces {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        if !smf_model::bundle::value::valid_name(&format!("{mechanism},{name}")) {
            return complain(format!("Not valid parameters: '{piece}'"));
        }
        parameters.push(text(name, value));
    }
    Ok(parameters)
}

fn setnotify(session: &mut Session, tokens: &[Token]) -> Outcome {
    let all = texts(tokens)?;
    let (scope, operands) = scoped(&all);
    let [first, uris @ ..] = operands else { return Err(Complaint::Syntax) };
    if uris.is_empty() {
        return Err(Complaint::Syntax);
    }
    let events = events(first)?;
    let (entity, names) = place(session, scope, &events)?;
    let mut properties = Parameters::new();
    for uri in uris {
        properties.extend(parameters(uri)?);
    }
    let groups = held(session, &entity)?;
    let mut operations = Vec::new();
    for name in names {
        if !groups.contains_key(&name) {
            let group = Group { kind: "notify_params".into(), ..Group::default() };
            operations.push(Operation::AddGroup(entity.clone(), name.clone(), group));
        }
        let set = |(property, value): &(String, Property)| {
            Operation::Set(entity.clone(), name.clone(), property.clone(), value.clone())
        };
        operations.extend(properties.iter().map(set));
    }
    session.commit(operations)?;
    refresh(session, &entity)
}

/// The groups of an entity that must be there.
fn held(session: &mut Session, entity: &str) -> Result<Groups, Complaint> {
    match session.repository()?.groups(entity) {
        Err(smf_cmd::repository::RepositoryError::NotFound(_)) => {
            complain(format!("Pattern '{entity}' doesn't match any instances or services"))
        }
        other => Ok(other?),
    }
}

fn refresh(session: &mut Session, entity: &str) -> Outcome {
    if is_instance(entity) {
        return session.refresh(entity);
    }
    for instance in session.repository()?.entities()?.remove(entity).unwrap_or_default() {
        session.refresh(&instance)?;
    }
    Ok(())
}

fn delnotify(session: &mut Session, tokens: &[Token]) -> Outcome {
    let all = words(tokens)?;
    let (scope, operands) = scoped(&all);
    let [only] = operands else { return Err(Complaint::Syntax) };
    let (entity, names) = place(session, scope, &events(only)?)?;
    let groups = held(session, &entity)?;
    let there = names.into_iter().filter(|name| groups.contains_key(name));
    let operations: Vec<_> =
        there.map(|name| Operation::RemoveGroup(entity.clone(), name)).collect();
    if operations.is_empty() {
        return Ok(());
    }
    session.commit(operations)?;
    refresh(session, &entity)
}

fn listnotify(session: &mut Session, tokens: &[Token]) -> Outcome {
    let all = words(tokens)?;
    let (scope, operands) = scoped(&all);
    let events = match operands {
        [] => events("all")?,
        [only] => events(only)?,
        [_, _, ..] => return Err(Complaint::Syntax),
    };
    let (entity, names) = place(session, scope, &events)?;
    let mut sources = Vec::new();
    let mut looked = vec![entity.clone(), service_of(&entity).to_owned()];
    if matches!(events, Events::Transitions(_)) {
        looked.push(GLOBAL.to_owned());
    }
    looked.dedup();
    for fmri in looked {
        match session.repository()?.groups(&fmri) {
            Ok(groups) => sources.push((fmri, groups)),
            Err(smf_cmd::repository::RepositoryError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut text = String::new();
    for name in names {
        let found = sources.iter().find_map(|(fmri, groups)| Some((fmri, groups.get(&name)?)));
        let Some((source, group)) = found else { continue };
        let event = name.trim_end_matches(",fmnotify");
        let tag = TAGS.iter().find(|(_, class)| *class == event).map(|(tag, _)| *tag);
        text.push_str(&listed(tag.unwrap_or(event), source, group));
    }
    print(&text)
}

/// The parameters of one event, a block for each way of telling.
fn listed(event: &str, source: &str, group: &Group) -> String {
    let mut mechanisms: Vec<&str> =
        group.properties.keys().filter_map(|name| Some(name.split_once(',')?.0)).collect();
    mechanisms.dedup();
    let mut text = String::new();
    for mechanism in mechanisms {
        if text.is_empty() {
            text.push_str(&format!("    Event: {event} (source: {source})\n"));
        }
        text.push_str(&format!("        Notification Type: {mechanism}\n"));
        let own = |name: &str| group.properties.get(&format!("{mechanism},{name}"));
        if let Some(value) = own("active").and_then(|property| property.values.first()) {
            text.push_str(&format!("            Active: {value}\n"));
        }
        for (name, property) in &group.properties {
            let name = name.strip_prefix(mechanism).and_then(|rest| rest.strip_prefix(','));
            if let Some(name) = name.filter(|name| *name != "active") {
                text.push_str(&format!("            {name}: {}\n", property.values.join(" ")));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_events() {
        for (text, expected) in [
            ("to-online", "Ok(Transitions([\"to-online\"]))"),
            ("online", "Ok(Transitions([\"to-online\", \"from-online\"]))"),
            ("from-online,to-online", "Ok(Transitions([\"to-online\", \"from-online\"]))"),
            ("problem-diagnosed", "Ok(Faults([\"list.suspect\"]))"),
            ("ireport.os.smf", "Ok(Faults([\"ireport.os.smf\"]))"),
            ("online,list.x", "Err(Refused(\"Can't mix SMF and FMA event definitions\"))"),
            ("nowhere", "Err(Refused(\"Invalid input.\"))"),
            ("", "Err(Refused(\"Invalid input.\"))"),
        ] {
            assert_eq!(format!("{:?}", events(text)), expected, "{text}");
        }
        assert_eq!(transitions("all").len(), 12);
        assert_eq!(transitions("from-all").len(), 6);
    }

    #[test]
    fn what_a_uri_comes_to() {
        for (uri, expected) in [
            ("mailto:a@b.c", Some("smtp,active=true smtp,to=a@b.c")),
            (
                "mailto:a@b?cc=c@d&subject=x y",
                Some("smtp,active=true smtp,to=a@b smtp,cc=c@d smtp,subject=x y"),
            ),
            ("mailto:inactive", Some("smtp,active=false")),
            ("snmp:", Some("snmp,active=true")),
            ("syslog:active", Some("syslog,active=true")),
            ("snmp:a@b", None),
            ("http://x", None),
            ("active", None),
            ("mailto:a@b?b d=1", None),
        ] {
            let got = parameters(uri).ok().map(|all| {
                let shown = |(name, p): &(String, Property)| format!("{name}={}", p.values[0]);
                all.iter().map(shown).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(got.as_deref(), expected, "{uri}");
        }
    }
}
