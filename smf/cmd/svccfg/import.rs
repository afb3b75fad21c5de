//! import.rs - import: bundles into the repository, each in one transaction.
//!
//! A bundle that is refused changes nothing.  Of several the others are imported all the same; of
//! a directory it is said how many were, and a bundle that was refused is no failure of the whole.

use std::io::Write;
use std::path::{Path, PathBuf};

use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::{Bundle, Kind};
use smf_scf::import::merge::{Group, Property};
use smf_scf::import::{self, Operation, Plan};

use crate::arguments::{options, texts};
use crate::files::{self, Operand};
use crate::hash;
use crate::session::{Complaint, Outcome, Session, complain};
use crate::template::Owners;
use crate::validate;
use crate::verbs::{ANYWHERE, Verb};
use crate::voice::{Voice, reason};

pub const VERBS: &[Verb] = &[Verb {
    name: "import",
    usage: "import [-V] [-p file] file ...",
    about: "Import manifests: files, or all *.xml files of directories.  With -V what the templates\n\
            forbid is refused, not only said; with -p the progress is written to a file (- for\n\
            standard output).",
    at: ANYWHERE,
    run: import,
}];

/// How an import is done.
struct Import {
    strict: bool,
    refresh: bool,
    owners: Owners,
    progress: Option<Box<dyn Write>>,
    /// Instances that were made.
    made: Vec<String>,
}

/// A file to be imported.
struct Task {
    path: PathBuf,
    /// It was found in a directory.
    found: bool,
    /// Its hash, where hashes are kept.
    hash: Option<String>,
}

fn import(session: &mut Session, tokens: &[Token]) -> Outcome {
    let words = texts(tokens)?;
    let (flags, operands) = options(&words, "np:V")?;
    if operands.is_empty() {
        return Err(Complaint::Syntax);
    }
    let given = |letter| flags.iter().any(|(own, _)| *own == letter);
    let progress =
        flags.iter().rev().find_map(|(letter, file)| (*letter == 'p').then_some(*file)?);
    let mut import = Import {
        // On a terminal there is somebody to read what is wrong.
        strict: given('V') || session.voice == Voice::Interactive,
        refresh: !given('n'),
        owners: Owners::default(),
        progress: progress.map(open_progress).transpose()?,
        made: Vec::new(),
    };
    let mut tasks = Vec::new();
    let mut directory = false;
    for operand in operands {
        let (paths, found) = match files::operand(Path::new(operand))? {
            Operand::File(path) => (vec![path], false),
            Operand::Directory(paths) => (paths, true),
        };
        directory |= found;
        tasks.extend(paths.into_iter().map(|path| Task { path, found, hash: None }));
    }
    unknown(session, &mut tasks)?;
    if tasks.is_empty() {
        if session.verbose {
            session.voice.say("No changes were necessary");
        }
        return Ok(());
    }
    let failed = import.all(session, &tasks)?;
    session.settled(&import.made)?;
    if directory {
        session.voice.say(&format!("Loaded {} smf(5) service descriptions", tasks.len()));
        if !failed.is_empty() {
            let count = failed.len();
            session.voice.say(&format!("{count} smf(5) service descriptions failed to load"));
        }
    }
    if failed.iter().any(|task| !task.found) {
        return Err(Complaint::Said);
    }
    if failed.is_empty() && session.verbose {
        session.voice.say("Successful import.");
    }
    Ok(())
}

fn open_progress(file: &str) -> Result<Box<dyn Write>, Complaint> {
    if file == "-" {
        return Ok(Box::new(std::io::stdout()));
    }
    match std::fs::File::create(file) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => {
            complain(format!("Unable to open {file} for progress reporting.  {}", reason(&error)))
        }
    }
}

