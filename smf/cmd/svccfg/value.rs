//! value.rs - addpropvalue and delpropvalue.

use smf_cmd::operand::matches;
use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::value::PropertyType;
use smf_scf::import::Operation;
use smf_scf::import::merge::Property;

use crate::arguments::texts;
use crate::property::{absent, checked, name_of, named_type, own_group, value};
use crate::session::{Complaint, Outcome, Session, complain};
use crate::verbs::{EDITABLE, Verb};

pub const VERBS: &[Verb] = &[
    Verb {
        name: "addpropvalue",
        usage: "addpropvalue pg/name [type:] value",
        about: "Add a value to a property.",
        at: EDITABLE,
        run: addpropvalue,
    },
    Verb {
        name: "delpropvalue",
        usage: "delpropvalue pg/name glob_pattern",
        about: "Delete the values of a property that match a pattern.",
        at: EDITABLE,
        run: delpropvalue,
    },
];

/// The name, which is a bare word, and what stands behind it.
fn split(tokens: &[Token]) -> Result<(&str, Vec<&str>), Complaint> {
    match tokens {
        [Token::Word(path), rest @ ..] => Ok((path, texts(rest)?)),
        _ => Err(Complaint::Syntax),
    }
}

fn addpropvalue(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (path, rest) = split(tokens)?;
    let (typed, text) = match rest[..] {
        [text] => (None, text),
        [kind, text] => (Some(kind), text),
        [] | [_, _, _, ..] => return Err(Complaint::Syntax),
    };
    let entity = session.editable()?;
    let (group, name) = name_of(path)?;
    let kind = match typed {
        Some(typed) => Some((typed, named_type(typed)?)),
        None => None,
    };
    let mut there = own_group(session, &entity, group)?;
    checked(name)?;
    let property = match (there.properties.remove(name), kind) {
        (Some(property), Some((typed, kind))) if property.kind != kind.to_string() => {
            return complain(format!("Property \"{name}\" is not of type \"{typed}\"."));
        }
        (Some(property), _) => property,
        (None, Some((_, kind))) => Property { kind: kind.to_string(), values: Vec::new() },
        (None, None) => return complain("Type required for new properties."),
    };
    append(session, (&entity, group, name), property, text)
}

/// Adds one value behind those that are there.
fn append(
    session: &mut Session,
    (entity, group, name): (&str, &str, &str),
    mut property: Property,
    text: &str,
) -> Outcome {
    let Some(kind) = PropertyType::from_name(&property.kind) else {
        return complain(format!("Unknown type \"{}\".", property.kind));
    };
    property.values.push(value(kind, text)?);
    let (entity, group, name) = (entity.to_owned(), group.to_owned(), name.to_owned());
    session.commit(vec![Operation::Set(entity, group, name, property)])
}

fn delpropvalue(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (path, rest) = split(tokens)?;
    let [pattern] = rest[..] else { return Err(Complaint::Syntax) };
    let entity = session.editable()?;
    let (group, name) = name_of(path)?;
    let mut there = own_group(session, &entity, group)?;
    checked(name)?;
    let Some(mut property) = there.properties.remove(name) else {
        return complain(absent(group, name));
    };
    property.values.retain(|value| !matches(pattern, value));
    session.commit(vec![Operation::Set(entity, group.to_owned(), name.to_owned(), property)])
}
