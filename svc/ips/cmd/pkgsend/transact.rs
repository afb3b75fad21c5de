//! transact.rs - a package published step by step: open, append, add, include, import, close; and
//! the repository before and after: create-repository, refresh-index.
//!
//! The transaction is known by the id that `open` prints and the others read from `PKG_TRANS_ID`.

use std::path::{Path, PathBuf};

use ips_client::Depot;
use ips_cmd::{Failure, clock};
use ips_model::{Action, Kind};
use ips_repository::{Repository, Sources, Transaction};

use crate::bundle::{Reading, delivered, folder};
use crate::generate::Findings;
use crate::manifests;
use crate::options::Target;

/// How `open` tells the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// As a shell command that sets `PKG_TRANS_ID`.
    ForEval,
    /// Alone.
    Plain,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A new package.
    New,
    /// Signatures of one that is published.
    Published,
}

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The package is published.
    Publish,
    /// The package is published, and a refresh adds it to the catalog.
    Uncatalogued,
    /// It is forgotten.
    Abandon,
}

/// Opens a transaction and prints its id.
pub fn open(target: &Target, fmri: &str, told: Told, opening: Opening) -> Result<(), Failure> {
    let refused = |step: &str, error: &dyn std::fmt::Display| {
        Failure::new(format!("'{step}' failed; unable to initiate transaction:\n{error}"))
    };
    let id = match (target.place.depot(&target.identity)?, opening) {
        (Some(depot), Opening::New) => {
            depot.begin(fmri).map_err(|error| refused("open", &error))?
        }
        (Some(depot), Opening::Published) => {
            depot.append(fmri).map_err(|error| refused("append", &error))?
        }
        (None, opening) => {
            let repository = target.place.open()?;
            let now = clock::publication()?;
            let opened = match opening {
                Opening::New => repository
                    .open_transaction(fmri, now)
                    .map_err(|error| refused("open", &error))?,
                Opening::Published => repository
                    .append_transaction(fmri, now)
                    .map_err(|error| refused("append", &error))?,
            };
            opened.id().to_string()
        }
    };
    match told {
        Told::ForEval => println!("export PKG_TRANS_ID={id}"),
        Told::Plain => println!("{id}"),
    }
    Ok(())
}

/// A transaction that is open, here or at a depot.
enum Open<'a> {
    Here(Transaction<'a>),
    There(&'a Depot, &'a str),
}

impl Open<'_> {
    fn add(&self, action: Action, payload: Option<&Path>) -> Result<(), Failure> {
        match self {
            Open::Here(transaction) => {
                let id = transaction.id().to_string();
                transaction.add(action, payload).map_err(|error| failed("add", &id, &error))
            }
            Open::There(depot, id) => {
                let read = |path: &Path| {
                    let told = |error| Failure::new(format!("{}: {error}", path.display()));
                    std::fs::read(path).map_err(|error| told(error).of("add"))
                };
                let content = payload.map(read).transpose()?.unwrap_or_default();
                depot.add(id, &action, &content).map_err(|error| failed("add", id, &error))
            }
        }
    }
}

/// Does `work` with the open transaction.
fn with_open(
    target: &Target,
    id: &str,
    step: &str,
    work: impl FnOnce(&Open<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match target.place.depot(&target.identity)? {
        Some(depot) => work(&Open::There(&depot, id)),
        None => {
            let repository = target.place.open()?;
            let found = repository.transaction(id).map_err(|error| failed(step, id, &error))?;
            work(&Open::Here(found))
        }
    }
}

fn failed(step: &str, id: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("'{step}' failed for transaction ID '{id}': {error}"))
}

/// Adds one action: a type, a payload where it has one, attributes.
pub fn add(target: &Target, id: &str, words: &[String]) -> Result<(), Failure> {
    let (action, payload) = of_words(words)?;
    if action.kind == Kind::Set && action.key() == Some("pkg.fmri") {
        return Err(Failure::new("the name of the package was given when it was opened").of("add"));
    }
    with_open(target, id, "add", |open| open.add(action, payload.as_deref()))
}

