//! operand.rs - which services and instances an operand names.
//!
//! In this order: an FMRI that exists is exact (a service stands for all its instances, unless
//! services are wanted); `*`, `?` and `[` make a glob over full FMRIs; anything else is a partial
//! FMRI, which must match at component boundaries.  Only the first occurrence of a partial FMRI is
//! looked at, as in the original: one that comes again at a better place does not count.

use std::collections::BTreeMap;
use std::path::Path;

use smf_model::bundle::value::{valid_name, valid_service_name};
pub use smf_model::fmri::{canonical, is_instance, service_of};

/// The canonical form of an FMRI of a service or instance whose names are names.
#[must_use]
pub fn valid(text: &str) -> Option<String> {
    let fmri = canonical(text)?;
    let service = service_of(&fmri);
    let name = service.strip_prefix("svc:/").filter(|name| valid_service_name(name));
    let instance = fmri.get(service.len() + 1..);
    (name.is_some() && instance.is_none_or(valid_name)).then_some(fmri)
}

/// The path that a file FMRI names, on this host.
#[must_use]
pub fn file_path(fmri: &str) -> Option<&Path> {
    let path = fmri.strip_prefix("file:")?;
    let path = match path.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => path,
    };
    path.starts_with('/').then(|| Path::new(path))
}

/// Services and their instances, by FMRI.
pub type Entities = BTreeMap<String, Vec<String>>;

/// What the caller can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Instances; a service stands for its instances.
    Instances,
    /// Instances, else services.
    Either,
    /// Services, else instances.
    ServiceFirst,
    /// Services only.
    Services,
}

/// How an operand was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It names something that exists.
    Exact,
    /// It holds `*`, `?` or `[`.
    Glob,
    /// A part of an FMRI.
    Partial,
}

/// The longest FMRI: prefixes, and five names of 119 bytes.
const LENGTH_MAX: usize = "svc:///:/:properties//@localhost".len() + 5 * 119;

/// What an operand matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// How it was understood.
    pub kind: Kind,
    /// Canonical FMRIs.
    pub fmris: Vec<String>,
}

/// Finds what an operand names.
///
/// # Errors
/// The message, without the program's name, when it is too long or names nothing.
pub fn find(operand: &str, wanted: Wanted, entities: &Entities) -> Result<Matched, String> {
    if operand.len() > LENGTH_MAX {
        return Err(format!("Argument '{operand}' is too long, ignoring"));
    }
    if let Some(fmris) = exact(operand, wanted, entities) {
        return Ok(Matched { kind: Kind::Exact, fmris });
    }
    let pattern = Pattern::new(operand);
    let instances = entities.values().flatten().filter(|fmri| pattern.names(fmri)).cloned();
    let services = entities.keys().filter(|fmri| pattern.names(fmri)).cloned();
    let mut fmris: Vec<String> = match wanted {
        Wanted::Instances | Wanted::Either => instances.clone().collect(),
        Wanted::Services | Wanted::ServiceFirst => services.clone().collect(),
    };
    if fmris.is_empty() {
        fmris = match wanted {
            Wanted::Instances | Wanted::Services => Vec::new(),
            Wanted::Either => services.collect(),
            Wanted::ServiceFirst => instances.collect(),
        };
    }
    if fmris.is_empty() {
        return Err(no_match(operand, wanted));
    }
    Ok(Matched { kind: pattern.kind(), fmris })
}

/// An operand that is no exact FMRI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// For fnmatch(3), over full FMRIs.
    Glob(String),
    /// A part of an FMRI.
    Partial(String),
}

impl Pattern {
    /// How an operand is understood.
    #[must_use]
    pub fn new(operand: &str) -> Self {
        if !operand.contains(['*', '?', '[']) {
            return Self::Partial(operand.to_owned());
        }
        // A glob that begins with a scheme, or with anything, is meant whole.
        let whole = operand.starts_with('*') || operand.as_bytes().get(3) == Some(&b':');
        Self::Glob(if whole { operand.to_owned() } else { format!("svc:/{operand}") })
    }

    /// Whether it names this FMRI (`svc:/...`, or `lrc:/...` of a legacy script).
    #[must_use]
    pub fn names(&self, fmri: &str) -> bool {
        match self {
            Self::Glob(pattern) => matches(pattern, fmri),
            Self::Partial(part) => partial(part, fmri),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Glob(_) => Kind::Glob,
            Self::Partial(_) => Kind::Partial,
        }
    }
}

