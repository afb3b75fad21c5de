//! receive.rs - what pkgrecv does: lists the newest packages, or copies what the patterns mean.
//!
//! A source may be a directory, an archive or a depot; the destination is a repository on disk or
//! a new archive, and gets all of it at once or nothing, or a depot or folder, package by package.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ips_client::mogrify::Transforms;
use ips_client::{Origin, ReceiveOptions, Source, Versions};
use ips_cmd::place::Place;
use ips_cmd::transport::Identity;
use ips_cmd::{Failure, clock, patterns, progress};
use ips_model::{Fmri, Pattern};
use ips_repository::{OpenError, Repository};

use crate::options::{Form, Options};
use crate::raw;
use crate::told::{Came, Told};
use crate::trial::{trial, trial_there};

fn open(text: &str, identity: &Identity) -> Result<Source, Failure> {
    Place::parse(text)?.source_as(identity)
}

/// The repository to copy into.
pub fn destination(text: &str) -> Result<Repository, Failure> {
    let place = Place::parse(text)?;
    Repository::open(place.directory()?).map_err(|error| match error {
        OpenError::Missing(_) => {
            Failure::new(format!("{error}\n\nTo create a repository, use the pkgrepo command."))
        }
        OpenError::Configuration { .. } | OpenError::NoPublisher(_) | OpenError::Path(_) => {
            Failure::new(error)
        }
    })
}

