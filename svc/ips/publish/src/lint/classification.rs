//! classification.rs - the values that `info.classification` may have.
//!
//! ```text
//! [Section]
//! category = Category,Category
//! ```

use std::collections::BTreeMap;

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
        let mut sections: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut open: Option<String> = None;
        for line in text.lines() {
            let goes_on = line.starts_with(char::is_whitespace);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                sections.entry(name.to_string()).or_default();
                open = Some(name.to_string());
                continue;
            }
            let Some(section) = open.as_ref().and_then(|name| sections.get_mut(name)) else {
                continue;
            };
            let property = line.split_once(['=', ':']).filter(|_| !goes_on);
            match (property, section) {
                (Some((name, value)), section) if name.trim().eq_ignore_ascii_case("category") => {
                    *section = Some(value.trim().to_string());
                }
                (None, Some(value)) if goes_on => value.push_str(line),
                _ => {}
            }
        }
        let fault = format!("no sections found in data file {path}");
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
        let empty = Classification::of_file("/f", Some("# x\n"));
        assert_eq!(empty.fault(), Some("no sections found in data file /f"));
    }
}
