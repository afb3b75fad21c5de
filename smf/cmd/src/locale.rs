//! locale.rs - the locale whose template texts are shown.

use std::ffi::OsString;

/// The locale of messages, in the form that names a property; `C` when none is set.
#[must_use]
pub fn messages(variable: impl Fn(&str) -> Option<OsString>) -> String {
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    let named = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set);
    let name = named.map_or_else(|| "C".into(), |value| value.to_string_lossy().into_owned());
    let keep = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_set_counts() {
        for (variables, expected) in [
            (&[][..], "C"),
            (&[("LANG", "de_DE.UTF-8")], "de_DE_UTF_8"),
            (&[("LANG", "de"), ("LC_ALL", "fr")], "fr"),
            (&[("LC_ALL", ""), ("LC_MESSAGES", "fr")], "fr"),
        ] {
            let of = |name: &str| {
                variables.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into())
            };
            assert_eq!(messages(of), expected, "{variables:?}");
        }
    }
}
