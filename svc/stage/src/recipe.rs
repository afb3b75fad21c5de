//! recipe.rs - what an output is made of, and the digest that names the output.
//!
//! The digest is SHA-256 over, for each input in the order of names, the name and its digest or
//! text, each preceded by its length: no two recipes look alike.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// Named inputs; the name of an output is their digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    inputs: BTreeMap<String, String>,
}

impl Recipe {
    /// Adds an input: its digest, or its text when it is short.
    ///
    /// # Panics
    /// When the name was added before: that would hide an input.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        let before = self.inputs.insert(name.clone(), value.into());
        assert!(before.is_none(), "the input {name} was added twice");
    }

    /// All inputs.
    #[must_use]
    pub fn inputs(&self) -> &BTreeMap<String, String> {
        &self.inputs
    }

    /// Sixty-four hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, value) in &self.inputs {
            for text in [name, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
        hex(&hash.finalize())
    }
}

/// Digits of a digest.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let both = |byte: &u8| [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
    bytes.iter().flat_map(both).collect()
}

/// The digest of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(inputs: &[(&str, &str)]) -> Recipe {
        let mut recipe = Recipe::default();
        inputs.iter().for_each(|(name, value)| recipe.add(*name, *value));
        recipe
    }

    #[test]
    fn every_input_counts_and_none_hides_in_another() {
        let all = [
            recipe(&[]),
            recipe(&[("a", "")]),
            recipe(&[("a", "b")]),
            recipe(&[("ab", "")]),
            recipe(&[("a", ""), ("b", "")]),
            recipe(&[("a", "b"), ("b", "")]),
        ];
        let digests: std::collections::BTreeSet<String> = all.iter().map(Recipe::digest).collect();
        assert_eq!(digests.len(), all.len());
        assert_eq!(
            recipe(&[("a", "1"), ("b", "2")]).digest(),
            recipe(&[("b", "2"), ("a", "1")]).digest()
        );
    }

    #[test]
    #[should_panic(expected = "added twice")]
    fn an_input_is_added_once() {
        recipe(&[("a", "1"), ("a", "2")]);
    }
}
