//! delivered.rs - files that are as packages delivered them, and the digests of what they deliver.
//!
//! ```text
//! build_data/delivered     after im-pop: a line of each file, CONTENT STAMP PATH
//! AREA/.pieces/copied      after ba-init: the same of the boot archive's files that have such contents;
//!                          a line before them tells of which boot, for who lost power may have lost bytes
//! AREA/.pieces/digests     SHA-256 of the rest; lines CONTENT SIZE SHA-1 SHA-256, one of each content
//! ```
//!
//! CONTENT is the best hash that the payload's manifest has of it, which the payload was checked by.
//! A file whose stamp is im-pop's still has that content, and equal contents have equal digests:
//! what one build has hashed, the next need not read.  Of the digests that none of the files has
//! any more, none is kept.
//!
//! Law: no digest is told of bytes that nobody hashed.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image_rooted::archive::write_file;
use image_rooted::{Rooted, Ways, parallel};
use image_tree::Kind;
use stage::recipe::sha256;
use stage::seen::{About, clock};

use super::hashes::Hashed;
use crate::steps::Places;

const COPIED: &str = "copied";

/// A file as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivered {
    pub content: String,
    pub stamp: About,
}

/// Such files by their paths.
pub(super) type Files = HashMap<String, Delivered>;
/// Digests by contents.
pub(super) type Known = HashMap<String, Hashed>;

fn delivered(places: &Places) -> PathBuf {
    places.build_data.join("delivered")
}

fn digests(places: &Places) -> PathBuf {
    places.pieces.join("digests")
}

/// Keeps which files have which contents: `contents` by path, of what was put just now.
pub(super) fn keep(
    places: &Places,
    root: &Rooted,
    contents: &BTreeMap<String, String>,
) -> Result<()> {
    write(&delivered(places), "", root, contents)
}

fn write(
    path: &Path,
    head: &str,
    root: &Rooted,
    contents: &BTreeMap<String, String>,
) -> Result<()> {
    let named = || path.display().to_string();
    let now = clock(path).with_context(named)?;
    let ways = Ways::new(root);
    let contents: Vec<(&String, &String)> = contents.iter().collect();
    let stamps = parallel::each(
        &contents,
        parallel::processors(),
        || (),
        |(path, _), ()| stamp(&ways, path),
    )?;
    let mut text = head.to_owned();
    for ((path, content), stamp) in contents.into_iter().zip(stamps) {
        let Some(stamp) = stamp.filter(|stamp| stamp.is_older(now)) else { continue };
        if !path.contains('\n') {
            writeln!(text, "{content} {stamp} {path}")?;
        }
    }
    fs::write(path, text).with_context(named)
}

/// The stamp of a regular file; none where there is something else.
pub(super) fn stamp(ways: &Ways<'_>, path: &str) -> Result<Option<About>> {
    let at = ways.on_disk(path)?;
    match fs::symlink_metadata(&at) {
        Ok(about) => Ok(about.is_file().then(|| About::of(&about))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| at.display().to_string()),
    }
}

/// The files that im-pop left; none where nothing is known of them.
pub(super) fn files(places: &Places) -> Result<Files> {
    Ok(parse(&text(&delivered(places))?))
}

fn parse(text: &str) -> Files {
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (content, stamp, path) = (words.next()?, words.next()?, words.next()?);
        let stamp = About::parse(stamp)?;
        Some((path.to_owned(), Delivered { content: content.to_owned(), stamp }))
    };
    text.lines().filter_map(line).collect()
}

/// Whether a name belongs to one content alone.
pub(super) fn is_safe(content: &str) -> bool {
    // SHA-1 is enough for who trusts what was published, and for nobody else.
    !content.starts_with("sha1:")
}

/// Files of the boot archive that were copied from the image's root, where they were as delivered.
pub(super) fn copied(places: &Places) -> Result<Files> {
    let text = text(&places.pieces.join(COPIED))?;
    let is_now = text.lines().next() == Some(&this_boot()) && !image_checkpoint::boot().is_empty();
    Ok(if is_now { parse(&text) } else { Files::new() })
}

fn this_boot() -> String {
    format!("boot {}", image_checkpoint::boot())
}

/// Which files of the last boot archive have what is to be copied now, before it is.
pub struct Copied {
    root: Files,
    archive: Files,
}

impl Copied {
    /// What is known of both.
    pub fn read(places: &Places) -> Result<Self> {
        Ok(Self { root: files(places)?, archive: copied(places)? })
    }

    /// Whether a file of the last archive and one of the root, which look so, are known to have the same
    /// bytes.
    pub fn is_same(&self, path: &str, archive: &Metadata, root: &Metadata) -> bool {
        let known = self.root.get(path).zip(self.archive.get(path));
        known.is_some_and(|(wanted, given)| {
            wanted.content == given.content
                && is_safe(&wanted.content)
                && wanted.stamp == About::of(root)
                && given.stamp == About::of(archive)
        })
    }

