//! interactive.rs - svccfg on a terminal: lines that can be edited, a history, completion.
//!
//! An error ends nothing.  ^C drops the line; ^D on an empty line leaves.  The history is kept in
//! `~/.svccfg_history`, unless there is no home.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{CompletionType, Config, Editor};
use smf_cmd::say;
use smf_cmd::svccfg_lex::Lexer;

use crate::completion::{Completer, Known};
use crate::engine::{self, Failed};
use crate::session::Session;
use crate::sys::interrupt;
use crate::voice::Voice;

/// Lines that are kept.
const HISTORY_MAX: usize = 1000;

type Line = Editor<Completer, MemHistory>;

/// Reads and carries out commands until the user leaves.
pub fn run(session: &mut Session) -> Result<(), Failed> {
    session.voice = Voice::Interactive;
    interrupt::ignore().map_err(|errno| lost(&ReadlineError::Errno(errno)))?;
    let config = Config::builder()
        .max_history_size(HISTORY_MAX)
        .and_then(|config| config.history_ignore_dups(true))
        .map(|config| config.completion_type(CompletionType::List).build());
    let editor = config.and_then(|config| Line::with_history(config, MemHistory::new()));
    let mut editor = editor.map_err(|error| lost(&error))?;
    editor.set_helper(Some(Completer::default()));
    let history = history();
    if let Some(text) = history.as_ref().and_then(|path| std::fs::read_to_string(path).ok()) {
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(HISTORY_MAX)..] {
            editor.add_history_entry(*line).map_err(|error| lost(&error))?;
        }
    }
    while !session.over {
        if !turn(session, &mut editor, history.as_ref())? {
            break;
        }
    }
    Ok(())
}

fn lost(error: &ReadlineError) -> Failed {
    say!("svccfg: Error reading terminal: {error}.");
    Failed::Svccfg
}

/// One command, which may go over several lines; false when there are no more.
fn turn(
    session: &mut Session,
    editor: &mut Line,
    history: Option<&PathBuf>,
) -> Result<bool, Failed> {
    if let Err(complaint) = session.settle() {
        let failed = engine::complained(session, None, &complaint);
        if failed == Failed::Svccfg {
            return Err(failed);
        }
    }
    if let Some(helper) = editor.helper_mut() {
        helper.known = Known::of(session);
    }
    let mut lexer = Lexer::default();
    let mut prompt = format!("{}> ", session.prompt());
    loop {
        let line = match editor.readline(&prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => return Ok(true),
            Err(ReadlineError::Eof) => return Ok(false),
            Err(error) => return Err(lost(&error)),
        };
        if !line.trim().is_empty() && editor.add_history_entry(&line).unwrap_or(false) {
            remember(history, &line);
        }
        for command in lexer.feed(&format!("{line}\n")) {
            match engine::carry_out(session, &command.tokens) {
                Ok(()) | Err(Failed::Command) => {}
                Err(Failed::Svccfg) => return Err(Failed::Svccfg),
            }
        }
        if session.over || !lexer.is_open() {
            return Ok(true);
        }
        prompt = "> ".into();
    }
}

/// The file of the history; none without a home.
fn history() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)?;
    home.is_dir().then(|| home.join(".svccfg_history"))
}

/// Adds a line to the file.  Values may be secrets: it is the user's alone.
fn remember(history: Option<&PathBuf>, line: &str) {
    let Some(path) = history else { return };
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    // A history that cannot be kept is no reason to complain about every line.
    let _unkept = file.and_then(|mut file| writeln!(file, "{line}"));
}
