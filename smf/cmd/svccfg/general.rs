//! general.rs - help, set, repository, end.

use std::path::Path;

use smf_cmd::svccfg_lex::Token;

use crate::arguments::{flagged, none, optional, texts};
use crate::session::{Complaint, Outcome, Session};
use crate::verbs::{self, ANYWHERE, Verb};
use crate::voice::{print, reason};

pub const VERBS: &[Verb] = &[
    Verb {
        name: "help",
        usage: "help [command]",
        about: "List the commands, or tell how one is used.",
        at: ANYWHERE,
        run: help,
    },
    Verb {
        name: "set",
        usage: "set [-vV]",
        about: "Say more (-v) or less (-V); without an option, tell which.",
        at: ANYWHERE,
        run: set,
    },
    Verb {
        name: "repository",
        usage: "repository [-f] file",
        about: "Work on the repository in a file, which nobody else serves.  With -f the file\n\
                need not exist.",
        at: ANYWHERE,
        run: repository,
    },
    Verb { name: "end", usage: "end", about: "Stop and leave.", at: ANYWHERE, run: end },
    Verb { name: "exit", usage: "exit", about: "Stop and leave.", at: ANYWHERE, run: end },
    Verb { name: "quit", usage: "quit", about: "Stop and leave.", at: ANYWHERE, run: end },
];

fn help(session: &mut Session, tokens: &[Token]) -> Outcome {
    let Some(name) = optional(tokens)? else {
        let family = |(title, parts): &(&str, &[&[Verb]])| {
            let names: Vec<_> = parts.iter().flat_map(|p| p.iter().map(|verb| verb.name)).collect();
            format!("{:<26}{}", format!("{title}:"), names.join(" "))
        };
        let families: Vec<_> = verbs::FAMILIES.iter().map(family).collect();
        session.voice.say(&families.join("\n"));
        return Ok(());
    };
    let verb = verbs::find(name).ok_or(Complaint::Syntax)?;
    session.voice.say(&verbs::help(verb));
    Ok(())
}

fn set(session: &mut Session, tokens: &[Token]) -> Outcome {
    let words = texts(tokens)?;
    if words.is_empty() {
        return print(if session.verbose { "verbose\n" } else { "noverbose\n" });
    }
    for word in words {
        let Some(letters) = word.strip_prefix('-') else {
            session.voice.say("No non-flag arguments defined.");
            continue;
        };
        for letter in letters.chars() {
            match letter {
                'v' => session.verbose = true,
                'V' => session.verbose = false,
                other => session.voice.say(&format!("Unknown option -{other}.")),
            }
        }
    }
    Ok(())
}

fn repository(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (create, file) = flagged(tokens, "-f")?;
    if file == "-f" {
        return Err(Complaint::Syntax);
    }
    session.selection = None;
    session.snapshot = None;
    if !create {
        if let Err(error) = std::fs::File::open(file) {
            session.voice.say(&format!("Cannot access \"{file}\": {}", reason(&error)));
            session.connection.forget_file();
            return Ok(());
        }
    }
    session.connection.choose(Path::new(file));
    // What is wrong with it is said now, not at the next command.
    session.repository().map(|_| ())
}

fn end(session: &mut Session, tokens: &[Token]) -> Outcome {
    none(tokens)?;
    session.over = true;
    Ok(())
}