/// Prints the newest version of each package, the default publisher's first.
pub fn newest(source: &str, identity: &Identity) -> Result<(), Failure> {
    for catalog in open(source, identity)?.catalogs() {
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
    let options = &Options { transforms: rules(options)?, ..options.clone() };
    if options.form == Form::Archive {
        archive_is_new(options)?;
    }
    let mut opened = Vec::new();
    for text in &options.sources {
        let source = open(text, &options.identity)?;
        opened.push(match &options.cache {
            Some(folder) => source.with_cache(folder),
            None => source,
        });
    }
    let sources: Vec<&Source> = opened.iter().collect();
    let told = Told::begin(&sources, options);
    let received = from(&sources, options, &told);
    if received.is_err() {
        // What went wrong comes after a blank line.
        println!();
    }
    received
}

fn from(sources: &[&Source], options: &Options, told: &Told<'_>) -> Result<(), Failure> {
    let wanted = patterns::parse(&options.patterns)?;
    let all: Vec<Fmri> = sources.iter().flat_map(|source| source.packages()).collect();
    let everything = |pattern: &Pattern| matches!(pattern.as_str(), "*" | "*@*");
    let (meant, unmatched): (Vec<Pattern>, Vec<Pattern>) =
        match wanted.iter().find(|pattern| everything(pattern)) {
            // All that there is, be it nothing; other patterns have no say.
            Some(_) if all.is_empty() => (Vec::new(), Vec::new()),
            Some(pattern) => (vec![pattern.clone()], Vec::new()),
            None => wanted.into_iter().partition(|pattern| !pattern.select(&all).is_empty()),
        };
    let some = !meant.is_empty();
    let local = options.form == Form::Repository
        && !matches!(Place::parse(&options.destination)?, Place::Url(_));
    let came = if some && !local && !options.transforms.is_empty() && !options.dry_run {
        staged(sources, &meant, options)?
    } else {
        hand_over(sources, &meant, options)?
    };
    told.end(sources, &meant, &came)?;
    if unmatched.is_empty() {
        return Ok(());
    }
    let texts: Vec<&str> = unmatched.iter().map(Pattern::as_str).collect();
    let message = patterns::unmatched(&texts);
    Err(if some { Failure::partial(message) } else { Failure::new(message) })
}

/// Copies in two steps: into a repository of its own, through the rules, and from there.
fn staged(sources: &[&Source], meant: &[Pattern], options: &Options) -> Result<Came, Failure> {
    let folder = tempfile::Builder::new().prefix("pkgrecv-").tempdir()?;
    let repository = Repository::create(&folder.path().join("repository"))?;
    let receiving = self::options(options)?;
    let received = progress::shown(|control| {
        ips_client::receive(sources, &repository, meant, &receiving, control)
    });
    received.map_err(Failure::new)?;
    let place = folder.path().join("repository");
    let source = Source::open(&Origin::directory(&place)).map_err(Failure::new)?;
    let rest = Options {
        transforms: Transforms::default(),
        versions: Versions::All,
        recursive: false,
        ..options.clone()
    };
    hand_over(&[&source], &patterns::parse(&["*".to_string()])?, &rest)
}

/// Copies to whatever the destination is.
fn hand_over(sources: &[&Source], meant: &[Pattern], options: &Options) -> Result<Came, Failure> {
    match options.form {
        Form::Repository if matches!(Place::parse(&options.destination)?, Place::Url(_)) => {
            send(sources, meant, options)
        }
        Form::Repository => {
            let repository = destination(&options.destination)?;
            match meant.is_empty() {
                true => Ok(Came::default()),
                false => copy(sources, &repository, meant, options),
            }
        }
        Form::Archive => archive(sources, meant, options),
        Form::Raw | Form::RawStored => raw(sources, meant, options),
    }
}

/// Whether figures are told: of what would come always, of what does with `-v`.
fn counts(options: &Options) -> bool {
    options.dry_run || options.verbose
}

/// The figures of what would come to a place that has nothing.
fn of_all(sources: &[&Source], meant: &[Pattern], options: &Options) -> Result<Came, Failure> {
    let mut came = Came::default();
    if counts(options) {
        came.figures = trial(sources, None, meant, options)?;
    }
    Ok(came)
}

/// An archive that is there is not written anew.
fn archive_is_new(options: &Options) -> Result<PathBuf, Failure> {
    let place = Place::parse(&options.destination)?;
    let path = place.directory()?;
    if path.exists() {
        let told = format!("Target archive '{}' already exists.", path.display());
        return Err(Failure::new(told));
    }
    Ok(path.to_path_buf())
}

fn archive(sources: &[&Source], meant: &[Pattern], options: &Options) -> Result<Came, Failure> {
    let path = archive_is_new(options)?;
    if meant.is_empty() {
        return Ok(Came::default());
    }
    let mut came = of_all(sources, meant, options)?;
    if options.dry_run {
        return Ok(came);
    }
    let receiving = self::options(options)?;
    let packed =
        progress::shown(|control| ips_client::pack(sources, &path, meant, &receiving, control));
    came.packages = packed.map_err(Failure::new)?;
    Ok(came)
}

fn raw(sources: &[&Source], meant: &[Pattern], options: &Options) -> Result<Came, Failure> {
    let place = Place::parse(&options.destination)?;
    if meant.is_empty() {
        return Ok(Came::default());
    }
    let mut came = of_all(sources, meant, options)?;
    if options.dry_run {
        return Ok(came);
    }
    let chosen = ips_client::chosen(sources, meant, &self::options(options)?);
    for fmri in chosen.map_err(Failure::new)? {
        let Some(source) = sources.iter().find(|source| source.has(&fmri)) else { continue };
        if raw::write(source, &fmri, place.directory()?, options.form)? {
            came.packages.push(fmri);
        }
    }
    Ok(came)
}

/// Republishes to a depot.
fn send(sources: &[&Source], meant: &[Pattern], options: &Options) -> Result<Came, Failure> {
    let place = Place::parse(&options.destination)?;
    let known = place.source_as(&options.identity_there)?;
    let mut came = Came::default();
    let Some(depot) = place.depot(&options.identity_there)? else { return Ok(came) };
    if meant.is_empty() {
        return Ok(came);
    }
    let receiving = self::options(options)?;
    if counts(options) {
        came.figures = trial_there(sources, &known, meant, options)?;
    }
    if options.dry_run {
        return Ok(came);
    }
    let sent = progress::shown(|control| {
        ips_client::republish(sources, &depot, &known, meant, &receiving, control)
    });
    came.packages = sent.map_err(Failure::new)?;
    Ok(came)
}

/// The rules of the files; they are read once, because standard input is there once.
fn rules(options: &Options) -> Result<Transforms, Failure> {
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let text = match name.as_str() {
            "-" => std::io::read_to_string(std::io::stdin()),
            _ => std::fs::read_to_string(path),
        };
        let told = |error| Failure::new(format!("Couldn't open '{name}': {error}"));
        Ok((name.clone(), text.map_err(told)?))
    };
    let rules = options.rules.iter().map(read).collect::<Result<_, Failure>>()?;
    Transforms::parse(rules).map_err(Failure::new)
}

/// Which packages are meant, and when.
pub fn options(options: &Options) -> Result<ReceiveOptions, Failure> {
    Ok(ReceiveOptions {
        versions: options.versions,
        recursive: options.recursive,
        transforms: options.transforms.clone(),
        ..ReceiveOptions::at(clock::publication()?)
    })
}

fn copy(
    sources: &[&Source],
    repository: &Repository,
    meant: &[Pattern],
    options: &Options,
) -> Result<Came, Failure> {
    let mut came = Came::default();
    if counts(options) {
        came.figures = trial(sources, Some(repository), meant, options)?;
    }
    if options.dry_run {
        return Ok(came);
    }
    let receiving = self::options(options)?;
    let received = progress::shown(|control| {
        ips_client::receive(sources, repository, meant, &receiving, control)
    });
    came.packages = received.map_err(Failure::new)?.packages;
    Ok(came)
}
