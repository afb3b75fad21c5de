//! describe.rs - the texts of patterns for people: `svccfg describe [-v] [-t]`.
//!
//! `describe` prints the lines of listprop and beneath each what its pattern says; the lines are
//! the caller's, the rest is here.  Every function returns whole lines, or nothing.

use std::fmt::Write;

use super::lookup::Templates;
use super::pattern::{GroupPattern, PropertyPattern, Range};
use crate::group::{Group, Groups, Property};

const VALUE_INDENT: &str = "  ";
const INDENT: &str = "    ";
const INDENT_2X: &str = "        ";
const CHOICE_INDENT: &str = "      ";

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Descriptions.
    Brief,
    /// Everything (`-v`).
    Full,
}

/// In which words: how much, and which language is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish<'a> {
    /// How much is said.
    pub detail: Detail,
    /// `C`, `de_AT`, ...; the language C stands in for one that is missing.
    pub locale: &'a str,
}

impl Wish<'_> {
    fn is_full(self) -> bool {
        self.detail == Detail::Full
    }
}

/// A text that grows by lines.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, indent: &str, name: &str, value: impl std::fmt::Display) {
        writeln!(self.0, "{indent}{name}: {value}").expect("a string takes what is written to it");
    }

    fn bare(&mut self, indent: &str, text: impl std::fmt::Display) {
        writeln!(self.0, "{indent}{text}").expect("a string takes what is written to it");
    }
}

/// What the template of a service or an instance says about itself, from its own groups.
#[must_use]
pub fn entity(groups: &Groups, wish: Wish<'_>) -> String {
    let mut lines = Lines::default();
    let localised = |name: &str| {
        let group = groups.get(name)?;
        group.single(wish.locale, "ustring").or_else(|| group.single("C", "ustring"))
    };
    if let Some(name) = localised("tm_common_name") {
        lines.line(INDENT, "common name", name);
    }
    if !wish.is_full() {
        return lines.0;
    }
    if let Some(description) = localised("tm_description") {
        lines.line(INDENT, "description", description);
    }
    for (name, group) in groups.iter().filter(|(_, group)| group.kind == "template") {
        let (title, items) = match name {
            _ if name.starts_with("tm_doc_") => ("doc_link", &["name", "uri"][..]),
            _ if name.starts_with("tm_man_") => ("manpage", &["title", "section", "manpath"][..]),
            _ => continue,
        };
        lines.bare(INDENT, format_args!("{title}:"));
        for item in items {
            if let Some(value) = group.properties.get(*item).and_then(|p| p.values.first()) {
                lines.line(INDENT_2X, item, value);
            }
        }
    }
    lines.0
}

/// What is said about a property group that is there.
#[must_use]
pub fn group(pattern: Option<&GroupPattern>, group: &Group, wish: Wish<'_>) -> String {
    let mut lines = Lines::default();
    if let Some(stability) = group.single("stability", "astring").filter(|_| wish.is_full()) {
        lines.line(INDENT, "stability", stability);
    }
    if let Some(pattern) = pattern {
        if wish.is_full() {
            lines.line(INDENT, "name", pattern.name.as_deref().unwrap_or("*"));
            lines.line(INDENT, "type", pattern.kind.as_deref().unwrap_or("*"));
        }
        group_details(pattern, wish, &mut lines);
    }
    lines.0
}

fn group_details(pattern: &GroupPattern, wish: Wish<'_>, lines: &mut Lines) {
    let description = pattern.text("description", wish.locale);
    if !wish.is_full() {
        description.into_iter().for_each(|text| lines.bare(INDENT, text));
        return;
    }
    lines.line(INDENT, "required", pattern.required);
    lines.line(INDENT, "target", pattern.target.name());
    if let Some(name) = pattern.text("common_name", wish.locale) {
        lines.line(INDENT, "common name", name);
    }
    if let Some(text) = description {
        lines.line(INDENT, "description", text);
    }
}

/// What is said about a property that is there.
#[must_use]
pub fn property(pattern: &PropertyPattern, property: &Property, wish: Wish<'_>) -> String {
    let mut lines = Lines::default();
    if wish.is_full() {
        lines.line(INDENT, "type", pattern.kind.as_deref().unwrap_or("(any)"));
    }
    property_details(pattern, wish, &mut lines);
    if wish.is_full() {
        for value in &property.values {
            lines.line(VALUE_INDENT, "value", value);
            value_details(pattern, value, INDENT, wish, &mut lines);
        }
        constraints(pattern, None, &mut lines);
        choices(pattern, None, &mut lines);
    }
    lines.0
}

