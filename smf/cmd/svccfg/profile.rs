//! profile.rs - apply and extract: what is enabled here, and how this host is configured.

use std::path::Path;

use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::{Kind, write};
use smf_scf::import::{self as scf, PlanError};

use crate::arguments::{flagged, none, redirect};
use crate::export::{deliver, every};
use crate::files::{self, Operand};
use crate::import::carry_out;
use crate::session::{Complaint, Outcome, Session};
use crate::verbs::{ANYWHERE, Verb};

pub const VERBS: &[Verb] = &[
    Verb {
        name: "apply",
        usage: "apply [-n] file",
        about: "Apply a profile, or all *.xml files of a directory.  With -n only look whether it\n\
                could be done.",
        at: ANYWHERE,
        run: apply,
    },
    Verb {
        name: "extract",
        usage: "extract [> file]",
        about: "Print a profile of what is enabled and disabled, or write it to a file.",
        at: ANYWHERE,
        run: extract,
    },
];

/// Whether a profile is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Apply {
    Really,
    Look,
}

fn apply(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (look, path) = flagged(tokens, "-n")?;
    let files = match files::operand(Path::new(path))? {
        Operand::File(path) => vec![path],
        Operand::Directory(paths) => paths,
    };
    if files.is_empty() && session.verbose {
        session.voice.say("No changes were necessary");
    }
    let how = if look { Apply::Look } else { Apply::Really };
    let mut failed = false;
    for file in files {
        let shown = file.display();
        match one(session, &file, how) {
            Ok(()) if session.verbose => {
                session.voice.say(&format!("Successfully applied: {shown}"));
            }
            Ok(()) => {}
            Err(Complaint::Fatal(text)) => return Err(Complaint::Fatal(text)),
            Err(complaint) => {
                if let Complaint::Refused(text) = complaint {
                    session.voice.say(&text);
                }
                session.voice.say(&format!("WARNING: Failed to apply {shown}"));
                failed = true;
            }
        }
    }
    if failed { Err(Complaint::Said) } else { Ok(()) }
}

fn one(session: &mut Session, path: &Path, how: Apply) -> Outcome {
    let bundle = files::read(path)?;
    let plan = match bundle.kind {
        Kind::Profile => scf::apply(session.repository()?, &bundle),
        // A manifest where a profile is expected is imported, as svccfg always did.
        Kind::Manifest | Kind::Archive => scf::import(session.repository()?, &bundle),
    };
    let plan = plan.map_err(|error| match error {
        PlanError::Repository(error) => error.into(),
        PlanError::Refused(refused) => Complaint::Refused(format!("{}: {refused}", path.display())),
    })?;
    match how {
        Apply::Look => Ok(()),
        Apply::Really => {
            let new = carry_out(session, plan, true)?;
            session.settled(&new)
        }
    }
}

fn extract(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (rest, file) = redirect(tokens)?;
    none(rest)?;
    let written = write::extract(&every(session)?);
    deliver(session, &written, file)
}
