//! options.rs - the arguments of pkgfmt.

use std::path::PathBuf;

use ips_cmd::Failure;
use lexopt::prelude::*;

/// What is asked for.
#[derive(Debug)]
pub enum Request {
    /// `--help`.
    Help,
    /// The work.
    Run(Options),
}

/// The forms a manifest may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By type of action.
    V1,
    /// What delivers to the file system by path, types kept apart only where it reads better.
    V2,
}

/// What is done with the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The manifest is put into it.
    Format,
    /// `-c`: the manifest has to have it.
    Check,
    /// `-d`: what is different is shown.
    Differences,
}

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// `-f`, or `PKGFMT_OUTPUT`; none = v2.
    pub form: Option<Form>,
    /// `-c`, `-d`, or neither.
    pub task: Task,
    /// `-u`: lines are not folded.
    pub unwrap: bool,
    /// `-s`: attributes for diagnosis are left out.
    pub strip: bool,
    /// The manifests; none = standard input.
    pub files: Vec<PathBuf>,
}

/// How actions are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// The form.
    pub form: Form,
    /// Whether a line may be as long as it likes.
    pub unwrap: bool,
    /// Whether attributes for diagnosis are left out.
    pub strip: bool,
}

impl Options {
    /// The style asked for.
    pub fn style(&self) -> Style {
        self.style_of(self.form.unwrap_or(Form::V2))
    }

    /// The same in a certain form.
    pub fn style_of(&self, form: Form) -> Style {
        Style { form, unwrap: self.unwrap, strip: self.strip }
    }
}

/// Reads the arguments.
pub fn parse(mut parser: lexopt::Parser) -> Result<Request, Failure> {
    let named = std::env::var("PKGFMT_OUTPUT").ok().filter(|name| !name.is_empty());
    let mut form = named.as_deref().map(form_of).transpose()?;
    let mut letters = Vec::new();
    let mut files = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short(letter @ ('c' | 'd' | 's' | 'u')) => letters.push(letter),
            Short('f') => form = Some(form_of(&parser.value()?.string()?)?),
            Short('?' | 'h') | Long("help") => return Ok(Request::Help),
            Value(path) => files.push(PathBuf::from(path)),
            other => {
                let message = Failure::from(other.unexpected()).message;
                return Err(Failure::usage(
                    message.replace("illegal option", "illegal global option"),
                ));
            }
        }
    }
    letters.sort_unstable();
    letters.dedup();
    if letters.len() > 1 {
        return Err(Failure::usage("only one of [cdsu] may be specified"));
    }
    let has = |letter| letters.contains(&letter);
    let task = if has('c') {
        Task::Check
    } else if has('d') {
        Task::Differences
    } else {
        Task::Format
    };
    Ok(Request::Run(Options { form, task, unwrap: has('u'), strip: has('s'), files }))
}

fn form_of(name: &str) -> Result<Form, Failure> {
    match name {
        "v1" => Ok(Form::V1),
        "v2" => Ok(Form::V2),
        other => Err(Failure::usage(format!("unsupported format '{other}'"))),
    }
}