/// Words are whole values here, so blanks in them need no quotes.
fn of_words(words: &[String]) -> Result<(Action, Option<PathBuf>), Failure> {
    let mut line = words[0].clone();
    let mut payload = None;
    for (at, word) in words.iter().enumerate().skip(1) {
        match word.split_once('=') {
            Some((name, value)) => {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                line.push_str(&format!(" {name}=\"{value}\""));
            }
            None if at == 1 => payload = Some(PathBuf::from(word)),
            None => line.push_str(&format!(" {word}")),
        }
    }
    let action = Action::parse(&line).map_err(|error| Failure::new(error).of("add"))?;
    if payload.is_some() && !action.kind.has_payload() {
        let told = format!("invalid action, '{action}': action type doesn't allow payload");
        return Err(Failure::new(told).of("add"));
    }
    if payload.is_none() && matches!(action.kind, Kind::File | Kind::License) {
        let told = format!("Action {action} has no payload.");
        return Err(Failure::new(told).of("add"));
    }
    Ok((action, payload))
}

/// Adds the actions of manifests.
pub fn include(
    target: &Target,
    id: &str,
    folders: &[PathBuf],
    files: &[PathBuf],
) -> Result<(), Failure> {
    let read = manifests::read(files, false)?;
    let sources = Sources { folders: folders.to_vec(), timestamps: Vec::new() };
    with_open(target, id, "include", |open| {
        for action in read.iter().flat_map(|manifest| &manifest.actions) {
            if action.kind == Kind::Signature
                || (action.kind == Kind::Set && action.key() == Some("pkg.fmri"))
            {
                continue;
            }
            let has_file = matches!(action.kind, Kind::File | Kind::License);
            let payload = has_file.then(|| sources.find(action)).transpose()?;
            open.add(action.clone(), payload.as_deref())?;
        }
        Ok(())
    })
}

/// Adds what bundles deliver.
pub fn import(
    target: &Target,
    id: &str,
    reading: &Reading,
    bundles: &[PathBuf],
) -> Result<(), Failure> {
    let mut told = Findings::default();
    let mut all = Vec::new();
    for bundle in bundles {
        let delivered = delivered(bundle, reading).map_err(|failure| failure.of("import"))?;
        told.take(&delivered);
        all.push((bundle, delivered));
    }
    if let Err(failure) = told.end("import") {
        eprintln!("pkgsend: Abandoning transaction due to errors.");
        close(target, id, Closing::Abandon)?;
        return Err(failure);
    }
    with_open(target, id, "import", |open| {
        for (bundle, delivered) in all {
            let (folder, _unpacked) = folder(bundle).map_err(|failure| failure.of("import"))?;
            for action in delivered.actions {
                let payload = action.hash.as_ref().map(|hash| folder.join(hash));
                open.add(action, payload.as_deref())?;
            }
        }
        Ok(())
    })
}

/// Publishes the package, or forgets it.
pub fn close(target: &Target, id: &str, closing: Closing) -> Result<(), Failure> {
    let told = |error: &dyn std::fmt::Display| failed("close", id, error);
    let fmri = if let Some(depot) = target.place.depot(&target.identity)? {
        match closing {
            Closing::Abandon => depot.abandon(id).map(|()| None),
            Closing::Publish => depot.close(id, true).map(Some),
            Closing::Uncatalogued => depot.close(id, false).map(Some),
        }
        .map_err(|error| told(&error))?
    } else {
        let (repository, now) = (target.place.open()?, clock::publication()?);
        let transaction = repository.transaction(id).map_err(|error| told(&error))?;
        match closing {
            Closing::Abandon => transaction.abandon().map(|()| None),
            Closing::Publish => transaction.close(now).map(Some),
            Closing::Uncatalogued => transaction.close_uncatalogued(now).map(Some),
        }
        .map_err(|error| told(&error))?
        .map(|fmri| fmri.to_string())
    };
    match fmri {
        Some(fmri) => println!("{fmri}\nPUBLISHED"),
        None => println!("ABANDONED"),
    }
    Ok(())
}

/// Brings the search indexes up to the catalogs; a depot is told to.
pub fn refresh_index(target: &Target) -> Result<(), Failure> {
    let told = |error: &dyn std::fmt::Display| Failure::new(error).of("refresh-index");
    if let Some(depot) = target.place.depot(&target.identity)? {
        return depot.refresh_index().map_err(|error| told(&error));
    }
    let repository = target.place.open()?;
    for publisher in repository.publishers()? {
        repository.refresh_index(&publisher).map_err(|error| told(&error))?;
    }
    Ok(())
}

/// Makes a repository; properties are given as `section.property=value`.
pub fn create(path: &Path, properties: &[(String, String, String)]) -> Result<(), Failure> {
    let repository = Repository::create(path)?;
    for (section, name, value) in properties {
        repository.set_property(section, name, value)?;
    }
    Ok(())
}
