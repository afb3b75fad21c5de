//! written.rs - the documents beside the media.
//!
//! Every document appears whole or not at all, and the statement,
//! which names the others' hashes, last.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image_evidence::{Contents, Material, Medium, Provenance, envelope, statement};
use image_manifest::{Image, Native};

use super::drafts::Drafts;
use super::{BILL, DOCUMENTS, ENVELOPE, FACTS, Policy, STATEMENT, contents, contents_at, media};
use crate::steps::Work;
use image_rooted::archive::write_file;
use image_rooted::parallel::both;

/// What kind of build this is, and how its parameters are meant: dc_manifest(5).
const BUILD_TYPE: &str = "urn:lamplighter:distro_const:build:1";
/// What those who watch see after the last step.
const PHASE: &str = "evidence";
/// Who builds.
const BUILDER: &str = "urn:lamplighter:distro_const";

/// A build, as its evidence names it.
pub struct Subject<'a> {
    /// The manifest's file.
    pub manifest: &'a Path,
    /// Its text.
    pub text: &'a [u8],
    /// Every step with the id of the state that it led to.
    pub steps: &'a [(String, String)],
}

fn at(media: &Path, name: &str, document: &str) -> PathBuf {
    media.join(format!("{name}.{document}"))
}

/// Whether the documents of media that are as they were made are there, signed as is wanted now.
pub fn are_there(media: &Path, name: &str, policy: Policy<'_>) -> bool {
    let there = |document| at(media, name, document).exists();
    let envelope = std::fs::read_to_string(at(media, name, ENVELOPE));
    let signed = match policy.key {
        Some(key) => envelope.is_ok_and(|text| text.contains(&key.id())),
        None => envelope.is_err(),
    };
    signed && [BILL, FACTS, STATEMENT].into_iter().all(there)
}

/// Takes the documents away: what is made now is something else.
pub fn forget(media: &Path, name: &str) -> Result<()> {
    DOCUMENTS.into_iter().try_for_each(|document| remove(&at(media, name, document)))
}

/// Writes the documents; `work`: the last step's.
pub fn write(work: &Work<'_>, subject: &Subject<'_>) -> Result<()> {
    let (media, name) = (&work.places.media, &work.image.name);
    // The steps are done, and this may take long.
    let hear = |done, total| (work.world.progress)(PHASE, done, total, "MiB of media hashed");
    hear(0, 0);
    let packed = work.image.steps.iter().any(|step| step.native == Some(Native::PostMod));
    let kept = contents_at(&work.places.build_data);
    if !packed || !kept.exists() {
        contents::record(work)?;
    }
    let (media_of, drafts) = both(|| media::all(work, &hear), || work.ahead.drafting.end(&kept));
    let (media_of, drafts) = (media_of?, drafts?);
    let (facts, Drafts { contents, bill, .. }) = (drafts.facts(&media_of)?, drafts);
    let bill = bill.finish(&media_of);
    let (billed, told) = both(
        || write_file(&at(media, name, BILL), bill.as_bytes()),
        || write_file(&at(media, name, FACTS), facts.as_bytes()),
    );
    billed?;
    told?;
    let own = Medium {
        name: format!("{name}.{BILL}"),
        size: bill.len() as u64,
        sha256: stage::recipe::sha256(bill.as_bytes()),
    };
    let made = media_of.into_iter().chain([own]).collect();
    let text = statement(&provenance(work, subject, contents, made));
    let signed = at(media, name, ENVELOPE);
    // The statement comes last: whoever sees it sees everything that it names.
    match work.world.evidence.key {
        Some(key) => write_file(&signed, envelope(text.trim_end(), key)?.as_bytes())?,
        None => remove(&signed)?,
    }
    write_file(&at(media, name, STATEMENT), text.as_bytes())
}

fn remove(path: &Path) -> Result<()> {
    image_rooted::removal::remove(path).with_context(|| path.display().to_string())
}

fn provenance(
    work: &Work<'_>,
    subject: &Subject<'_>,
    contents: Contents,
    media: Vec<Medium>,
) -> Provenance {
    let material = |package: &image_evidence::Package| Material {
        uri: package.fmri(),
        sha256: package.manifest_sha256.clone(),
    };
    let file = subject.manifest.file_name().unwrap_or_default();
    Provenance {
        manifest: Material {
            uri: file.to_string_lossy().into_owned(),
            sha256: stage::recipe::sha256(subject.text),
        },
        origins: origins(work.image, work.world.evidence),
        steps: subject.steps.to_vec(),
        packages: contents.packages.iter().map(material).collect(),
        tool: contents.tool,
        build_type: BUILD_TYPE.to_owned(),
        builder: BUILDER.to_owned(),
        time: contents.time,
        media,
    }
}

fn origins(image: &Image, policy: Policy<'_>) -> Vec<(String, String)> {
    let publishers = &image.publishers;
    let all = std::iter::once(&publishers.preferred).chain(&publishers.additional);
    let named = all.flat_map(|publisher| {
        publisher.origins.iter().map(|origin| (publisher.name.clone(), origin.clone()))
    });
    match policy.origin {
        // One repository with the packages of all publishers.
        Some(origin) => vec![("*".to_owned(), origin.to_owned())],
        None => named.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_there_when_they_are_signed_as_is_wanted() {
        let scratch = tempfile::tempdir().unwrap();
        let media = scratch.path();
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIGhgKwOi39HPBM8ji4fcy7p7awxRU6waVNVWi/M3Twgq\n\
                   -----END PRIVATE KEY-----\n";
        let key = image_evidence::Key::parse(pem.as_bytes(), "k").unwrap();
        let unsigned = Policy::default();
        let signed = Policy { key: Some(&key), origin: None };
        assert!(!are_there(media, "x", unsigned));
        for document in [BILL, FACTS, STATEMENT] {
            std::fs::write(at(media, "x", document), "").unwrap();
        }
        assert!(are_there(media, "x", unsigned) && !are_there(media, "x", signed));
        std::fs::write(at(media, "x", ENVELOPE), "another key's").unwrap();
        assert!(!are_there(media, "x", unsigned) && !are_there(media, "x", signed));
        std::fs::write(at(media, "x", ENVELOPE), key.id()).unwrap();
        assert!(!are_there(media, "x", unsigned) && are_there(media, "x", signed));
    }
}
