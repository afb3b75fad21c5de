//! create.rs - `pkgrepo create`.

use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_repository::{CreateError, Repository};

use crate::options::Options;

/// Makes an empty repository.
pub fn create(options: &Options) -> Result<(), Failure> {
    if options.version.as_ref().is_some_and(|version| version.parse::<i64>().is_err()) {
        return Err(Failure::usage("Version must be an integer value.").of(options.name));
    }
    if let Some(version) = options.version.as_deref().filter(|version| *version != "4") {
        return Err(Failure::usage(format!(
            "Version {version} is not supported; repositories of version 4 can be made."
        ))
        .of(options.name));
    }
    let text = match (options.operands.as_slice(), options.repositories.last()) {
        ([place], _) => place,
        ([], Some(place)) => place,
        ([], None) => {
            return Err(Failure::usage("No repository location specified.").of(options.name));
        }
        (_, _) => {
            return Err(
                Failure::usage("Only one repository location may be specified.").of(options.name)
            );
        }
    };
    let place = options.local(Place::parse(text)?)?;
    let path = place.directory()?;
    match Repository::create(path) {
        Ok(_) => Ok(()),
        Err(CreateError::NotEmpty(_)) => {
            let shown = path.display().to_string();
            let shown = shown.trim_end_matches('/');
            Err(Failure::new(format!(
                "A package repository (or a directory with content) already exists at '{shown}/'."
            )))
        }
        Err(error @ CreateError::Path(_)) => Err(error.into()),
    }
}
