//! target.rs - what an operand of svcprop names: an entity, or a part of one.
//!
//! An operand that is an instance's FMRI is not looked up in a list of all there are: scripts ask
//! for one property of one instance, thousands of times.

use smf_cmd::operand::{self, Wanted, is_instance};
use smf_cmd::repository::{Repository, RepositoryError};
use smf_cmd::states;

use crate::End;
use crate::options::Selector;

/// What of an entity is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    Entity,
    Group(String),
    Property(String, String),
}

/// What an operand names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub fmri: String,
    pub part: Part,
    /// As it was typed.
    pub operand: String,
}

/// The entity of an operand, and which part of it is meant.
fn split(operand: &str) -> (&str, Part) {
    let Some((entity, rest)) = operand.split_once("/:properties/") else {
        return (operand, Part::Entity);
    };
    match rest.split_once('/') {
        Some((group, property)) => (entity, Part::Property(group.to_owned(), property.to_owned())),
        None => (entity, Part::Group(rest.to_owned())),
    }
}

/// What an operand names, or what is said when it names nothing.
pub fn find(
    repository: &mut Repository,
    operand: &str,
) -> Result<Result<Vec<Target>, String>, RepositoryError> {
    let (entity, part) = split(operand);
    let target = |fmri: String| Target { fmri, part: part.clone(), operand: operand.to_owned() };
    if let Some(fmri) = operand::canonical(entity).filter(|fmri| is_instance(fmri)) {
        if !states::there(repository, vec![fmri.clone()])?.is_empty() {
            return Ok(Ok(vec![target(fmri)]));
        }
    }
    let entities = repository.entities()?;
    Ok(match operand::find(entity, Wanted::Either, &entities) {
        Ok(matched) => Ok(matched.fmris.into_iter().map(target).collect()),
        Err(message) if message.starts_with("Pattern") => Err(nothing(operand)),
        Err(message) => Err(message),
    })
}

/// What is said of an operand that names nothing.
pub fn nothing(operand: &str) -> String {
    format!("Pattern '{operand}' doesn't match any entities")
}

/// The group that -w waits for, and the property that is printed.
pub fn awaited(target: &Target, selectors: &[Selector]) -> Result<(String, Option<String>), End> {
    let wrong = |text: String| Err(End::Said(2, text));
    match (&target.part, selectors) {
        (Part::Entity, []) if is_instance(&target.fmri) => {
            wrong("Cannot wait for an instance.".into())
        }
        (Part::Entity, []) => wrong("Cannot wait for a service.".into()),
        (Part::Entity, [selector, ..]) => Ok((selector.group.clone(), selector.property.clone())),
        (Part::Group(group), []) => Ok((group.clone(), None)),
        (Part::Group(group), [Selector { group: property, property: None }, ..]) => {
            Ok((group.clone(), Some(property.clone())))
        }
        (Part::Group(group), [Selector { group: first, property: Some(second) }, ..]) => {
            let whole = format!("{}/:properties/{group}", target.fmri);
            let text = "has too many components for property group";
            wrong(format!("-p argument \"{first}/{second}\" {text} {whole}."))
        }
        (Part::Property(group, property), []) => Ok((group.clone(), Some(property.clone()))),
        (Part::Property(_, _), [_, ..]) => wrong("-p cannot be used with property FMRIs.".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_operands() {
        for (operand, entity, part) in [
            ("svc:/a/b:c", "svc:/a/b:c", Part::Entity),
            ("a/b", "a/b", Part::Entity),
            ("svc:/a/b/:properties/g", "svc:/a/b", Part::Group("g".into())),
            ("svc:/a/b:c/:properties/g/p", "svc:/a/b:c", Part::Property("g".into(), "p".into())),
        ] {
            assert_eq!(split(operand), (entity, part), "{operand}");
        }
    }

    #[test]
    fn what_is_waited_for() {
        let selector = |group: &str, property: Option<&str>| Selector {
            group: group.into(),
            property: property.map(str::to_owned),
        };
        let group = || Part::Group("g".into());
        let property = || Part::Property("g".into(), "p".into());
        for (fmri, part, selectors, expected) in [
            ("svc:/a:b", Part::Entity, vec![], Err("Cannot wait for an instance.")),
            ("svc:/a", Part::Entity, vec![], Err("Cannot wait for a service.")),
            ("svc:/a", Part::Entity, vec![selector("g", None)], Ok("g")),
            ("svc:/a", Part::Entity, vec![selector("g", Some("p"))], Ok("g/p")),
            ("svc:/a", group(), vec![], Ok("g")),
            ("svc:/a", group(), vec![selector("p", None)], Ok("g/p")),
            (
                "svc:/a",
                group(),
                vec![selector("x", Some("p"))],
                Err("-p argument \"x/p\" has too many components for property group \
                     svc:/a/:properties/g."),
            ),
            ("svc:/a", property(), vec![], Ok("g/p")),
            (
                "svc:/a",
                property(),
                vec![selector("x", None)],
                Err("-p cannot be used with property FMRIs."),
            ),
        ] {
            let target = Target { fmri: fmri.into(), part, operand: String::new() };
            let got = awaited(&target, &selectors).map(|(group, property)| match property {
                Some(property) => format!("{group}/{property}"),
                None => group,
            });
            let got = got.map_err(|end| end.to_string());
            assert_eq!(got, expected.map(str::to_owned).map_err(str::to_owned), "{target:?}");
        }
    }
}
