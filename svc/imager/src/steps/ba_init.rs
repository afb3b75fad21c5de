//! ba_init.rs - files of the image into the boot archive.
//!
//! The manifest lists files and directories.  What it leaves out is told by pieces of text: below
//! a directory that is taken in, a path that contains one is not copied.  Then comes everything of
//! `etc` and `var` that is no regular file, so that the archive has their shape.
//!
//! Files that the archive of the last build has with the same bytes are moved from there.

use std::fs::Metadata;

use anyhow::Result;
use image_manifest::{Included, Listed, Listing};
use image_tree::Kind;

use super::Work;
use crate::evidence::Copied;
use image_rooted::{Given, Owned, Rooted};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let root = work.root()?;
    let dir = &work.places.boot_archive;
    let mut archive = Rooted::create(dir, &dir.with_extension("table"), root.time())?;
    // The archive of the last build, if it was kept.
    let (dir, copied) = (work.places.spare_archive(), Copied::read(work.places)?);
    let is_same =
        |path: &str, given: &Metadata, wanted: &Metadata| copied.is_same(path, given, wanted);
    let donor = Given { dir: &dir, is_same: &is_same };
    let contents = &work.image.boot_archive.contents;
    if contents.is_empty() {
        // Nothing is listed: the archive is the whole image.
        archive.copy_all(&root, root.tree.iter().map(|(path, _)| path), Some(donor))?;
        copied.keep(work.places, &root, &archive)?;
        return Ok(archive.save()?);
    }
    let chosen = chosen(contents, &root, &|line| work.say(line));
    archive.copy_all(&root, chosen.iter().map(String::as_str), Some(donor))?;
    leave_out(contents, &mut archive, &|line| work.say(line))?;
    for above in ["etc", "var"] {
        let shape = root.tree.below(above);
        let shape = shape
            .filter(|(_, entry)| !matches!(entry.kind, Kind::File { .. } | Kind::HardLink { .. }));
        for (path, _) in shape {
            if archive.tree.get(path).is_none() {
                archive.copy_from(&root, path)?;
            }
        }
    }
    for (path, mode) in [("tmp", 0o1777), ("proc", 0o555), ("mnt", 0o755)] {
        archive.remove(path)?;
        archive.directory(path, Owned::root(mode))?;
    }
    copied.keep(work.places, &root, &archive)?;
    Ok(archive.save()?)
}

fn plain(path: &str) -> &str {
    path.trim_start_matches("./").trim_matches('/')
}

/// The paths that are taken in, in the order of the image's table.
fn chosen(contents: &[Included], root: &Rooted, say: &dyn Fn(&str)) -> Vec<String> {
    let left_out: Vec<&str> = contents
        .iter()
        .filter(|line| line.listing == Listing::Exclude)
        .map(|line| plain(&line.path))
        .collect();
    let mut paths = std::collections::BTreeSet::new();
    for line in contents.iter().filter(|line| line.listing == Listing::Include) {
        let path = plain(&line.path);
        if root.tree.get(path).is_none() {
            say(&format!("{path}: not in the image"));
            continue;
        }
        paths.insert(path.to_string());
        if line.listed == Listed::Directory {
            // Only what is left out below this directory counts, as a piece of text.
            let own: Vec<&&str> = left_out.iter().filter(|one| is_below(one, path)).collect();
            let below = root.tree.below(path).map(|(path, _)| path);
            let taken = below.filter(|path| !own.iter().any(|one| path.contains(**one)));
            paths.extend(taken.map(str::to_string));
        }
    }
    paths.into_iter().collect()
}

fn is_below(path: &str, above: &str) -> bool {
    above.is_empty() || path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

/// Files that are left out by name, wherever they came from.
fn leave_out(contents: &[Included], archive: &mut Rooted, say: &dyn Fn(&str)) -> Result<()> {
    let files = contents
        .iter()
        .filter(|line| line.listing == Listing::Exclude && line.listed == Listed::File);
    for line in files {
        let path = plain(&line.path);
        match archive.tree.get(path) {
            Some(_) => archive.remove(path)?,
            None => say(&format!("WARNING: {path} is to be left out and is not there")),
        }
    }
    Ok(())
}
