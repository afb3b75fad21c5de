//! svccfg(8): the configuration repository by hand.
//!
//! Reading order: `session` (what is selected, and which word does what), then one
//! file per family of commands: `entity`, `select`, `list`, `property`, `environment`, `snapshot`,
//! `bundle`.
//!
//! One shot (`svccfg -s FMRI command ...`) and files stop at the first error; a terminal goes on.

mod bundle;
mod entity;
mod environment;
mod list;
mod property;
mod select;
mod session;
mod snapshot;

use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

use lexopt::prelude::{Short, Value};
use smf_cmd::repository::Repository;
use smf_cmd::svccfg_lex::Lexer;

use session::{Flow, Session};

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
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            if let Some(message) = message {
                eprintln!("svccfg: {message}");
            }
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("svccfg: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Option<Options>, Option<String>> {
    let mut options = Options { verbose: false, select: None, file: None, words: Vec::new() };
    let mut parser = lexopt::Parser::from_env();
    let usage = |error: lexopt::Error| Some(error.to_string());
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
            Value(word) => {
                options.words.push(word.to_string_lossy().into_owned());
                let rest = parser.raw_args().map_err(usage)?;
                options.words.extend(rest.map(|word| word.to_string_lossy().into_owned()));
            }
            other => return Err(Some(other.unexpected().to_string())),
        }
    }
    if options.file.is_some() && !options.words.is_empty() {
        return Err(None);
    }
    Ok(Some(options))
}

fn run(options: Options) -> anyhow::Result<ExitCode> {
    let (text, source) = if !options.words.is_empty() {
        let text = options.words.join(" ");
        if text.len() > COMMAND_MAX {
            anyhow::bail!("Command is too long.");
        }
        (text, None)
    } else {
        match options.file.as_deref() {
            None if std::io::stdin().is_terminal() => return interactive(&options),
            None | Some("-") => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                (text, Some("<stdin>".to_owned()))
            }
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| anyhow::anyhow!("Could not open \"{file}\": {error}"))?;
                (text, Some(file.to_owned()))
            }
        }
    };
    let mut session = Session::new(Repository::open_live()?, options.verbose);
    if let Some(fmri) = &options.select {
        if let Err(error) = select::select(&mut session, fmri) {
            eprintln!("svccfg: {error}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(batch(&mut session, &text, source.as_deref()))
}

/// One shot or a file: the first error ends it.
fn batch(session: &mut Session, text: &str, source: Option<&str>) -> ExitCode {
    let mut lexer = Lexer::default();
    let mut commands = lexer.feed(text);
    let tail = lexer.finish();
    if let Ok(last) = &tail {
        commands.extend(last.clone());
    }
    for command in commands {
        let line = command.line;
        match session.run(&command.tokens) {
            Ok(Flow::Continue) => {}
            Ok(Flow::End) => return ExitCode::SUCCESS,
            Err(error) => {
                match source {
                    Some(source) => eprintln!("svccfg ({source}, line {line}): {error}"),
                    None => eprintln!("svccfg: {error}"),
                }
                return ExitCode::FAILURE;
            }
        }
    }
    if let Err(open) = tail {
        let line = open.line;
        match source {
            Some(source) => eprintln!("svccfg ({source}, line {line}): Syntax error."),
            None => eprintln!("svccfg: Syntax error."),
        }
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A terminal: messages on standard output, and an error ends nothing.
fn interactive(options: &Options) -> anyhow::Result<ExitCode> {
    let mut session = Session::new(Repository::open_live()?, options.verbose);
    if let Some(fmri) = &options.select {
        if let Err(error) = select::select(&mut session, fmri) {
            println!("{error}");
        }
    }
    let mut lexer = Lexer::default();
    loop {
        if lexer.is_open() {
            print!("> ");
        } else {
            print!("{}> ", session.prompt());
        }
        std::io::stdout().flush()?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line)? == 0 {
            println!();
            return Ok(ExitCode::SUCCESS);
        }
        for command in lexer.feed(&line) {
            match session.run(&command.tokens) {
                Ok(Flow::Continue) => {}
                Ok(Flow::End) => return Ok(ExitCode::SUCCESS),
                Err(error) => println!("{error}"),
            }
        }
    }
}
