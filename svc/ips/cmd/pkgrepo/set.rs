//! set.rs - `pkgrepo set`: properties of the repository, or with `-p` of a publisher.

use ips_cmd::{Failure, clock};
use ips_model::fmri::is_publisher;
use ips_model::p5i;
use ips_repository::Repository;

use crate::get::described;

use crate::options::Options;

/// Properties that are a truth.
const TRUTHS: [&str; 1] = ["check-certificate-revocation"];
/// Properties that are a list.
const LISTS: [&str; 1] = ["signature-required-names"];

/// A property to set: section, name, and the value as given.
type Change<'a> = (&'a str, &'a str, Given);

/// A value as it is given: a property named again makes a list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    One(String),
    Several(Vec<String>),
}

/// Sets the properties, all of them checked before the first is set.
pub fn set(options: &Options) -> Result<(), Failure> {
    let malformed = || {
        Failure::usage(
            "a property name and value must be provided in the form <section/property>=<value> or <section/property>=([\"<value>\" ...])",
        )
    };
    if options.operands.is_empty() {
        return Err(malformed());
    }
    let mut changes: Vec<Change<'_>> = Vec::new();
    for operand in &options.operands {
        let parts = operand.split_once('=').and_then(|(name, value)| {
            let (section, property) = name.rsplit_once('/')?;
            (!section.is_empty() && !property.is_empty()).then_some((section, property, value))
        });
        let (section, property, value) = parts.ok_or_else(malformed)?;
        let given = Given::parse(value).ok_or_else(malformed)?;
        let same = |one: &&mut Change<'_>| (one.0, one.1) == (section, property);
        match changes.iter_mut().find(same) {
            Some((_, _, before)) => before.extend(given),
            None => changes.push((section, property, given)),
        }
    }
    let repository = options.local_place()?.open()?;
    if !options.publishers.is_empty() {
        return set_of_publishers(&repository, &options.publishers, &changes);
    }
    let stored = changes
        .iter()
        .map(|(section, property, given)| stored(section, property, given))
        .collect::<Result<Vec<String>, Failure>>()?;
    for ((section, property, _), value) in changes.iter().zip(stored) {
        repository.set_property(section, property, &value)?;
    }
    Ok(())
}

impl Given {
    /// A value, or a list of words in parentheses; nothing where a quote is not closed.
    fn parse(text: &str) -> Option<Given> {
        match text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            Some(inner) => words(inner).map(Given::Several),
            None => Some(Given::One(text.to_string())),
        }
    }

    fn values(&self) -> &[String] {
        match self {
            Given::One(text) => std::slice::from_ref(text),
            Given::Several(all) => all,
        }
    }

    /// All the values; an empty one alone is none.
    fn list(&self) -> Vec<String> {
        match self {
            Given::One(text) if text.is_empty() => Vec::new(),
            Given::One(_) | Given::Several(_) => self.values().to_vec(),
        }
    }

    fn extend(&mut self, more: Given) {
        *self = Given::Several([self.values(), more.values()].concat());
    }
}

/// As it is told where it is refused.
impl std::fmt::Display for Given {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Given::One(text) => to.write_str(text),
            Given::Several(all) => to.write_str(&print_list(all)),
        }
    }
}