fn property_details(pattern: &PropertyPattern, wish: Wish<'_>, lines: &mut Lines) {
    if wish.is_full() {
        lines.line(INDENT, "required", pattern.required);
        for (what, name) in [("common_name", "common name"), ("units", "units")] {
            if let Some(text) = pattern.text(what, wish.locale) {
                lines.line(INDENT, name, text);
            }
        }
    }
    if let Some(description) = pattern.text("description", wish.locale) {
        lines.bare(INDENT, description);
    }
    if !wish.is_full() {
        return;
    }
    lines.line(INDENT, "visibility", pattern.visibility());
    let (min, max) = pattern.cardinality();
    lines.line(INDENT, "minimum number of values", min);
    if max == u64::MAX {
        lines.line(INDENT, "maximum number of values", "unlimited");
    } else {
        lines.line(INDENT, "maximum number of values", max);
    }
    if !pattern.separators().is_empty() {
        let quoted: Vec<_> = pattern.separators().iter().map(|s| format!("\"{s}\"")).collect();
        lines.line(INDENT, "internal separators", quoted.join(" "));
    }
}

fn value_details(
    pattern: &PropertyPattern,
    value: &str,
    indent: &str,
    wish: Wish<'_>,
    lines: &mut Lines,
) {
    for (what, name) in [("common_name", "value common name"), ("description", "value description")]
    {
        if let Some(text) = pattern.value_text(value, what, wish.locale) {
            lines.line(indent, name, text);
        }
    }
}

/// The values and ranges a property must have; with what they mean, where that is wished for.
fn constraints(pattern: &PropertyPattern, wish: Option<Wish<'_>>, lines: &mut Lines) {
    let ranges = pattern.constraint_ranges().unwrap_or_default();
    listed("value constraints", pattern, (pattern.constraints(), &ranges), wish, lines);
}

/// The values and ranges that are to be offered.
fn choices(pattern: &PropertyPattern, wish: Option<Wish<'_>>, lines: &mut Lines) {
    let ranges = pattern.choice_ranges().unwrap_or_default();
    listed("value choices", pattern, (pattern.choices(), &ranges), wish, lines);
}

fn listed(
    title: &str,
    pattern: &PropertyPattern,
    (names, ranges): (&[String], &[Range]),
    wish: Option<Wish<'_>>,
    lines: &mut Lines,
) {
    if names.is_empty() && ranges.is_empty() {
        return;
    }
    lines.bare(VALUE_INDENT, format_args!("{title}:"));
    for name in names {
        lines.line(INDENT, "value name", name);
        if let Some(wish) = wish {
            value_details(pattern, name, CHOICE_INDENT, wish, lines);
        }
    }
    for range in ranges {
        lines.line(INDENT, "range", format_args!("{} to {}", range.min, range.max));
    }
}

/// `describe -t`: the patterns themselves.  `wanted` says which groups and which `group/property`
/// are asked for; a group brings its properties along.
#[must_use]
pub fn templates(templates: &Templates, wanted: &dyn Fn(&str) -> bool, wish: Wish<'_>) -> String {
    let mut lines = Lines::default();
    for pattern in templates.groups() {
        let name = pattern.name.as_deref().unwrap_or("*");
        let whole = wanted(name);
        if whole {
            lines.line("", "name", name);
            lines.line("", "type", pattern.kind.as_deref().unwrap_or("*"));
            group_details(pattern, wish, &mut lines);
        }
        for property in templates.properties(pattern) {
            if whole || wanted(&format!("{name}/{}", property.name)) {
                property_pattern(property, wish, &mut lines);
            }
        }
    }
    lines.0
}

fn property_pattern(pattern: &PropertyPattern, wish: Wish<'_>, lines: &mut Lines) {
    lines.line(VALUE_INDENT, "name", &pattern.name);
    lines.line(VALUE_INDENT, "type", pattern.kind.as_deref().unwrap_or("(any)"));
    property_details(pattern, wish, lines);
    if wish.is_full() {
        constraints(pattern, Some(wish), lines);
        choices(pattern, Some(wish), lines);
    }
}
