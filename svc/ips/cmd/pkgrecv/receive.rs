//! receive.rs - what pkgrecv does: lists the newest packages, or copies what the patterns mean.
//!
//! A source may be a directory, an archive or a depot; the destination is a repository on disk or
//! a new archive, and gets all of it at once or nothing, or a folder, package by package.

use std::collections::BTreeMap;

use ips_client::{ReceiveOptions, Source};
use ips_cmd::place::Place;
use ips_cmd::{Failure, clock, patterns, progress};
use ips_model::{Fmri, Pattern};
use ips_repository::{OpenError, Repository};

use crate::options::{Form, Options};
use crate::raw;
use crate::trial::trial;

fn open(text: &str) -> Result<Source, Failure> {
    Place::parse(text)?.source()
}

/// The repository to copy into.
pub fn destination(text: &str) -> Result<Repository, Failure> {
    let place = Place::parse(text)?;
    Repository::open(place.directory()?).map_err(|error| match error {
        OpenError::Missing(_) => {
            Failure::new(format!("{error}\n\nTo create a repository, use the pkgrepo command."))
        }
        OpenError::Configuration { .. } | OpenError::Path(_) => Failure::new(error),
    })
}

/// Prints the newest version of each package, the default publisher's first.
pub fn newest(source: &str) -> Result<(), Failure> {
    for catalog in open(source)?.catalogs() {
        let entries = catalog.base.entries();
        // Ascending by version, so the last of a name stays.
        let newest: BTreeMap<String, Fmri> =
            entries.map(|(fmri, _)| (fmri.name.clone(), fmri)).collect();
        for fmri in newest.values() {
            println!("{}", fmri.without_build());
        }
    }
    Ok(())
}

/// Copies; status 1 where no pattern meant a package, 3 where some did.
pub fn receive(options: &Options) -> Result<(), Failure> {
    let mut opened = Vec::new();
    for text in &options.sources {
        let source = open(text)?;
        opened.push(match &options.cache {
            Some(folder) => source.with_cache(folder),
            None => source,
        });
    }
    let sources: Vec<&Source> = opened.iter().collect();
    let wanted = patterns::parse(&options.patterns)?;
    let all: Vec<Fmri> = sources.iter().flat_map(|source| source.packages()).collect();
    let (meant, unmatched): (Vec<Pattern>, Vec<Pattern>) =
        wanted.into_iter().partition(|pattern| !pattern.select(&all).is_empty());
    let some = !meant.is_empty();
    match options.form {
        Form::Repository => {
            let repository = destination(&options.destination)?;
            if some && options.dry_run {
                trial(&sources, Some(&repository), &meant, options)?;
            } else if some {
                copy(&sources, &repository, &meant, options)?;
            }
        }
        Form::Archive => archive(&sources, &meant, options)?,
        Form::Raw | Form::RawStored => raw(&sources, &meant, options)?,
    }
    if unmatched.is_empty() {
        return Ok(());
    }
    let texts: Vec<&str> = unmatched.iter().map(Pattern::as_str).collect();
    let message = patterns::unmatched(&texts);
    Err(if some { Failure::partial(message) } else { Failure::new(message) })
}

fn archive(sources: &[&Source], meant: &[Pattern], options: &Options) -> Result<(), Failure> {
    let place = Place::parse(&options.destination)?;
    let path = place.directory()?;
    if path.exists() {
        let told = format!("Target archive '{}' already exists.", path.display());
        return Err(Failure::new(told));
    }
    if meant.is_empty() {
        return Ok(());
    }
    if options.dry_run {
        return trial(sources, None, meant, options);
    }
    let receiving = self::options(options)?;
    let packed =
        progress::shown(|control| ips_client::pack(sources, path, meant, &receiving, control));
    for fmri in packed.map_err(Failure::new)? {
        println!("Archive: {fmri} ... Done");
    }
    Ok(())
}

fn raw(sources: &[&Source], meant: &[Pattern], options: &Options) -> Result<(), Failure> {
    let place = Place::parse(&options.destination)?;
    if meant.is_empty() {
        return Ok(());
    }
    if options.dry_run {
        return trial(sources, None, meant, options);
    }
    let chosen = ips_client::chosen(sources, meant, &self::options(options)?);
    for fmri in chosen.map_err(Failure::new)? {
        let Some(source) = sources.iter().find(|source| source.has(&fmri)) else { continue };
        if raw::write(source, &fmri, place.directory()?, options.form)? {
            println!("Republish: {fmri} ... Done");
        }
    }
    Ok(())
}

/// Which packages are meant, and when.
pub fn options(options: &Options) -> Result<ReceiveOptions, Failure> {
    Ok(ReceiveOptions {
        versions: options.versions,
        recursive: options.recursive,
        ..ReceiveOptions::at(clock::publication()?)
    })
}

fn copy(
    sources: &[&Source],
    repository: &Repository,
    meant: &[Pattern],
    options: &Options,
) -> Result<(), Failure> {
    let receiving = self::options(options)?;
    let received = progress::shown(|control| {
        ips_client::receive(sources, repository, meant, &receiving, control)
    });
    let received = received.map_err(Failure::new)?;
    for fmri in &received.packages {
        println!("Republish: {fmri} ... Done");
    }
    if options.verbose {
        for fmri in &received.held {
            println!("Held: {fmri}");
        }
    }
    Ok(())
}
