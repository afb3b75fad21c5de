//! inner.rs - an ISO 9660 image of a part of a root, with owners and modes from its table, compressed
//! or as it is.
//!
//! The image itself is on no disk: what writes it hands it over to what compresses it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use image_formats::content::Content;
use image_formats::iso9660::{Options, Plan};
use image_formats::pieces::{Last, Names, Piece};
use image_formats::{lofi, pipe};
use image_tree::{Entry, Kind, Tree};

use crate::kept::Kept;
use crate::removal;
use crate::root::{Rooted, Ways};

const VOLUME: &str = "compress";

/// What becomes an image.
pub struct Inner<'a> {
    /// The root.
    pub root: &'a Rooted,
    /// The directories that are in it.
    pub parts: &'a [&'a str],
    /// Whether the one part is the image's root itself.
    pub is_top: bool,
    /// Lines `PATH TAB WEIGHT` of files that come first, heaviest first.
    pub sort: Option<&'a str>,
    /// Of files, by their paths in the root, what only their content is called.
    pub known: &'a HashMap<String, String>,
}

/// An image that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Bytes of the image.
    pub plain: u64,
    /// Bytes of its file.
    pub packed: u64,
}

impl Inner<'_> {
    /// What stands before a path of the image in the root.
    fn above(&self) -> &str {
        self.parts.first().filter(|_| self.is_top).copied().unwrap_or("")
    }

    /// A path of the root in the image.
    fn inside<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(self.above()).unwrap_or(path).trim_start_matches('/')
    }

    /// A path of the image in the root.
    fn outside(&self, path: &str) -> String {
        match self.above() {
            "" => path.to_owned(),
            above => format!("{above}/{path}"),
        }
    }

    fn has(&self, path: &str) -> bool {
        let below = |part: &&str| {
            path.strip_prefix(*part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.parts.iter().any(below)
    }

    /// The table of the image.  A file whose first name is not in it is called by the next.
    fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::new();
        if !self.is_top {
            let time = self.root.time();
            let root = Entry { kind: Kind::Directory, mode: 0o755, uid: 0, gid: 0, mtime: time };
            tree.insert("", root)?;
        }
        let mut firsts = std::collections::BTreeMap::new();
        for (path, entry) in self.root.tree.iter().filter(|(path, _)| self.has(path)) {
            let inside = self.inside(path);
            let mut entry = entry.clone();
            if let Kind::HardLink { target } = &entry.kind {
                let known = firsts.get(target).copied();
                let first = if self.has(target) { Some(self.inside(target)) } else { known };
                match (first, self.root.tree.get(target)) {
                    (Some(first), _) => {
                        entry.kind = Kind::HardLink { target: first.to_owned() };
                    }
                    (None, Some(file)) => {
                        firsts.insert(target.clone(), inside);
                        entry = file.clone();
                    }
                    (None, None) => {}
                }
            }
            tree.insert(inside, entry)?;
        }
        Ok(tree)
    }

    /// Weights by paths of the image.
    fn weights(&self) -> String {
        let line = |line: &str| {
            let (path, weight) = line.trim().rsplit_once(char::is_whitespace)?;
            let path = path.trim().trim_start_matches("./").trim_start_matches('/');
            Some(format!("{}\t{}\n", self.inside(path), weight.trim()))
        };
        self.sort.unwrap_or("").lines().filter_map(line).collect()
    }

    /// Writes it to `output`, compressed or as it is; pieces of what was packed under its name
    /// before are taken from `kept`, and its own are kept there.
    pub fn pack(&self, how: Option<lofi::Algorithm>, kept: Kept, output: &Path) -> Result<Made> {
        let tree = self.tree()?;
        let weights = self.weights();
        let options = Options { volume: VOLUME, time: self.root.time(), weights: &weights };
        let plan = Plan::new(&tree, &options)?;
        let ways = Ways::new(self.root);
        let content = |path: &str| -> io::Result<Box<dyn Read>> {
            let at = ways.on_disk(&self.outside(path)).map_err(io::Error::other)?;
            Ok(Box::new(File::open(at)?))
        };
        let named = || output.display().to_string();
        let plain = plan.bytes();
        let Some(algorithm) = how else {
            let mut out = created(output)?;
            plan.write(&content, &mut out).with_context(named)?;
            out.flush().with_context(named)?;
            return Ok(Made { plain, packed: plain });
        };
        let way = lofi::way(algorithm, lofi::SEGMENT);
        let known = |path: &str| self.known.get(self.outside(path).as_str()).map(String::as_str);
        let names = plan.names(&way, u64::from(lofi::SEGMENT), known);
        let mut packing =
            Packing { plan: &plan, content: &content, algorithm, names: Names::find(names, &kept) };
        let (packed, pieces) = match packing.run(&kept, output) {
            // What lies there is not what was put there: everything is read.
            Err(error) if is_damaged(&error) => {
                packing.names = packing.names.forget();
                packing.run(&kept, output)?
            }
            packed => packed?,
        };
        kept.replace(output, &pieces)?;
        Ok(Made { plain, packed })
    }
}

