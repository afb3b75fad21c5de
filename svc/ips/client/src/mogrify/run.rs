//! run.rs - all rules, in their order, on all actions, in theirs.
//!
//! What a rule emits follows the action and is itself put through every rule; the same line is
//! emitted once.  After each file that named a package, the rules see the package as an action of
//! type `pkg`, whose attributes are the names and values of the file's `set` actions.

use std::collections::BTreeSet;

use ips_model::{Action, Fmri, Kind};

use super::MogrifyError;
use super::apply::{Outcome, PACKAGE, Subject};
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
    /// What is left.
    Made(Made),
    /// A rule ended it all.
    Ended(Ended),
}

/// What is left of an action, the lines to follow it, and the comments to go before.
struct Made {
    left: Option<Action>,
    emits: Vec<String>,
    comments: Vec<String>,
}

/// Emitted actions that emit actions end here; rules may feed each other without end.
const DEEPEST: usize = 100;

struct Run<'a> {
    rules: &'a [Rule],
    output: Output,
    package: Package,
    emitted: BTreeSet<String>,
    verbose: bool,
}

/// Applies the rules.
pub fn run(input: &Input) -> Result<Ended, MogrifyError> {
    let mut run = Run {
        rules: &input.rules,
        output: Output::default(),
        package: Package::new(),
        emitted: BTreeSet::new(),
        verbose: input.verbose,
    };
    for line in &input.lines {
        let ended = match line {
            Line::Text(text) => {
                run.put(text);
                None
            }
            Line::Action { prefix, action, position } => {
                run.action(prefix, action.clone(), position)?
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
    ) -> Result<Option<Ended>, MogrifyError> {
        // The package has what the action says, whatever becomes of that.
        self.learn(&action);
        let kind = action.kind.as_str();
        let made = match self.through(kind, action, position)? {
            Through::Made(made) => made,
            Through::Ended(ended) => return Ok(Some(ended)),
        };
        let mut lines = Vec::new();
        let mut comments = made.comments;
        let ended = self.emits(made.emits, position, &mut vec![], &mut lines, &mut comments)?;
        if ended.is_some() {
            return Ok(ended);
        }
        for comment in comments {
            self.put(&comment);
        }
        if let Some(action) = made.left {
            self.put(&format!("{prefix}{action}"));
        }
        self.put_emitted(prefix, lines);
        Ok(None)
    }

    /// What was emitted before, in the same words, is not output again.
    fn put_emitted(&mut self, prefix: &str, lines: Vec<String>) {
        for line in lines {
            let line = format!("{prefix}{line}");
            if self.emitted.insert(line.clone()) {
                self.put(&line);
            }
        }
    }

    /// Puts what was emitted through the rules, and what that emits; `within` is what it comes from.
    fn emits(
        &mut self,
        emits: Vec<String>,
        position: &Position,
        within: &mut Vec<String>,
        lines: &mut Vec<String>,
        comments: &mut Vec<String>,
    ) -> Result<Option<Ended>, MogrifyError> {
        if within.len() > DEEPEST {
            return Err(position.refuse("what is emitted has no end"));
        }
        for line in emits {
            if line.is_empty() || line.starts_with('#') {
                lines.push(line);
                continue;
            }
            // An action that its own rules emit again has nothing new to say.
            if within.contains(&line) {
                continue;
            }
            let action = Action::parse(&line).map_err(|error| {
                MogrifyError(format!("File {} line {}: {error}", position.file, position.line))
            })?;
            let made = match self.through(action.kind.as_str(), action, position)? {
                Through::Made(made) => made,
                Through::Ended(ended) => return Ok(Some(ended)),
            };
            comments.extend(made.comments);
            lines.extend(made.left.map(|action| action.to_string()));
            within.push(line);
            let ended = self.emits(made.emits, position, within, lines, comments)?;
            within.pop();
            if ended.is_some() {
                return Ok(ended);
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
        let mut told = Told::of(self.verbose, kind, &action);
        let mut subject = Subject { kind, action, position, package: &self.package };
        for rule in self.rules {
            match rule.apply(&mut subject)? {
                Outcome::Went => told.applied(rule, &subject.action),
                Outcome::Dropped => {
                    told.dropped(rule);
                    return Ok(Through::Made(Made { left: None, emits, comments: told.lines() }));
                }
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
        let left = Some(subject.action);
        Ok(Through::Made(Made { left, emits, comments: told.lines() }))
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
        let mut action = Action::new(Kind::Set);
        action.attributes = std::mem::take(&mut self.package);
        if !action.attributes.contains_key("pkg.fmri") {
            return Ok(None);
        }
        let made = match self.through(PACKAGE, action, position)? {
            Through::Made(made) => made,
            Through::Ended(ended) => return Ok(Some(ended)),
        };
        let (mut lines, mut comments) = (Vec::new(), made.comments);
        if let Some(package) = made.left {
            self.package = package.attributes;
        }
        let ended = self.emits(made.emits, position, &mut vec![], &mut lines, &mut comments)?;
        self.package.clear();
        for comment in comments {
            self.put(&comment);
        }
        self.put_emitted("", lines);
        Ok(ended)
    }
}

/// What is told of the rules that changed an action; nothing unless it is asked for.
struct Told {
    lines: Vec<String>,
    before: Option<Action>,
}

impl Told {
    fn of(verbose: bool, kind: &str, action: &Action) -> Told {
        let before = verbose.then(|| action.clone());
        let shown = before.iter().map(|action| match kind {
            PACKAGE => format!("#  Action: {kind}"),
            _ => format!("#  Action: {action}"),
        });
        Told { lines: shown.collect(), before }
    }

    fn applied(&mut self, rule: &Rule, after: &Action) {
        let Some(before) = self.before.as_mut().filter(|before| *before != after) else { return };
        before.clone_from(after);
        let Position { file, line } = &rule.position;
        self.lines.push(format!("# Applied: {} (file {file} line {line})", rule.text));
        self.lines.push(format!("#  Result: {after}"));
    }

    fn dropped(&mut self, rule: &Rule) {
        if self.before.is_some() {
            let Position { file, line } = &rule.position;
            self.lines.push(format!("# Applied: {} (file {file} line {line})", rule.text));
            self.lines.push("#  Result: None".to_string());
        }
    }

    /// The lines, where a rule did something.
    fn lines(self) -> Vec<String> {
        if self.lines.len() > 1 { self.lines } else { Vec::new() }
    }
}
