//! consistency.rs - patterns against each other, and against what they are for.
//!
//! Within an instance and its service no two patterns of one name may have different types; a
//! required pattern says all that is needed to find what it requires; include_values includes
//! something.  A pattern for what the restarter or the global service already describes is
//! discouraged, which is a warning.

use std::sync::Arc;

use super::error::{Problem, TemplateError};
use super::lookup::Templates;
use super::pattern::{GroupPattern, Level, PropertyPattern, Target};

struct Report<'a> {
    fmri: &'a str,
    errors: Vec<TemplateError>,
}

fn said(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

impl Report<'_> {
    fn of_group(&mut self, problem: Problem, pattern: &GroupPattern) {
        self.errors.push(TemplateError {
            problem,
            fmri: self.fmri.to_owned(),
            group: String::new(),
            property: String::new(),
            source: pattern.source.clone(),
            group_pattern: (said(&pattern.name), said(&pattern.kind)),
            property_pattern: Default::default(),
        });
    }

    fn of_property(&mut self, problem: Problem, pattern: &PropertyPattern, templates: &Templates) {
        let mut named = templates.declared.0.iter().filter(|group| group.group == pattern.of);
        let of = named.clone().find(|group| group.source == pattern.source).or(named.next());
        self.errors.push(TemplateError {
            problem,
            fmri: self.fmri.to_owned(),
            group: String::new(),
            property: String::new(),
            source: of.map_or(&pattern.source, |of| &of.source).clone(),
            group_pattern: of.map(|of| (said(&of.name), said(&of.kind))).unwrap_or_default(),
            property_pattern: (pattern.name.clone(), said(&pattern.kind)),
        });
    }
}

/// All that is wrong with the patterns of an instance and its service.
pub(super) fn check(fmri: &str, templates: &Templates) -> Vec<TemplateError> {
    let mut report = Report { fmri, errors: Vec::new() };
    let (own, own_properties) = &templates.declared;
    let own = group_conflicts(own, &mut report);
    for pattern in &own {
        if let Some(general) = general(templates, pattern) {
            let problem = Problem::GeneralRedefined(
                general.source.clone(),
                said(&general.name),
                said(&general.kind),
            );
            report.of_group(problem, pattern);
        }
    }
    for pattern in own.iter().filter(|pattern| pattern.required) {
        if pattern.name.is_none() || pattern.kind.is_none() {
            report.of_group(Problem::GroupIncomplete, pattern);
        }
    }
    let own = property_conflicts(own_properties, templates, &mut report);
    for pattern in own.iter().filter(|pattern| pattern.required && pattern.kind.is_none()) {
        report.of_property(Problem::PropertyIncomplete, pattern, templates);
    }
    for pattern in own {
        include_values(pattern, templates, &mut report);
    }
    report.errors
}

/// Two patterns for groups of one name that ask for different types; the nearest of each name.
fn group_conflicts<'a>(
    own: &'a [Arc<GroupPattern>],
    report: &mut Report<'_>,
) -> Vec<&'a GroupPattern> {
    let mut nearest: Vec<&GroupPattern> = Vec::new();
    for pattern in own {
        let Some(other) = nearest.iter().find(|other| is_about_the_same(other, pattern)) else {
            nearest.push(pattern);
            continue;
        };
        if let (Some(name), Some(_), Some(kind)) = (&other.name, &pattern.kind, &other.kind) {
            if pattern.kind != other.kind {
                let source = other.source.clone();
                report
                    .of_group(Problem::GroupConflict(source, name.clone(), kind.clone()), pattern);
            }
        }
    }
    nearest
}

/// Patterns are told apart by the name they are about, those without one by the type.
fn is_about_the_same(one: &GroupPattern, other: &GroupPattern) -> bool {
    match (&one.name, &other.name) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.kind == other.kind,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn property_conflicts<'a>(
    own: &'a [Arc<PropertyPattern>],
    templates: &Templates,
    report: &mut Report<'_>,
) -> Vec<&'a PropertyPattern> {
    let mut nearest: Vec<&PropertyPattern> = Vec::new();
    for pattern in own {
        let same = |other: &&&PropertyPattern| other.of == pattern.of && other.name == pattern.name;
        let Some(other) = nearest.iter().find(same) else {
            nearest.push(pattern);
            continue;
        };
        if let (Some(_), Some(kind)) = (&pattern.kind, &other.kind) {
            if pattern.kind != other.kind {
                let (source, name) = (other.source.clone(), other.name.clone());
                let problem = Problem::PropertyConflict(source, name, kind.clone());
                report.of_property(problem, pattern, templates);
            }
        }
    }
    nearest
}

/// The restarter's or the global pattern for what this pattern of the instance is about.
fn general<'a>(templates: &'a Templates, pattern: &GroupPattern) -> Option<&'a GroupPattern> {
    if !pattern.target.reaches_from(pattern.level) {
        return None;
    }
    let mut general = templates.groups().filter(|general| general.level > Level::Service);
    general.find(|general| is_about_the_same(general, pattern))
}

fn include_values(pattern: &PropertyPattern, templates: &Templates, report: &mut Report<'_>) {
    for included in pattern.included() {
        let there = match included.as_str() {
            "constraints" => pattern.has("constraint_name") || pattern.has("constraint_range"),
            "values" => pattern.has("value"),
            _ => {
                let reason = "include_values type must be \"constraints\" or \"values\"";
                report.of_property(Problem::BadTemplate(reason), pattern, templates);
                continue;
            }
        };
        if !there {
            report.of_property(Problem::IncludeValues(included.clone()), pattern, templates);
        }
    }
}

/// Patterns of a running instance for what the restarter or the global service describes.
pub(super) fn redefinitions(fmri: &str, templates: &Templates) -> Vec<TemplateError> {
    let mut report = Report { fmri, errors: Vec::new() };
    let meets = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    for own in templates.groups.iter().filter(|p| p.level == Level::Instance) {
        let general = templates.groups().find(|general| {
            matches!(general.target, Target::All | Target::Delegate)
                && meets(&own.name, &general.name)
                && meets(&own.kind, &general.kind)
        });
        if let Some(general) = general {
            report.of_group(Problem::Redefined(said(&own.name), said(&own.kind)), general);
        }
    }
    report.errors
}
