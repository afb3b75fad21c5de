//! error.rs - what is wrong with a configuration or with a pattern, in the words of svccfg.
//!
//! ```text
//! <prefix><message>: FMRI="..."; Property group="..."; ...        one line
//! <prefix><message>:                                              for people
//!         FMRI="..."
//!         Property group="..."
//! ```

use std::fmt::Display;

/// How errors are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// All on one line, as in scripts.
    OneLine,
    /// A line per item, as in an interactive session.
    Human,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A required group is not there: name, type.
    MissingGroup(String, String),
    /// A group has another type: expected, found.
    GroupType(String, String),
    /// A required property is not there: name.
    MissingProperty(String),
    /// A property has another type: expected, found.
    PropertyType(String, String),
    /// Too many or too few values: least, greatest, found.
    Cardinality(u64, u64, usize),
    /// A value that is not one of those permitted.
    IllegalValue(String),
    /// A number outside of its ranges.
    OutOfRange(String),
    /// A running instance has a pattern for what its restarter or global has one: name, type.
    Redefined(String, String),
    /// Two patterns of a name with different types: where the other is, its name, its type.
    GroupConflict(String, String, String),
    /// The same for properties.
    PropertyConflict(String, String, String),
    /// A pattern for what the restarter or global has one: where, name, type.
    GeneralRedefined(String, String, String),
    /// include_values of something that is not there: its type.
    IncludeValues(String),
    /// A required pattern without name or type.
    GroupIncomplete,
    /// A required pattern without type.
    PropertyIncomplete,
    /// The pattern makes no sense.
    BadTemplate(&'static str),
    /// The pattern names a type that does not exist.
    BadType,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// What.
    pub problem: Problem,
    /// The entity that is looked at.
    pub fmri: String,
    /// The property group that is wrong; empty where it is none.
    pub group: String,
    /// The property that is wrong; empty where it is none.
    pub property: String,
    /// The entity that has the pattern.
    pub source: String,
    /// Name and type of the pattern for the group; empty where there is none.
    pub group_pattern: (String, String),
    /// Name and type of the pattern for the property; empty where there is none.
    pub property_pattern: (String, String),
}