/// Leaves out what was imported with the same contents before, where hashes are kept.
fn unknown(session: &mut Session, tasks: &mut Vec<Task>) -> Outcome {
    if !hash::is_wanted() {
        return Ok(());
    }
    let there = session.repository()?.entities()?.contains_key(hash::SERVICE);
    let known = if there { session.live(hash::SERVICE)? } else { Default::default() };
    for task in tasks.iter_mut() {
        let path = absolute(&task.path);
        match hash::of(&path) {
            Ok(hash) => task.hash = Some(hash),
            Err(_) => return complain(format!("Could not hash file {}", task.path.display())),
        }
    }
    tasks.retain(|task| {
        let hash = task.hash.as_deref().unwrap_or_default();
        !hash::is_known(&known, &absolute(&task.path), hash)
    });
    Ok(())
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

impl Import {
    fn tell(&mut self, text: &str) {
        if let Some(out) = &mut self.progress {
            // Progress is for whoever looks on; an import does not fail because nobody can.
            let _unseen = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }

    /// Imports one after the other; those that failed.
    fn all<'a>(
        &mut self,
        session: &mut Session,
        tasks: &'a [Task],
    ) -> Result<Vec<&'a Task>, Complaint> {
        let mut failed = Vec::new();
        self.tell("Loading smf(5) service descriptions: ");
        for (index, task) in tasks.iter().enumerate() {
            let counted = format!("{}/{}", index + 1, tasks.len());
            self.tell(&format!("{counted}{}", "\u{8}".repeat(counted.len())));
            match self.one(session, task) {
                Ok(()) => continue,
                Err(Complaint::Fatal(text)) => return Err(Complaint::Fatal(text)),
                Err(Complaint::Refused(text)) => session.voice.say(&text),
                Err(Complaint::Syntax | Complaint::Said) => {}
            }
            let path = task.path.display();
            session.voice.say(&format!("Import of {path} failed."));
            self.tell(&format!("WARNING: svccfg import of {path} failed.\n"));
            failed.push(task);
        }
        self.tell("\n");
        Ok(failed)
    }

    fn one(&mut self, session: &mut Session, task: &Task) -> Outcome {
        let mut bundle = files::read(&task.path)?;
        if bundle.kind == Kind::Profile {
            let (path, name) = (task.path.display(), &bundle.name);
            return complain(format!("{path}: bundle {name} is a profile, not a manifest"));
        }
        let errors = validate::bundle_errors(session, &bundle, &mut self.owners)?;
        let refused = self.strict && errors.iter().any(|error| error.is_fatal());
        validate::say(session, &errors, if refused { "" } else { "Warning: " });
        if refused {
            return Err(Complaint::Said);
        }
        package(&mut bundle);
        let path = absolute(&task.path);
        let inside = hash::inside(&path).to_string_lossy().into_owned();
        let name = hash::name_of(&path);
        let package = std::env::var("PKGINST").ok();
        let delivery = Delivery {
            bundle,
            file: name.as_deref().map(|name| (name, inside.as_str())),
            package: package.as_deref(),
        };
        let plan = held
            .import(&delivery)
            .map_err(|refused| Complaint::Refused(format!("{}: {refused}", task.path.display())))?;
        if !plan.operations.is_empty() {
            // What is imported may be what has patterns for the next.
            self.owners.forget();
        }
        self.made.extend(carry_out(session, plan, self.refresh)?);
        match &task.hash {
            Some(hash) => hash::keep(session, &path, hash),
            None => Ok(()),
        }
    }
}

/// Carries a plan out, says what could not be taken over, and refreshes what was touched; the
/// instances that it made.
pub fn carry_out(
    session: &mut Session,
    plan: Plan,
    refresh: bool,
) -> Result<Vec<String>, Complaint> {
    let mut operations = plan.operations;
    for service in bundle.services.iter().filter(|_| file.is_some()) {
        let fmri = format!("svc:/{}", service.name);
        let mut live = import::Source::live(session.repository()?, &fmri)?;
        let made = |operation: &Operation| matches!(operation, Operation::AddGroup(entity, name, _) if *entity == fmri && name == "manifestfiles");
        if operations.iter().any(made) {
            live.insert("manifestfiles".into(), Group::default());
        }
        operations.extend(file.into_iter().flat_map(|file| hash::recorded(&fmri, &live, file)));
    }
    let new = added(&operations);
    if session.connection.is_private() {
        let snapshot = |fmri: &String| Operation::Take(fmri.clone(), "running".into());
        let touched = plan.touched.iter().filter(|fmri| !new.contains(fmri));
        let take: Vec<_> = new.iter().chain(touched).map(snapshot).collect();
        operations.extend(take);
    }
    session.repository()?.carry_out(&operations)?;
    for conflict in &plan.conflicts {
        session.voice.say(conflict);
    }
    if session.verbose {
        plan.notes.iter().for_each(|note| session.voice.say(note));
    }
    if refresh && !session.connection.is_private() {
        for instance in &plan.touched {
            session.refresh(instance)?;
        }
    }
    Ok(new)
}

/// The instances that operations make and that a restarter will look after.
fn added(operations: &[Operation]) -> Vec<String> {
    let enabled = |operation: &Operation| match operation {
        Operation::Set(entity, group, name, Property { .. })
            if group == "general" && name == "enabled" =>
        {
            Some(entity.clone())
        }
        _ => None,
    };
    let managed: Vec<String> = operations.iter().filter_map(enabled).collect();
    let made = operations.iter().filter_map(|operation| match operation {
        Operation::Add(fmri) if managed.contains(fmri) => Some(fmri.clone()),
        _ => None,
    });
    made.collect()
}
