//! classification.rs - the values that `info.classification` may have.
//!
//! ```text
//! [Section]
//! category = Category,Category
//! ```

use std::collections::BTreeMap;

use super::ini::{Section, sections};

/// The sections of a file.
#[derive(Debug, Clone, Default)]
pub struct Classification {
    path: String,
    sections: BTreeMap<String, Option<String>>,
    /// Why there are none.
    fault: String,
}

/// What every value begins with.
const PREFIX: &str = "org.opensolaris.category.2008:";

impl Classification {
    /// Reads the file's text; none where there is no file.
    pub fn of_file(path: &str, text: Option<&str>) -> Classification {
        let Some(text) = text else {
            let fault = format!("missing file {path}");
            return Classification { path: path.to_string(), fault, ..Classification::default() };
        };
        let (known, fault) = match sections(text) {
            Ok(known) => (known, format!("no sections found in data file {path}")),
            Err(line) => (
                Vec::new(),
                format!("unable to parse data file {path}: line {line} is no property"),
            ),
        };
        let category = |section: Section| {
            let mut properties = section.properties.into_iter().rev();
            let found = properties.find(|(name, _)| name == "category");
            (section.title, found.map(|(_, value)| value))
        };
        let sections = known.into_iter().map(category).collect();
        Classification { path: path.to_string(), sections, fault }
    }

    /// Why nothing can be checked.
    pub(super) fn fault(&self) -> Option<&str> {
        self.sections.is_empty().then_some(self.fault.as_str())
    }

    /// What is wrong with a value: the number of the finding, and its text.
    pub(super) fn check(&self, value: &str, fmri: &str) -> Option<(u8, String)> {
        if !value.contains(PREFIX) {
            let text =
                format!("info.classification attribute does not contain '{PREFIX}' for {fmri}");
            return Some((2, text));
        }
        let rest = value.replace(PREFIX, "");
        let Some((section, category)) = rest.split_once('/') else {
            let text = format!(
                "info.classification value {value} does not match {PREFIX}<Section>/<Category> for {fmri}"
            );
            return Some((3, text));
        };
        let known: Vec<&str> = self.sections.keys().map(String::as_str).collect();
        match self.sections.get(section) {
            None => Some((
                4,
                format!(
                    "info.classification value {value} does not contain one of the valid sections {} for {fmri}.",
                    known.join(", ")
                ),
            )),
            Some(None) => Some((
                5,
                format!(
                    "Invalid info.classification value for {fmri}: data file {} does not have a 'category' key for section {section}.",
                    self.path
                ),
            )),
            Some(Some(all)) if all.split(',').any(|one| one == category) => None,
            Some(Some(all)) => Some((
                6,
                format!(
                    "info.classification attribute in {fmri} does not contain one of the values defined for the section {section}: {all} from {}",
                    self.path
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let file = "[Applications]\ncategory = Games,Office\n[System]\ncategory = Core\n[Bare]\n";
        let known = Classification::of_file("/f", Some(file));
        for (value, finding) in [
            ("org.opensolaris.category.2008:Applications/Office", None),
            ("Applications/Office", Some(2)),
            ("org.opensolaris.category.2008:Applications", Some(3)),
            ("org.opensolaris.category.2008:Nothing/Office", Some(4)),
            ("org.opensolaris.category.2008:Bare/x", Some(5)),
            ("org.opensolaris.category.2008:System/Games", Some(6)),
        ] {
            assert_eq!(known.check(value, "pkg:/x").map(|(number, _)| number), finding, "{value}");
        }
        assert_eq!(Classification::of_file("/f", None).fault(), Some("missing file /f"));
        let broken = Classification::of_file("/f", Some("words\n"));
        let fault = "unable to parse data file /f: line 1 is no property";
        assert_eq!(broken.fault(), Some(fault));
        let empty = Classification::of_file("/f", Some("# x\n"));
        assert_eq!(empty.fault(), Some("no sections found in data file /f"));
    }
}
