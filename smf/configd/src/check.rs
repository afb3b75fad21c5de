//! check.rs - which names, types and values a repository takes.

use smf_model::bundle::value::{PropertyType, Value, valid_name, valid_service_name};
use smf_model::fmri::service_of;
use smf_scf::import::merge::{Group, Property};
use smf_scf::protocol::Refusal;

/// The longest name, in bytes.
const NAME_MAX: usize = 119;

/// The longest value, in bytes.
const VALUE_MAX: usize = 4095;

fn name(text: &str) -> Result<(), Refusal> {
    if text.len() > NAME_MAX {
        return Err(Refusal::TooLong { what: text.to_owned(), longest: NAME_MAX });
    }
    if valid_name(text) { Ok(()) } else { Err(Refusal::InvalidName(text.to_owned())) }
}

pub(crate) fn fmri(fmri: &str) -> Result<(), Refusal> {
    let service = service_of(fmri);
    let Some(path) = service.strip_prefix("svc:/") else {
        return Err(Refusal::InvalidName(fmri.to_owned()));
    };
    if path.len() > NAME_MAX {
        return Err(Refusal::TooLong { what: path.to_owned(), longest: NAME_MAX });
    }
    if !valid_service_name(path) {
        return Err(Refusal::InvalidName(fmri.to_owned()));
    }
    fmri.get(service.len() + 1..).map_or(Ok(()), name)
}

pub(crate) fn snapshot(text: &str) -> Result<(), Refusal> {
    name(text)
}

pub(crate) fn group(own: &str, group: &Group) -> Result<(), Refusal> {
    name(own)?;
    name(&group.kind)?;
    group.properties.iter().try_for_each(|(name, value)| property(name, value))
}

pub(crate) fn property(own: &str, property: &Property) -> Result<(), Refusal> {
    values(own, &property.kind, &property.values)
}

/// The name, the type and the values of a property.
pub(crate) fn values(own: &str, kind: &str, values: &[String]) -> Result<(), Refusal> {
    name(own)?;
    let Some(known) = PropertyType::from_name(kind) else {
        return Err(Refusal::InvalidType(kind.to_owned()));
    };
    for value in values {
        if value.len() > VALUE_MAX {
            return Err(Refusal::TooLong { what: own.to_owned(), longest: VALUE_MAX });
        }
        if Value::parse(known, value).is_err() {
            let (kind, value) = (kind.to_owned(), value.clone());
            return Err(Refusal::InvalidValue { kind, value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let (fits, long) = ("n".repeat(119), "n".repeat(120));
        let too_long = |what: &str, longest| Refusal::TooLong { what: what.into(), longest };
        for (fmri_text, want) in [
            (format!("svc:/{fits}:{fits}"), Ok(())),
            (format!("svc:/{long}"), Err(too_long(&long, 119))),
            (format!("svc:/a:{long}"), Err(too_long(&long, 119))),
            ("svc:/a b".into(), Err(Refusal::InvalidName("svc:/a b".into()))),
            ("lrc:/a".into(), Err(Refusal::InvalidName("lrc:/a".into()))),
            ("svc:/a:".into(), Err(Refusal::InvalidName(String::new()))),
        ] {
            assert_eq!(fmri(&fmri_text), want, "{fmri_text}");
        }
        let of = |kind: &str, value: &str| Property {
            kind: kind.into(),
            values: vec![value.to_owned()],
        };
        let invalid = |kind: &str, value: &str| Refusal::InvalidValue {
            kind: kind.into(),
            value: value.into(),
        };
        for (name, value, want) in [
            (&*fits, of("astring", &"v".repeat(4095)), Ok(())),
            ("p", of("astring", &"v".repeat(4096)), Err(too_long("p", 4095))),
            (&*long, of("astring", ""), Err(too_long(&long, 119))),
            ("9", of("astring", ""), Err(Refusal::InvalidName("9".into()))),
            ("p", of("number", "1"), Err(Refusal::InvalidType("number".into()))),
            ("p", of("count", "one"), Err(invalid("count", "one"))),
        ] {
            assert_eq!(property(name, &value), want, "{name}");
        }
    }
}