/// A new file; one that is there may be what was kept, by another name.
fn created(output: &Path) -> Result<BufWriter<File>> {
    let create = || {
        removal::remove(output)?;
        File::create(output)
    };
    let file = create().with_context(|| output.display().to_string())?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}

/// An image that is to be compressed.
struct Packing<'a> {
    plan: &'a Plan<'a>,
    content: &'a dyn Content,
    algorithm: lofi::Algorithm,
    names: Names,
}

impl Packing<'_> {
    /// Writes it, anew; bytes of the file, and its pieces.
    fn run(&self, kept: &Kept, output: &Path) -> Result<(u64, Vec<Piece>)> {
        let Self { plan, content, algorithm, names } = self;
        let mut out = created(output)?;
        let (segment, plain) = (lofi::SEGMENT, plan.bytes());
        let (mut to, mut from) = pipe::pipe();
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || -> Result<()> {
                plan.write_rest(*content, names, u64::from(segment), &mut to)?;
                Ok(to.end()?)
            });
            let last = Some(Last { earlier: kept, names });
            let done = lofi::compress_named(last, &mut from, plain, *algorithm, segment, &mut out);
            // Who writes learns that nobody reads any more.
            drop(from);
            let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (written, done) {
                // The writer's failure is the cause of the other's, unless nobody read.
                (Err(error), Err(_)) if !is_cut_off(&error) => Err(error),
                (_, Err(error)) => Err(error.into()),
                (written, Ok((made, pieces))) => written.map(|()| (made.bytes, pieces)),
            }
        })
    }
}

fn is_damaged(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(lofi::LofiError::Earlier(_)))
}

