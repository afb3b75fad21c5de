//! bypass.rs - `pkg.depend.bypass-generate`: paths on which no dependency is wanted.
//!
//! A value is a regular expression for a whole path; a bare file name means it in every folder.

use std::collections::BTreeSet;

use fancy_regex::Regex;

use super::{DependError, Need};

/// Whether everything is waved aside.
pub(super) fn is_all(values: &[String]) -> bool {
    values.iter().any(|value| value == ".*" || value == "^.*$")
}

/// The regular expressions of the values.
fn expressions(values: &[String]) -> Result<Vec<Regex>, DependError> {
    let one = |value: &String| {
        let bare = !value.contains(['*', '?', '/']);
        let mut text = if bare { format!(".*/{value}") } else { value.clone() };
        if !text.ends_with('$') {
            text.push('$');
        }
        if !text.starts_with('^') {
            text.insert(0, '^');
        }
        Regex::new(&text)
            .map_err(|error| DependError::Bypass { value: text, reason: error.to_string() })
    };
    values.iter().filter(|value| !value.is_empty()).map(one).collect()
}

/// The needs that are left, those that are waved aside in part as whole paths, and the paths that
/// were waved aside by the last need that lost any.
pub(super) fn apply(
    needs: Vec<Need>,
    values: &[String],
) -> Result<(Vec<Need>, Option<Vec<String>>), DependError> {
    let expressions = expressions(values)?;
    let mut left = Vec::new();
    let mut bypassed = None;
    for mut need in needs {
        let paths: BTreeSet<String> = need.paths().into_iter().collect();
        let aside = |path: &String| {
            let matches = |one: &Regex| one.is_match(path).unwrap_or(false);
            values.contains(path) || expressions.iter().any(matches)
        };
        let (gone, kept): (BTreeSet<String>, BTreeSet<String>) = paths.into_iter().partition(aside);
        if gone.is_empty() {
            left.push(need);
            continue;
        }
        bypassed = Some(gone.into_iter().collect());
        if !kept.is_empty() {
            need.files.clear();
            need.folders.clear();
            need.full_paths = kept.into_iter().collect();
            left.push(need);
        }
    }
    Ok((left, bypassed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variants::Template;
    use ips_model::action::Action;

    #[test]
    fn waved_aside() {
        let action = Action::parse("file path=x mode=0755 owner=root group=bin").unwrap();
        let strings =
            |list: &[&str]| list.iter().map(|text| (*text).to_string()).collect::<Vec<_>>();
        let need = || {
            let (files, folders) = (strings(&["liba.so"]), strings(&["lib", "usr/lib"]));
            Need::new("elf", &action, &Template::default(), files, folders)
        };
        for (value, kept, gone) in [
            ("liba.so", vec![], Some(strings(&["lib/liba.so", "usr/lib/liba.so"]))),
            ("lib/liba.so", vec!["usr/lib/liba.so"], Some(strings(&["lib/liba.so"]))),
            ("usr/.*", vec!["lib/liba.so"], Some(strings(&["usr/lib/liba.so"]))),
            ("liba.s", vec!["lib/liba.so", "usr/lib/liba.so"], None),
        ] {
            let (left, bypassed) = apply(vec![need()], &strings(&[value])).unwrap();
            let left: Vec<String> = left.iter().flat_map(Need::paths).collect();
            assert_eq!((left, bypassed), (strings(&kept), gone), "{value}");
        }
        let error = apply(vec![need()], &strings(&["*("])).unwrap_err();
        assert!(error.to_string().starts_with("Invalid pkg.depend.bypass-generate value ^*($: "));
        assert!(is_all(&strings(&["x", ".*"])));
    }
}
