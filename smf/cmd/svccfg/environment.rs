//! environment.rs - setenv and unsetenv: one variable of a method's environment.
//!
//! | option | group that holds it |
//! |---|---|
//! | none | the start method, of the instance if it has one, else of the service |
//! | `-s`, `-i` | the method context of the service, of the instance; made if need be |
//! | `-m method` | that method |

use smf_cmd::operand::{is_instance, service_of};
use smf_model::bundle::value::{PropertyType, valid_name};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};

use crate::arguments::{options, texts};
use crate::group;
use crate::property;
use crate::session::{Complaint, Outcome, Session, complain};
use crate::verbs::{EDITABLE, Verb};

pub const VERBS: &[Verb] = &[
    Verb {
        name: "setenv",
        usage: "setenv [-s | -i | -m method] NAME value",
        about: "Set an environment variable for a service, an instance, or a method.",
        at: EDITABLE,
        run: |session, tokens| {
            let words = texts(tokens)?;
            let (place, operands) = placed(&words)?;
            let [name, value] = operands[..] else { return Err(Complaint::Syntax) };
            change(session, &place, name, Some(value))
        },
    },
    Verb {
        name: "unsetenv",
        usage: "unsetenv [-s | -i | -m method] NAME",
        about: "Unset an environment variable for a service, an instance, or a method.",
        at: EDITABLE,
        run: |session, tokens| {
            let words = texts(tokens)?;
            let (place, operands) = placed(&words)?;
            let [name] = operands[..] else { return Err(Complaint::Syntax) };
            change(session, &place, name, None)
        },
    },
];

const CONTEXT: &str = "method_context";
const ENVIRONMENT: &str = "environment";
const START: [&str; 2] = ["start", "inetd_start"];

/// What the options say.
#[derive(Debug, Default)]
struct Place<'a> {
    service: bool,
    instance: bool,
    method: Option<&'a str>,
}

fn placed<'a, 'b>(words: &'b [&'a str]) -> Result<(Place<'a>, &'b [&'a str]), Complaint> {
    let (flags, operands) = options(words, "sim:")?;
    let mut place = Place::default();
    for (letter, argument) in flags {
        match letter {
            's' => place.service = true,
            'i' => place.instance = true,
            _ => place.method = argument,
        }
    }
    if place.service && place.instance { Err(Complaint::Syntax) } else { Ok((place, operands)) }
}

/// The entity and the group that hold the environment.
fn find(session: &mut Session, place: &Place<'_>) -> Result<(String, String), Complaint> {
    let selected = session.editable()?;
    if place.instance && !is_instance(&selected) {
        return complain("No instance is selected.");
    }
    let entity = if place.service { service_of(&selected).to_owned() } else { selected };
    if let Some(method) = place.method {
        return match session.group(&entity, method)? {
            None if valid_name(method) => {
                complain(format!("Couldn't find the method \"{method}\"."))
            }
            None => complain(format!("Invalid method name \"{method}\".")),
            Some(group) if group.kind != "method" => {
                complain(format!("Property group \"{method}\" is not of type \"method\"."))
            }
            Some(_) => Ok((entity, method.to_owned())),
        };
    }
    if place.service || place.instance {
        return Ok((entity, CONTEXT.to_owned()));
    }
    let service = service_of(&entity).to_owned();
    for entity in [entity, service] {
        for method in START {
            if session.group(&entity, method)?.is_some_and(|group| group.kind == "method") {
                return Ok((entity, method.to_owned()));
            }
        }
    }
    complain("Couldn't find start method; please specify a method with '-m'.")
}

fn change(session: &mut Session, place: &Place<'_>, name: &str, value: Option<&str>) -> Outcome {
    let (entity, method) = find(session, place)?;
    let own = format!("{name}=");
    let variable = match value {
        Some(value) => Some(property::value(PropertyType::Astring, &format!("{own}{value}"))?),
        None => None,
    };
    session.edit(&entity, &method, |there| {
        let mut operations = Vec::new();
        if there.is_none() {
            if variable.is_none() {
                return complain(group::absent(&method));
            }
            let context = Group { kind: "framework".into(), ..Group::default() };
            operations.push(Operation::AddGroup(entity.clone(), method.clone(), context));
        }
        let there = there.and_then(|mut group| group.properties.remove(ENVIRONMENT));
        if there.is_none() && variable.is_none() {
            return complain(property::absent(&method, ENVIRONMENT));
        }
        let none = || Property { kind: "astring".into(), values: Vec::new() };
        let mut all = there.unwrap_or_else(none);
        all.values.retain(|value| !value.starts_with(&own));
        all.values.extend(variable.clone());
        operations.push(Operation::Set(entity.clone(), method.clone(), ENVIRONMENT.into(), all));
        Ok(operations)
    })
}
