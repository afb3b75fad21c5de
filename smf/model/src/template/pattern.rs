//! pattern.rs - the property groups of the template types, read.
//!
//! ```text
//! tm_pgpat_          neither name nor type        tm_proppat_<what follows tm_pgpat>_<property>
//! tm_pgpatn_<name>   tm_pgpatt_<type>   tm_pgpatnt_<name>
//! ```

use crate::group::Group;

/// Where a pattern was found, nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The instance itself.
    Instance,
    /// Its service.
    Service,
    /// Its restarter.
    Restarter,
    /// svc:/system/svc/global.
    Global,
}

/// Whom a pattern is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The entity that has it.
    This,
    /// Every instance of the service that has it.
    Instance,
    /// Every instance whose restarter has it.
    Delegate,
    /// Every instance.
    All,
}

impl Target {
    /// The word of the bundle.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::This => "this",
            Self::Instance => "instance",
            Self::Delegate => "delegate",
            Self::All => "all",
        }
    }

    /// Whether a pattern found at this level holds for the instance that is looked at.
    #[must_use]
    pub fn reaches_from(self, level: Level) -> bool {
        match self {
            Self::This => matches!(level, Level::Instance | Level::Service),
            Self::Instance => level == Level::Service,
            Self::Delegate => matches!(level, Level::Restarter | Level::Global),
            Self::All => level == Level::Global,
        }
    }
}

/// What is said about property groups of a name, a type, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupPattern {
    /// The entity that has it.
    pub source: String,
    /// Where that stands.
    pub level: Level,
    /// The name of the property group that is the pattern: `tm_pgpatnt_config`.
    pub group: String,
    /// The name it is about; any without one.
    pub name: Option<String>,
    /// The type it is about; any without one.
    pub kind: Option<String>,
    /// Such a group must be there.
    pub required: bool,
    /// Whom it is meant for.
    pub target: Target,
    pub(super) texts: Group,
}

/// What is said about a property.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyPattern {
    /// The entity that has it.
    pub source: String,
    /// Where that stands.
    pub level: Level,
    /// The name of the property group that is the pattern.
    pub group: String,
    /// The name of the group pattern it belongs to.
    pub of: String,
    /// The property's name.
    pub name: String,
    /// Its type; any without one.
    pub kind: Option<String>,
    /// The property must be there.
    pub required: bool,
    pub(super) texts: Group,
}

/// Limits of a number, both permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub min: i128,
    /// The greatest.
    pub max: i128,
}

fn text(group: &Group, name: &str) -> Option<String> {
    group.single(name, "astring").filter(|text| !text.is_empty()).map(str::to_owned)
}

impl GroupPattern {
    pub(super) fn read(source: &str, level: Level, name: &str, group: &Group) -> Option<Self> {
        if group.kind != "template_pg_pattern" || !name.starts_with("tm_pgpat") {
            return None;
        }
        let target = match group.single("target", "astring") {
            Some("instance") => Target::Instance,
            Some("delegate") => Target::Delegate,
            Some("all") => Target::All,
            _ => Target::This,
        };
        Some(Self {
            source: source.to_owned(),
            level,
            group: name.to_owned(),
            name: text(group, "name"),
            kind: text(group, "type"),
            required: group.is_true("required"),
            target,
            texts: group.clone(),
        })
    }

    /// A text in this language, else in the language C: `common_name` or `description`.
    #[must_use]
    pub fn text(&self, what: &str, locale: &str) -> Option<&str> {
        localised(&self.texts, what, locale)
    }
}

impl PropertyPattern {
    pub(super) fn read(source: &str, level: Level, name: &str, group: &Group) -> Option<Self> {
        if group.kind != "template_prop_pattern" {
            return None;
        }
        Some(Self {
            source: source.to_owned(),
            level,
            group: name.to_owned(),
            of: text(group, "pg_pattern")?,
            name: text(group, "name")?,
            kind: text(group, "type"),
            required: group.is_true("required"),
            texts: group.clone(),
        })
    }

    /// A text in this language, else in the language C: `common_name`, `description`, `units`.
    #[must_use]
    pub fn text(&self, what: &str, locale: &str) -> Option<&str> {
        localised(&self.texts, what, locale)
    }