/// What is said when an operand names a legacy script where only services can be meant.
#[must_use]
pub fn legacy(operand: &str) -> String {
    format!("Operation not supported for legacy service '{operand}'")
}

/// What is said when an operand names nothing.
#[must_use]
pub fn no_match(operand: &str, wanted: Wanted) -> String {
    let what = match wanted {
        Wanted::Instances => "instances",
        Wanted::Either | Wanted::ServiceFirst => "instances or services",
        Wanted::Services => "services",
    };
    format!("Pattern '{operand}' doesn't match any {what}")
}

/// What is said when an operand names several where one is wanted.
#[must_use]
pub fn several(what: &str, operand: &str, fmris: &[String]) -> String {
    let mut text = format!("{what} '{operand}' matches multiple instances:");
    for fmri in fmris {
        text.push_str("\n\t");
        text.push_str(fmri);
    }
    text
}

/// Whether there is this instance.
#[must_use]
pub fn is_there(fmri: &str, entities: &Entities) -> bool {
    let of_service = entities.get(service_of(fmri)).map_or(&[][..], Vec::as_slice);
    of_service.binary_search_by(|own| own.as_str().cmp(fmri)).is_ok()
}

fn exact(operand: &str, wanted: Wanted, entities: &Entities) -> Option<Vec<String>> {
    let fmri = canonical(operand)?;
    if is_instance(&fmri) {
        let there = is_there(&fmri, entities);
        return (there && wanted != Wanted::Services).then(|| vec![fmri]);
    }
    let instances = entities.get(&fmri)?;
    match wanted {
        Wanted::Instances if instances.is_empty() => None,
        Wanted::Instances => Some(instances.clone()),
        Wanted::Either | Wanted::ServiceFirst | Wanted::Services => Some(vec![fmri]),
    }
}

/// Whether a partial FMRI names this one.
fn partial(pattern: &str, fmri: &str) -> bool {
    if pattern.is_empty() {
        return false;
    }
    let Some(at) = fmri.find(pattern) else { return false };
    let end = at + pattern.len();
    if at < "svc:/".len() - 1 {
        return false;
    }
    let starts = pattern.starts_with(':') || matches!(fmri.as_bytes()[at - 1], b'/' | b':');
    let ends = end == fmri.len() || fmri.as_bytes()[end] == b':' || pattern.ends_with(':');
    starts && ends
}

