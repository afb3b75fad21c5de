//! words.rs - the tokens of a dictionary in memory, found whole, by their beginning or anywhere.
//!
//! One text holds all words, folded, each ended by a line break, in the order of the dictionary's
//! lines; a list of line numbers holds their order as folded words.

use ips_model::query::{Glob, fold};
use memchr::memmem;

/// The words, by the number of their line.
#[derive(Debug, Default)]
pub(crate) struct Words {
    text: String,
    starts: Vec<u32>,
    sorted: Vec<u32>,
}

impl Words {
    /// Adds the word of the next line; whether there is room for it.
    pub(crate) fn push(&mut self, word: &str) -> bool {
        let Ok(start) = u32::try_from(self.text.len()) else { return false };
        self.starts.push(start);
        self.text.push_str(&fold(word));
        self.text.push('\n');
        true
    }

    /// To be called when all words are there.
    pub(crate) fn sort(&mut self) {
        self.text.shrink_to_fit();
        self.starts.shrink_to_fit();
        let mut sorted: Vec<u32> = (0..self.count()).collect();
        sorted.sort_unstable_by(|one, other| self.word(*one).cmp(self.word(*other)));
        self.sorted = sorted;
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }

    fn word(&self, line: u32) -> &str {
        let line = line as usize;
        let start = self.starts[line] as usize;
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| *next as usize);
        &self.text[start..end - 1]
    }

    /// The lines whose words may match, ascending; of a pattern that minds case they have to be
    /// looked at again.
    pub(crate) fn matching(&self, glob: &Glob) -> Vec<u32> {
        let (beginning, whole) = glob.literal();
        let beginning = fold(&beginning);
        let mut lines: Vec<u32> = if whole || !beginning.is_empty() {
            let from = self.sorted.partition_point(|line| self.word(*line) < beginning.as_str());
            let rest = self.sorted[from..].iter().copied();
            let ours = |line: &u32| {
                let word = self.word(*line);
                if whole { word == beginning } else { word.starts_with(&beginning) }
            };
            rest.take_while(ours).collect()
        } else {
            self.anywhere(&fold(&glob.longest_literal()))
        };
        if !whole && glob.folds() {
            lines.retain(|line| glob.matches(self.word(*line)));
        }
        lines.sort_unstable();
        lines
    }

    fn anywhere(&self, part: &str) -> Vec<u32> {
        if part.is_empty() {
            return (0..self.count()).collect();
        }
        let mut lines: Vec<u32> = Vec::new();
        for at in memmem::find_iter(self.text.as_bytes(), part.as_bytes()) {
            let after = self.starts.partition_point(|start| *start as usize <= at);
            let line = u32::try_from(after).unwrap_or(u32::MAX).saturating_sub(1);
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found() {
        let mut words = Words::default();
        // In the order of a dictionary.
        for word in ["/usr/bin/Pear", "Pear", "Zebra", "apple", "pear", "pears", "über"] {
            assert!(words.push(word));
        }
        words.sort();
        for (glob, expected) in [
            (Glob::folded("PEAR"), vec![1, 4]),
            (Glob::folded("pear*"), vec![1, 4, 5]),
            (Glob::folded("*EAR"), vec![0, 1, 4]),
            (Glob::folded("?ear*"), vec![1, 4, 5]),
            (Glob::folded("[az]*"), vec![2, 3]),
            (Glob::folded("p*s"), vec![5]),
            (Glob::folded("ÜBER"), vec![6]),
            (Glob::folded("nothing"), vec![]),
            (Glob::folded("zz*"), vec![]),
        ] {
            assert_eq!(words.matching(&glob), expected, "{glob:?}");
        }
        // What minds case is to be looked at again, but nothing is lost.
        assert_eq!(words.matching(&Glob::exact("Pear")), [1, 4]);
    }
}
