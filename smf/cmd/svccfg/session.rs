//! session.rs - what is selected, and which word does what.

use smf_cmd::repository::{Repository, RepositoryError};
use smf_scf::import::merge::Groups;

use crate::{bundle, entity, environment, list, property, select, snapshot};
use smf_cmd::svccfg_lex::Token;

/// Why a command did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint(pub String);

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RepositoryError> for Complaint {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Denied => Self("Permission denied.".into()),
            RepositoryError::ReadOnly => Self("Repository read-only.".into()),
            other => Self(other.to_string()),
        }
    }
}

impl From<std::io::Error> for Complaint {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A complaint with this text.
pub fn complain<T>(text: impl Into<String>) -> Result<T, Complaint> {
    Err(Complaint(text.into()))
}

/// What a command comes to.
pub type Outcome = Result<(), Complaint>;

/// Whether the session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Continue,
    End,
}

/// One svccfg.
pub struct Session {
    pub repository: Repository,
    pub verbose: bool,
    /// The selected service or instance.
    pub selection: Option<String>,
    /// The selected snapshot of the selected instance.
    pub snapshot: Option<String>,
}

const HELP: &str = "\
General commands:        help end exit quit
Manifest commands:       import validate
Profile commands:        apply
Entity commands:         list select unselect add delete refresh
Snapshot commands:       listsnap selectsnap revert
Property group commands: listpg addpg delpg
Property commands:       listprop setprop delprop addpropvalue delpropvalue
                         setenv unsetenv
";

impl Session {
    /// Nothing is selected.
    pub fn new(repository: Repository, verbose: bool) -> Self {
        Self { repository, verbose, selection: None, snapshot: None }
    }

    /// `svc:`, `svc:/network/ssh`, `[snap]svc:/network/ssh:default`.
    pub fn prompt(&self) -> String {
        let snapshot = self.snapshot.as_ref().map(|name| format!("[{name}]")).unwrap_or_default();
        format!("{snapshot}{}", self.selection.as_deref().unwrap_or("svc:"))
    }

    /// The selected entity.
    pub fn entity(&self) -> Result<String, Complaint> {
        self.selection.clone().ok_or_else(|| Complaint("An entity is not selected.".into()))
    }

    /// The selected entity, to be changed.
    pub fn editable(&self) -> Result<String, Complaint> {
        if self.snapshot.is_some() {
            return complain("Cannot modify snapshots.");
        }
        self.entity()
    }

    /// The selected instance.
    pub fn instance(&self) -> Result<String, Complaint> {
        match &self.selection {
            Some(fmri) if smf_cmd::operand::is_instance(fmri) => Ok(fmri.clone()),
            _ => complain("Instance not selected."),
        }
    }

    /// The groups of the selected entity, or of the selected snapshot.
    pub fn groups(&mut self) -> Result<Groups, Complaint> {
        let entity = self.entity()?;
        match self.snapshot.clone() {
            None => Ok(self.repository.groups(&entity)?),
            Some(name) => match self.repository.snapshot(&entity, &name)? {
                Some((own, _)) => Ok(own),
                None => complain("No such snapshot."),
            },
        }
    }

    /// Carries out one command.
    pub fn run(&mut self, tokens: &[Token]) -> Result<Flow, Complaint> {
        let Some(Token::Word(word)) = tokens.first() else { return complain("Syntax error.") };
        let rest = &tokens[1..];
        // Those with a syntax of their own.
        match word.as_str() {
            "setprop" => return property::setprop(self, rest).map(|()| Flow::Continue),
            "addpropvalue" => return property::addpropvalue(self, rest).map(|()| Flow::Continue),
            _ => {}
        }
        let words = words(rest);
        match word.as_str() {
            "end" | "exit" | "quit" => {
                none(&words?)?;
                return Ok(Flow::End);
            }
            "help" => print!("{HELP}"),
            "import" => bundle::import(self, &words?)?,
            "apply" => bundle::apply(self, &words?)?,
            "validate" => bundle::validate(self, &words?)?,
            "add" => entity::add(self, one(&words?)?)?,
            "delete" => entity::delete(self, &words?)?,
            "refresh" => {
                none(&words?)?;
                entity::refresh(self)?;
            }
            "addpg" => entity::addpg(self, &words?)?,
            "delpg" => entity::delpg(self, one(&words?)?)?,
            "select" => select::select(self, one(&words?)?)?,
            "unselect" => {
                none(&words?)?;
                select::unselect(self)?;
            }
            "list" => list::list(self, optional(&words?)?)?,
            "listpg" => list::listpg(self, optional(&words?)?)?,
            "listprop" => list::listprop(self, optional(&words?)?)?,
            "delprop" => property::delprop(self, one(&words?)?)?,
            "delpropvalue" => property::delpropvalue(self, &words?)?,
            "setenv" => environment::setenv(self, &words?)?,
            "unsetenv" => environment::unsetenv(self, &words?)?,
            "listsnap" => {
                none(&words?)?;
                snapshot::listsnap(self)?;
            }
            "selectsnap" => snapshot::selectsnap(self, optional(&words?)?)?,
            "revert" => snapshot::revert(self, optional(&words?)?)?,
            other => return complain(format!("Unknown command \"{other}\".")),
        }
        Ok(Flow::Continue)
    }
}

/// Words and strings as texts; anything else is not for these commands.
fn words(tokens: &[Token]) -> Result<Vec<String>, Complaint> {
    let text = |token: &Token| match token {
        Token::Word(text) | Token::Quoted(text) => Ok(text.clone()),
        Token::Equals | Token::Redirect | Token::Open | Token::Close => complain("Syntax error."),
    };
    tokens.iter().map(text).collect()
}

fn none(words: &[String]) -> Outcome {
    if words.is_empty() { Ok(()) } else { complain("Syntax error.") }
}

fn one(words: &[String]) -> Result<&str, Complaint> {
    match words {
        [word] => Ok(word),
        [] | [_, ..] => complain("Syntax error."),
    }
}

fn optional(words: &[String]) -> Result<Option<&str>, Complaint> {
    match words {
        [] => Ok(None),
        [word] => Ok(Some(word)),
        [_, ..] => complain("Syntax error."),
    }
}
