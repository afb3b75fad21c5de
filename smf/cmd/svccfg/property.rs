//! property.rs - setprop, addpropvalue, delprop, delpropvalue.
//!
//! The group must be the selected entity's own; the type may be left out where the property, or
//! the same property of the service, already has one.

use smf_cmd::operand::{is_instance, matches, service_of};
use smf_cmd::repository::RepositoryError;
use smf_model::bundle::value::{PropertyType, Value};
use smf_scf::import::merge::Property;

use crate::session::{Complaint, Outcome, Session, complain};
use smf_cmd::svccfg_lex::Token;

const QUOTES: &str =
    "Multiple string values or string values with spaces must be quoted with '\"'.";

/// What stands behind `=`: a type, if one is named, and values.
#[derive(Debug, PartialEq, Eq)]
struct Assignment {
    kind: Option<String>,
    values: Vec<String>,
    /// A list held a bare word.
    unquoted: bool,
}

/// `pg/prop = [type:] value` or `pg/prop = [type:] ( value ... )`.
fn assignment(tokens: &[Token]) -> Result<Assignment, Complaint> {
    let text = |token: &Token| match token {
        Token::Word(text) | Token::Quoted(text) => Some(text.clone()),
        Token::Equals | Token::Redirect | Token::Open | Token::Close => None,
    };
    let kind = |token: &Token| match token {
        Token::Word(word) => Some(word.trim_end_matches(':').to_owned()),
        _ => None,
    };
    let syntax = || Complaint("Syntax error.".into());
    let (kind, list) = match tokens {
        [value] => {
            let values = vec![text(value).ok_or_else(syntax)?];
            return Ok(Assignment { kind: None, values, unquoted: false });
        }
        [Token::Open, list @ .., Token::Close] => (None, list),
        [first, Token::Open, list @ .., Token::Close] => {
            (Some(kind(first).ok_or_else(syntax)?), list)
        }
        [first, value] => {
            let values = vec![text(value).ok_or_else(syntax)?];
            let kind = Some(kind(first).ok_or_else(syntax)?);
            return Ok(Assignment { kind, values, unquoted: false });
        }
        // Several bare words: a string that lost its quotes.
        [Token::Word(first), rest @ ..] if first.ends_with(':') && !rest.is_empty() => {
            return complain(QUOTES);
        }
        _ => return Err(syntax()),
    };
    let values = list.iter().map(text).collect::<Option<Vec<_>>>().ok_or_else(syntax)?;
    let unquoted = list.iter().any(|token| matches!(token, Token::Word(_)));
    Ok(Assignment { kind, values, unquoted })
}

fn name_of(text: &str) -> Result<(String, String), Complaint> {
    match text.split_once('/') {
        Some((group, name)) => Ok((group.to_owned(), name.to_owned())),
        None => complain("Property names must contain a `/'."),
    }
}

/// The type of a property: the one given, the one it has, or the one the service's has.
fn kind_for(
    session: &mut Session,
    entity: &str,
    (group, name): (&str, &str),
    given: Option<&str>,
) -> Result<PropertyType, Complaint> {
    let known = |kind: &str| {
        PropertyType::from_name(kind).ok_or_else(|| Complaint(format!("Unknown type \"{kind}\".")))
    };
    if let Some(kind) = given {
        return known(kind);
    }
    let groups = session.repository.groups(entity)?;
    let own = groups.get(group).and_then(|group| group.properties.get(name));
    if let Some(property) = own {
        return known(&property.kind);
    }
    if is_instance(entity) {
        let groups = session.repository.groups(service_of(entity))?;
        if let Some(property) = groups.get(group).and_then(|group| group.properties.get(name)) {
            return known(&property.kind);
        }
    }
    complain("Type required for new properties.")
}

fn checked(kind: PropertyType, values: &[String]) -> Result<Vec<String>, Complaint> {
    let check = |text: &String| match Value::parse(kind, text) {
        Ok(value) => Ok(value.to_string()),
        Err(_) => complain(format!("Invalid \"{kind}\" value \"{text}\".")),
    };
    values.iter().map(check).collect()
}

