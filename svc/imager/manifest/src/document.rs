//! document.rs - a manifest of either form: read, completed, checked, asked.
//!
//! ```text
//! text --parse--> Document --with_defaults--> Document --check--> Checked --image--> Image
//! ```
//!
//! Defaults come before the schema, because they supply attributes that it requires.  A
//! [`Checked`] document has no fault, so the model is made of it without asking again.

use std::fmt;

use crate::image::Image;
use crate::include::{self, Open};
use crate::query::{self, QueryError};
use crate::tree::{Node, Position, ROOT, Tree};
use crate::xml::{self, ParseError};
use crate::{argslist, dc, old, write};

/// The form of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `distribution`, as it was in December 2009: the area and the media below `img_params`,
    /// repositories below `distro_constr_params`, im-pop built in.
    Distribution2009,
    /// `distribution`, as it was from 2010 on.
    Distribution,
    /// `dc`.
    Dc,
}

/// What is known of the machine that builds.
pub trait Host {
    /// Whether a finalizer script can be run: it is built in, or an executable file.
    fn can_run(&self, script: &str) -> bool;
}

/// The part of reading at which a fault was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// A default has no place.
    Defaults,
    /// An element or attribute is missing, unknown, or of the wrong type.
    Schema,
    /// A value makes no sense.
    Content,
}

/// One fault of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// When it was found.
    pub phase: Phase,
    /// The file that is included; empty for the manifest itself.
    pub file: String,
    /// The element's place; of what a default made, that of the element it was made in.
    pub at: Position,
    /// The node path, from below the root.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

impl Problem {
    pub(crate) fn new(tree: &Tree, phase: Phase, node: Node, path: String, reason: String) -> Self {
        let at = tree.get(node).at;
        let file = tree.files.get(at.file).cloned().unwrap_or_default();
        Self { phase, file, at, path, reason }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column, .. } = self.at;
        write!(f, "{}line {line}, column {column}: ", xml::in_file(&self.file))?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

/// All faults of a manifest.
///
/// They are told one a line, each phase closed by the lines that the original said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// In the order in which they were found; at least one.
    pub all: Vec<Problem>,
    /// What the schema is called.
    pub schema: String,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = Vec::new();
        for phase in [Phase::Defaults, Phase::Schema, Phase::Content] {
            let before = lines.len();
            lines.extend(self.all.iter().filter(|p| p.phase == phase).map(ToString::to_string));
            if lines.len() == before {
                continue;
            }
            let schema = &self.schema;
            lines.extend(match phase {
                Phase::Defaults => [
                    "Error adding defaults to manifest tree".to_owned(),
                    "One or more errors occured while setting defaults".to_owned(),
                ],
                Phase::Schema => [
                    format!("Error validating manifest against schema {schema}"),
                    "validate_vs_schema: Validator terminated with status 3".to_owned(),
                ],
                Phase::Content => [
                    "Error validating manifest tree content:".to_owned(),
                    "validate_singles: One or more validation errors found.".to_owned(),
                ],
            });
        }
        f.write_str(&lines.join("\n"))
    }
}

/// A manifest that was read; whether it is in order is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    form: Form,
    tree: Tree,
    /// What was filled in, in words.
    filled: Vec<String>,
    /// What could not be.
    problems: Vec<Problem>,
}

impl Document {
    /// Reads a manifest that includes nothing.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_including(text, &mut |_| Err("nothing is included here".to_owned()))
    }

    /// Reads a manifest; what it includes is opened by the caller.
    ///
    /// What is handed to `open` is a path relative to the manifest's folder, without `..`; that
    /// no symbolic link leads out of the folder is for `open` to see.
    pub fn parse_including(text: &str, open: &mut Open<'_>) -> Result<Self, ParseError> {
        let tree = include::read(text, open)?;
        let root = tree.get(ROOT);
        let form = match root.name.as_str() {
            "dc" => Form::Dc,
            "distribution" if old::is_of_2009(&tree) => Form::Distribution2009,
            "distribution" => Form::Distribution,
            _ => return Err(ParseError::NoManifest { name: root.name.clone(), at: root.at }),
        };
        Ok(Self { form, tree, filled: Vec::new(), problems: Vec::new() })
    }

    /// Fills in what was left out.
    ///
    /// `unnamed` is what a distribution without a name is called: the time, as `YYYYMMDD-HHMM`.
    #[must_use]
    pub fn with_defaults(mut self, unnamed: &str) -> Self {
        match self.form {
            Form::Dc => self.filled = dc::complete(&mut self.tree),
            Form::Distribution | Form::Distribution2009 => {
                (self.filled, self.problems) = old::complete(&mut self.tree, self.form, unnamed);
            }
        }
        self
    }

    /// Checks schema and content.
    pub fn check(self, host: &dyn Host) -> Result<Checked, Problems> {
        let mut all = self.problems.clone();
        let schema = match self.form {
            Form::Dc => {
                all.extend(dc::check(&self.tree, host));
                "/usr/share/install/dc.dtd"
            }
            Form::Distribution | Form::Distribution2009 => {
                all.extend(old::check(&self.tree, host));
                "/usr/share/distro_const/DC-manifest.rng"
            }
        };
        // Of a value that is of the wrong type nothing more is said.
        let mut told: Vec<Problem> = Vec::new();
        for problem in all {
            let twice = |other: &Problem| {
                other.phase < problem.phase && other.at == problem.at && other.path == problem.path
            };
            if !told.iter().any(twice) {
                told.push(problem);
            }
        }
        if told.is_empty() {
            Ok(Checked { document: self })
        } else {
            Err(Problems { all: told, schema: schema.to_owned() })
        }
    }

    /// The form.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// What was filled in: a line for each element or attribute.
    #[must_use]
    pub fn filled(&self) -> &[String] {
        &self.filled
    }

    /// The values that a node path leads to, in document order.
    ///
    /// A value of several quoted strings is as many values; one with a quote that is never closed
    /// is one value as it stands.
    pub fn query(&self, path: &str) -> Result<Vec<String>, QueryError> {
        let mut values = Vec::new();
        for found in query::find(&self.tree, path)? {
            let value = found.value(&self.tree);
            match argslist::split(&value) {
                Ok(strings) if !value.is_empty() => values.extend(strings),
                Ok(_) | Err(_) => values.push(value),
            }
        }
        Ok(values)
    }

    /// The values of a key of `key_value_pairs`.
    pub fn key(&self, key: &str) -> Result<Vec<String>, QueryError> {
        self.query(&format!("key_value_pairs/pair[key={key}]/value"))
    }

    /// The manifest as text, with what was filled in.
    #[must_use]
    pub fn to_xml(&self) -> String {
        write::text(&self.tree)
    }
}

/// A manifest without fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    document: Document,
}

impl Checked {
    /// The manifest, to be asked.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What the steps read.
    #[must_use]
    pub fn image(&self) -> Image {
        let tree = &self.document.tree;
        match self.document.form {
            Form::Dc => dc::image(tree),
            form @ (Form::Distribution | Form::Distribution2009) => old::image(tree, form),
        }
    }
}
