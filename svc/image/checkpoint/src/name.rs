//! name.rs - what a checkpoint is called: the step that follows it, and the digest of what made it.
//!
//! Law: a name is one component of a path and of a ZFS snapshot, whatever a manifest says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How long a step's name may be: `.step_NAME` and what is added while it is made stay a file name.
const LONGEST: usize = 200;

/// A name or an id that cannot be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Not 1 to 200 of the characters a step's name may have.
    #[error(
        "\"{name}\" is no name for a step: letters, digits, \".\", \"_\" and \"-\", at most 200"
    )]
    Step {
        /// The name as given.
        name: String,
    },
    /// Not a digest.
    #[error("\"{id}\" is no digest in hexadecimal")]
    Id {
        /// The id as given.
        id: String,
    },
}

/// The name of a step: letters, digits, `.`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Step(String);

impl Step {
    /// Checks a name.
    ///
    /// # Errors
    /// It is empty, too long, or has a character that paths or ZFS give a meaning.
    pub fn new(name: &str) -> Result<Step, NameError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > LONGEST || !name.chars().all(plain) {
            return Err(NameError::Step { name: name.to_owned() });
        }
        Ok(Step(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digest that names a state: of a step, its options, the id before it and its inputs.  Who
/// works it out is the engine; here it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

impl Id {
    /// Checks an id: 8 to 128 digits in lower-case hexadecimal.
    ///
    /// # Errors
    /// It is anything else.
    pub fn new(id: &str) -> Result<Id, NameError> {
        let digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        if !(8..=128).contains(&id.len()) || !id.chars().all(digit) {
            return Err(NameError::Id { id: id.to_owned() });
        }
        Ok(Id(id.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Step {
    type Error = NameError;
    fn try_from(name: String) -> Result<Step, NameError> {
        Step::new(&name)
    }
}

impl TryFrom<String> for Id {
    type Error = NameError;
    fn try_from(id: String) -> Result<Id, NameError> {
        Id::new(&id)
    }
}

impl From<Step> for String {
    fn from(step: Step) -> String {
        step.0
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.0
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_component() {
        for name in ["im-pop", "ba-arch-32", "3", "..", "a.b_c"] {
            assert_eq!(Step::new(name).unwrap().as_str(), name);
        }
        let long = "x".repeat(201);
        for name in ["", "a/b", "a@b", "a b", "a\0", "é", long.as_str()] {
            assert!(Step::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn an_id_is_hexadecimal() {
        assert!(Id::new("0123456789abcdef").is_ok());
        for id in ["", "0123", "0123456789ABCDEF", "0123456789abcdeg"] {
            assert!(Id::new(id).is_err(), "{id}");
        }
    }
}
