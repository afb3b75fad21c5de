//! engine.rs - carries commands out, one after the other.
//!
//! A file and the command line stop at the first complaint; a terminal, and what is edited on one,
//! goes on.

use std::io::BufRead;
use std::path::Path;

use smf_cmd::say;
use smf_cmd::svccfg_lex::{Command, Lexer, Token};

use crate::session::{Complaint, Outcome, Session, complain};
use crate::verbs::{self, Verb};
use crate::voice::{Voice, reason};

/// A complaint has been said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It ends everything but a terminal's session.
    Command,
    /// It ends svccfg.
    Svccfg,
}

/// What follows a complaint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    Stop,
    GoOn,
}

/// Carries out one command, and says what is wrong with it.
pub fn carry_out(session: &mut Session, tokens: &[Token]) -> Result<(), Failed> {
    let verb = match tokens.first() {
        Some(Token::Word(word)) => verbs::find(word),
        _ => None,
    };
    let outcome = match (verb, tokens) {
        (Some(verb), [_, rest @ ..]) => (verb.run)(session, rest),
        (_, tokens) => unknown(tokens),
    };
    outcome.map_err(|complaint| complained(session, verb, &complaint))
}

fn unknown(tokens: &[Token]) -> Outcome {
    match tokens {
        [Token::Word(word), rest @ ..] if crate::arguments::texts(rest).is_ok() => {
            complain(format!("Unknown command \"{word}\"."))
        }
        _ => Err(Complaint::Syntax),
    }
}

/// Says a complaint.
pub fn complained(session: &Session, verb: Option<&Verb>, complaint: &Complaint) -> Failed {
    match complaint {
        Complaint::Syntax => {
            match verb.filter(|_| session.voice == Voice::Interactive) {
                Some(verb) => session.voice.say(&verbs::help(verb)),
                None => session.voice.say("Syntax error."),
            }
            Failed::Command
        }
        Complaint::Refused(text) => {
            session.voice.say(text);
            Failed::Command
        }
        Complaint::Fatal(text) => {
            say!("svccfg: {text}");
            Failed::Svccfg
        }
        Complaint::Said => Failed::Command,
    }
}

/// Carries out what a source says, as it comes.
pub fn read(
    session: &mut Session,
    mut source: impl BufRead,
    name: &str,
    after: After,
) -> Result<(), Failed> {
    let before = session.voice.clone();
    let mut lexer = Lexer::default();
    let mut bytes = Vec::new();
    let mut result = Ok(());
    while result.is_ok() && !session.over {
        bytes.clear();
        match source.read_until(b'\n', &mut bytes) {
            Ok(0) => {
                result = last(session, lexer, name, after);
                break;
            }
            Ok(_) => {}
            Err(error) => {
                session.voice.say(&format!("Could not read {name}: {}.", reason(&error)));
                result = Err(Failed::Command);
                break;
            }
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            session.voice = Voice::File { name: name.to_owned(), line: lexer.line() };
            session.voice.say("The line is not UTF-8.");
            result = Err(Failed::Command);
            break;
        };
        let commands = lexer.feed(text);
        result = run(session, commands, name, after);
    }
    session.voice = before;
    result
}

/// The end of a source.
fn last(session: &mut Session, lexer: Lexer, name: &str, after: After) -> Result<(), Failed> {
    match lexer.finish() {
        Ok(command) => run(session, command.into_iter().collect(), name, after),
        Err(open) => {
            session.voice = Voice::File { name: name.to_owned(), line: open.line };
            session.voice.say("Syntax error.");
            if after == After::Stop { Err(Failed::Command) } else { Ok(()) }
        }
    }
}

fn run(
    session: &mut Session,
    commands: Vec<Command>,
    name: &str,
    after: After,
) -> Result<(), Failed> {
    for command in commands {
        session.voice = Voice::File { name: name.to_owned(), line: command.line };
        match carry_out(session, &command.tokens) {
            Err(Failed::Command) if after == After::GoOn => {}
            other => other?,
        }
        if session.over {
            break;
        }
    }
    Ok(())
}

/// Carries out a file.
pub fn file(session: &mut Session, path: &Path, after: After) -> Result<(), Failed> {
    let name = path.display().to_string();
    let refused = |session: &Session, text: String| {
        session.voice.say(&text);
        if after == After::Stop { Err(Failed::Command) } else { Ok(()) }
    };
    let open = std::fs::File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    match open {
        Ok((meta, _)) if !meta.is_file() => {
            refused(session, format!("{name} is not a regular file."))
        }
        Ok((_, file)) => read(session, std::io::BufReader::new(file), &name, after),
        Err(error) => refused(session, format!("Could not open {name}: {}.", reason(&error))),
    }
}
