//! apply.rs - one rule on one action.

use ips_model::Action;

use super::MogrifyError;
use super::lines::Position;
use super::rule::{Operation, Rule};
use super::substitute::{Names, Package, Quote, substitute};

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
    fn groups(&self, subject: &Subject<'_>) -> Option<Vec<String>> {
        let of_kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == subject.kind);
        if !of_kind {
            return None;
        }
        let mut groups = Vec::new();
        for (name, pattern) in &self.criteria {
            let values = subject.action.values(name);
            let first = pattern.groups(values.first()?)?;
            if !values.iter().all(|value| pattern.is_match(value)) {
                return None;
            }
            groups.extend(first);
        }
        Some(groups)
    }

    /// Applies the rule where it holds.
    pub fn apply(&self, subject: &mut Subject<'_>) -> Result<Outcome, MogrifyError> {
        let Some(groups) = self.groups(subject) else { return Ok(Outcome::Went) };
        let names = Names {
            kind: subject.kind,
            action: &subject.action,
            position: subject.position,
            package: subject.package,
            groups: &groups,
        };
        let told = |what: String| {
            MogrifyError(format!(
                "File {} line {}: Transform specified in file {}, line {} reports {what}",
                subject.position.file,
                subject.position.line,
                self.position.file,
                self.position.line
            ))
        };
        let fill = |template: &str, quote| substitute(template, &names, quote).map_err(told);
        match &self.operation {
            Operation::Drop => return Ok(Outcome::Dropped),
            Operation::Emit(text) => return Ok(Outcome::Emitted(fill(text, Quote::Values)?)),
            Operation::Print(text) => return Ok(Outcome::Printed(fill(text, Quote::Values)?)),
            Operation::Exit { status, message } => {
                let status = fill(status, Quote::Nothing)?;
                let status =
                    status.parse().map_err(|_| told(format!("'{status}' is no exit status")))?;
                let message = message.as_deref().map(|text| fill(text, Quote::Nothing));
                return Ok(Outcome::Ended { status, message: message.transpose()? });
            }
            Operation::Add { attribute, value } => {
                let value = fill(value, Quote::Nothing)?;
                add(&mut subject.action, attribute, value);
            }
            Operation::Default { attribute, value } => {
                if values(&subject.action, attribute).is_empty() {
                    let value = fill(value, Quote::Nothing)?;
                    set(&mut subject.action, attribute, vec![value]);
                }
            }
            Operation::Set { attribute, value } => {
                let value = fill(value, Quote::Nothing)?;
                set(&mut subject.action, attribute, vec![value]);
            }
            Operation::Delete { attribute, pattern } => {
                let mut kept = values(&subject.action, attribute);
                kept.retain(|value| !pattern.is_match(value));
                set(&mut subject.action, attribute, kept);
            }
            Operation::Edit { attribute, pattern, template } => {
                let template = fill(template, Quote::Nothing)?;
                let old = values(&subject.action, attribute);
                let new = old.iter().map(|value| pattern.replace(value, &template)).collect();
                set(&mut subject.action, attribute, new);
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
