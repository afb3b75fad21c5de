//! report.rs - what the checks found: what is well, what is worth knowing, what is wrong.

/// Something wrong, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// A command, or what somebody must do.
    pub mend: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is well, in the order it was looked at.
    pub good: Vec<String>,
    /// What somebody should know.
    pub notices: Vec<String>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Something is well.
    pub fn good(&mut self, text: impl Into<String>) {
        self.good.push(text.into());
    }

    /// Something is worth knowing.
    pub fn notice(&mut self, text: impl Into<String>) {
        self.notices.push(text.into());
    }

    /// Something is wrong.
    pub fn problem(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(Problem { what: what.into(), mend: mend.into() });
    }

    /// Adds what another look found.
    pub fn add(&mut self, other: Report) {
        self.good.extend(other.good);
        self.notices.extend(other.notices);
        self.problems.extend(other.problems);
    }
}
