//! transact.rs - a package published step by step: open, add, include, import, close.
//!
//! The transaction is known by the id that `open` prints and the others read from `PKG_TRANS_ID`.

use std::path::{Path, PathBuf};

use ips_cmd::place::Place;
use ips_cmd::{Failure, clock};
use ips_model::{Action, Kind};
use ips_repository::{Repository, Sources, Transaction, WriteError};

use crate::bundle::{Reading, actions, folder};
use crate::manifests;

/// How `open` tells the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// As a shell command that sets `PKG_TRANS_ID`.
    ForEval,
    /// Alone.
    Plain,
}

/// Opens a transaction and prints its id.
pub fn open(place: &Place, fmri: &str, told: Told) -> Result<(), Failure> {
    let repository = place.open()?;
    let opened = repository.open_transaction(fmri, clock::publication()?).map_err(|error| {
        Failure::new(format!("'open' failed; unable to initiate transaction:\n{error}"))
    })?;
    match told {
        Told::ForEval => println!("export PKG_TRANS_ID={}", opened.id()),
        Told::Plain => println!("{}", opened.id()),
    }
    Ok(())
}

fn found<'a>(repository: &'a Repository, id: &str, step: &str) -> Result<Transaction<'a>, Failure> {
    repository.transaction(id).map_err(|error| failed(step, id, &error))
}

fn failed(step: &str, id: &str, error: &WriteError) -> Failure {
    Failure::new(format!("'{step}' failed for transaction ID '{id}': {error}"))
}

/// Adds one action: a type, a payload where it has one, attributes.
pub fn add(place: &Place, id: &str, words: &[String]) -> Result<(), Failure> {
    let (action, payload) = of_words(words)?;
    if action.kind == Kind::Set && action.key() == Some("pkg.fmri") {
        return Err(Failure::new("the name of the package was given when it was opened").of("add"));
    }
    let repository = place.open()?;
    let transaction = found(&repository, id, "add")?;
    transaction.add(action, payload.as_deref()).map_err(|error| failed("add", id, &error))
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
    place: &Place,
    id: &str,
    folders: &[PathBuf],
    files: &[PathBuf],
) -> Result<(), Failure> {
    let read = manifests::read(files, false)?;
    let sources = Sources { folders: folders.to_vec(), timestamps: Vec::new() };
    let repository = place.open()?;
    let transaction = found(&repository, id, "include")?;
    for action in read.iter().flat_map(|manifest| &manifest.actions) {
        if action.kind == Kind::Signature
            || (action.kind == Kind::Set && action.key() == Some("pkg.fmri"))
        {
            continue;
        }
        let has_file = matches!(action.kind, Kind::File | Kind::License);
        let payload = has_file.then(|| sources.find(action)).transpose()?;
        transaction
            .add(action.clone(), payload.as_deref())
            .map_err(|error| failed("add", id, &error))?;
    }
    Ok(())
}

/// Adds what bundles deliver.
pub fn import(
    place: &Place,
    id: &str,
    reading: &Reading,
    bundles: &[PathBuf],
) -> Result<(), Failure> {
    let repository = place.open()?;
    let transaction = found(&repository, id, "import")?;
    for bundle in bundles {
        let (folder, _unpacked) = folder(bundle).map_err(|failure| failure.of("import"))?;
        for action in actions(bundle, reading).map_err(|failure| failure.of("import"))? {
            let payload = action.get("path").map(|path| folder.join(path));
            transaction
                .add(action.clone(), payload.as_deref().filter(|_| action.kind == Kind::File))
                .map_err(|error| failed("add", id, &error))?;
        }
    }
    Ok(())
}

/// Publishes the package, or forgets it.
pub fn close(place: &Place, id: &str, abandon: bool) -> Result<(), Failure> {
    let repository = place.open()?;
    let transaction = found(&repository, id, "close")?;
    if abandon {
        transaction.abandon()?;
        println!("ABANDONED");
        return Ok(());
    }
    let fmri =
        transaction.close(clock::publication()?).map_err(|error| failed("close", id, &error))?;
    println!("{fmri}\nPUBLISHED");
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
