//! apply.rs - one rule on one action.

use std::borrow::Cow;

use ips_model::Action;

use super::MogrifyError;
use super::lines::Position;
use super::pattern::Pattern;
use super::rule::{Operation, Rule, Search};
use super::substitute::{Names, Package, Quote, substitute};

/// The word for the package as an action.
pub const PACKAGE: &str = "pkg";

/// What a rule may act on: an action, or the package as one.
pub struct Subject<'a> {
    /// The word of the type; `pkg` of the package.
    pub kind: &'a str,
    /// The action.
    pub action: Action,
    /// Where it stands.
    pub position: &'a Position,
    /// The package's attributes so far.
    pub package: &'a Package,
}

/// What came of it, beside the changed action.
pub enum Outcome {
    /// Nothing else.
    Went,
    /// The action is gone.
    Dropped,
    /// A line to follow it.
    Emitted(String),
    /// Something to say.
    Printed(String),
    /// The end.
    Ended { status: u8, message: Option<String> },
}

impl Rule {
    /// The groups of the criteria, if all of them are met.
    fn groups(&self, subject: &Subject<'_>) -> Option<Vec<Option<String>>> {
        let of_kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == subject.kind);
        if !of_kind {
            return None;
        }
        let mut groups = Vec::new();
        for (name, pattern) in &self.criteria {
            let values = subject.action.values(name);
            values.first()?;
            for value in values {
                groups.extend(pattern.groups(value)?);
            }
        }
        Some(groups)
    }

    /// What is wrong with the rule for an action.
    fn told(&self, at: &Position, what: &str) -> MogrifyError {
        let Position { file, line } = &self.position;
        MogrifyError(format!(
            "File {} line {}: Transform specified in file {file}, line {line} reports {what}",
            at.file, at.line
        ))
    }

    /// Applies the rule where it holds.
    pub fn apply(&self, subject: &mut Subject<'_>) -> Result<Outcome, MogrifyError> {
        let Some(groups) = self.groups(subject) else { return Ok(Outcome::Went) };
        let names = Names {
            kind: subject.kind,
            action: &subject.action,
            position: subject.position,
            // The package as an action is what other rules have made of it.
            package: if subject.kind == PACKAGE {
                &subject.action.attributes
            } else {
                subject.package
            },
            groups: &groups,
        };
        let told = |what: String| self.told(subject.position, &what);
        let fill = |template: &str, quote| substitute(template, &names, quote).map_err(told);
        match &self.operation {
            Operation::Drop => return Ok(Outcome::Dropped),
            Operation::Emit(text) => return Ok(Outcome::Emitted(fill(text, Quote::Values)?)),
            Operation::Print(text) => return Ok(Outcome::Printed(fill(text, Quote::Values)?)),
            Operation::Exit { status, message } => {
                let message = message.as_deref().map(|text| fill(text, Quote::Values));
                return Ok(Outcome::Ended { status: *status, message: message.transpose()? });
            }
            Operation::Add { attribute, value } => {
                let attribute = fill(attribute, Quote::Nothing)?;
                let value = fill(value, Quote::Nothing)?;
                add(&mut subject.action, &attribute, value);
            }
            Operation::Default { attribute, value } => {
                let attribute = fill(attribute, Quote::Nothing)?;
                if values(&subject.action, &attribute).is_empty() {
                    let value = fill(value, Quote::Nothing)?;
                    set(&mut subject.action, &attribute, vec![value]);
                }
            }
            Operation::Set { attribute, value } => {
                let attribute = fill(attribute, Quote::Nothing)?;
                let value = fill(value, Quote::Nothing)?;
                set(&mut subject.action, &attribute, vec![value]);
            }
            Operation::Delete { attribute, pattern } => {
                let mut kept = values(&subject.action, attribute);
                kept.retain(|value| !pattern.is_match(value));
                set(&mut subject.action, attribute, kept);
            }
            Operation::Edit { attribute, pattern, template } => {
                let attribute = fill(attribute, Quote::Nothing)?;
                let template = fill(template, Quote::Nothing)?;
                let pattern = match pattern {
                    Search::Ready(pattern) => Cow::Borrowed(pattern),
                    Search::Template(text) => {
                        let regex = fill(text, Quote::Nothing)?;
                        Cow::Owned(Pattern::anywhere(&regex).map_err(told)?)
                    }
                };
                let old = values(&subject.action, &attribute);
                let new = old.iter().map(|value| pattern.replace(value, &template)).collect();
                set(&mut subject.action, &attribute, new);
            }
        }
        Ok(Outcome::Went)
    }
}

/// The name under which rules reach the positional hash.
const HASH: &str = "action.hash";

fn values(action: &Action, name: &str) -> Vec<String> {
    match name {
        HASH => action.hash.clone().into_iter().collect(),
        name => action.values(name).to_vec(),
    }
}

fn set(action: &mut Action, name: &str, values: Vec<String>) {
    match name {
        HASH => action.hash = values.into_iter().next(),
        name => action.set(name, values),
    }
}

fn add(action: &mut Action, name: &str, value: String) {
    let mut all = values(action, name);
    all.push(value);
    set(action, name, all);
}
