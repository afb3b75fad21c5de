//! expand - the tokens of a method's exec string (smf_method, "Method Tokens").
//!
//! `%%  %s %i %f %m %r  %{name} %{pg/name} %{fmri/:properties/pg/name}`, the last three with an
//! optional `,` or `:` before the brace: how several values are joined.  Values are quoted for the
//! shell; names are not, because a name has nothing to quote.

use smf_model::fmri::service_of;

/// Why a string could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A letter that means nothing.
    #[error("unknown method token")]
    UnknownToken,
    /// A brace that does not close, or a name that is none.
    #[error("parse error")]
    Parse,
    /// The property does not exist.
    #[error("property \"{0}\" not found")]
    NotFound(String),
}

/// A property named by a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<'a> {
    /// The instance or service; none = the one whose method it is.
    pub fmri: Option<&'a str>,
    /// The property group.
    pub group: &'a str,
    /// The property.
    pub property: &'a str,
}

/// Expands `text` for a method of `fmri`; `values` looks a property up.
///
/// # Errors
/// The first token that cannot be expanded.
pub fn expand(
    text: &str,
    fmri: &str,
    method: &str,
    values: &mut dyn FnMut(&Named<'_>) -> Option<Vec<String>>,
) -> Result<String, ExpandError> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        // A lone % at the end is dropped.
        let Some(token) = rest.chars().next() else { break };
        rest = &rest[token.len_utf8()..];
        let service = service_of(fmri);
        match token {
            '%' => expanded.push('%'),
            's' => expanded.push_str(service.trim_start_matches("svc:/")),
            'i' => expanded.push_str(fmri[service.len()..].trim_start_matches(':')),
            'f' => expanded.push_str(fmri),
            'm' => expanded.push_str(method),
            'r' => expanded.push_str("svc.startd"),
            '{' => {
                let end = rest.find('}').ok_or(ExpandError::Parse)?;
                expanded.push_str(&property(&rest[..end], values)?);
                rest = &rest[end + 1..];
            }
            _ => return Err(ExpandError::UnknownToken),
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn property(
    inside: &str,
    values: &mut dyn FnMut(&Named<'_>) -> Option<Vec<String>>,
) -> Result<String, ExpandError> {
    let (name, between) = match inside.chars().last() {
        Some(',') => (&inside[..inside.len() - 1], ","),
        Some(':') => (&inside[..inside.len() - 1], ":"),
        Some(_) => (inside, " "),
        None => return Err(ExpandError::Parse),
    };
    let named = named(name).ok_or(ExpandError::Parse)?;
    let values = values(&named).ok_or_else(|| ExpandError::NotFound(name.to_owned()))?;
    let quoted: Vec<String> = values.iter().map(|value| quote(value)).collect();
    Ok(quoted.join(between))
}

fn named(name: &str) -> Option<Named<'_>> {
    let (fmri, rest) = match name.split_once("/:properties/") {
        Some((fmri, rest)) => (Some(fmri), rest),
        None => (None, name),
    };
    let (group, property) = match (rest.split_once('/'), fmri) {
        (Some(parts), _) => parts,
        (None, None) => ("application", rest),
        (None, Some(_)) => return None,
    };
    let legal = |part: &str| !part.is_empty() && !part.contains('/');
    (legal(group) && legal(property)).then_some(Named { fmri, group, property })
}

/// Backslashes before what the shell would take for its own.
fn quote(value: &str) -> String {
    let mut quoted = String::new();
    for character in value.chars() {
        if ";&()|^<>\n \t\\\"'`".contains(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(named: &Named<'_>) -> Option<Vec<String>> {
        let values: &[&str] = match (named.fmri, named.group, named.property) {
            (None, "application", "one") => &["1"],
            (None, "pg", "many") => &["a", "b c", "d"],
            (None, "pg", "none") => &[],
            (None, "pg", "odd") => &["a;b'c`d$e"],
            (Some("svc:/other:x"), "pg", "far") => &["far"],
            _ => return None,
        };
        Some(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn tokens() {
        for (text, want) in [
            ("plain", Ok("plain")),
            ("%s %i %f %m %r", Ok("a/b c svc:/a/b:c start svc.startd")),
            ("100%% x%", Ok("100% x")),
            ("%{one}|%{pg/many}|%{pg/many,}|%{pg/many:}", Ok("1|a b\\ c d|a,b\\ c,d|a:b\\ c:d")),
            ("<%{pg/none}>", Ok("<>")),
            ("%{pg/odd}", Ok("a\\;b\\'c\\`d$e")),
            ("%{svc:/other:x/:properties/pg/far}", Ok("far")),
            ("%x", Err(ExpandError::UnknownToken)),
            ("%{one", Err(ExpandError::Parse)),
            ("%{}", Err(ExpandError::Parse)),
            ("%{a/b/c}", Err(ExpandError::Parse)),
            ("%{pg/absent}", Err(ExpandError::NotFound("pg/absent".to_owned()))),
        ] {
            let found = expand(text, "svc:/a/b:c", "start", &mut |named| values(named));
            assert_eq!(want.map(str::to_owned), found, "{text}");
        }
    }
}
