//! publish.rs - `pkgsend publish`: all packages given become visible together, or none.

use ips_cmd::{Failure, clock};
use ips_model::action::NO_HASH;
use ips_model::check::InvalidPackage;
use ips_model::quote::quote;
use ips_model::{Action, Fmri, Kind, Manifest, Timestamp};
use ips_repository::{Repository, Sources, WriteError};

use crate::bundle;
use crate::manifests;
use crate::options::Options;

/// Publishes and says what was published.
pub fn publish(options: &Options) -> Result<(), Failure> {
    let nowhere = options.nowhere.then(nowhere).transpose()?;
    let depot = match nowhere {
        Some(_) => None,
        None => options.target.place.depot(&options.target.identity)?,
    };
    let repository = match (&depot, &nowhere) {
        (Some(_), _) => None,
        (None, Some((_, repository))) => Some(repository.clone()),
        (None, None) => Some(options.target.place.open()?),
    };
    let mut packages = manifests::read(&options.manifests, options.each_its_own)?;
    if !options.timed {
        packages.iter_mut().for_each(without_time);
    }
    let now = clock::publication()?;
    let mut folders = options.folders.clone();
    let mut unpacked = Vec::new();
    for bundle in &options.bundles {
        let (folder, kept) = bundle::folder(bundle).map_err(|failure| failure.of("publish"))?;
        folders.push(folder);
        unpacked.extend(kept);
    }
    let sources = Sources { folders, timestamps: options.timestamps.clone() };
    let published = match (repository, depot) {
        (Some(repository), _) => {
            on_disk(&repository, &packages, &sources, now, options.catalogued)?
        }
        (None, Some(depot)) => {
            for manifest in &packages {
                named(manifest)?;
                omitted(manifest)?;
            }
            ips_client::deliver(&depot, &packages, &sources, now, options.catalogued)
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
                .map_err(Failure::new)?
        }
        (None, None) => Vec::new(),
    };
    for fmri in published.iter().filter(|_| nowhere.is_none()) {
        println!("{fmri}\nPUBLISHED");
    }
    Ok(())
}

/// A repository that is gone with the command: what is published there was checked, and no more.
fn nowhere() -> Result<(tempfile::TempDir, Repository), Failure> {
    let place = tempfile::tempdir()?;
    let repository = Repository::create(place.path())?;
    repository.set_default_publisher("nowhere")?;
    Ok((place, repository))
}

/// Takes the time out of the package's version: a manifest that was published once can be again.
fn without_time(manifest: &mut Manifest) {
    let named = manifest
        .actions
        .iter_mut()
        .find(|action| action.kind == Kind::Set && action.key() == Some("pkg.fmri"));
    let Some(action) = named else { return };
    let Some(mut fmri) = action.get("value").and_then(|text| Fmri::parse(text).ok()) else {
        return;
    };
    let Some(version) = &mut fmri.version else { return };
    if version.timestamp.take().is_some() {
        action.set("value", vec![fmri.to_string()]);
    }
}

/// All of them or none.
fn on_disk(
    repository: &Repository,
    packages: &[Manifest],
    sources: &Sources,
    now: Timestamp,
    catalogued: bool,
) -> Result<Vec<String>, Failure> {
    let batch = repository.batch()?;
    let mut names = Vec::new();
    for manifest in packages {
        named(manifest)?;
        names.push(batch.name(manifest, now).map_err(|error| told(error, None, now))?);
        omitted(manifest)?;
    }
    let published = batch.publish_all(packages, sources, now);
    for (fmri, published) in names.iter().zip(published) {
        published.map_err(|error| told(error, Some(fmri), now))?;
    }
    match catalogued {
        true => batch.commit(now)?,
        false => batch.commit_uncatalogued(now)?,
    };
    Ok(names.iter().map(ToString::to_string).collect())
}

/// Tells what of a package is left out; a licence without payload cannot be.
fn omitted(manifest: &Manifest) -> Result<(), Failure> {
    for signature in manifest.of_kind(Kind::Signature) {
        println!("WARNING: Omitting signature action '{signature}'");
    }
    manifest.of_kind(Kind::License).try_for_each(payload_named)
}

/// The name has to be there, with a version.
fn named(manifest: &Manifest) -> Result<(), Failure> {
    let fmri = manifest.fmri().map_err(Failure::new)?;
    if fmri.version.is_none() {
        let refused = format!(
            "The pkg.fmri attribute '{fmri}' in the package manifest must include a version."
        );
        return Err(Failure::new(refused).of("publish"));
    }
    Ok(())
}

/// A licence has no path, so its payload has to be named in the hash's place.
fn payload_named(license: &Action) -> Result<(), Failure> {
    let named = license.hash.as_deref().is_some_and(|hash| hash != NO_HASH);
    if named || license.get("path").is_some() {
        return Ok(());
    }
    Err(Failure::new(format!("invalid action, '{license}': Empty or invalid path attribute")))
}

/// The message of a refused package: with pkg5's step and transaction.
fn told(error: WriteError, fmri: Option<&Fmri>, now: Timestamp) -> Failure {
    let step = match &error {
        WriteError::NoPublisher(_) | WriteError::Exists(_) => {
            return Failure::new(format!(
                "'open' failed; unable to initiate transaction:\n{error}"
            ));
        }
        WriteError::Action(_) => "add",
        WriteError::Package(InvalidPackage::RenamedWithoutDepend) => "close",
        WriteError::Package(_) => "add_manifest",
        _ => return Failure::new(error),
    };
    let name = fmri.map(|fmri| quote(&fmri.to_string())).unwrap_or_default();
    let transaction = format!("{}_{name}", now.seconds());
    Failure::new(format!("'{step}' failed for transaction ID '{transaction}': {error}"))
}
