//! glob.rs - shell patterns over a word: `*`, `?`, `[abc]`, `[!a-z]`.
//!
//! A pattern that ignores case compares folded characters; `fold` is the same for whole words, so
//! a table of folded words may be asked with a folded pattern.

/// A pattern, ready to be held against words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<Part>,
    folds: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Char(char),
    One,
    Many,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// A word without the difference between upper and lower case.
pub fn fold(word: &str) -> String {
    word.chars().map(fold_char).collect()
}

fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    // A letter whose small form is two letters has none of one.
    lower.next().filter(|_| lower.len() == 0).unwrap_or(c)
}

impl Glob {
    /// A pattern that tells upper from lower case.
    pub fn exact(pattern: &str) -> Glob {
        Glob { parts: parts(pattern), folds: false }
    }

    /// A pattern that does not.
    pub fn folded(pattern: &str) -> Glob {
        Glob { parts: parts(&fold(pattern)), folds: true }
    }

    /// Whether the pattern ignores case.
    pub fn folds(&self) -> bool {
        self.folds
    }

    /// Whether every word matches: nothing but `*` and `?`, as pkg5 counts it.
    pub fn is_anything(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::One | Part::Many))
    }

    /// The characters every matching word begins with; whether they are all of the pattern.
    pub fn literal(&self) -> (String, bool) {
        let chars = self.parts.iter().map_while(|part| match part {
            Part::Char(c) => Some(*c),
            Part::One | Part::Many | Part::Class { .. } => None,
        });
        let text: String = chars.collect();
        let whole = text.chars().count() == self.parts.len();
        (text, whole)
    }

    /// The longest text that every matching word holds somewhere.
    pub fn longest_literal(&self) -> String {
        let runs = self.parts.split(|part| !matches!(part, Part::Char(_)));
        let longest = runs.max_by_key(|run| run.len()).unwrap_or_default().iter();
        let chars = longest.filter_map(|part| match part {
            Part::Char(c) => Some(*c),
            Part::One | Part::Many | Part::Class { .. } => None,
        });
        chars.collect()
    }

    /// Whether the whole word matches.
    pub fn matches(&self, word: &str) -> bool {
        let (mut at, mut rest) = (0, word.chars());
        // Where to go on when what followed the last star came to nothing.
        let mut star: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let mut next = rest.clone();
            match (self.parts.get(at), next.next()) {
                (Some(Part::Many), _) => {
                    star = Some((at + 1, rest.clone()));
                    at += 1;
                    continue;
                }
                (Some(part), Some(c)) if self.takes(part, c) => {
                    (at, rest) = (at + 1, next);
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            let Some((after, from)) = &mut star else { return false };
            if from.next().is_none() {
                return false;
            }
            (at, rest) = (*after, from.clone());
        }
    }

    fn takes(&self, part: &Part, c: char) -> bool {
        let c = if self.folds { fold_char(c) } else { c };
        match part {
            Part::Char(own) => *own == c,
            Part::One => true,
            Part::Many => false,
            Part::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

fn parts(pattern: &str) -> Vec<Part> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut parts = Vec::with_capacity(chars.len());
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        at += 1;
        parts.push(match c {
            '*' => Part::Many,
            '?' => Part::One,
            '[' => match class(&chars[at..]) {
                Some((class, length)) => {
                    at += length;
                    class
                }
                // Without an end it is a bracket like any letter.
                None => Part::Char('['),
            },
            c => Part::Char(c),
        });
    }
    parts.dedup_by(|one, other| *one == Part::Many && *other == Part::Many);
    parts
}

/// The class after an opening bracket, and how many characters it took.
fn class(chars: &[char]) -> Option<(Part, usize)> {
    let negated = chars.first() == Some(&'!');
    let start = usize::from(negated);
    // A closing bracket in the first place is a member.
    let end = (start + 1..chars.len()).find(|at| chars[*at] == ']')?;
    let members = &chars[start..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(first) = members.get(at) {
        let last = members.get(at + 2).filter(|_| members.get(at + 1) == Some(&'-'));
        ranges.push((*first, *last.unwrap_or(first)));
        at += if last.is_some() { 3 } else { 1 };
    }
    Some((Part::Class { negated, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, word, exact, folded) in [
            ("pear", "pear", true, true),
            ("pear", "Pear", false, true),
            ("pe*", "pear", true, true),
            ("*ea*", "pear", true, true),
            ("*ea", "pear", false, false),
            ("p?ar", "pear", true, true),
            ("p?r", "pear", false, false),
            ("*", "", true, true),
            ("?", "", false, false),
            ("*a*b*c", "xaxbxbxc", true, true),
            ("[pq]ear", "pear", true, true),
            ("[!pq]ear", "pear", false, false),
            ("[a-c]x", "Bx", false, true),
            ("[]]x", "]x", true, true),
            ("[x", "[x", true, true),
            ("OBSTGÄRTEN*", "Obstgärten,", false, true),
        ] {
            assert_eq!(Glob::exact(pattern).matches(word), exact, "{pattern} {word}");
            assert_eq!(Glob::folded(pattern).matches(word), folded, "{pattern} {word}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!Glob::exact(&pattern).matches(&"a".repeat(4000)));
    }

    #[test]
    fn what_a_word_must_begin_with() {
        assert_eq!(Glob::folded("Pe*r").literal(), ("pe".to_string(), false));
        assert_eq!(Glob::exact("Pear").literal(), ("Pear".to_string(), true));
        assert_eq!(Glob::exact("*ab?cde[f]g*").longest_literal(), "cde");
        assert!(Glob::exact("*?*").is_anything() && !Glob::exact("*a").is_anything());
    }
}
