//! svccfg(8): the configuration repository by hand.
//!
//! Reading order: `session` (what is selected), `connection` (in which repository), `voice` (to
//! whom it speaks), `verbs` (the table of commands), `engine` (carries them out), `interactive` and
//! `completion` (a terminal), then a file for each family of commands.
//!
//! One shot (`svccfg -s FMRI command ...`) and files stop at the first error; a terminal goes on.

mod arguments;
mod cleanup;
mod completion;
mod connection;
mod describe;
mod edit;
mod engine;
mod entity;
mod environment;
mod export;
mod files;
mod general;
mod group;
mod hash;
mod import;
mod interactive;
mod inventory;
mod list;
mod notify;
mod profile;
mod property;
mod restore;
mod select;
mod session;
mod snapshot;
mod sys;
mod template;
mod validate;
mod value;
mod verbs;
mod voice;
mod withdraw;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use lexopt::prelude::{Short, Value};
use smf_cmd::{getopt, say, svccfg_lex};

use connection::Connection;
use engine::{After, Failed};
use session::Session;
use voice::Voice;

const USAGE: &str = "\
Usage:\tsvccfg [-v] [-s FMRI] [-f file]
\tsvccfg [-v] [-s FMRI] <command> [args]
\tsvccfg -?
";

/// The longest one-shot command.
const COMMAND_MAX: usize = 2048;

struct Options {
    verbose: bool,
    select: Option<String>,
    file: Option<String>,
    words: Vec<String>,
}

fn main() -> ExitCode {
    let options = match parse() {
        Ok(Some(options)) => options,
        Ok(None) => {
            say::done(format_args!("{USAGE}"));
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            if let Some(message) = message {
                say!("svccfg: {message}");
            }
            say::error(format_args!("{USAGE}"));
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Command | Failed::Svccfg) => ExitCode::FAILURE,
    }
}

fn parse() -> Result<Option<Options>, Option<String>> {
    let mut options = Options { verbose: false, select: None, file: None, words: Vec::new() };
    let mut parser = lexopt::Parser::from_env();
    let usage = |error: lexopt::Error| Some(getopt::said(&error));
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('v') => options.verbose = true,
            Short('s') => {
                options.select =
                    Some(parser.value().map_err(usage)?.to_string_lossy().into_owned());
            }
            Short('f') => {
                options.file = Some(parser.value().map_err(usage)?.to_string_lossy().into_owned());
            }
            Short('?') => return Ok(None),
            // What follows belongs to the command, options included.
            Value(first) => options.words = getopt::operands(first, &mut parser).map_err(usage)?,
            other => return Err(usage(other.unexpected())),
        }
    }
    if options.file.is_some() && !options.words.is_empty() {
        return Err(None);
    }
    Ok(Some(options))
}

fn run(options: &Options) -> Result<(), Failed> {
    let (connection, warning) = Connection::from_environment();
    let mut session = Session::new(connection, Voice::OneShot, options.verbose);
    if let Some(warning) = warning {
        session.voice.say(warning);
    }
    if let Some(fmri) = &options.select {
        if let Err(complaint) = select::select(&mut session, fmri) {
            return Err(engine::complained(&session, None, &complaint));
        }
    }
    match options.file.as_deref() {
        _ if !options.words.is_empty() => one_shot(&mut session, &options.words.join(" ")),
        Some(file) if file != "-" => engine::file(&mut session, Path::new(file), After::Stop),
        None if std::io::stdin().is_terminal() => interactive::run(&mut session),
        Some(_) | None => {
            engine::read(&mut session, std::io::stdin().lock(), "<stdin>", After::Stop)
        }
    }
}

/// The words of the command line, read as a file would be.
fn one_shot(session: &mut Session, text: &str) -> Result<(), Failed> {
    if text.len() > COMMAND_MAX {
        session.voice.say("Command is too long.");
        return Err(Failed::Command);
    }
    let Ok(commands) = svccfg_lex::commands(text) else {
        session.voice.say("Syntax error.");
        return Err(Failed::Command);
    };
    for command in commands {
        engine::carry_out(session, &command.tokens)?;
        if session.over {
            break;
        }
    }
    Ok(())
}