    /// Keeps what the archive has now: what the root has where it is as delivered.
    pub fn keep(&self, places: &Places, root: &Rooted, archive: &Rooted) -> Result<()> {
        let ways = Ways::new(root);
        let is_file = |path: &&String| matches!(archive.kind(path), Some(Kind::File { .. }));
        let both: Vec<&String> = self.root.keys().filter(is_file).collect();
        let same = parallel::each(
            &both,
            parallel::processors(),
            || (),
            |path, ()| anyhow::Ok(stamp(&ways, path)? == Some(self.root[*path].stamp)),
        )?;
        let contents = both.into_iter().zip(same).filter(|(_, same)| *same);
        let contents = contents.map(|(path, _)| (path.clone(), self.root[path].content.clone()));
        fs::create_dir_all(&places.pieces).with_context(|| places.pieces.display().to_string())?;
        let head = format!("{}\n", this_boot());
        write(&places.pieces.join(COPIED), &head, archive, &contents.collect())
    }
}

/// The digests that are known; none of a file that is not whole.
pub(super) fn known(places: &Places) -> Result<Known> {
    let text = text(&digests(places))?;
    let (sum, rest) = text.split_once('\n').unwrap_or_default();
    if sum != sha256(rest.as_bytes()) {
        return Ok(Known::new());
    }
    let line = |line: &str| {
        let mut words = line.split(' ');
        let content = words.next()?.to_owned();
        let size = words.next()?.parse().ok()?;
        let (sha1, sha256) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some((content, Hashed { size, sha1, sha256 }))
    };
    Ok(rest.lines().filter_map(line).collect())
}

/// Keeps the digests of the contents that files have, for the next build.
pub(super) fn remember(places: &Places, files: &Files, digests_of: &Known) -> Result<()> {
    let lines: BTreeMap<&String, &Hashed> =
        files.values().filter_map(|file| digests_of.get_key_value(&file.content)).collect();
    let mut text = String::new();
    for (content, Hashed { size, sha1, sha256 }) in lines {
        writeln!(text, "{content} {size} {sha1} {sha256}")?;
    }
    let path = digests(places);
    fs::create_dir_all(&places.pieces).with_context(|| places.pieces.display().to_string())?;
    write_file(&path, format!("{}\n{text}", sha256(text.as_bytes())).as_bytes())
}

