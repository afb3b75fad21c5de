//! property.rs - setprop and delprop.
//!
//! The group must be the selected entity's own; the type may be left out where the property, the
//! same property of the service, or a template already has one.

use smf_cmd::operand::{is_instance, service_of};
use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::value::{PropertyType, Value, valid_name};
use smf_scf::import::Operation;
use smf_scf::import::merge::{Group, Property};

use crate::arguments::one;
use crate::group;
use crate::session::{Complaint, Outcome, Session, complain};
use crate::verbs::{EDITABLE, Verb};

pub const VERBS: &[Verb] = &[
    Verb {
        name: "setprop",
        usage: "setprop pg/name = [type:] value\nsetprop pg/name = [type:] ([value...])",
        about: "Set all values of a property.  Values may stand in double quotes, and a list of\n\
                values may go over several lines.",
        at: EDITABLE,
        run: setprop,
    },
    Verb {
        name: "delprop",
        usage: "delprop pg[/name]",
        about: "Delete a property, or a whole property group.",
        at: EDITABLE,
        run: |session, tokens| delprop(session, one(tokens)?),
    },
];

const QUOTES: &str =
    "Multiple string values or string values with spaces must be quoted with '\"'.";

/// What stands behind `=`: a type, if one is named, and values.
#[derive(Debug, PartialEq, Eq)]
struct Assignment<'a> {
    kind: Option<&'a str>,
    values: Vec<&'a Token>,
    list: bool,
}

/// `[type:] value` or `[type:] ( value ... )`.
fn assignment(tokens: &[Token]) -> Result<Assignment<'_>, Complaint> {
    let plain = |token: &Token| matches!(token, Token::Word(_) | Token::Quoted(_));
    let (kind, list, values) = match tokens {
        [Token::Open, values @ .., Token::Close] => (None, true, values),
        [Token::Word(kind), Token::Open, values @ .., Token::Close] => (Some(kind), true, values),
        [_] => (None, false, tokens),
        [Token::Word(kind), value @ ..] if value.len() == 1 => (Some(kind), false, value),
        _ => return Err(Complaint::Syntax),
    };
    if !values.iter().all(plain) {
        return Err(Complaint::Syntax);
    }
    Ok(Assignment { kind: kind.map(String::as_str), values: values.iter().collect(), list })
}

/// Splits `pg/prop`.
pub fn name_of(text: &str) -> Result<(&str, &str), Complaint> {
    match text.split_once('/') {
        Some(parts) => Ok(parts),
        None => complain("Property names must contain a `/'."),
    }
}

/// The type behind which a colon stands.
pub fn named_type(text: &str) -> Result<PropertyType, Complaint> {
    let kind = text.strip_suffix(':').and_then(PropertyType::from_name);
    kind.ok_or_else(|| Complaint::Refused(format!("Unknown type \"{text}\".")))
}

/// The entity's own group.
fn own_group(session: &mut Session, entity: &str, name: &str) -> Result<Group, Complaint> {
    group::checked(name)?;
    session.group(entity, name)?.ok_or_else(|| Complaint::Refused(group::absent(name)))
}

/// Whether a property can have this name.
pub fn checked(name: &str) -> Outcome {
    if valid_name(name) { Ok(()) } else { complain(format!("Invalid property name \"{name}\".")) }
}

/// What is said of a property that is not there.
pub fn absent(group: &str, name: &str) -> String {
    format!("No such property {group}/{name}.")
}

/// A value in printed form.
pub fn value(kind: PropertyType, text: &str) -> Result<String, Complaint> {
    match Value::parse(kind, text) {
        Ok(value) => Ok(value.to_string()),
        Err(_) => complain(format!("Invalid \"{kind}\" value \"{text}\".")),
    }
}

/// The type of a property that has none yet: that of the service's, or of a template.
fn inferred(
    session: &mut Session,
    entity: &str,
    (group, kind): (&str, &str),
    name: &str,
) -> Result<PropertyType, Complaint> {
    if is_instance(entity) {
        let inherited = session.group(service_of(entity), group)?;
        let inherited = inherited.as_ref().and_then(|group| group.properties.get(name));
        if let Some(kind) = inherited.and_then(|p| PropertyType::from_name(&p.kind)) {
            return Ok(kind);
        }
    }
    match crate::template::property_type(session, entity, (group, kind), name)? {
        Some(kind) => Ok(kind),
        None => complain("Type required for new properties."),
    }
}

fn setprop(session: &mut Session, tokens: &[Token]) -> Outcome {
    let [Token::Word(path), Token::Equals, rest @ ..] = tokens else {
        return Err(Complaint::Syntax);
    };
    let given = assignment(rest)?;
    let entity = session.editable()?;
    let (group, name) = name_of(path)?;
    let kind = given.kind.map(named_type).transpose()?;
    let there = own_group(session, &entity, group)?;
    checked(name)?;
    let known = there.properties.get(name).and_then(|p| PropertyType::from_name(&p.kind));
    let kind = match kind.or(known) {
        Some(kind) => kind,
        None => inferred(session, &entity, (group, &there.kind), name)?,
    };
    let textual = matches!(kind, PropertyType::Astring | PropertyType::Ustring);
    let mut values = Vec::new();
    for token in given.values {
        values.push(match token {
            Token::Word(_) if given.list && textual => return complain(QUOTES),
            Token::Word(text) | Token::Quoted(text) => value(kind, text)?,
            _ => return Err(Complaint::Syntax),
        });
    }
    let property = Property { kind: kind.to_string(), values };
    session.commit(vec![Operation::Set(entity, group.to_owned(), name.to_owned(), property)])
}

/// Removes a property, or a whole group.
pub fn delprop(session: &mut Session, path: &str) -> Outcome {
    let entity = session.editable()?;
    let Some((group, name)) = path.split_once('/') else {
        return group::delpg(session, path);
    };
    let there = own_group(session, &entity, group)?;
    checked(name)?;
    if !there.properties.contains_key(name) {
        return complain(absent(group, name));
    }
    session.commit(vec![Operation::Unset(entity, group.to_owned(), name.to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use smf_cmd::svccfg_lex::commands;

    #[test]
    fn what_may_stand_behind_the_equals_sign() {
        for (text, expected) in [
            ("8001", Some("None 1 false")),
            ("count: 8001", Some("Some(\"count:\") 1 false")),
            ("astring: \"/a b\"", Some("Some(\"astring:\") 1 false")),
            ("(\"a\" \"b\")", Some("None 2 true")),
            ("astring: (a \"b\")", Some("Some(\"astring:\") 2 true")),
            ("count: ()", Some("Some(\"count:\") 0 true")),
            ("", None),
            ("astring: a b", None),
            ("\"astring:\" a", None),
            ("(a) b", None),
            ("a = b", None),
            ("((a))", None),
            ("> a", None),
        ] {
            let commands = commands(text).unwrap();
            let tokens = commands.first().map_or(&[][..], |command| &command.tokens);
            let got = assignment(tokens).ok();
            let got = got.map(|a| format!("{:?} {} {}", a.kind, a.values.len(), a.list));
            assert_eq!(got.as_deref(), expected, "{text}");
        }
    }
}
