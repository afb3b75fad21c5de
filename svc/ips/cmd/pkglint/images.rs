//! images.rs - packages of repositories, by a folder that remembers which ones.
//!
//! ```text
//! CACHE/lint_image/repositories    the URIs of -l, one a line
//! CACHE/ref_image/repositories     the URIs of -r
//! CACHE/manifests/SHA1             manifests that came by a network
//! ```
//!
//! Once a folder remembers, what is given again is passed over, as pkg5 does with its images; the
//! repositories are asked anew each time.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use ips_client::Source;
use ips_cmd::Failure;
use ips_cmd::newest::{manifests, newest};
use ips_cmd::place::Place;
use ips_model::pattern::glob_matches;
use ips_model::version::DotSequence;
use ips_publish::lint::{Config, Package, World};

use crate::options::Options;

const LIST: &str = "repositories";

/// Adds the packages of the repositories to the world.
pub fn add(options: &Options, config: &Config, world: &mut World) -> Result<(), Failure> {
    let Some(cache) = &options.cache else { return Ok(()) };
    let build = options.build.as_deref().map(|build| branch(config, build)).transpose()?;
    let lint = image(&cache.join("lint_image"), &options.lint, "-l")
        .map_err(|failure| told("lint image", &failure))?;
    if lint.is_none() && world.local.is_empty() && !options.reference.is_empty() {
        let text = "Unable to create reference image: No lint image or manifests provided.";
        return Err(Failure::argument(text));
    }
    let reference = image(&cache.join("ref_image"), &options.reference, "-r")
        .map_err(|failure| told("reference image", &failure))?;
    if lint.is_none() && reference.is_none() {
        let cache = cache.display();
        return Err(Failure::argument(format!(
            "Unable to access any pkglint images under {cache}"
        )));
    }
    let chosen = |package: &Package| {
        let pattern = options.pattern.as_deref();
        pattern.is_none_or(|pattern| glob_matches(pattern, &package.fmri.to_string()))
    };
    let read = |uris: Vec<String>| packages(&uris, build.as_ref(), &cache.join("manifests"));
    let all = lint.map(read).transpose()?.unwrap_or_default();
    (world.lint, world.others) = all.into_iter().partition(chosen);
    world.reference = reference.map(read).transpose()?.unwrap_or_default();
    Ok(())
}

fn told(what: &str, failure: &Failure) -> Failure {
    Failure::argument(format!("Unable to create {what}: {}", failure.message))
}

/// The branch no package may be beyond: that of `version.pattern`, and the build.
fn branch(config: &Config, build: &str) -> Result<DotSequence, Failure> {
    let pattern = config.get("version.pattern").unwrap_or_default();
    let version = pattern.split_once(',').map_or("", |(_, version)| version);
    let whole = format!("{version}{build}");
    let branch = whole.split('-').nth(1).unwrap_or_default();
    DotSequence::parse(branch)
        .map_err(|_| Failure::argument(format!("Invalid release string: {build}")))
}

/// The repositories that a folder remembers, or those it is to remember from now on.
fn image(folder: &Path, given: &[String], option: &str) -> Result<Option<Vec<String>>, Failure> {
    let list = folder.join(LIST);
    if folder.exists() {
        let text = fs::read_to_string(&list).map_err(|error| {
            Failure::new(format!("Unable to get image at {}: {error}", folder.display()))
        })?;
        if !given.is_empty() {
            println!("Ignoring {option} option, existing image found.");
        }
        return Ok(Some(text.lines().map(str::to_string).collect()));
    }
    if given.is_empty() {
        return Ok(None);
    }
    let mut uris = Vec::new();
    for text in given {
        let place = Place::parse(text)?;
        // What cannot be opened is not remembered.
        place.source()?;
        uris.push(match &place {
            Place::Directory(path) | Place::Archive(path) => path.display().to_string(),
            Place::Url(uri) => uri.clone(),
        });
    }
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    // The folder is there with its list, or not at all.
    let beside = tempfile::Builder::new().prefix(".image-").tempdir_in(parent)?;
    let mut file = fs::File::create(beside.path().join(LIST))?;
    for uri in &uris {
        writeln!(file, "{uri}")?;
    }
    file.sync_all()?;
    fs::rename(beside.keep(), folder)?;
    Ok(Some(uris))
}

/// The newest packages of the repositories, by name.
fn packages(
    uris: &[String],
    most: Option<&DotSequence>,
    cache: &Path,
) -> Result<Vec<Package>, Failure> {
    let open = |uri: &String| Place::parse(uri)?.source();
    let sources = uris.iter().map(open).collect::<Result<Vec<Source>, Failure>>()?;
    let found = newest(&sources, |fmri| {
        let branch = fmri.version.as_ref().and_then(|version| version.branch.as_ref());
        match (most, branch) {
            (None, _) | (Some(_), None) => true,
            (Some(most), Some(branch)) => branch <= most,
        }
    });
    let read = manifests(&sources, &found, Some(cache))?;
    let mut packages = BTreeMap::new();
    for manifest in read {
        let package = Package::new(manifest, 0).map_err(Failure::new)?;
        packages.insert(package.fmri.name.clone(), package);
    }
    Ok(packages.into_values().collect())
}
