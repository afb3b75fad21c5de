//! failure.rs - why a command ends, and with which exit status: 1 failed, 2 usage, 3 in part.

use std::fmt;
use std::process::ExitCode;

/// A command that did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    /// Whether a word on usage is to follow.
    usage: bool,
    /// The subcommand that the message is told for; part of its prefix.
    pub subcommand: Option<&'static str>,
    /// The message without the program's name.
    pub message: String,
}

impl Failure {
    /// The operation failed: status 1.
    pub fn new(message: impl fmt::Display) -> Failure {
        Failure { status: 1, usage: false, subcommand: None, message: message.to_string() }
    }

    /// The arguments are wrong: status 2.
    pub fn usage(message: impl fmt::Display) -> Failure {
        Failure { usage: true, ..Failure::argument(message) }
    }

    /// An argument's value is wrong: status 2, and nothing to be said of usage.
    pub fn argument(message: impl fmt::Display) -> Failure {
        Failure { status: 2, ..Failure::new(message) }
    }

    /// There is nothing to be said, but the status.
    pub fn silent(status: u8) -> Failure {
        Failure { status, ..Failure::new("") }
    }

    /// Some of it was done: status 3.
    pub fn partial(message: impl fmt::Display) -> Failure {
        Failure { status: 3, ..Failure::new(message) }
    }

    /// The message of a subcommand.
    pub fn of(self, subcommand: &'static str) -> Failure {
        Failure { subcommand: Some(subcommand), ..self }
    }

    /// Whether the arguments were wrong.
    pub fn is_usage(&self) -> bool {
        self.usage
    }

    /// What is told; an empty first line of the message comes before the prefix.
    pub fn text(&self, program: &str) -> String {
        let (lead, message) = match self.message.strip_prefix('\n') {
            Some(message) => ("\n", message),
            None => ("", self.message.as_str()),
        };
        match self.subcommand {
            Some(subcommand) => format!("{lead}{program} {subcommand}: {message}"),
            None => format!("{lead}{program}: {message}"),
        }
    }

    /// Tells it on standard error, where there is something to tell.
    pub fn tell(&self, program: &str) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("{}", self.text(program));
        }
        ExitCode::from(self.status)
    }
}

/// How a program ends: on wrong arguments standard output has the usage, and standard error what is
/// wrong with them, if there is more to say.
pub fn end(program: &str, usage: &str, done: Result<(), Failure>) -> ExitCode {
    let Err(failure) = done else { return ExitCode::SUCCESS };
    if failure.is_usage() {
        print!("{usage}");
        if failure.message.is_empty() {
            return ExitCode::from(failure.status);
        }
    }
    failure.tell(program)
}

/// `anyhow`-like use of `?` on library errors: status 1 and their text.
macro_rules! from_errors {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Failure {
                Failure::new(error)
            }
        })*
    };
}

from_errors! {
    ips_repository::CreateError,
    ips_repository::OpenError,
    ips_repository::ReadError,
    ips_repository::WriteError,
    ips_repository::PathError,
    std::io::Error,
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Failure {
        Failure::usage(match error {
            lexopt::Error::UnexpectedOption(option) => {
                format!("illegal option -- {}", option.trim_start_matches('-'))
            }
            lexopt::Error::MissingValue { option: Some(option) } => {
                format!("option {option} requires an argument")
            }
            error => error.to_string(),
        })
    }
}
