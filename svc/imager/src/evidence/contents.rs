//! contents.rs - what the image holds: every path, and the hashes of every file.
//!
//! Taken when all steps have had their say and the root is still a root: before post-mod packs it,
//! or at the end where nothing does.  The boot archive is a root of its own: of it only what is
//! otherwise than in the image's root is listed, below `boot_archive/`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use image_evidence::{Contents, Digests, Facts, File, Tool};
use image_tree::{Entry, Kind, Tree};

use super::contents_at;
use super::delivered::{self, Delivered, Files, Known};
use super::hashes::{self, Hashed, Wanted};
use super::packages::Brought;
use crate::steps::Work;
use image_rooted::{Rooted, Ways, parallel};

/// Where the archive's own paths are listed.
const ARCHIVE: &str = "boot_archive";
/// What contents are called, by the paths of files.
type Contained = HashMap<String, String>;
/// Progress is told every so many files.
const TOLD: usize = 256;

/// Keeps what the image holds; gives what the contents of those files of its root are called that are as
/// packages delivered them.
pub fn record(work: &Work<'_>) -> Result<Contained> {
    let brought = Brought::read(work.places)?;
    let (root, archive) = (work.root()?, work.archive()?);
    let delivered = delivered::files(work.places)?;
    let mut digests = delivered::known(work.places)?;
    let known = digests.len();
    digests.extend(work.ahead.end());
    let (of_root, contained) = hashed(work, &root, &delivered, &mut digests)?;
    let copied = delivered::copied(work.places)?;
    let (of_archive, _) = hashed(work, &archive, &copied, &mut digests)?;
    if digests.len() != known {
        delivered::remember(work.places, &delivered, &digests)?;
    }
    let mut table = root.tree.clone();
    let mut files = Vec::with_capacity(of_root.len());
    for (path, hashed) in &of_root {
        files.push(file(path, brought.owner(path), hashed));
    }
    for (path, entry) in archive.tree.iter().filter(|(path, _)| !path.is_empty()) {
        let own = of_archive.get(path);
        if is_same(root.tree.get(path), entry) && own == of_root.get(path) {
            continue;
        }
        let listed = format!("{ARCHIVE}/{path}");
        files.extend(own.map(|hashed| file(&listed, brought.owner(path), hashed)));
        insert(&mut table, &listed, entry.clone())?;
    }
    let contents = Contents {
        name: work.image.name.clone(),
        time: root.time(),
        tool: Tool { name: "lamplighter".to_owned(), version: stage::VERSION.to_owned() },
        packages: brought.packages,
        files,
        media: Vec::new(),
    };
    let facts = Facts { contents, table };
    let text = facts.to_text();
    image_rooted::archive::write_file(&contents_at(&work.places.build_data), text.as_bytes())?;
    work.ahead.drafting.know(facts, text);
    Ok(contained)
}

/// Puts a row; a hard link's target is named as the row is.
fn insert(table: &mut Tree, path: &str, mut entry: Entry) -> Result<()> {
    if let Kind::HardLink { target } = &mut entry.kind {
        *target = format!("{ARCHIVE}/{target}");
    }
    table.insert(path, entry).with_context(|| path.to_owned())
}

/// Times apart: the archive's files are copies.
fn is_same(one: Option<&Entry>, other: &Entry) -> bool {
    one.is_some_and(|one| {
        (&one.kind, one.mode, one.uid, one.gid) == (&other.kind, other.mode, other.uid, other.gid)
    })
}

fn file(path: &str, package: Option<&str>, hashed: &Hashed) -> File {
    File {
        path: path.to_owned(),
        package: package.map(str::to_owned),
        size: hashed.size,
        digests: Digests { sha1: hashed.sha1.clone(), sha256: hashed.sha256.clone() },
    }
}

/// The files of a root, under their first names.  Of those that are as they were delivered the
/// digests are taken from, or come to, those of their contents.
fn hashed(
    work: &Work<'_>,
    root: &Rooted,
    delivered: &Files,
    digests: &mut Known,
) -> Result<(BTreeMap<String, Hashed>, Contained)> {
    let files = root.tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::File { .. }));
    let paths: Vec<&str> = files.map(|(path, _)| path).collect();
    let total = paths.len() as u64;
    let (progress, step) = (work.world.progress, &work.step.name);
    let done = AtomicUsize::new(0);
    let hear = || {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done % TOLD == 0 || done as u64 == total {
            progress(step, done as u64, total, "files hashed");
        }
    };
    let ways = Ways::new(root);
    let hash = |path: &&str, room: &mut Vec<u8>| -> Result<(Option<Hashed>, Option<&String>)> {
        let file = delivered.get(*path);
        let is_same = |file: &&Delivered| -> Result<bool> {
            Ok(delivered::stamp(&ways, path)? == Some(file.stamp))
        };
        let content = match file {
            Some(file) if is_same(&file)? => Some(&file.content),
            Some(_) | None => None,
        };
        if content.is_some_and(|content| digests.contains_key(content)) {
            return Ok((None, content));
        }
        Ok((Some(hashes::of(&ways.on_disk(path)?, Wanted::Both, room)?), content))
    };
    let hashes = parallel::each(&paths, parallel::processors(), hashes::room, |path, room| {
        let hashed = hash(path, room)?;
        hear();
        anyhow::Ok(hashed)
    })?;
    let (mut found, mut contained) = (BTreeMap::new(), Contained::new());
    for (path, (hashed, content)) in paths.into_iter().zip(hashes) {
        if let Some(content) = content.filter(|content| delivered::is_safe(content)) {
            contained.insert(path.to_owned(), content.clone());
        }
        let known = || content.and_then(|content| digests.get(content)).cloned();
        let is_new = hashed.is_some();
        let Some(hashed) = hashed.or_else(known) else { continue };
        if is_new {
            digests.extend(content.map(|content| (content.clone(), hashed.clone())));
        }
        found.insert(path.to_owned(), hashed);
    }
    Ok((found, contained))
}
