//! merge.rs - one manifest out of several, each written where its files are built.
//!
//! The entries come out sorted, each once.  The same line in two files is one entry if it is a directory;
//! anything else that stands twice is a conflict: which file would win must not depend on the order of
//! their names.

use crate::check::check;
use crate::manifest::{Manifest, Problem};

/// Merges manifests; the problems are those of the whole.
#[must_use]
pub fn merge(manifests: impl IntoIterator<Item = Manifest>) -> (Manifest, Vec<Problem>) {
    let mut all = Manifest::default();
    manifests.into_iter().for_each(|manifest| all.append(manifest));
    let problems = check(&all, None);
    all.sort();
    all.entries.dedup_by(|again, first| again.path == first.path && again.kind == first.kind);
    (all, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_and_conflicts_told() {
        let read = |file: &str, text: &str| Manifest::parse(file, text).0;
        let one = read("one", "d usr 0755 root sys\nf usr/b 0444 root bin");
        let two = read("two", "d usr 0755 root sys\nf usr/a 0444 root bin");
        let three = read("three", "d usr 0755 root sys\nf usr/a 0555 root bin\n");
        let (manifest, problems) = merge([one.clone(), two.clone()]);
        assert_eq!(problems, []);
        let expected = "d usr 0755 root sys\nf usr/a 0444 root bin\nf usr/b 0444 root bin\n";
        assert_eq!(
            manifest.to_string(),
            expected,
            "a file without a newline at its end joins nothing"
        );
        let (_, problems) = merge([one, two, three]);
        let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(told, ["three:2: file usr/a is at two:2 already"]);
    }
}
