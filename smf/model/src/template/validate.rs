//! validate.rs - a configuration against the patterns that hold for it.
//!
//! Every group with a pattern: its type, the type, number and values of its properties, and the
//! properties that must be there.  Then the groups that must be there.  All that is wrong is
//! reported, in the order of the names.

use super::builtin;
use super::consistency;
use super::error::{Problem, TemplateError};
use super::lookup::{Levels, Owner, Templates, restarter_of};
use super::pattern::{GroupPattern, PropertyPattern, Range};
use crate::bundle::value::PropertyType;
use crate::bundle::{Bundle, Instance, Service};
use crate::group::{Group, Groups, Property};

/// What is validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What a bundle delivers: the patterns themselves are checked too, and a type is that type.
    Bundle,
    /// What an instance has: a type may be a more special one.
    Running,
}

/// Everything that is wrong with an instance.
#[must_use]
pub fn validate(levels: &Levels<'_>, mode: Mode) -> Vec<TemplateError> {
    let templates = Templates::of(levels);
    let mut errors = match mode {
        Mode::Bundle => consistency::check(levels.fmri(), &templates),
        Mode::Running => consistency::redefinitions(levels.fmri(), &templates),
    };
    let groups = levels.composed();
    let mut checker =
        Checker { fmri: levels.fmri(), mode, templates: &templates, errors: Vec::new() };
    for (name, group) in &groups {
        if group.kind != "template" {
            checker.group(name, group);
        }
    }
    checker.required(&groups);
    errors.append(&mut checker.errors);
    errors
}

/// Everything that is wrong with the instances of a bundle.  `owner` finds a restarter or the
/// global service by its name, with its groups composed; what it does not find is taken from the
/// built-in patterns where those are meant.
pub fn validate_bundle(
    bundle: &Bundle,
    owner: &dyn Fn(&str) -> Option<Owner>,
) -> Vec<TemplateError> {
    let global = owner(builtin::GLOBAL);
    let services = bundle.services.iter();
    services.flat_map(|service| validate_service(service, global.as_ref(), owner)).collect()
}

fn validate_service(
    service: &Service,
    global: Option<&Owner>,
    owner: &dyn Fn(&str) -> Option<Owner>,
) -> Vec<TemplateError> {
    let fmri = format!("svc:/{}", service.name);
    let groups = service.entity.held();
    let of_instance = |instance: &Instance| {
        let own = instance.held();
        let name = restarter_of(&own, &groups);
        // A restarter that is not there yet has no patterns yet; svc.startd always has.
        let absent = || Owner::new(name, Groups::new());
        let restarter = match owner(name) {
            None if name == super::lookup::STARTD => None,
            found => Some(found.unwrap_or_else(absent)),
        };
        let instance_fmri = format!("{fmri}:{}", instance.name);
        let levels = Levels {
            service: (&fmri, &groups),
            instance: Some((&instance_fmri, &own)),
            restarter: restarter.as_ref(),
            global,
        };
        validate(&levels, Mode::Bundle)
    };
    service.instances.iter().flat_map(of_instance).collect()
}

struct Checker<'a> {
    fmri: &'a str,
    mode: Mode,
    templates: &'a Templates,
    errors: Vec<TemplateError>,
}

/// The parts of an error that are the same for all properties of a group.
#[derive(Clone, Copy)]
struct Place<'a> {
    group: &'a str,
    property: &'a str,
    of: &'a GroupPattern,
    pattern: Option<&'a PropertyPattern>,
}

