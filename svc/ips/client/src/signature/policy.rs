//! policy.rs - what an image or a publisher asks of packages' signatures.

use std::collections::BTreeSet;

/// A policy that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Its name is not known.
    #[error(
        "{0} is not a valid value for signature-policy; the values are ignore, require-names, require-signatures, verify"
    )]
    Name(String),
    /// Names are asked for and none is given.
    #[error("signature-required-names must name at least one common name for require-names")]
    NoNames,
}

/// The property `signature-policy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Policy {
    /// Signatures are not looked at.
    Ignore,
    /// Those that are there have to hold.
    #[default]
    Verify,
    /// One that somebody vouches for has to be there.
    RequireSignatures,
    /// These common names have to be met on the way to the anchors.
    RequireNames(BTreeSet<String>),
}

impl Policy {
    /// Reads the property and, for the last of them, `signature-required-names`.
    pub fn parse(name: &str, names: &[String]) -> Result<Policy, PolicyError> {
        match name {
            "ignore" => Ok(Policy::Ignore),
            "verify" => Ok(Policy::Verify),
            "require-signatures" => Ok(Policy::RequireSignatures),
            "require-names" if names.is_empty() => Err(PolicyError::NoNames),
            "require-names" => Ok(Policy::RequireNames(names.iter().cloned().collect())),
            other => Err(PolicyError::Name(other.to_string())),
        }
    }

    /// An image's policy together with a publisher's: the stricter holds, names add up.
    pub fn combine(&self, other: &Policy) -> Policy {
        match (self, other) {
            (Policy::RequireNames(one), Policy::RequireNames(other)) => {
                Policy::RequireNames(one.union(other).cloned().collect())
            }
            (one, other) if one.rank() >= other.rank() => one.clone(),
            (_, other) => other.clone(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Policy::Ignore => 0,
            Policy::Verify => 1,
            Policy::RequireSignatures => 2,
            Policy::RequireNames(_) => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_holds() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
            Policy::parse("require-names", &names).unwrap()
        };
        for (one, other, both) in [
            (Policy::Ignore, Policy::Verify, Policy::Verify),
            (Policy::RequireSignatures, Policy::Ignore, Policy::RequireSignatures),
            (Policy::RequireSignatures, names(&["a"]), names(&["a"])),
            (names(&["a"]), names(&["b"]), names(&["a", "b"])),
        ] {
            assert_eq!(one.combine(&other), both);
            assert_eq!(other.combine(&one), both);
        }
        assert_eq!(Policy::parse("require-names", &[]), Err(PolicyError::NoNames));
        assert_eq!(Policy::parse("trust", &[]), Err(PolicyError::Name("trust".into())));
    }
}
