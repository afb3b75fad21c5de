//! environment.rs - setenv and unsetenv: one variable of a method's environment.

use smf_cmd::operand::service_of;
use smf_cmd::repository::RepositoryError;
use smf_scf::import::merge::Property;

use crate::session::{Complaint, Outcome, Session, complain};

/// Which group of which entity holds the environment.
struct Place {
    entity: String,
    group: String,
}

/// Reads `[-s | -i | -m method]` and leaves the rest.
fn place<'a>(session: &Session, words: &'a [String]) -> Result<(Place, &'a [String]), Complaint> {
    let entity = session.editable()?;
    let context = "method_context".to_owned();
    Ok(match words {
        [flag, rest @ ..] if flag == "-s" => {
            (Place { entity: service_of(&entity).to_owned(), group: context }, rest)
        }
        [flag, rest @ ..] if flag == "-i" => {
            (Place { entity: session.instance()?, group: context }, rest)
        }
        [flag, method, rest @ ..] if flag == "-m" => {
            (Place { entity, group: method.clone() }, rest)
        }
        rest => (Place { entity, group: "start".into() }, rest),
    })
}

/// The variables that are there, without this one.
fn others(session: &mut Session, place: &Place, name: &str) -> Result<Vec<String>, Complaint> {
    let groups = session.repository.groups(&place.entity)?;
    let there = groups.get(&place.group);
    if there.is_none() {
        if place.group != "method_context" {
            return complain(format!("No such property group \"{}\".", place.group));
        }
        let added = session.repository.add_group(&place.entity, &place.group, "framework", false);
        match added {
            Ok(()) | Err(RepositoryError::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let there = there.and_then(|group| group.properties.get("environment"));
    let values = there.map(|property| property.values.clone()).unwrap_or_default();
    let own = format!("{name}=");
    Ok(values.into_iter().filter(|value| !value.starts_with(&own)).collect())
}

fn store(session: &mut Session, place: &Place, values: Vec<String>) -> Outcome {
    let value = Property { kind: "astring".into(), values };
    Ok(session.repository.set(&place.entity, &place.group, "environment", &value)?)
}

/// `setenv [-s | -i | -m method] NAME value`
pub fn setenv(session: &mut Session, words: &[String]) -> Outcome {
    let (place, rest) = place(session, words)?;
    let [name, value] = rest else { return complain("Syntax error.") };
    if name.is_empty() || name.contains('=') || name.starts_with("SMF_") {
        return complain(format!("Invalid environment variable \"{name}\"."));
    }
    let mut values = others(session, &place, name)?;
    values.push(format!("{name}={value}"));
    store(session, &place, values)
}

/// `unsetenv [-s | -i | -m method] NAME`
pub fn unsetenv(session: &mut Session, words: &[String]) -> Outcome {
    let (place, rest) = place(session, words)?;
    let [name] = rest else { return complain("Syntax error.") };
    let values = others(session, &place, name)?;
    store(session, &place, values)
}
