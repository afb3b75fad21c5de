//! table.rs - the table of a rootless image after some steps.

use image_tree::{Entry, Kind, TableError, Tree};

use super::steps::{Owned, Step, Steps};

/// The table after the steps are done.  What lies in the image's own folder is not in it, but for
/// licence texts, which are packages' too.
pub fn apply(tree: &Tree, steps: &Steps, now: i64) -> Result<Tree, TableError> {
    let mut tree = tree.clone();
    if tree.get("").is_none() {
        tree.insert("", directory(Owned { mode: 0o755, uid: 0, gid: 0 }, now))?;
    }
    for step in &steps.clear {
        match step {
            Step::Unlink { path } | Step::Rmdir { path, .. } | Step::Salvage { path, .. } => {
                take(&mut tree, path);
            }
            Step::Move { from, to } => rename(&mut tree, from, to, now)?,
            Step::Save { path, to, .. } => {
                if let Some(entry) = tree.get(path).cloned() {
                    put(&mut tree, to, entry, now)?;
                }
            }
            Step::Directory { .. }
            | Step::Whole { .. }
            | Step::Put { .. }
            | Step::Link { .. }
            | Step::HardLink { .. }
            | Step::Recover { .. }
            | Step::Attributes { .. } => {}
        }
    }
    for step in &steps.make {
        make(&mut tree, step, now)?;
    }
    Ok(tree)
}

fn directory(owned: Owned, mtime: i64) -> Entry {
    let Owned { mode, uid, gid } = owned;
    Entry { kind: Kind::Directory, mode, uid, gid, mtime }
}

fn make(tree: &mut Tree, step: &Step, now: i64) -> Result<(), TableError> {
    match step {
        Step::Directory { path, owned } => put(tree, path, directory(*owned, now), now),
        Step::Put { path, owned: Owned { mode, uid, gid }, mtime, size, .. } => {
            let (kind, mtime) = (Kind::File { size: *size }, mtime.unwrap_or(now));
            put(tree, path, Entry { kind, mode: *mode, uid: *uid, gid: *gid, mtime }, now)
        }
        Step::Link { path, target } => {
            let kind = Kind::Symlink { target: target.clone() };
            put(tree, path, Entry { kind, mode: 0o777, uid: 0, gid: 0, mtime: now }, now)
        }
        Step::HardLink { path, target } => {
            let kind = Kind::HardLink { target: target.clone() };
            put(tree, path, Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 }, now)
        }
        Step::Attributes { path, owned: Owned { mode, uid, gid }, mtime, size } => {
            let before = tree.get(path).map(|old| old.mtime);
            let (kind, mtime) = (Kind::File { size: *size }, mtime.or(before).unwrap_or(now));
            put(tree, path, Entry { kind, mode: *mode, uid: *uid, gid: *gid, mtime }, now)
        }
        // What lies below one is known by steps of its own.
        Step::Whole { .. }
        | Step::Save { .. }
        | Step::Move { .. }
        | Step::Salvage { .. }
        | Step::Unlink { .. }
        | Step::Recover { .. }
        | Step::Rmdir { .. } => Ok(()),
    }
}

/// Takes a path and everything below it out.
fn take(tree: &mut Tree, path: &str) {
    let below: Vec<String> = tree.below(path).map(|(path, _)| path.to_string()).collect();
    for path in below {
        tree.remove(&path);
    }
    tree.remove(path);
}

fn rename(tree: &mut Tree, from: &str, to: &str, now: i64) -> Result<(), TableError> {
    let entry = tree.get(from).cloned();
    take(tree, from);
    match entry {
        Some(entry) => put(tree, to, entry, now),
        None => Ok(()),
    }
}

/// Puts an entry; directories above it that the table has not belong to whom the one above does.
fn put(tree: &mut Tree, path: &str, entry: Entry, now: i64) -> Result<(), TableError> {
    let mut above = Owned { mode: 0o755, uid: 0, gid: 0 };
    for (end, _) in path.match_indices('/') {
        match tree.get(&path[..end]) {
            Some(there) => above = Owned { mode: 0o755, uid: there.uid, gid: there.gid },
            None => tree.insert(&path[..end], directory(above, now))?,
        }
    }
    tree.insert(path, entry)
}