/// Sets properties of publishers (`all`: every one there is); one that is not there is added.
fn set_of_publishers(
    repository: &Repository,
    named: &[String],
    changes: &[Change<'_>],
) -> Result<(), Failure> {
    for (section, property, _) in changes {
        if !matches!(*section, "publisher" | "repository") {
            return Err(Failure::usage(format!("unknown property section '{section}'")).of("set"));
        }
        if (*section, *property) == ("publisher", "prefix") {
            return Err(Failure::usage("'prefix' may not be set using this command"));
        }
        if !OF_PUBLISHERS.contains(&(*section, *property)) {
            return Err(Failure::usage(format!("unknown property '{property}'")).of("set"));
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
            return Err(Failure::new(format!("'{name}' is not a valid publisher name.")));
        }
        let mut about = match known.contains(name) {
            true => described(repository, name)?,
            false => p5i::Publisher::default(),
        };
        about.name.clone_from(name);
        for (section, property, value) in changes {
            change(&mut about, section, property, value).map_err(|why| {
                Failure::new(format!("Unable to set properties for publisher '{name}':\n{why}"))
            })?;
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

/// Sets a property of a publisher, or says what is wrong with the value.
fn change(
    about: &mut p5i::Publisher,
    section: &str,
    property: &str,
    given: &Given,
) -> Result<(), String> {
    let attribute = property.replace('-', "_");
    let refused =
        || format!("'{given}' is not a valid value for repository attribute '{attribute}'.");
    let text = || match given {
        Given::One(text) => Ok(text.clone()),
        Given::Several(_) => Err(refused()),
    };
    let uris = || {
        let all = given.list();
        match all.iter().find(|uri| !is_uri(uri)) {
            Some(bad) => Err(format!("'{bad}' is not a valid URI.")),
            None => Ok(all),
        }
    };
    if (section, property) == ("publisher", "alias") {
        let alias = text()?;
        if !alias.is_empty() && !is_publisher(&alias) {
            return Err(format!("'{alias}' is not a valid publisher alias."));
        }
        about.alias = Some(alias).filter(|alias| !alias.is_empty());
        return Ok(());
    }
    if about.repositories.is_empty() {
        about.repositories.push(p5i::Repository::default());
    }
    let repository = &mut about.repositories[0];
    match property {
        "collection-type" => match text()?.as_str() {
            "core" => repository.supplemental = false,
            "supplemental" => repository.supplemental = true,
            other => return Err(format!("'{other}' is not a valid repository collection type.")),
        },
        "name" => repository.name = text()?,
        "description" => repository.description = text()?,
        "registration-uri" => {
            let uri = text()?;
            if !uri.is_empty() && !is_uri(&uri) {
                return Err(format!("'{uri}' is not a valid URI."));
            }
            repository.registration_uri = uri;
        }
        "origins" => repository.origins = uris()?,
        "mirrors" => repository.mirrors = uris()?,
        "legal-uris" => repository.legal_uris = uris()?,
        "related-uris" => repository.related_uris = uris()?,
        _ => {
            let seconds = text()?;
            let number = seconds.parse().ok().filter(|seconds| *seconds > 0);
            repository.refresh_seconds = match seconds.is_empty() {
                true => None,
                false => Some(number.ok_or_else(refused)?),
            };
        }
    }
    Ok(())
}

/// The properties a publisher has.
const OF_PUBLISHERS: [(&str, &str); 10] = [
    ("publisher", "alias"),
    ("repository", "collection-type"),
    ("repository", "description"),
    ("repository", "legal-uris"),
    ("repository", "mirrors"),
    ("repository", "name"),
    ("repository", "origins"),
    ("repository", "refresh-seconds"),
    ("repository", "registration-uri"),
    ("repository", "related-uris"),
];

/// Whether packages or words can come from there.
fn is_uri(text: &str) -> bool {
    let known = ["http://", "https://", "file:/"];
    known.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
        && !text.contains(char::is_whitespace)
}

/// A value as the configuration keeps it.
fn stored(section: &str, property: &str, given: &Given) -> Result<String, Failure> {
    let refused = || {
        Failure::new(format!(
            "Invalid value '{given}' for property '{property}' in section '{section}'."
        ))
    };
    match given {
        Given::One(text) if section == "repository" && TRUTHS.contains(&property) => {
            match text.to_ascii_lowercase().as_str() {
                "true" => Ok("True".into()),
                "false" | "" => Ok("False".into()),
                _ => Err(refused()),
            }
        }
        Given::One(text) if section == "repository" && LISTS.contains(&property) => {
            match text.is_empty() {
                true => Ok(print_list(&[])),
                false => Err(refused()),
            }
        }
        Given::One(text) if text.contains('\n') => Err(refused()),
        Given::One(text) => Ok(text.clone()),
        Given::Several(_) if section == "repository" && TRUTHS.contains(&property) => {
            Err(refused())
        }
        // What the list is read back from has no escapes.
        Given::Several(all) if all.iter().any(|one| one.contains(['\'', '"', ',', '\n'])) => {
            Err(refused())
        }
        Given::Several(all) => Ok(print_list(all)),
    }
}

fn print_list(members: &[String]) -> String {
    let quoted: Vec<String> = members.iter().map(|member| format!("'{member}'")).collect();
    format!("[{}]", quoted.join(", "))
}

/// Words as a shell reads them: between white space, quotes of either kind and `\` taken away;
/// nothing where a quote is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match (quote, next) {
            (Some(open), _) if next == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().push(rest.next()?),
            (Some(_), _) => word.get_or_insert_default().push(next),
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(next);
            }
            (None, _) if next.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(next),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (property, value, kept) in [
            ("check-certificate-revocation", "TRUE", Some("True")),
            ("check-certificate-revocation", "perhaps", None),
            ("check-certificate-revocation", "(True)", None),
            ("signature-required-names", "(\"a b\" 'c d' e\\ f)", Some("['a b', 'c d', 'e f']")),
            ("signature-required-names", "()", Some("[]")),
            ("signature-required-names", "", Some("[]")),
            ("signature-required-names", "a", None),
            ("signature-required-names", "(a,b)", None),
            ("compression", "zlib", Some("zlib")),
            ("compression", "a\nb", None),
        ] {
            let given = Given::parse(value).unwrap();
            let stored = stored("repository", property, &given).ok();
            assert_eq!(stored.as_deref(), kept, "{property}={value}");
        }
        assert_eq!(Given::parse("(\"a)"), None);
        let mut twice = Given::One("a".into());
        twice.extend(Given::parse("(b c)").unwrap());
        assert_eq!(twice.to_string(), "['a', 'b', 'c']");
    }
}
