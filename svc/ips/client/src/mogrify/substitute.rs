//! substitute.rs - `%(attribute)` of the action, `%{attribute}` of the package, `%<n>` of the
//! criteria's groups, each with options after `;`.

use std::collections::BTreeMap;

use ips_model::Action;
use ips_model::action::quoted;

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
    /// The groups of the criteria, in order.
    pub groups: &'a [String],
}

/// Whether values are quoted where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// As in a manifest: what is printed or emitted.
    Values,
    /// Not at all.
    Nothing,
}

/// The template with everything it names in place; `Err` says what is not there.
pub fn substitute(template: &str, names: &Names<'_>, quote: Quote) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let close = match rest[1..].chars().next() {
            Some('(') => ')',
            Some('{') => '}',
            Some('<') => '>',
            Some(_) | None => {
                out.push('%');
                rest = &rest[1..];
                continue;
            }
        };
        let Some(end) = rest.find(close) else { break };
        let inner = &rest[2..end];
        out.push_str(&one(inner, close, names, quote)?);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn one(inner: &str, close: char, names: &Names<'_>, quote: Quote) -> Result<String, String> {
    let mut parts = inner.split(';');
    let name = parts.next().unwrap_or_default();
    let (mut separator, mut prefix, mut suffix, mut absent) = (" ", "", "", None);
    let mut quote = quote;
    for option in parts {
        match option.split_once('=') {
            Some(("sep", value)) => separator = value,
            Some(("prefix", value)) => prefix = value,
            Some(("suffix", value)) => suffix = value,
            Some(("notfound", value)) => absent = Some(value),
            None if option == "quote" => quote = Quote::Values,
            None if option == "noquote" => quote = Quote::Nothing,
            Some(_) | None => return Err(format!("unknown option '{option}' of '%({name})'")),
        }
    }
    if close == '>' {
        let number: usize = name.parse().map_err(|_| format!("'{name}' is no group number"))?;
        let group = number.checked_sub(1).and_then(|at| names.groups.get(at));
        let group = group.ok_or_else(|| format!("group {number} not found"))?;
        return Ok(format!("{prefix}{group}{suffix}"));
    }
    let values = if close == '}' {
        names.package.get(name).cloned().unwrap_or_default()
    } else {
        of_action(name, names)
    };
    if values.is_empty() {
        let told = || format!("attribute '{name}' not found");
        return absent.map(str::to_string).ok_or_else(told);
    }
    let shown = |value: &String| match quote {
        Quote::Values => format!("{prefix}{}{suffix}", quoted(value)),
        Quote::Nothing => format!("{prefix}{value}{suffix}"),
    };
    Ok(values.iter().map(shown).collect::<Vec<_>>().join(separator))
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
        let groups = ["one".to_string()];
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
            ("%(open", "%(open"),
        ] {
            let filled = substitute(template, &names, Quote::Nothing);
            assert_eq!(filled.as_deref(), Ok(expected), "{template}");
        }
        for bad in ["%(none)", "%{none}", "%<2>", "%<0>", "%<x>", "%(path;odd)"] {
            assert!(substitute(bad, &names, Quote::Nothing).is_err(), "{bad}");
        }
    }
}