/// fnmatch(3) without flags: `*` crosses `/`.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // The place to return to after the last `*`: what follows it, and what it has taken.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(_) => {
                if let Some(next) = one(&pattern, p, text[t]) {
                    (p, t) = (next, t + 1);
                    continue;
                }
            }
            None => {}
        }
        let Some((after, taken)) = star else { return false };
        star = Some((after, taken + 1));
        (p, t) = (after, taken + 1);
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Matches one character against the pattern at `p`; where the pattern goes on.
fn one(pattern: &[char], p: usize, character: char) -> Option<usize> {
    match pattern[p] {
        '?' => Some(p + 1),
        '\\' if p + 1 < pattern.len() => (pattern[p + 1] == character).then_some(p + 2),
        '[' => {
            let negated = matches!(pattern.get(p + 1), Some('!' | '^'));
            let first = p + 1 + usize::from(negated);
            // A `]` that comes first is a member.
            let close = (first + 1..pattern.len()).find(|at| pattern[*at] == ']');
            let Some(close) = close else { return (character == '[').then_some(p + 1) };
            let set = &pattern[first..close];
            let mut inside = false;
            let mut at = 0;
            while at < set.len() {
                if at + 2 < set.len() && set[at + 1] == '-' {
                    inside |= (set[at]..=set[at + 2]).contains(&character);
                    at += 3;
                } else {
                    inside |= set[at] == character;
                    at += 1;
                }
            }
            (inside != negated).then_some(close + 1)
        }
        literal => (literal == character).then_some(p + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entities() -> Entities {
        let mut entities = Entities::new();
        for fmri in [
            "svc:/network/smtp:sendmail",
            "svc:/application/pkg/server:pkg5",
            "svc:/application/builder:illumos",
            "svc:/application/builder:pkg5",
        ] {
            entities.entry(service_of(fmri).into()).or_default().push(fmri.into());
        }
        entities.insert("svc:/empty/service".into(), Vec::new());
        entities
    }

    #[test]
    fn partial_patterns_end_at_boundaries() {
        let fmri = "svc:/network/smtp:sendmail";
        for good in ["sendmail", ":sendmail", "smtp", "smtp:sendmail", "network/smtp"] {
            assert!(partial(good, fmri), "{good}");
        }
        for bad in ["mail", "network", "network/smt", "svc", "", "smt", "svc:/network/smtp", "/"] {
            assert!(!partial(bad, fmri), "{bad}");
        }
        for (part, fmri, expected) in [
            // The first occurrence decides, wherever the others are.
            ("smtp", "svc:/network/xsmtp/smtp:default", false),
            ("smtp", "svc:/network/smtp/xsmtp:default", false),
            ("a", "svc:/network/ab:a", false),
            ("default", "svc:/network/a:default", true),
            ("smtp:", "svc:/network/smtp:default", true),
            (":def", "svc:/network/smtp:default", false),
            (":", "svc:/network/smtp:default", false),
            ("S47pppd", "lrc:/etc/rc2_d/S47pppd", true),
            ("47pppd", "lrc:/etc/rc2_d/S47pppd", false),
        ] {
            assert_eq!(partial(part, fmri), expected, "{part} {fmri}");
        }
    }

    #[test]
    fn an_argument_is_as_long_as_an_fmri_may_be() {
        for (length, expected) in
            [(LENGTH_MAX, "doesn't match any instances"), (LENGTH_MAX + 1, "is too long, ignoring")]
        {
            let said = find(&"x".repeat(length), Wanted::Instances, &entities()).unwrap_err();
            assert!(said.ends_with(expected), "{said}");
        }
    }

    #[test]
    fn file_fmris() {
        for (fmri, expected) in [
            ("file:/etc/x", Some("/etc/x")),
            ("file:///etc/x", Some("/etc/x")),
            ("file://localhost/etc/x", Some("/etc/x")),
            ("file://elsewhere/etc/x", None),
            ("file:etc/x", None),
            ("svc:/a/b:c", None),
        ] {
            assert_eq!(file_path(fmri), expected.map(Path::new), "{fmri}");
        }
        for (fmri, expected) in [
            ("a/b:c", Some("svc:/a/b:c")),
            ("svc:/a/b:c.d", None),
            ("svc:/1/b:c", None),
            ("::", None),
        ] {
            assert_eq!(valid(fmri).as_deref(), expected, "{fmri}");
        }
    }

    #[test]
    fn a_glob_without_a_scheme_gets_one() {
        for (operand, fmri, expected) in [
            ("network/*", "svc:/network/smtp:sendmail", true),
            ("svc:/network/*", "svc:/network/smtp:sendmail", true),
            ("*mail", "svc:/network/smtp:sendmail", true),
            ("net*", "lrc:/etc/rc2_d/S47pppd", false),
            ("lrc:*", "lrc:/etc/rc2_d/S47pppd", true),
            ("*pppd", "lrc:/etc/rc2_d/S47pppd", true),
        ] {
            assert_eq!(Pattern::new(operand).names(fmri), expected, "{operand}");
        }
    }

    #[test]
    fn operands() {
        let entities = entities();
        for (operand, wanted, expected) in [
            ("svc:/network/smtp:sendmail", Wanted::Instances, "Exact 1"),
            ("network/smtp", Wanted::Instances, "Exact 1"),
            ("network/smtp", Wanted::Services, "Exact 1"),
            ("svc://localhost/network/smtp", Wanted::Instances, "Exact 1"),
            ("pkg5", Wanted::Instances, "Partial 2"),
            ("builder:*", Wanted::Instances, "Pattern 'builder:*' doesn't match any instances"),
            ("*builder:*", Wanted::Instances, "Glob 2"),
            ("application/*", Wanted::Instances, "Glob 3"),
            (
                "empty/service",
                Wanted::Instances,
                "Pattern 'empty/service' doesn't match any instances",
            ),
            ("service", Wanted::Either, "Partial 1"),
            ("builder", Wanted::Either, "Partial 2"),
            ("builder", Wanted::ServiceFirst, "Partial 1"),
            ("illumos", Wanted::ServiceFirst, "Partial 1"),
            ("none", Wanted::Either, "Pattern 'none' doesn't match any instances or services"),
        ] {
            let got = match find(operand, wanted, &entities) {
                Ok(matched) => format!("{:?} {}", matched.kind, matched.fmris.len()),
                Err(message) => message,
            };
            assert_eq!(got, expected, "{operand} {wanted:?}");
        }
    }

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b", "ac", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
