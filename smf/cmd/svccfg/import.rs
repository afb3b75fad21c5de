//! import.rs - import: bundles into the repository, each in one transaction.
//!
//! A bundle that is refused changes nothing.  Of several the others are imported all the same; of
//! a directory it is said how many were, and a bundle that was refused is no failure of the whole.

use std::io::Write;
use std::path::{Path, PathBuf};

use smf_cmd::svccfg_lex::Token;
use smf_model::bundle::{Bundle, Kind};
use smf_model::template::{TemplateError, serves_others};
use smf_scf::import::held::Held;
use smf_scf::import::merge::{Group, Property};
use smf_scf::import::{Delivery, Operation, Plan, batch};

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

    /// Imports all in their order; those that failed.
    fn all<'a>(
        &mut self,
        session: &mut Session,
        tasks: &'a [Task],
    ) -> Result<Vec<&'a Task>, Complaint> {
        let paths: Vec<_> = tasks.iter().map(|task| task.path.as_path()).collect();
        let bundles = files::read_all(&paths);
        let readable = || bundles.iter().filter_map(|bundle| bundle.as_ref().ok());
        // One reading for all of them: what each changes is held, so the next sees it.
        let mut held = batch::read(session.repository()?, readable())?;
        let (mut failed, mut ready) = (Vec::new(), Ready::default());
        self.tell("Loading smf(5) service descriptions: ");
        for (index, (task, bundle)) in tasks.iter().zip(&bundles).enumerate() {
            let counted = format!("{}/{}", index + 1, tasks.len());
            self.tell(&format!("{counted}{}", "\u{8}".repeat(counted.len())));
            let planned = match bundle {
                Ok(bundle) => self.plan(session, &mut held, task, bundle)?,
                Err(complaint) => Err(Refused { errors: Vec::new(), complaint: complaint.clone() }),
            };
            let refused = match planned {
                Ok(planned) => {
                    // Those after it are held to what it brings.
                    let changes = !planned.plan.operations.is_empty();
                    let apart = changes && serves_others(planned.bundle);
                    ready.add(planned);
                    if !apart && !ready.is_enough() {
                        continue;
                    }
                    if apart {
                        self.owners.forget();
                    }
                    None
                }
                Err(refused) => Some(refused),
            };
            let before = self.carry_out(session, std::mem::take(&mut ready))?;
            if !before.is_empty() {
                // What was planned for them is held, and was not carried out.
                held = batch::read(session.repository()?, readable())?;
            }
            failed.extend(before);
            if let Some(Refused { errors, complaint }) = refused {
                validate::say(session, &errors, "");
                self.fail(session, task, complaint)?;
                failed.push(task);
            }
        }
        failed.extend(self.carry_out(session, ready)?);
        self.tell("\n");
        Ok(failed)
    }

    fn fail(&mut self, session: &Session, task: &Task, complaint: Complaint) -> Outcome {
        match complaint {
            Complaint::Fatal(text) => return Err(Complaint::Fatal(text)),
            Complaint::Refused(text) => session.voice.say(&text),
            Complaint::Syntax | Complaint::Said => {}
        }
        let path = task.path.display();
        session.voice.say(&format!("Import of {path} failed."));
        self.tell(&format!("WARNING: svccfg import of {path} failed.\n"));
        Ok(())
    }

    fn plan<'a, 'b>(
        &mut self,
        session: &mut Session,
        held: &mut Held,
        task: &'a Task,
        bundle: &'b Bundle,
    ) -> Result<Result<Planned<'a, 'b>, Refused>, Complaint> {
        let mut errors = Vec::new();
        let complaint = if bundle.kind == Kind::Profile {
            let (path, name) = (task.path.display(), &bundle.name);
            Complaint::Refused(format!("{path}: bundle {name} is a profile, not a manifest"))
        } else {
            errors = validate::bundle_errors(session, bundle, &mut self.owners)?;
            if self.strict && errors.iter().any(TemplateError::is_fatal) {
                Complaint::Said
            } else {
                match plan(held, task, bundle) {
                    Ok(plan) => return Ok(Ok(Planned { task, bundle, errors, plan })),
                    Err(complaint) => complaint,
                }
            }
        };
        Ok(Err(Refused { errors, complaint }))
    }

    /// Carries out what is planned, all of it in one transaction; where that is refused, each
    /// bundle in its own.  Those that failed.
    fn carry_out<'a>(
        &mut self,
        session: &mut Session,
        Ready { planned, .. }: Ready<'a, '_>,
    ) -> Result<Vec<&'a Task>, Complaint> {
        let all = planned.iter().flat_map(|planned| operations(session, &planned.plan)).collect();
        let together = commit(session, all);
        if let Err(Complaint::Fatal(text)) = together {
            return Err(Complaint::Fatal(text));
        }
        let (mut failed, mut hashes) = (Vec::new(), Vec::new());
        for Planned { task, bundle, errors, mut plan } in planned {
            validate::say(session, &errors, "Warning: ");
            if together.is_err() {
                match alone(session, task, bundle) {
                    Ok(own) => plan = own,
                    Err(complaint) => {
                        self.fail(session, task, complaint)?;
                        failed.push(task);
                        continue;
                    }
                }
            }
            self.made.extend(added(&plan.operations));
            carried_out(session, &plan, self.refresh)?;
            hashes.extend(task.hash.clone().map(|hash| (absolute(&task.path), hash)));
        }
        hash::keep(session, &hashes)?;
        Ok(failed)
    }
}

