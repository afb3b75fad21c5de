//! What is in an image, beside it: for every build, without being asked.
//!
//! ```text
//! AREA/build_data/packages.json      after im-pop: packages, and which of them brought which path
//! AREA/build_data/delivered          after im-pop: which files are as packages delivered them
//! AREA/build_data/contents.json      before the root is packed: every path, every file's hashes
//! AREA/build_data/media              digests of media that were hashed while they were made
//! AREA/.pieces/copied                after ba-init: which of the boot archive's files have such contents
//! AREA/.pieces/digests               digests of what packages deliver, for the next build
//! AREA/media/NAME.spdx.json          bill of materials, SPDX 2.3
//! AREA/media/NAME.facts.json         the same and what SPDX has no place for; distro_const diff
//! AREA/media/NAME.provenance.json    in-toto statement: media, manifest, steps' ids, packages
//! AREA/media/NAME.intoto.jsonl       the statement, signed; only with a key
//! ```
//!
//! In reading order: `packages` (what packages brought), `delivered` (which files are as
//! they were delivered, and what is known of these), `ahead` (files hashed meanwhile), `contents`
//! (what the image holds), `hashes` (files' digests), `media` (what came out),
//! `drafts` (the documents without media), `written` (the documents beside the media).
//!
//! Law: the documents follow from the image, the manifest and the origins alone: a repetition
//! writes the same bytes.  They are never older than the media they lie beside.

mod ahead;
mod contents;
mod delivered;
mod drafts;
mod hashes;
pub mod media;
mod packages;
mod written;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image_evidence::Key;
use image_manifest::Image;

pub use ahead::Ahead;
pub use contents::record;
pub use delivered::Copied;
pub use packages::keep;
pub use written::{Subject, are_there, forget, write};

const BILL: &str = "spdx.json";
const FACTS: &str = "facts.json";
const STATEMENT: &str = "provenance.json";
const ENVELOPE: &str = "intoto.jsonl";
const DOCUMENTS: [&str; 4] = [BILL, FACTS, STATEMENT, ENVELOPE];

/// What the evidence of a build says beside what the build itself knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy<'a> {
    /// What signs the statement.
    pub key: Option<&'a Key>,
    /// Where all packages came from instead of where the manifest says, as an URI.
    pub origin: Option<&'a str>,
}

/// The key's file as manifests name it: among the pairs, or an argument of a checkpoint.
const KEY: &str = "evidence_key";

/// The key that signs: of the file that was asked for, else of the manifest's.  Called before
/// anything is built, so that a wrong one costs nothing.
pub fn key(asked: Option<&str>, image: &Image) -> Result<Option<Key>> {
    let paired = image.pairs.get(KEY).map(String::as_str);
    let argument = || image.steps.iter().find_map(|step| step.argument(KEY));
    let file = asked.or(paired).or_else(argument).filter(|file| !file.is_empty());
    let Some(file) = file else { return Ok(None) };
    let pem = std::fs::read(file).with_context(|| file.to_owned())?;
    Ok(Some(Key::parse(&pem, file)?))
}

/// Where packages are kept between im-pop and the end.
fn packages_at(build_data: &Path) -> PathBuf {
    build_data.join("packages.json")
}

/// Where the contents are kept until the media are there.
fn contents_at(build_data: &Path) -> PathBuf {
    build_data.join("contents.json")
}
