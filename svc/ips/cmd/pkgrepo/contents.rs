//! contents.rs - `pkgrepo contents`: the manifests as stored.

use ips_client::Source;
use ips_cmd::place::Place;
use ips_cmd::{Failure, patterns};
use ips_model::{Fmri, Manifest};
use ips_repository::Repository;

use crate::list::select;
use crate::options::Options;

/// What has the manifests.
enum Held {
    Repository(Repository),
    Source(Box<Source>),
}

impl Held {
    fn packages(&self) -> Result<Vec<Fmri>, Failure> {
        match self {
            Held::Repository(repository) => Ok(repository.packages()?),
            Held::Source(source) => Ok(source.packages()),
        }
    }

    fn manifest(&self, fmri: &Fmri) -> Result<String, Failure> {
        match self {
            Held::Repository(repository) => Ok(repository.manifest_text(fmri)?),
            Held::Source(source) => Ok(source.manifest(fmri).map_err(Failure::new)?.0),
        }
    }
}

/// Prints the actions of the packages, those of the types asked for.
pub fn contents(options: &Options) -> Result<(), Failure> {
    let place = options.place()?;
    let patterns = patterns::parse(&options.operands)?;
    let held = match &place {
        Place::Directory(_) => Held::Repository(place.open()?),
        Place::Archive(_) | Place::Url(_) => Held::Source(Box::new(options.source()?)),
    };
    let all: Vec<Fmri> = held.packages()?;
    let (found, unmatched) = select(&all, &patterns);
    let mut printed = false;
    for fmri in &found {
        let text = held.manifest(fmri)?;
        if options.kinds.is_empty() {
            print!("{text}");
            continue;
        }
        let manifest =
            Manifest::parse(&text).map_err(|error| Failure::new(format!("{fmri}: {error}")))?;
        for action in &manifest.actions {
            if options.kinds.iter().any(|kind| kind == action.kind.as_str()) {
                println!("{action}");
                printed = true;
            }
        }
    }
    if !unmatched.is_empty() {
        let lead = if found.is_empty() { "" } else { "\n" };
        return Err(Failure::new(format!(
            "{lead}contents: no packages matching the following patterns you specified\nwere found in the repository.\n\n        {}",
            unmatched.join("\n        ")
        )));
    }
    if !options.kinds.is_empty() && !printed && !found.is_empty() {
        return Err(Failure::new(
            "contents: These packages contain no actions with the types specified\nusing the -t option.",
        ));
    }
    Ok(())
}