/// Plans a bundle anew and carries it out in a transaction of its own.
fn alone(session: &mut Session, task: &Task, bundle: &Bundle) -> Result<Plan, Complaint> {
    let mut held = batch::read(session.repository()?, [bundle])?;
    let plan = plan(&mut held, task, bundle)?;
    commit(session, operations(session, &plan))?;
    Ok(plan)
}

/// What a bundle comes to.
fn plan(held: &mut Held, task: &Task, bundle: &Bundle) -> Result<Plan, Complaint> {
    let path = absolute(&task.path);
    let inside = hash::inside(&path).to_string_lossy().into_owned();
    let name = hash::name_of(&path);
    let package = std::env::var("PKGINST").ok();
    let delivery = Delivery {
        bundle,
        file: name.as_deref().map(|name| (name, inside.as_str())),
        package: package.as_deref(),
    };
    let named = |refused| Complaint::Refused(format!("{}: {refused}", task.path.display()));
    held.import(&delivery).map_err(named)
}

/// So many bytes of operations are sent in one request, about.
const ENOUGH: usize = 400_000;

/// Bundles that are planned and not carried out yet.
#[derive(Default)]
struct Ready<'a, 'b> {
    planned: Vec<Planned<'a, 'b>>,
    /// How long their operations are, about.
    size: usize,
}

/// A bundle with what it comes to, and what the templates say about it.
struct Planned<'a, 'b> {
    task: &'a Task,
    bundle: &'b Bundle,
    errors: Vec<TemplateError>,
    plan: Plan,
}

/// Why there is no plan.
struct Refused {
    errors: Vec<TemplateError>,
    complaint: Complaint,
}

impl<'a, 'b> Ready<'a, 'b> {
    fn add(&mut self, planned: Planned<'a, 'b>) {
        self.size += planned.plan.operations.iter().map(size).sum::<usize>();
        self.planned.push(planned);
    }

    fn is_enough(&self) -> bool {
        self.size >= ENOUGH
    }
}

fn size(operation: &Operation) -> usize {
    let property = |property: &Property| {
        100 + property.values.iter().map(|value| 2 * value.len() + 4).sum::<usize>()
    };
    let group = |group: &Group| 100 + group.properties.values().map(property).sum::<usize>();
    match operation {
        Operation::AddGroup(_, _, added) => 100 + group(added),
        Operation::Set(.., value) => 100 + property(value),
        Operation::Record { own, service, .. } => {
            100 + own.values().chain(service.values()).map(group).sum::<usize>()
        }
        Operation::Add(_)
        | Operation::RemoveGroup(..)
        | Operation::Unset(..)
        | Operation::Take(..) => 200,
    }
}

/// Carries a plan out, says what could not be taken over, and refreshes what was touched; the
/// instances that it made.
pub fn carry_out(
    session: &mut Session,
    plan: Plan,
    refresh: bool,
) -> Result<Vec<String>, Complaint> {
    commit(session, operations(session, &plan))?;
    carried_out(session, &plan, refresh)?;
    Ok(added(&plan.operations))
}

/// The operations of a plan; on a private repository, where nobody else does it, with the running
/// snapshots of what is new or touched.
fn operations(session: &Session, plan: &Plan) -> Vec<Operation> {
    let mut operations = plan.operations.clone();
    if session.connection.is_private() {
        let new = added(&operations);
        let running = |fmri: &String| Operation::Take(fmri.clone(), "running".into());
        let touched = plan.touched.iter().filter(|fmri| !new.contains(fmri));
        operations.extend(new.iter().chain(touched).map(running));
    }
    operations
}

fn commit(session: &mut Session, operations: Vec<Operation>) -> Outcome {
    if !operations.is_empty() {
        session.repository()?.carry_out(&operations)?;
    }
    Ok(())
}

/// What is left to do when a plan was carried out.
fn carried_out(session: &mut Session, plan: &Plan, refresh: bool) -> Outcome {
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
    Ok(())
}

/// The instances that operations make and that a restarter will look after.
fn added(operations: &[Operation]) -> Vec<String> {
    let enabled = |operation: &Operation| match operation {
        Operation::Set(entity, group, name, _) if group == "general" && name == "enabled" => {
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
