//! run.rs - all rules, in their order, on all actions, in theirs.
//!
//! What a rule emits follows the action and is itself put through every rule; the same action is
//! emitted once.  After each file that named a package, the rules see the package as an action of
//! type `pkg`, whose attributes are the names and values of the file's `set` actions.

use std::collections::BTreeSet;

use ips_model::{Action, Fmri, Kind};

use super::MogrifyError;
use super::apply::{Outcome, Subject};
use super::lines::{Input, Line, Position};
use super::rule::Rule;
use super::substitute::Package;

/// The text to write.
#[derive(Debug, Default)]
pub struct Output {
    /// The manifest.
    pub manifest: String,
    /// What rules printed.
    pub printed: String,
}

/// How it ended.
#[derive(Debug)]
pub enum Ended {
    /// At the end of the input.
    Done(Output),
    /// By a rule.
    Early {
        /// The exit status.
        status: u8,
        /// What to say on standard error.
        message: Option<String>,
    },
}

/// What the rules made of an action.
enum Through {
    /// What is left of it, and the lines to follow.
    Left(Option<Action>, Vec<String>),
    /// A rule ended it all.
    Ended(Ended),
}

/// Emitted actions that emit actions end here; rules may feed each other without end.
const DEEPEST: usize = 100;

struct Run<'a> {
    rules: &'a [Rule],
    output: Output,
    package: Package,
    emitted: BTreeSet<String>,
}

/// Applies the rules.
pub fn run(input: &Input) -> Result<Ended, MogrifyError> {
    let mut run = Run {
        rules: &input.rules,
        output: Output::default(),
        package: Package::new(),
        emitted: BTreeSet::new(),
    };
    for line in &input.lines {
        let ended = match line {
            Line::Text(text) => {
                run.put(text);
                None
            }
            Line::Action { prefix, action, position } => {
                run.action(prefix, action.clone(), position, 0)?
            }
            Line::EndOfFile(position) => run.end_of_file(position)?,
        };
        if let Some(ended) = ended {
            return Ok(ended);
        }
    }
    Ok(Ended::Done(run.output))
}

impl Run<'_> {
    fn put(&mut self, line: &str) {
        self.output.manifest.push_str(line);
        self.output.manifest.push('\n');
    }

    /// Puts an action through the rules and outputs what is left, then what was emitted.
    fn action(
        &mut self,
        prefix: &str,
        action: Action,
        position: &Position,
        depth: usize,
    ) -> Result<Option<Ended>, MogrifyError> {
        let kind = action.kind.as_str();
        let (left, emits) = match self.through(kind, action, position)? {
            Through::Left(left, emits) => (left, emits),
            Through::Ended(ended) => return Ok(Some(ended)),
        };
        if let Some(action) = left {
            self.put(&format!("{prefix}{action}"));
            self.learn(&action);
        }
        self.emits(emits, position, depth)
    }

    fn emits(
        &mut self,
        emits: Vec<String>,
        position: &Position,
        depth: usize,
    ) -> Result<Option<Ended>, MogrifyError> {
        if depth > DEEPEST {
            return Err(position.refuse("what is emitted has no end"));
        }
        for line in emits {
            if line.is_empty() || line.starts_with('#') {
                self.put(&line);
                continue;
            }
            let action = Action::parse(&line).map_err(|error| {
                MogrifyError(format!("File {} line {}: {error}", position.file, position.line))
            })?;
            if !self.emitted.insert(action.to_string()) {
                continue;
            }
            if let Some(ended) = self.action("", action, position, depth + 1)? {
                return Ok(Some(ended));
            }
        }
        Ok(None)
    }

    /// Every rule on one action.
    fn through(
        &mut self,
        kind: &str,
        action: Action,
        position: &Position,
    ) -> Result<Through, MogrifyError> {
        let mut emits = Vec::new();
        let mut subject = Subject { kind, action, position, package: &self.package };
        for rule in self.rules {
            match rule.apply(&mut subject)? {
                Outcome::Went => {}
                Outcome::Dropped => return Ok(Through::Left(None, emits)),
                Outcome::Emitted(line) => emits.push(line),
                Outcome::Printed(text) => {
                    self.output.printed.push_str(&text);
                    self.output.printed.push('\n');
                }
                Outcome::Ended { status, message } => {
                    return Ok(Through::Ended(Ended::Early { status, message }));
                }
            }
        }
        Ok(Through::Left(Some(subject.action), emits))
    }

    /// A `set` action makes attributes of the package.
    fn learn(&mut self, action: &Action) {
        if action.kind != Kind::Set {
            return;
        }
        let Some(name) = action.key() else { return };
        let values = action.values("value");
        if name == "pkg.fmri" {
            if let Some(fmri) = values.first().and_then(|text| Fmri::parse(text).ok()) {
                self.package.insert("pkg.fmri.name".into(), vec![fmri.name]);
            }
        }
        self.package.entry(name.to_string()).or_default().extend(values.iter().cloned());
    }

    fn end_of_file(&mut self, position: &Position) -> Result<Option<Ended>, MogrifyError> {
        if !self.package.contains_key("pkg.fmri") {
            return Ok(None);
        }
        let mut action = Action::new(Kind::Set);
        action.attributes = self.package.clone();
        let emits = match self.through("pkg", action, position)? {
            Through::Left(_, emits) => emits,
            Through::Ended(ended) => return Ok(Some(ended)),
        };
        let ended = self.emits(emits, position, 0)?;
        self.package.clear();
        Ok(ended)
    }
}
