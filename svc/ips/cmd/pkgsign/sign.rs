//! sign.rs - what pkgsign does: each package by itself, in an append transaction.
//!
//! A package that has the very same signature already is left alone; one whose catalog does not
//! name its manifest, because an earlier run was killed at the end, is catalogued again.

use std::io::Write;
use std::path::Path;

use ips_client::Depot;
use ips_client::signature::{Key, SignError, Signed, Signer};
use ips_cmd::{Failure, clock, patterns};
use ips_model::configuration::Compression;
use ips_model::digest::sha1_hex;
use ips_model::{Action, Fmri, Kind, Manifest, Pattern};
use ips_repository::{Repository, Stream, compressed};

use crate::options::Options;

/// Signs; status 1 where nothing was, 3 where some of it was.
pub fn sign(options: &Options) -> Result<(), Failure> {
    let signer = signer(options)?;
    let wanted = patterns::parse(&options.patterns)?;
    let depot = options.place.depot(&options.identity)?;
    let repository = match depot {
        Some(_) => None,
        None => Some(options.place.open()?),
    };
    let source = options.place.source_as(&options.identity)?;
    let all = source.packages();
    let unmatched: Vec<&str> = wanted
        .iter()
        .filter(|pattern| pattern.select(&all).is_empty())
        .map(Pattern::as_str)
        .collect();
    if !unmatched.is_empty() {
        return Err(Failure::new(patterns::unmatched(&unmatched)));
    }
    let mut chosen: Vec<Fmri> =
        wanted.iter().flat_map(|pattern| pattern.select(&all)).cloned().collect();
    chosen.sort();
    chosen.dedup();
    let (mut errors, mut signed) = (Vec::new(), false);
    for fmri in &chosen {
        let done = match (&repository, &depot) {
            (Some(repository), _) => on_disk(repository, fmri, &signer, options.dry_run),
            (None, Some(depot)) => {
                let read = source.manifest(fmri).map_err(Failure::new);
                read.and_then(|(_, manifest)| {
                    at_depot(depot, fmri, &manifest, &signer, options.dry_run)
                })
            }
            (None, None) => Ok(false),
        };
        match done {
            Ok(true) => {
                println!("Signed {}", fmri.without_build());
                signed = true;
            }
            Ok(false) => {}
            Err(failure) => errors.push(failure.message),
        }
    }
    match (errors.is_empty(), signed) {
        (true, _) => Ok(()),
        (false, true) => Err(Failure::partial(errors.join("\n"))),
        (false, false) => Err(Failure::new(errors.join("\n"))),
    }
}

/// Who signs: the files of the arguments.
fn signer(options: &Options) -> Result<Signer, Failure> {
    let read = |path: &Path| {
        let told = |error| Failure::new(format!("{}: {error}", path.display()));
        std::fs::read(path).map_err(told)
    };
    let key = match &options.pair {
        None => None,
        Some((key, certificate)) => {
            let name = key.display().to_string();
            let key = Key::parse(&read(key)?, &name).map_err(Failure::new)?;
            let chain = options.chain.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
            Some((key, read(certificate)?, chain))
        }
    };
    Ok(Signer { algorithm: options.algorithm, key })
}

/// What ends the making of a signature.
struct Ended(Failure);

impl From<SignError> for Ended {
    fn from(error: SignError) -> Ended {
        Ended(Failure::new(error))
    }
}

fn made(
    signer: &Signer,
    manifest: &Manifest,
    mut stream: impl FnMut(&[u8]) -> Result<Stream, Failure>,
) -> Result<Signed, Failure> {
    signer.sign(manifest, |file| stream(file).map_err(Ended)).map_err(|Ended(failure)| failure)
}

/// Whether the package has this signature: the same key, algorithm and value.
fn has(manifest: &Manifest, signature: &Action) -> bool {
    let same = |one: &Action| {
        one.hash == signature.hash
            && one.get("algorithm") == signature.get("algorithm")
            && one.key() == signature.key()
    };
    manifest.of_kind(Kind::Signature).any(same)
}