    /// A text about one of the values: `common_name` or `description`.
    #[must_use]
    pub fn value_text(&self, value: &str, what: &str, locale: &str) -> Option<&str> {
        let encoded = crate::bundle::template::base32(value.as_bytes());
        localised(&self.texts, &format!("value_{encoded}_{what}"), locale)
    }

    /// `hidden`, `readonly` or `readwrite`.
    #[must_use]
    pub fn visibility(&self) -> &str {
        self.texts.single("visibility", "astring").unwrap_or("readwrite")
    }

    /// The least and the greatest number of values.
    #[must_use]
    pub fn cardinality(&self) -> (u64, u64) {
        let limit = |name: &str| {
            let property = self.texts.properties.get(name)?;
            property.values.first()?.parse().ok()
        };
        (limit("cardinality_min").unwrap_or(0), limit("cardinality_max").unwrap_or(u64::MAX))
    }

    /// Characters that separate parts of a value.
    #[must_use]
    pub fn separators(&self) -> &[String] {
        self.values("internal_separators")
    }

    /// Values that it must have.
    #[must_use]
    pub fn constraints(&self) -> &[String] {
        self.values("constraint_name")
    }

    /// Ranges it must be in; an error if one is none.
    ///
    /// # Errors
    /// The text that is no range.
    pub fn constraint_ranges(&self) -> Result<Vec<Range>, &str> {
        ranges(self.values("constraint_range"))
    }

    /// Values to be offered.
    #[must_use]
    pub fn choices(&self) -> &[String] {
        self.values("choices_name")
    }

    /// Ranges to be offered; an error if one is none.
    ///
    /// # Errors
    /// The text that is no range.
    pub fn choice_ranges(&self) -> Result<Vec<Range>, &str> {
        ranges(self.values("choices_range"))
    }

    /// What is to be offered besides: `constraints`, `values`.
    #[must_use]
    pub fn included(&self) -> &[String] {
        self.values("choices_include_values")
    }

    /// Whether one of the pattern's own properties begins like this.
    pub(super) fn has(&self, prefix: &str) -> bool {
        self.texts.properties.keys().any(|name| name.starts_with(prefix))
    }

    fn values(&self, name: &str) -> &[String] {
        self.texts.properties.get(name).map_or(&[], |property| property.values.as_slice())
    }
}

fn localised<'a>(group: &'a Group, what: &str, locale: &str) -> Option<&'a str> {
    let in_language = |locale: &str| {
        group.single(&format!("{what}_{locale}"), "ustring").filter(|text| !text.is_empty())
    };
    let plain: String =
        locale.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    in_language(&plain).or_else(|| in_language("C"))
}

fn ranges(texts: &[String]) -> Result<Vec<Range>, &str> {
    let range = |text: &String| {
        let (min, max) = text.split_once(',')?;
        Some(Range { min: number(min)?, max: number(max)? })
    };
    texts.iter().map(|text| range(text).ok_or(text.as_str())).collect()
}

/// A number as strtoll(3C) and strtoull(3C) read it, wide enough for both.
fn number(text: &str) -> Option<i128> {
    use crate::bundle::value::{PropertyType, Value};
    // -1 is a number here, not the largest count.
    let signed = Value::parse(PropertyType::Integer, text.trim_start());
    let value = signed.or_else(|_| Value::parse(PropertyType::Count, text.trim_start())).ok()?;
    value.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_pattern_reaches() {
        use Level::{Global, Instance, Restarter, Service};
        for (target, levels) in [
            (Target::This, vec![Instance, Service]),
            (Target::Instance, vec![Service]),
            (Target::Delegate, vec![Restarter, Global]),
            (Target::All, vec![Global]),
        ] {
            let all = [Instance, Service, Restarter, Global];
            let reached: Vec<_> =
                all.into_iter().filter(|level| target.reaches_from(*level)).collect();
            assert_eq!(reached, levels, "{}", target.name());
        }
    }

    #[test]
    fn ranges_are_read_as_numbers_of_any_base() {
        let texts = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (text, expected) in [
            ("0,10", Ok(vec![Range { min: 0, max: 10 }])),
            (
                "-5,0x10 1,18446744073709551615",
                Ok(vec![Range { min: -5, max: 16 }, Range { min: 1, max: i128::from(u64::MAX) }]),
            ),
            ("1-2", Err("1-2")),
            ("1,b", Err("1,b")),
        ] {
            assert_eq!(ranges(&texts(text)), expected, "{text}");
        }
    }
}