/// The parts of `pg/prop = ...` with the type settled.
fn parsed(
    session: &mut Session,
    entity: &str,
    name: &str,
    tokens: &[Token],
) -> Result<((String, String), Property), Complaint> {
    let (group, name) = name_of(name)?;
    let given = assignment(tokens)?;
    if !session.repository.groups(entity)?.contains_key(&group) {
        return complain(format!("No such property group \"{group}\"."));
    }
    let kind = kind_for(session, entity, (&group, &name), given.kind.as_deref())?;
    let textual = matches!(kind, PropertyType::Astring | PropertyType::Ustring);
    if given.unquoted && textual {
        return complain(QUOTES);
    }
    let values = checked(kind, &given.values)?;
    Ok(((group, name), Property { kind: kind.to_string(), values }))
}

/// Replaces all values of a property.
pub fn setprop(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (name, rest) = match tokens {
        [Token::Word(name) | Token::Quoted(name), Token::Equals, rest @ ..] => (name, rest),
        _ => return complain("Syntax error."),
    };
    let entity = session.editable()?;
    let ((group, name), value) = parsed(session, &entity, name, rest)?;
    set(session, &entity, (&group, &name), &value)
}

fn set(
    session: &mut Session,
    entity: &str,
    (group, name): (&str, &str),
    value: &Property,
) -> Outcome {
    match session.repository.set(entity, group, name, value) {
        Err(RepositoryError::NotFound(_)) => {
            complain(format!("No such property group \"{group}\"."))
        }
        other => Ok(other?),
    }
}

/// Adds a value to a property: `pg/prop [type:] value`.
pub fn addpropvalue(session: &mut Session, tokens: &[Token]) -> Outcome {
    let Some((Token::Word(name), rest @ ([_] | [_, _]))) = tokens.split_first() else {
        return complain("Syntax error.");
    };
    let entity = session.editable()?;
    let ((group, name), mut value) = parsed(session, &entity, name, rest)?;
    let groups = session.repository.groups(&entity)?;
    if let Some(there) = groups.get(&group).and_then(|group| group.properties.get(&name)) {
        if there.kind != value.kind {
            return complain(format!(
                "Property \"{group}/{name}\" is not of type \"{}\".",
                value.kind
            ));
        }
        let mut values = there.values.clone();
        values.append(&mut value.values);
        value.values = values;
    }
    set(session, &entity, (&group, &name), &value)
}

/// Removes a property, or a whole group.
pub fn delprop(session: &mut Session, name: &str) -> Outcome {
    let entity = session.editable()?;
    let Some((group, name)) = name.split_once('/') else {
        return crate::entity::delpg(session, name);
    };
    match session.repository.unset(&entity, group, name) {
        Err(RepositoryError::NotFound(_)) => complain(format!("No such property {group}/{name}.")),
        other => Ok(other?),
    }
}

/// Removes the values of a property that match a pattern.
pub fn delpropvalue(session: &mut Session, words: &[String]) -> Outcome {
    let [name, pattern] = words else { return complain("Syntax error.") };
    let entity = session.editable()?;
    let (group, name) = name_of(name)?;
    let groups = session.repository.groups(&entity)?;
    let there = groups.get(&group).and_then(|group| group.properties.get(&name));
    let Some(there) = there else { return complain(format!("No such property {group}/{name}.")) };
    let kept = there.values.iter().filter(|value| !matches(pattern, value)).cloned().collect();
    set(session, &entity, (&group, &name), &Property { kind: there.kind.clone(), values: kept })
}

#[cfg(test)]
mod tests {
    use super::*;
    use smf_cmd::svccfg_lex::commands;

    #[test]
    fn what_may_stand_behind_the_equals_sign() {
        for (text, expected) in [
            ("8001", "None [\"8001\"] false"),
            ("count: 8001", "Some(\"count\") [\"8001\"] false"),
            ("astring: \"/a b\"", "Some(\"astring\") [\"/a b\"] false"),
            ("(\"a\" \"b\")", "None [\"a\", \"b\"] false"),
            ("astring: (a \"b\")", "Some(\"astring\") [\"a\", \"b\"] true"),
            ("count: ()", "Some(\"count\") [] false"),
            ("", "Syntax error."),
            ("astring: a b", QUOTES),
        ] {
            let tokens = commands(text).unwrap();
            let tokens = tokens.first().map_or(&[][..], |command| &command.tokens);
            let got = match assignment(tokens) {
                Ok(a) => format!("{:?} {:?} {}", a.kind, a.values, a.unquoted),
                Err(error) => error.to_string(),
            };
            assert_eq!(got, expected, "{text}");
        }
    }
}
