//! group.rs - property groups as a repository holds them.
//!
//! Values are in printed form (`bundle::value::Value`), so two that are equal print equal.  What a
//! bundle delivers looks different (`bundle::Group`): it knows its place in the text and what is to
//! be deleted or overridden.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A property's type name and its values as they are printed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Property {
    /// `astring`, `count`, ...
    pub kind: String,
    /// In order; there may be none.
    pub values: Vec<String>,
}

impl Property {
    /// A property with one value.
    #[must_use]
    pub fn one(kind: &str, value: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), values: vec![value.into()] }
    }

    /// The value, where there is exactly one and it is of this type.
    #[must_use]
    pub fn single(&self, kind: &str) -> Option<&str> {
        match self.values.as_slice() {
            [value] if self.kind == kind => Some(value),
            _ => None,
        }
    }
}

/// A property group's type and properties.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Group {
    /// `application`, `framework`, ...
    pub kind: String,
    /// The group vanishes at reboot, and is part of no snapshot.
    pub volatile: bool,
    /// By name.
    pub properties: BTreeMap<String, Property>,
}

impl Group {
    /// The value of a property that has exactly one, of this type.
    #[must_use]
    pub fn single(&self, name: &str, kind: &str) -> Option<&str> {
        self.properties.get(name)?.single(kind)
    }

    /// Whether a boolean property is there and true.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.single(name, "boolean") == Some("true")
    }
}

/// Groups by name: one level of an entity, live or in a snapshot.
pub type Groups = BTreeMap<String, Group>;

/// The groups of an instance as its methods see them: of a property that both have, the
/// instance's; of a group that both have, the instance's type.
#[must_use]
pub fn composed(instance: &Groups, service: &Groups) -> Groups {
    let mut all = instance.clone();
    for (name, inherited) in service {
        let Some(own) = all.get_mut(name) else {
            all.insert(name.clone(), inherited.clone());
            continue;
        };
        for (property, value) in &inherited.properties {
            own.properties.entry(property.clone()).or_insert_with(|| value.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composition_is_per_property() {
        let group = |kind: &str, pairs: &[(&str, &str)]| Group {
            kind: kind.into(),
            volatile: false,
            properties: pairs
                .iter()
                .map(|(n, v)| ((*n).into(), Property::one("count", *v)))
                .collect(),
        };
        let service = [("pkg".into(), group("a", &[("port", "80"), ("threads", "60")]))].into();
        let instance = [("pkg".into(), group("b", &[("port", "8001")]))].into();
        let both = [("pkg".into(), group("b", &[("port", "8001"), ("threads", "60")]))].into();
        assert_eq!(composed(&instance, &service), both);
        assert_eq!(composed(&Groups::new(), &service), service);
    }
}
