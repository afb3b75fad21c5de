//! set.rs - `pkgrepo set`: properties of the repository, or with `-p` of a publisher.

use ips_cmd::{Failure, clock};
use ips_model::configuration::list_members;
use ips_model::fmri::is_publisher;
use ips_model::p5i;
use ips_repository::Repository;

use crate::get::described;

use crate::options::Options;

/// Properties that are a truth.
const TRUTHS: [&str; 1] = ["check-certificate-revocation"];
/// Properties that are a list.
const LISTS: [&str; 1] = ["signature-required-names"];

/// Sets the properties, all of them checked before the first is set.
pub fn set(options: &Options) -> Result<(), Failure> {
    let place = options.place()?;
    if options.operands.is_empty() {
        return Err(Failure::usage(
            "a property name and value must be provided in the form <section/property>=<value> or <section/property>=([\"<value>\" ...])",
        )
        .of(options.name));
    }
    let repository = place.open()?;
    let mut changes = Vec::new();
    for operand in &options.operands {
        let parts = operand.split_once('=').and_then(|(name, value)| {
            let (section, property) = name.split_once('/')?;
            (!section.is_empty() && !property.is_empty()).then_some((section, property, value))
        });
        let Some((section, property, value)) = parts else {
            return Err(Failure::usage(format!(
                "Unable to parse property name '{operand}' and value; must be in the form <section/property>=<value>"
            ))
            .of(options.name));
        };
        changes.push((section, property, stored(section, property, value)?));
    }
    if !options.publishers.is_empty() {
        return set_of_publishers(&repository, &options.publishers, &changes);
    }
    for (section, property, value) in changes {
        repository.set_property(section, property, &value)?;
    }
    Ok(())
}

/// Sets properties of publishers (`all`: every one there is); one that is not there is added.
fn set_of_publishers(
    repository: &Repository,
    named: &[String],
    changes: &[(&str, &str, String)],
) -> Result<(), Failure> {
    for (section, property, _) in changes {
        if !matches!(*section, "publisher" | "repository") {
            return Err(Failure::usage(format!("unknown property section '{section}'")).of("set"));
        }
        if (*section, *property) == ("publisher", "prefix") {
            return Err(Failure::usage("'prefix' may not be set using this command").of("set"));
        }
    }
    let known = repository.publishers()?;
    let wanted = if named.iter().any(|name| name == "all") { &known[..] } else { named };
    if wanted.is_empty() {
        return Err(Failure::usage(
            "One or more publishers must be specified to create and set properties for as none exist yet.",
        )
        .of("set"));
    }
    let mut all = Vec::new();
    for name in wanted {
        if !is_publisher(name) {
            return Err(Failure::new(format!("Invalid publisher prefix '{name}'")).of("set"));
        }
        let mut about = match known.contains(name) {
            true => described(repository, name)?,
            false => p5i::Publisher::default(),
        };
        about.name.clone_from(name);
        for (section, property, value) in changes {
            change(&mut about, section, property, value)?;
        }
        all.push(about);
    }
    let now = clock::publication()?;
    for about in all {
        if !known.contains(&about.name) {
            repository.add_publisher(&about.name, now)?;
        }
        repository.describe(&about)?;
    }
    Ok(())
}

fn change(
    about: &mut p5i::Publisher,
    section: &str,
    property: &str,
    value: &str,
) -> Result<(), Failure> {
    let refused = || {
        Failure::new(format!(
            "Invalid value '{value}' for property '{property}' in section '{section}'."
        ))
    };
    let text = || value.to_string();
    // One value alone is a list, too.
    let list = || match list_members(value) {
        Some(members) => members,
        None if value.is_empty() => Vec::new(),
        None => vec![text()],
    };
    if (section, property) == ("publisher", "alias") {
        about.alias = Some(text()).filter(|alias| !alias.is_empty());
        return Ok(());
    }
    if about.repositories.is_empty() {
        about.repositories.push(p5i::Repository::default());
    }
    let repository = &mut about.repositories[0];
    match (section, property) {
        ("repository", "name") => repository.name = text(),
        ("repository", "description") => repository.description = text(),
        ("repository", "registration-uri") => repository.registration_uri = text(),
        ("repository", "origins") => repository.origins = list(),
        ("repository", "mirrors") => repository.mirrors = list(),
        ("repository", "legal-uris") => repository.legal_uris = list(),
        ("repository", "related-uris") => repository.related_uris = list(),
        ("repository", "refresh-seconds") if value.is_empty() => repository.refresh_seconds = None,
        ("repository", "refresh-seconds") => {
            repository.refresh_seconds = Some(value.parse().map_err(|_| refused())?);
        }
        (_, _) => {
            let unknown = format!("unknown property '{property}' in section '{section}'");
            return Err(Failure::new(unknown).of("set"));
        }
    }
    Ok(())
}

/// A value as the configuration keeps it.
fn stored(section: &str, property: &str, value: &str) -> Result<String, Failure> {
    let refused = || {
        Failure::new(format!(
            "Invalid value '{value}' for property '{property}' in section '{section}'."
        ))
    };
    if section == "repository" && TRUTHS.contains(&property) {
        return match value.to_ascii_lowercase().as_str() {
            "true" => Ok("True".into()),
            "false" | "" => Ok("False".into()),
            _ => Err(refused()),
        };
    }
    if let Some(inner) = value.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let members: Vec<String> = words(inner).ok_or_else(refused)?;
        let quoted: Vec<String> = members.iter().map(|member| format!("'{member}'")).collect();
        return Ok(format!("[{}]", quoted.join(", ")));
    }
    if section == "repository" && LISTS.contains(&property) {
        return Err(refused());
    }
    Ok(value.to_string())
}

/// Words between blanks, in double quotes or bare; nothing where a quote is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        if word.contains(['\'', '"', ',']) {
            return None;
        }
        words.push(word.to_string());
        rest = after.trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (property, value, kept) in [
            ("check-certificate-revocation", "TRUE", Some("True")),
            ("check-certificate-revocation", "perhaps", None),
            ("signature-required-names", "(\"a b\" c)", Some("['a b', 'c']")),
            ("signature-required-names", "()", Some("[]")),
            ("signature-required-names", "a", None),
            ("signature-required-names", "(\"a", None),
            ("compression", "zlib", Some("zlib")),
        ] {
            let stored = stored("repository", property, value).ok();
            assert_eq!(stored.as_deref(), kept, "{property}={value}");
        }
    }
}
