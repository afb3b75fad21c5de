//! substitute.rs - `%(attribute)` of the action, `%{attribute}` of the package, `%<n>` of the
//! criteria's groups, each with options after `;`.

use std::collections::BTreeMap;

use ips_model::Action;

use super::lines::Position;

/// The package's attributes so far.
pub type Package = BTreeMap<String, Vec<String>>;

/// What a template may name.
pub struct Names<'a> {
    /// The word of the action's type; `pkg` of the package as an action.
    pub kind: &'a str,
    /// The action.
    pub action: &'a Action,
    /// Where the action stands.
    pub position: &'a Position,
    /// The package.
    pub package: &'a Package,
    /// The groups of the criteria, in order; none = took no part.
    pub groups: &'a [Option<String>],
}

/// Whether values are quoted where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// As in a manifest: what is printed or emitted.
    Values,
    /// Not at all.
    Nothing,
}

/// Whether a template names anything.
pub fn names_something(template: &str) -> bool {
    template.match_indices('%').any(|(at, _)| named(&template[at..]).is_some())
}

/// What a `%` begins.
enum Named<'a> {
    /// `%(attribute;options)`.
    Action(&'a str),
    /// `%{attribute;options}`.
    Package(&'a str),
    /// `%<n>`.
    Group(usize),
}

/// What `text`, which begins with a `%`, names, and how long that is.
fn named(text: &str) -> Option<(Named<'_>, usize)> {
    let inside = |close: char| {
        let end = text.find(close).filter(|end| *end > 2)?;
        Some((&text[2..end], end + 1))
    };
    match text[1..].chars().next()? {
        '(' => inside(')').map(|(inner, length)| (Named::Action(inner), length)),
        '{' => inside('}').map(|(inner, length)| (Named::Package(inner), length)),
        '<' => match text.as_bytes() {
            [_, _, digit, b'>', ..] if digit.is_ascii_digit() => {
                Some((Named::Group(usize::from(digit - b'0')), 4))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The template with everything it names in place; `Err` says what is not there.
pub fn substitute(template: &str, names: &Names<'_>, quote: Quote) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some((what, length)) = named(rest) else {
            out.push('%');
            rest = &rest[1..];
            continue;
        };
        match what {
            Named::Group(number) => out.push_str(group(number, names.groups)?),
            Named::Action(inner) => {
                out.push_str(&attribute(inner, quote, |name| of_action(name, names))?)
            }
            Named::Package(inner) => {
                let get = |name: &str| names.package.get(name).cloned().unwrap_or_default();
                out.push_str(&attribute(inner, quote, get)?);
            }
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    Ok(out)
}

fn group(number: usize, groups: &[Option<String>]) -> Result<&str, String> {
    match number.checked_sub(1).and_then(|at| groups.get(at)) {
        Some(Some(text)) => Ok(text),
        Some(None) => {
            Err(format!("Error\nInvalid backreference: %<{number}> refers to an unmatched string"))
        }
        None => Err(format!("no match group {number} (max {})", groups.len())),
    }
}

/// An attribute's values: `NAME;sep=", ";prefix=x;suffix=y;notfound=z;quote;noquote`.
fn attribute(
    inner: &str,
    quote: Quote,
    get: impl Fn(&str) -> Vec<String>,
) -> Result<String, String> {
    let (name, options) = inner.split_once(';').unwrap_or((inner, ""));
    let (mut separator, mut prefix, mut suffix) = (" ".to_string(), String::new(), String::new());
    let (mut absent, mut quote, mut bare) = (None, quote, false);
    for (option, value) in read_options(options) {
        match option.as_str() {
            "sep" => separator = value,
            "prefix" => prefix = value,
            "suffix" => suffix = value,
            "notfound" => absent = Some(value),
            "quote" => quote = Quote::Values,
            "noquote" => bare = true,
            _ => return Err(format!("unknown option '{option}' of '%({name})'")),
        }
    }
    let mut values = get(name);
    if values.is_empty() {
        values.extend(absent);
    }
    if values.is_empty() {
        return Err(format!("attribute '{name}' not found"));
    }
    let shown = |value: &String| match quote {
        Quote::Values if !bare => format!("{prefix}{}{suffix}", quoted(value)),
        Quote::Values | Quote::Nothing => format!("{prefix}{value}{suffix}"),
    };
    Ok(values.iter().map(shown).collect::<Vec<_>>().join(&separator))
}

/// Options between `;`, whose values may be quoted.
fn read_options(text: &str) -> Vec<(String, String)> {
    let mut options = vec![String::new()];
    let mut open = None;
    for letter in text.chars() {
        match (open, letter) {
            (None, ';') => options.push(String::new()),
            (None, '"' | '\'') => open = Some(letter),
            (Some(quote), _) if quote == letter => open = None,
            _ => {}
        }
        let keep = !(open.is_none() && letter == ';');
        if let Some(last) = options.last_mut().filter(|_| keep) {
            last.push(letter);
        }
    }
    let bare = |value: &str| {
        let value = value.trim();
        let inside =
            |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        inside('"').or_else(|| inside('\'')).unwrap_or(value).to_string()
    };
    let pair = |option: String| {
        let (name, value) = option.split_once('=').unwrap_or((&option, ""));
        (name.trim().to_string(), bare(value))
    };
    options.into_iter().filter(|option| !option.trim().is_empty()).map(pair).collect()
}

/// A value as it is printed: quoted where a manifest would need it.
fn quoted(value: &str) -> String {
    if !value.is_empty() && !value.contains([' ', '\'', '"']) {
        value.to_string()
    } else if !value.contains('"') {
        format!("\"{value}\"")
    } else if !value.contains('\'') {
        format!("'{value}'")
    } else {
        format!("\"{}\"", value.replace('"', "\\\""))
    }
}

fn of_action(name: &str, names: &Names<'_>) -> Vec<String> {
    let action = names.action;
    match name {
        "action.name" => vec![names.kind.to_string()],
        "action.hash" => action.hash.clone().into_iter().collect(),
        "action.key" => action.key().map(str::to_string).into_iter().collect(),
        "pkg.manifest.filename" => vec![names.position.file.clone()],
        "pkg.manifest.lineno" => vec![names.position.line.to_string()],
        name => action.values(name).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let action = Action::parse("file h path=a mode=1 x=1 x='2 3'").unwrap();
        let position = Position { file: "f".into(), line: 3 };
        let package = Package::from([("pkg.fmri.name".to_string(), vec!["n".to_string()])]);
        let groups = [Some("one".to_string()), None];
        let names = Names {
            kind: "file",
            action: &action,
            position: &position,
            package: &package,
            groups: &groups,
        };
        for (template, expected) in [
            ("%(path) 100% %(action.name)", "a 100% file"),
            ("%(x;sep=,)|%(x;quote)", "1,2 3|1 \"2 3\""),
            ("%(x;prefix=[;suffix=])", "[1] [2 3]"),
            ("%(none;notfound=no)|%(none;notfound=)", "no|"),
            ("%{pkg.fmri.name}/%<1>", "n/one"),
            (
                "%(action.hash) %(action.key) %(pkg.manifest.filename):%(pkg.manifest.lineno)",
                "h a f:3",
            ),
            ("%(open 50%<x>%<12>", "%(open 50%<x>%<12>"),
            (r#"%(x;sep="; ")|%(none;notfound='a b';prefix=-)"#, "1; 2 3|-a b"),
            ("%(path;quote;noquote)", "a"),
        ] {
            let filled = substitute(template, &names, Quote::Nothing);
            assert_eq!(filled.as_deref(), Ok(expected), "{template}");
        }
        for bad in ["%(none)", "%{none}", "%<2>", "%<3>", "%<0>", "%(path;odd)"] {
            assert!(substitute(bad, &names, Quote::Nothing).is_err(), "{bad}");
        }
    }
}
