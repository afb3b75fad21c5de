//! value.rs - addpropvalue and delpropvalue.

use smf_cmd::operand::matches;
use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::value::PropertyType;
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};

use crate::arguments::texts;
use crate::group;
use crate::property::{absent, checked, name_of, named_type, value};
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
    group::checked(group)?;
    checked(name)?;
    session.edit(&entity, group, |there| {
        let mut property = extended(there, (group, name), kind)?;
        property.values.push(value(type_of(&property)?, text)?);
        Ok(set(&entity, (group, name), property))
    })
}

/// The property that is to have one value more: the one there is, or a new one of this type.
fn extended(
    there: Option<Group>,
    (group, name): (&str, &str),
    kind: Option<(&str, PropertyType)>,
) -> Result<Property, Complaint> {
    let Some(mut there) = there else { return complain(group::absent(group)) };
    match (there.properties.remove(name), kind) {
        (Some(property), Some((typed, kind))) if property.kind != kind.to_string() => {
            complain(format!("Property \"{name}\" is not of type \"{typed}\"."))
        }
        (Some(property), _) => Ok(property),
        (None, Some((_, kind))) => Ok(Property { kind: kind.to_string(), values: Vec::new() }),
        (None, None) => complain("Type required for new properties."),
    }
}

fn type_of(property: &Property) -> Result<PropertyType, Complaint> {
    let kind = PropertyType::from_name(&property.kind);
    kind.ok_or_else(|| Complaint::Refused(format!("Unknown type \"{}\".", property.kind)))
}

fn set(entity: &str, (group, name): (&str, &str), property: Property) -> Vec<Operation> {
    vec![Operation::Set(entity.to_owned(), group.to_owned(), name.to_owned(), property)]
}

fn delpropvalue(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (path, rest) = split(tokens)?;
    let [pattern] = rest[..] else { return Err(Complaint::Syntax) };
    let entity = session.editable()?;
    let (group, name) = name_of(path)?;
    group::checked(group)?;
    checked(name)?;
    session.edit(&entity, group, |there| {
        let Some(mut there) = there else { return complain(group::absent(group)) };
        let Some(mut property) = there.properties.remove(name) else {
            return complain(absent(group, name));
        };
        property.values.retain(|value| !matches(pattern, value));
        Ok(set(&entity, (group, name), property))
    })
}