impl Checker<'_> {
    fn report(&mut self, problem: Problem, place: Place<'_>) {
        let said = |text: &Option<String>| text.clone().unwrap_or_default();
        let pattern = place.pattern;
        self.errors.push(TemplateError {
            problem,
            fmri: self.fmri.to_owned(),
            group: place.group.to_owned(),
            property: place.property.to_owned(),
            source: place.of.source.clone(),
            group_pattern: (said(&place.of.name), said(&place.of.kind)),
            property_pattern: pattern
                .map(|pattern| (pattern.name.clone(), said(&pattern.kind)))
                .unwrap_or_default(),
        });
    }

    fn group(&mut self, name: &str, group: &Group) {
        let templates = self.templates;
        let Some(of) = templates.group(name, &group.kind) else { return };
        let place = Place { group: name, property: "", of, pattern: None };
        if let Some(expected) = of.kind.as_ref().filter(|kind| **kind != group.kind) {
            self.report(Problem::GroupType(expected.clone(), group.kind.clone()), place);
        }
        for (property, value) in &group.properties {
            if let Some(pattern) = templates.property(of, property) {
                let place = Place { property, pattern: Some(pattern), ..place };
                self.property(pattern, value, place);
            }
        }
        for pattern in templates.properties(of).filter(|pattern| pattern.required) {
            if !group.properties.contains_key(&pattern.name) {
                let problem = Problem::MissingProperty(pattern.name.clone());
                self.report(problem, Place { pattern: Some(pattern), ..place });
            }
        }
    }

    fn property(&mut self, pattern: &PropertyPattern, property: &Property, place: Place<'_>) {
        if let Some(expected) = &pattern.kind {
            match PropertyType::from_name(expected) {
                None => self.report(Problem::BadType, place),
                Some(kind) if self.is_of(property, kind) => {}
                Some(_) => {
                    let problem = Problem::PropertyType(expected.clone(), property.kind.clone());
                    self.report(problem, place);
                }
            }
        }
        let (min, max) = pattern.cardinality();
        let count = property.values.len();
        if !(min..=max).contains(&(count as u64)) {
            self.report(Problem::Cardinality(min, max, count), place);
        }
        self.values(pattern, property, place);
    }

    fn is_of(&self, property: &Property, kind: PropertyType) -> bool {
        let Some(own) = PropertyType::from_name(&property.kind) else { return false };
        match self.mode {
            Mode::Bundle => own == kind,
            Mode::Running => own.is_a(kind),
        }
    }

    /// A value is good when it is one of those permitted, or lies in one of the ranges.
    fn values(&mut self, pattern: &PropertyPattern, property: &Property, place: Place<'_>) {
        let permitted = pattern.constraints();
        let ranges = match pattern.constraint_ranges() {
            Ok(ranges) => ranges,
            Err(_) => return self.report(Problem::BadTemplate("Illegal range value"), place),
        };
        if permitted.is_empty() && ranges.is_empty() {
            return;
        }
        let kind = PropertyType::from_name(&property.kind);
        let numeric = matches!(kind, Some(PropertyType::Count | PropertyType::Integer));
        if !ranges.is_empty() && !numeric {
            let reason = "Property does not have correct type for a range specification";
            return self.report(Problem::BadTemplate(reason), place);
        }
        for value in &property.values {
            let is_one = permitted.iter().any(|text| same(text, value, kind));
            if is_one || within(value, &ranges) {
                continue;
            }
            let problem = if permitted.is_empty() {
                Problem::OutOfRange(value.clone())
            } else {
                Problem::IllegalValue(value.clone())
            };
            self.report(problem, place);
        }
    }

    fn required(&mut self, groups: &Groups) {
        let templates = self.templates;
        for of in templates.groups().filter(|pattern| pattern.required) {
            // Without both it is incomplete, which is said elsewhere.
            let (Some(name), Some(kind)) = (&of.name, &of.kind) else { continue };
            let there = groups
                .get(name)
                .is_some_and(|group| self.mode == Mode::Running || group.kind == *kind);
            if !there {
                let problem = Problem::MissingGroup(name.clone(), kind.clone());
                self.report(problem, Place { group: "", property: "", of, pattern: None });
            }
        }
    }
}

/// Whether a value that a pattern permits is this one; numbers may be written in any base.
fn same(permitted: &str, value: &str, kind: Option<PropertyType>) -> bool {
    use crate::bundle::value::Value;
    let printed = kind.and_then(|kind| Value::parse(kind, permitted).ok());
    printed.map_or(permitted == value, |printed| printed.to_string() == value)
}

fn within(value: &str, ranges: &[Range]) -> bool {
    let Ok(number) = value.parse::<i128>() else { return false };
    ranges.iter().any(|range| (range.min..=range.max).contains(&number))
}