impl Problem {
    /// The message, but for its items.
    fn message(&self) -> &'static str {
        match self {
            Self::MissingGroup(..) => "Required property group missing",
            Self::GroupType(..) => "Property group has bad type",
            Self::MissingProperty(_) => "Required property missing",
            Self::PropertyType(..) => "Property has bad type",
            Self::Cardinality(..) => "Number of property values violates cardinality restriction",
            Self::IllegalValue(_) => "Property has illegal value",
            Self::OutOfRange(_) => "Property value is out of range",
            Self::Redefined(..) => "Instance redefines pg_pattern",
            Self::GroupConflict(..) => "Conflicting pg_pattern specifications",
            Self::PropertyConflict(..) => "Conflicting prop_pattern specifications",
            Self::GeneralRedefined(..) => {
                "Service or instance pg_pattern redefines a global or restarter pg_pattern"
            }
            Self::IncludeValues(_) => "Missing constraints or values for include_values element",
            Self::GroupIncomplete => "Required pg_pattern is missing a name or type attribute",
            Self::PropertyIncomplete => "Required prop_pattern is missing a type attribute",
            Self::BadTemplate(_) => "Invalid template - ",
            Self::BadType => "Invalid type in prop_pattern",
        }
    }

    /// The items that only this kind of problem has: what was expected, what was found.
    fn items(&self) -> Vec<(&'static str, &dyn Display)> {
        match self {
            Self::MissingGroup(name, kind) => vec![
                ("Name of missing property group", name),
                ("Type of missing property group", kind),
            ],
            Self::GroupType(expected, found) => {
                vec![("Specified type", expected), ("Actual type", found)]
            }
            Self::MissingProperty(name) => vec![("Name of missing property", name)],
            Self::PropertyType(expected, found) => {
                vec![("Specified property type", expected), ("Actual property type", found)]
            }
            Self::Cardinality(min, max, found) => vec![
                ("Cardinality minimum", min),
                ("Cardinality maximum", max),
                ("Actual number of values", found),
            ],
            Self::IllegalValue(value) => vec![("Illegal value", value)],
            Self::OutOfRange(value) => vec![("Actual value", value)],
            Self::Redefined(name, kind) => {
                vec![("Instance pg_pattern name", name), ("Instance pg_pattern type", kind)]
            }
            Self::GroupConflict(source, name, kind)
            | Self::GeneralRedefined(source, name, kind) => vec![
                ("Template source", source),
                ("pg_pattern name", name),
                ("pg_pattern type", kind),
            ],
            Self::PropertyConflict(source, name, kind) => vec![
                ("Template source", source),
                ("prop_pattern name", name),
                ("prop_pattern type", kind),
            ],
            Self::IncludeValues(kind) => vec![("include_values type", kind)],
            Self::GroupIncomplete
            | Self::PropertyIncomplete
            | Self::BadTemplate(_)
            | Self::BadType => Vec::new(),
        }
    }

    /// How far the place of the problem is named: not at all, the entity, its group, a property.
    fn place(&self) -> usize {
        match self {
            Self::GroupConflict(..) | Self::PropertyConflict(..) | Self::GeneralRedefined(..) => 0,
            Self::MissingGroup(..)
            | Self::Redefined(..)
            | Self::IncludeValues(_)
            | Self::GroupIncomplete
            | Self::PropertyIncomplete
            | Self::BadTemplate(_) => 1,
            Self::GroupType(..) | Self::MissingProperty(_) | Self::BadType => 2,
            Self::PropertyType(..)
            | Self::Cardinality(..)
            | Self::IllegalValue(_)
            | Self::OutOfRange(_) => 3,
        }
    }

    /// How many of name and type of the property's pattern are said.
    fn property_pattern(&self) -> usize {
        match self {
            Self::MissingGroup(..)
            | Self::GroupType(..)
            | Self::Redefined(..)
            | Self::GroupConflict(..)
            | Self::GeneralRedefined(..)
            | Self::GroupIncomplete => 0,
            Self::PropertyIncomplete => 1,
            Self::MissingProperty(_)
            | Self::PropertyType(..)
            | Self::Cardinality(..)
            | Self::IllegalValue(_)
            | Self::OutOfRange(_)
            | Self::PropertyConflict(..)
            | Self::IncludeValues(_)
            | Self::BadTemplate(_)
            | Self::BadType => 2,
        }
    }
}

impl TemplateError {
    /// Whether this keeps a bundle from being imported where templates are binding (-V).
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(self.problem, Problem::GeneralRedefined(..))
    }

    /// What svccfg prints, without a line break at the end.
    #[must_use]
    pub fn text(&self, prefix: &str, style: Style) -> String {
        let (first, next) = match style {
            Style::OneLine => (": ", "; "),
            Style::Human => (":\n\t", "\n\t"),
        };
        let reason = match self.problem {
            Problem::BadTemplate(reason) => reason,
            _ => "",
        };
        let mut text = format!("{prefix}{}{reason}", self.problem.message());
        let mut separator = first;
        for (name, value) in self.items() {
            text += &format!("{separator}{name}=\"{value}\"");
            separator = next;
        }
        text
    }

    fn items(&self) -> Vec<(&'static str, &dyn Display)> {
        let (group, property) = (&self.group, &self.property);
        let place: [(&'static str, &dyn Display); 3] =
            [("FMRI", &self.fmri), ("Property group", group), ("Property name", property)];
        let pattern: [(&'static str, &dyn Display); 2] = [
            ("prop_pattern name", &self.property_pattern.0),
            ("prop_pattern type", &self.property_pattern.1),
        ];
        let skipped = usize::from(matches!(self.problem, Problem::BadType));
        let mut items: Vec<(&'static str, &dyn Display)> =
            place[skipped..self.problem.place().max(skipped)].to_vec();
        items.extend(self.problem.items());
        items.push(("Template source", &self.source));
        items.push(("pg_pattern name", &self.group_pattern.0));
        items.push(("pg_pattern type", &self.group_pattern.1));
        items.extend(&pattern[..self.problem.property_pattern()]);
        items
    }
}
