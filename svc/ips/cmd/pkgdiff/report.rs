//! report.rs - differences as text.
//!
//! ```text
//! - COMPLETE ACTION that went           TYPE KEY what is equal
//! + COMPLETE ACTION that came             - what was
//!                                         + what is
//! ```

use ips_model::Action;

use crate::compare::{Difference, changed_attributes};
use crate::options::Options;

/// The whole report; empty where nothing counts.
pub fn text(differences: &[Difference<'_>], options: &Options) -> String {
    let mut text = String::new();
    for difference in differences {
        match difference {
            (Some(was), Some(is)) => text.push_str(&changed(was, is, options)),
            (Some(went), None) if is_shown(went, options) => text.push_str(&format!("- {went}\n")),
            (None, Some(came)) if is_shown(came, options) => text.push_str(&format!("+ {came}\n")),
            (Some(_), None) | (None, Some(_) | None) => {}
        }
    }
    text
}

/// A whole action counts where one of its attributes does.
fn is_shown(action: &Action, options: &Options) -> bool {
    action.attributes.keys().any(|name| options.counts(name))
}

fn changed(was: &Action, is: &Action, options: &Options) -> String {
    let mut lines = Vec::new();
    let mut put = |sign: char, text: String| {
        if !text.is_empty() {
            lines.push(format!("  {sign} {text}"));
        }
    };
    if was.hash != is.hash && options.counts("hash") {
        put('-', was.hash.clone().unwrap_or_default());
        put('+', is.hash.clone().unwrap_or_default());
    }
    let changed = changed_attributes(was, is);
    for name in changed.iter().filter(|name| options.counts(name)) {
        let (before, after) = (was.values(name), is.values(name));
        // Of two lists what is in both is left out.
        let lists = before.len() > 1 && after.len() > 1;
        let alone = |values: &[String], others: &[String]| {
            let kept = values.iter().filter(|value| !(lists && others.contains(value)));
            shown(name, &kept.map(String::as_str).collect::<Vec<_>>())
        };
        put('-', alone(before, after));
        put('+', alone(after, before));
    }
    if lines.is_empty() {
        return String::new();
    }
    let key = was.kind.key_attribute();
    let values = |name: &str| was.values(name).iter().map(String::as_str).collect::<Vec<_>>();
    let mut head = format!("{} {}", was.kind.as_str(), shown(key, &values(key)));
    for name in was.attributes.keys().filter(|name| !changed.contains(&name.as_str())) {
        if name != key {
            head.push(' ');
            head.push_str(&shown(name, &values(name)));
        }
    }
    format!("{head}\n{}\n", lines.join("\n"))
}

/// `NAME=VALUE` for each value, sorted.
fn shown(name: &str, values: &[&str]) -> String {
    let mut values = values.to_vec();
    values.sort_unstable();
    let one = |value: &&str| match value.is_empty() || value.contains(' ') {
        true => format!("{name}=\"{value}\""),
        false => format!("{name}={value}"),
    };
    values.iter().map(one).collect::<Vec<_>>().join(" ")
}
