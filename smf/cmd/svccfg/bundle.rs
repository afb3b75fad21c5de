//! bundle.rs - import, apply, validate.

use std::path::{Path, PathBuf};

use smf_model::bundle::{self, Bundle, Kind};
use smf_scf::import::{self, Plan};

use crate::session::{Complaint, Outcome, Session, complain};

/// The bundles of a path: itself, or every *.xml below it, in order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Complaint> {
    let named = |error: std::io::Error| Complaint(format!("{}: {error}", path.display()));
    if !path.metadata().map_err(named)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries = Vec::new();
    for entry in path.read_dir().map_err(named)? {
        entries.push(entry.map_err(named)?.path());
    }
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        // A link to a directory could lead in a circle.
        let kind = entry.symlink_metadata().map_err(named)?.file_type();
        if kind.is_dir() {
            found.extend(files(&entry)?);
        } else if entry.extension().is_some_and(|extension| extension == "xml") {
            found.push(entry);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Bundle, Complaint> {
    let named = |error: &dyn std::fmt::Display| Complaint(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    bundle::parse(&text).map_err(|error| named(&error))
}

/// Carries a plan out, says what could not be taken over, and refreshes what was touched.
fn carry_out(session: &mut Session, plan: &Plan) -> Outcome {
    session.repository.carry_out(&plan.operations)?;
    for conflict in &plan.conflicts {
        eprintln!("svccfg: {conflict}");
    }
    if session.verbose {
        plan.notes.iter().for_each(|note| println!("{note}"));
    }
    for instance in &plan.touched {
        session.repository.refresh(instance)?;
    }
    Ok(())
}

fn import_file(session: &mut Session, path: &Path) -> Outcome {
    let bundle = read(path)?;
    let plan = import::import(&mut session.repository, &bundle)
        .map_err(|error| Complaint(format!("{}: {error}", path.display())))?;
    carry_out(session, &plan)?;
    if session.verbose {
        println!("Successful import.");
    }
    Ok(())
}

/// `import [-V] path ...`
pub fn import(session: &mut Session, words: &[String]) -> Outcome {
    let paths: Vec<_> = words.iter().filter(|word| *word != "-V").collect();
    if paths.is_empty() {
        return complain("Syntax error.");
    }
    for path in paths {
        let path = Path::new(path);
        if path.is_dir() {
            import_directory(session, path)?;
        } else {
            import_file(session, path).map_err(|error| {
                Complaint(format!("{error}\nsvccfg: Import of {} failed.", path.display()))
            })?;
        }
    }
    Ok(())
}

/// A directory goes on after a bundle that fails, and says how many did.
fn import_directory(session: &mut Session, path: &Path) -> Outcome {
    let (mut loaded, mut failed) = (0, 0);
    for file in files(path)? {
        match import_file(session, &file) {
            Ok(()) => loaded += 1,
            Err(error) => {
                eprintln!("svccfg: {error}");
                failed += 1;
            }
        }
    }
    println!("Loaded {loaded} smf(5) service descriptions");
    if failed > 0 {
        println!("{failed} smf(5) service descriptions failed to load");
    }
    Ok(())
}

/// `apply [-n] path`
pub fn apply(session: &mut Session, words: &[String]) -> Outcome {
    let (only_check, path) = match words {
        [flag, path] if flag == "-n" => (true, path),
        [path] => (false, path),
        _ => return complain("Syntax error."),
    };
    let path = Path::new(path);
    let several = path.is_dir();
    for file in files(path)? {
        match apply_file(session, &file, only_check) {
            Ok(()) if session.verbose && !only_check => {
                println!("Successfully applied: {}", file.display());
            }
            Ok(()) => {}
            Err(error) if several => {
                eprintln!("svccfg: {error}");
                eprintln!("svccfg: WARNING: Failed to apply {}", file.display());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn apply_file(session: &mut Session, path: &Path, only_check: bool) -> Outcome {
    let bundle = read(path)?;
    let named = |error: &dyn std::fmt::Display| Complaint(format!("{}: {error}", path.display()));
    // A manifest where a profile is expected is imported, as svccfg always did.
    let plan = if bundle.kind == Kind::Profile {
        import::apply(&mut session.repository, &bundle).map_err(|error| named(&error))?
    } else {
        import::import(&mut session.repository, &bundle).map_err(|error| named(&error))?
    };
    if only_check { Ok(()) } else { carry_out(session, &plan) }
}

/// `validate file`
pub fn validate(session: &mut Session, words: &[String]) -> Outcome {
    match words {
        [path] if Path::new(path).exists() => read(Path::new(path)).map(|_| ()),
        // A running configuration holds typed values only; there is nothing else to be checked.
        [fmri] => {
            let entities = session.repository.entities()?;
            let wanted = smf_cmd::operand::Wanted::Instances;
            match smf_cmd::operand::find(fmri, wanted, &entities) {
                Ok(_) => Ok(()),
                Err(message) => complain(message),
            }
        }
        _ => complain("Syntax error."),
    }
}