fn is_cut_off(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    kinds.map(io::Error::kind).any(|kind| kind == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Owned;

    fn rooted(scratch: &Path) -> Rooted {
        let dir = scratch.join("r");
        let mut root = Rooted::create(&dir, &dir.with_extension("table"), 9).unwrap();
        for (path, bytes) in [("usr/bin/a", "one"), ("usr/lib/b", "two"), ("etc/x", "three")] {
            root.put(path, bytes.as_bytes(), Owned { mode: 0o4555, uid: 5, gid: 2 }).unwrap();
        }
        for (path, target) in [("usr/bin/c", "usr/lib/b"), ("usr/x", "etc/x"), ("usr/y", "etc/x")] {
            let kind = Kind::HardLink { target: target.to_owned() };
            let entry = Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 };
            root.tree.insert(path, entry).unwrap();
            std::fs::hard_link(root.dir().join(target), root.dir().join(path)).unwrap();
        }
        root
    }

    #[test]
    fn a_part_is_a_tree_of_its_own() {
        let scratch = tempfile::tempdir().unwrap();
        let root = rooted(scratch.path());
        let sort = Some("usr/bin/a\t10\n./etc/x 3\nnothing\n");
        let known = &HashMap::new();
        let top = Inner { root: &root, parts: &["usr"], is_top: true, sort, known };
        let tree = top.tree().unwrap();
        let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["", "bin", "bin/a", "bin/c", "lib", "lib/b", "x", "y"]);
        let kind = |path: &str| tree.get(path).unwrap().kind.clone();
        assert_eq!(kind("bin/c"), Kind::HardLink { target: "lib/b".into() });
        assert_eq!(kind("x"), Kind::File { size: 5 });
        assert_eq!(kind("y"), Kind::HardLink { target: "x".into() });
        assert_eq!(tree.get("x").unwrap().mode, 0o4555);
        assert_eq!(top.weights(), "bin/a\t10\netc/x\t3\n");
        let parts = &["etc", "usr"];
        let parts = Inner { root: &root, parts, is_top: false, sort: None, known };
        let tree = parts.tree().unwrap();
        assert_eq!(tree.get("usr/x").unwrap().kind, Kind::HardLink { target: "etc/x".into() });
        assert_eq!(tree.get("").unwrap().mode, 0o755);
    }

    #[test]
    fn images_are_the_same_with_and_without_what_was_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let mut root = rooted(scratch.path());
        root.put("usr/lib/large", &[7; 900_000], Owned::root(0o644)).unwrap();
        let dir = scratch.path().join("kept");
        let pack = |root: &Rooted, dir: &Path, how| {
            let parts = &["usr"];
            let inner = Inner { root, parts, is_top: true, sort: None, known: &HashMap::new() };
            let output = scratch.path().join("out");
            let made = inner.pack(how, Kept::open(dir, "usr"), &output).unwrap();
            let bytes = std::fs::read(&output).unwrap();
            std::fs::remove_file(&output).unwrap();
            assert_eq!(made.packed, bytes.len() as u64);
            bytes
        };
        let gzip = Some(lofi::Algorithm::Gzip);
        let first = pack(&root, &dir, gzip);
        assert!(first == pack(&root, &dir, gzip));
        root.put("usr/bin/a", b"another", Owned::root(0o644)).unwrap();
        let changed = pack(&root, &dir, gzip);
        assert!(changed != first && changed == pack(&root, &scratch.path().join("new"), gzip));
        let mut reader = lofi::Reader::open(io::Cursor::new(&changed)).unwrap();
        let mut plain = Vec::new();
        reader.copy(&mut plain).unwrap();
        assert!(plain == pack(&root, &dir, None));
    }

    #[test]
    fn what_is_known_by_name_is_not_read_and_nothing_stale_is_taken() {
        let scratch = tempfile::tempdir().unwrap();
        let mut root = rooted(scratch.path());
        let noise = |seed: u32, length: u32| -> Vec<u8> {
            (0..length).flat_map(|at| (at ^ seed).wrapping_mul(0x9e37_79b9).to_le_bytes()).collect()
        };
        let mut known = HashMap::new();
        for number in 0..60u32 {
            // Some lie in several segments, many in one.
            let length = [200, 30_000, 3_000, 0, 17_000, 1][number as usize % 6];
            let path = format!("usr/lib/f{number:02}");
            root.put(&path, &noise(number, length), Owned::root(0o644)).unwrap();
            if number % 20 != 7 {
                known.insert(path, format!("content {number}"));
            }
        }
        let pack = |root: &Rooted, dir: &str, known: &HashMap<String, String>| {
            let parts = &["usr"];
            let inner = Inner { root, parts, is_top: true, sort: None, known };
            let output = scratch.path().join("out");
            let kept = Kept::open(&scratch.path().join(dir), "usr");
            let made = inner.pack(Some(lofi::Algorithm::Gzip), kept, &output);
            made.map(|_| std::fs::read(&output).unwrap())
        };
        let (mut round, mut fresh) = (0, 0);
        let mut is_fresh = |root: &Rooted, known: &HashMap<String, String>| {
            round += 1;
            let want = pack(root, &format!("fresh{round}"), &HashMap::new()).unwrap();
            fresh += usize::from(pack(root, "kept", known).unwrap() == want);
            assert_eq!(fresh, round);
        };
        is_fresh(&root, &known);
        // A file that is known is not read: it may have gone, and is in the medium all the same.
        let gone = root.dir().join("usr/lib/f22");
        std::fs::rename(&gone, scratch.path().join("away")).unwrap();
        assert!(pack(&root, "kept", &known).is_ok());
        assert!(pack(&root, "none", &known).is_err());
        std::fs::rename(scratch.path().join("away"), &gone).unwrap();
        // Another content, of the same length, longer, of a file that is not known, no file at all.
        for (number, seed, length) in [(1, 99, 30_000), (2, 98, 40_000), (7, 97, 5), (13, 96, 1)] {
            let path = format!("usr/lib/f{number:02}");
            root.put(&path, &noise(seed, length), Owned::root(0o644)).unwrap();
            if known.contains_key(&path) {
                known.insert(path, format!("content {seed}"));
            }
            is_fresh(&root, &known);
        }
        root.remove("usr/lib/f04").unwrap();
        is_fresh(&root, &known);
        // What becomes known later, or not any more, is found by its bytes.
        known.remove("usr/lib/f10");
        known.insert("usr/lib/f07".to_owned(), "content 97".to_owned());
        is_fresh(&root, &known);
        is_fresh(&root, &known);
        // What was kept is not what it was: everything is read.
        let bytes = scratch.path().join("kept/usr/bytes");
        let mut damaged = std::fs::read(&bytes).unwrap();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        std::fs::write(&bytes, damaged).unwrap();
        is_fresh(&root, &known);
        std::fs::write(&bytes, "short").unwrap();
        is_fresh(&root, &known);
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let root = rooted(scratch.path());
        std::fs::write(root.dir().join("usr/bin/a"), "longer").unwrap();
        let known = &HashMap::new();
        let inner = Inner { root: &root, parts: &["usr"], is_top: true, sort: None, known };
        for how in [None, Some(lofi::Algorithm::Gzip)] {
            let kept = Kept::open(scratch.path(), "kept");
            let error = inner.pack(how, kept, &scratch.path().join("out")).unwrap_err();
            assert!(format!("{error:#}").contains("bin/a: longer than the 3 bytes"), "{error:#}");
        }
    }
}
