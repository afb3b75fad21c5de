//! verify.rs - `pkgrepo verify`: whether manifests, payloads and dependencies are sound.

use std::time::SystemTime;

use ips_client::Transport;
use ips_client::signature::{self, Anchors, Lists, Policy};
use ips_cmd::Failure;
use ips_cmd::place::Place;
use ips_repository::{Fault, Finding, Repository, Unresolved, Verified, unresolved};

use crate::findings::{ignored, is_ignored, told, told_of_dependency};
use crate::options::Options;

/// Tells what is damaged; status 1 if anything is.
pub fn verify(options: &Options) -> Result<u8, Failure> {
    if options.disabled.iter().any(|check| check != "dependency") {
        let told = "Invalid verification to be disabled, please consider: dependency";
        return Err(Failure::usage(told).of(options.name));
    }
    options.no_operands()?;
    let disabled = !options.disabled.is_empty();
    if disabled && (options.has("d") || !options.ignored.is_empty()) {
        let told = "-d or -i option cannot be used when dependency verification is disabled.";
        return Err(Failure::usage(told).of(options.name));
    }
    let repository = on_disk(options)?;
    let publishers = options.among(repository.publishers()?)?;
    println!("Initiating repository verification.");
    let mut verified = Vec::new();
    let mut sound = true;
    for publisher in &publishers {
        let one = repository.verify(publisher)?;
        for finding in &one.findings {
            print!("{}", told(finding));
            sound &= finding.fault == Fault::Restricted;
        }
        for finding in unsigned(&repository, publisher, &one)? {
            print!("{}", told(&finding));
            sound = false;
        }
        verified.push(one);
    }
    if !disabled {
        for one in missing(options, &repository, &publishers, verified)? {
            print!("{}", told_of_dependency(&one));
            sound = false;
        }
    }
    Ok(if sound { 0 } else { 1 })
}

/// The packages whose signatures do not lead to what the repository trusts.
pub fn unsigned(
    repository: &Repository,
    publisher: &str,
    verified: &Verified,
) -> Result<Vec<Finding>, Failure> {
    if verified.signed.is_empty() {
        return Ok(Vec::new());
    }
    let configuration = repository.configuration()?;
    let folder = configuration.get("repository", "trust-anchor-directory").unwrap_or_default();
    let mut anchors = Anchors::read(&repository.root().join(folder)).map_err(Failure::new)?;
    if configuration.get("repository", "check-certificate-revocation") == Some("True") {
        // A repository keeps no lists.
        anchors.ask(Lists::new(None, &Transport::default(), SystemTime::now()));
    }
    let fetch = |hash: &str| -> std::io::Result<Vec<u8>> {
        let absent = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let path = repository.file_path(publisher, hash).ok_or_else(absent)?;
        ips_repository::expand(&std::fs::read(path)?, None)
    };
    let mut findings = Vec::new();
    for (fmri, manifest) in &verified.signed {
        if let Err(error) = signature::verify(manifest, &Policy::Verify, &anchors, None, &fetch) {
            let place = repository.manifest_path(fmri)?;
            let (fault, package) = (Fault::Signature(error.to_string()), Some(fmri.clone()));
            findings.push(Finding { fault, package, place, path: None });
        }
    }
    Ok(findings)
}

/// The dependencies of the publishers that were verified which nothing in the whole repository
/// satisfies.
pub fn missing(
    options: &Options,
    repository: &Repository,
    publishers: &[String],
    mut verified: Vec<Verified>,
) -> Result<Vec<Unresolved>, Failure> {
    let passed_over = ignored(&options.ignored)?;
    for other in repository.publishers()?.iter().filter(|name| !publishers.contains(name)) {
        let packages = repository.catalog(other)?.packages();
        let packages = packages.into_iter().map(|package| (package.fmri, Vec::new())).collect();
        verified.push(Verified { packages, ..Verified::default() });
    }
    let all = unresolved(&verified).into_iter();
    Ok(all.filter(|one| !is_ignored(one, &passed_over)).collect())
}

/// The repository, which has to be one of the file system.
pub fn on_disk(options: &Options) -> Result<Repository, Failure> {
    match options.local_place()? {
        place @ (Place::Directory(_) | Place::Url(_)) => place.open(),
        place @ Place::Archive(_) => {
            // An archive has publishers, so pkg5 begins; that it is no repository shows later.
            println!(
                "Initiating repository {}.",
                if options.name == "fix" { "fix" } else { "verification" }
            );
            place.open()
        }
    }
}