/// What a file says; nothing where it is not there.
pub(super) fn text(path: &Path) -> Result<String> {
    match fs::read(path) {
        // What is no text has no line that counts.
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use image_rooted::Owned;

    use super::*;

    /// Waits until the file system's clock is past all that was done.
    fn tick(folder: &Path) {
        let stamp = |name: &str| {
            fs::write(folder.join(name), "").unwrap();
            About::of(&fs::metadata(folder.join(name)).unwrap())
        };
        let first = stamp("first");
        while !first.is_older(stamp("next").mtime) {
            std::thread::yield_now();
        }
    }

    fn places(folder: &Path) -> Places {
        let below = |name: &str| folder.join(name);
        Places {
            build_data: below("build_data"),
            pkg_image: below("build_data/root"),
            tmp: below("tmp"),
            boot_archive: below("build_data/archive"),
            media: below("media"),
            pieces: below("pieces"),
            spare: below("spare"),
        }
    }

    #[test]
    fn a_file_is_as_it_was_delivered_until_it_is_touched() {
        let scratch = tempfile::tempdir().unwrap();
        let places = places(scratch.path());
        let dir = &places.pkg_image;
        let mut root = Rooted::create(dir, &dir.with_extension("table"), 9).unwrap();
        let names = ["one/kept", "one/written", "one/replaced", "one/linked", "two/kept", "gone"];
        let mut contents = BTreeMap::new();
        for name in names {
            root.put(name, b"bytes", Owned::root(0o644)).unwrap();
            contents.insert(name.to_owned(), format!("sha1:of {name}").replace(' ', "-"));
        }
        contents.insert("never".to_owned(), "sha1:never".to_owned());
        tick(scratch.path());
        keep(&places, &root, &contents).unwrap();
        let known = files(&places).unwrap();
        assert_eq!(known.len(), names.len());
        assert_eq!(known["one/kept"].content, "sha1:of-one/kept");
        let same = || -> Vec<&str> {
            let ways = Ways::new(&root);
            let is_same = |path: &&str| {
                stamp(&ways, path).is_ok_and(|stamp| stamp == Some(known[*path].stamp))
            };
            names.into_iter().filter(is_same).collect()
        };
        assert_eq!(same(), names);
        // What is done to them, and their times set back.
        let before = fs::metadata(dir.join("one/written")).unwrap().modified().unwrap();
        fs::write(dir.join("one/written"), "other").unwrap();
        let written = fs::File::options().write(true).open(dir.join("one/written")).unwrap();
        written.set_modified(before).unwrap();
        fs::write(dir.join("new"), "bytes").unwrap();
        fs::rename(dir.join("new"), dir.join("one/replaced")).unwrap();
        fs::hard_link(dir.join("one/linked"), dir.join("other")).unwrap();
        fs::remove_file(dir.join("gone")).unwrap();
        assert_eq!(same(), ["one/kept", "two/kept"]);
        // A directory in another's place has other files.
        fs::rename(dir.join("two"), dir.join("three")).unwrap();
        fs::rename(dir.join("one"), dir.join("two")).unwrap();
        assert!(same().is_empty());
        symlink("three", dir.join("one")).unwrap();
        assert!(same().is_empty());
        // What happened in the tick in which they were looked at counts for nothing.
        root.put("late", b"bytes", Owned::root(0o644)).unwrap();
        let late = BTreeMap::from([("late".to_owned(), "sha1:late".to_owned())]);
        loop {
            keep(&places, &root, &late).unwrap();
            let now = About::of(&fs::metadata(delivered(&places)).unwrap());
            let late = About::of(&fs::metadata(dir.join("late")).unwrap());
            // Written after it was made: its stamp is no earlier than what was compared with.
            assert!(files(&places).unwrap().is_empty() || late.is_older(now.mtime));
            if late.is_older(now.mtime) {
                break;
            }
        }
    }

    #[test]
    fn copies_are_known_by_the_looks_of_both() {
        let scratch = tempfile::tempdir().unwrap();
        let places = places(scratch.path());
        let new = |dir: &Path| Rooted::create(dir, &dir.with_extension("table"), 9).unwrap();
        let (mut root, mut archive) = (new(&places.pkg_image), new(&places.boot_archive));
        let mut contents = BTreeMap::new();
        for name in ["same", "changed", "old", "touched", "replaced"] {
            let algorithm = if name == "old" { "sha1" } else { "sha512t_256" };
            contents.insert(name.to_owned(), format!("{algorithm}:{name}"));
            root.put(name, name.as_bytes(), Owned::root(0o644)).unwrap();
            archive.put(name, name.as_bytes(), Owned::root(0o644)).unwrap();
        }
        archive.put("own", b"own", Owned::root(0o644)).unwrap();
        tick(scratch.path());
        keep(&places, &root, &contents).unwrap();
        Copied::read(&places).unwrap().keep(&places, &root, &archive).unwrap();
        let look = |dir: &Path, name: &str| fs::symlink_metadata(dir.join(name)).unwrap();
        let same = || -> Vec<&str> {
            let copied = Copied::read(&places).unwrap();
            let is_same = |name: &&str| {
                let dirs = [&places.boot_archive, &places.pkg_image];
                let [archive, root] = dirs.map(|dir| look(dir, name));
                copied.is_same(name, &archive, &root)
            };
            ["changed", "old", "replaced", "same", "touched"].into_iter().filter(is_same).collect()
        };
        assert_eq!(same(), ["changed", "replaced", "same", "touched"]);
        assert_eq!(super::copied(&places).unwrap().len(), 5);
        // The package has another content; somebody was at the copy, or at what was copied.
        contents.insert("changed".to_owned(), "sha512t_256:another".to_owned());
        archive.put("replaced", b"REPLACED", Owned::root(0o644)).unwrap();
        keep(&places, &root, &contents).unwrap();
        fs::write(places.pkg_image.join("touched"), "TOUCHED").unwrap();
        assert_eq!(same(), ["same"]);
        // Of another boot nothing is believed.
        let path = places.pieces.join(COPIED);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("boot ", "boot x", 1)).unwrap();
        assert!(same().is_empty());
    }

    #[test]
    fn digests_are_known_as_long_as_somebody_has_the_content() {
        let scratch = tempfile::tempdir().unwrap();
        let places = places(scratch.path());
        assert!(known(&places).unwrap().is_empty());
        let hashed = |size| Hashed { size, sha1: "1".into(), sha256: "2".into() };
        let all = Known::from([("a".to_owned(), hashed(1)), ("b".to_owned(), hashed(2))]);
        let stamp = About::parse("1:2:3:4:5").unwrap();
        let files =
            Files::from([("path".to_owned(), Delivered { content: "b".to_owned(), stamp })]);
        remember(&places, &files, &all).unwrap();
        assert_eq!(known(&places).unwrap(), Known::from([("b".to_owned(), hashed(2))]));
        let path = digests(&places);
        let text = fs::read_to_string(&path).unwrap();
        for torn in [&text[..text.len() - 1], &text.replace("b 2", "b 3"), "", "x", "\n"] {
            fs::write(&path, torn).unwrap();
            assert!(known(&places).unwrap().is_empty(), "{torn}");
        }
        for wrong in ["1:2", "1:2:3:4", "1:2:x", ""] {
            assert_eq!(About::parse(wrong), None);
        }
        assert_eq!(stamp.to_string(), "1:2:3:4:5");
    }
}