fn on_disk(
    repository: &Repository,
    fmri: &Fmri,
    signer: &Signer,
    dry_run: bool,
) -> Result<bool, Failure> {
    let text = repository.manifest_text(fmri)?;
    let manifest = Manifest::parse(&text).map_err(Failure::new)?;
    if dry_run {
        let signed = made(signer, &manifest, |file| Ok(Stream::of(&compressed(file))))?;
        return Ok(!has(&manifest, &signed.action));
    }
    let now = clock::publication()?;
    let failed = |id: &str, step: &str, error: &dyn std::fmt::Display| {
        Failure::new(format!("'{step}' failed for transaction ID '{id}': {error}"))
    };
    let transaction = repository.append_transaction(&fmri.to_string(), now).map_err(|error| {
        Failure::new(format!("'append' failed; unable to initiate transaction:\n{error}"))
    })?;
    let id = transaction.id().to_string();
    let mut anew = true;
    let added = || -> Result<(), Failure> {
        let stream = |file: &[u8]| transaction.stream_of(file).map_err(Failure::new);
        let signed = made(signer, &manifest, stream)?;
        if has(&manifest, &signed.action) {
            anew = false;
            return Ok(());
        }
        let mut files = signed.files.iter().map(|file| {
            let mut kept = transaction.receive()?;
            kept.write_all(file)?;
            Ok::<_, Failure>(kept)
        });
        let certificate = files.next().transpose()?;
        for other in files {
            transaction.add_content(other?).map_err(|error| failed(&id, "add_file", &error))?;
        }
        match certificate {
            Some(file) => transaction.add_received(signed.action, file),
            None => transaction.add(signed.action, None),
        }
        .map_err(|error| failed(&id, "add", &error))
    };
    let added = { added }();
    let catalogued = repository.catalog(fmri.publisher.as_deref().unwrap_or_default())?;
    let is_sound = catalogued.signature(fmri) == Some(sha1_hex(text.as_bytes()).as_str());
    if added.is_err() || (!anew && is_sound) {
        transaction.abandon()?;
        return added.map(|()| false);
    }
    transaction.close(now).map_err(|error| failed(&id, "close", &error))?;
    Ok(true)
}

fn at_depot(
    depot: &Depot,
    fmri: &Fmri,
    manifest: &Manifest,
    signer: &Signer,
    dry_run: bool,
) -> Result<bool, Failure> {
    let publisher = fmri.publisher.as_deref().unwrap_or_default();
    let mut lacking = Vec::new();
    let signed = made(signer, manifest, |file| {
        // What pkg5 makes of it, so that its depot describes it as this does.
        let prepared = depot.prepare(publisher, file, Compression::Zlib).map_err(Failure::new)?;
        if prepared.lacking {
            lacking.push(prepared.made);
        }
        Ok(prepared.stream)
    })?;
    if has(manifest, &signed.action) {
        return Ok(false);
    }
    if dry_run {
        return Ok(true);
    }
    let id = depot.append(&fmri.to_string()).map_err(|error| {
        Failure::new(format!("'append' failed; unable to initiate transaction:\n{error}"))
    })?;
    let failed = |step: &str, error: &dyn std::fmt::Display| {
        Failure::new(format!("'{step}' failed for transaction ID '{id}': {error}"))
    };
    let send = || -> Result<(), Failure> {
        for file in &lacking {
            let sent = depot.add_file(&id, file.hash(), &file.stored);
            sent.map_err(|error| failed("add_file", &error))?;
        }
        let certificate = signed.files.first().map(Vec::as_slice).unwrap_or_default();
        let added = depot.add(&id, &signed.action, certificate);
        added.map_err(|error| failed("add", &error))?;
        depot.close(&id, true).map(|_| ()).map_err(|error| failed("close", &error))
    };
    let sent = send();
    if sent.is_err() {
        // Of no use to anybody; that it cannot be forgotten is not what went wrong.
        let _ = depot.abandon(&id);
    }
    sent.map(|()| true)
}
