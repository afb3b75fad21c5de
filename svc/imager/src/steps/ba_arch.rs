//! ba_arch.rs - the boot archive as one file, with its hash.
//!
//! ```text
//! amd64   platform/i86pc/amd64/boot_archive   without 32-bit kernel modules
//! x86     platform/i86pc/boot_archive         without the folders called amd64
//! ```
//!
//! A UFS file system, packed by gzip; `boot_archive.hash` beside it is of the bytes as they are
//! unpacked.  Where a root ships no folder `amd64` in its kernel nothing is stripped.

use std::path::Path;

use anyhow::{Context, Result, bail};
use image_formats::ufs;
use image_manifest::Compression;
use image_tree::{Kind, Tree};

use super::Work;
use image_rooted::{Owned, Rooted, archive};

/// Inodes for what a live system makes below /dev: 42 for each of 500 disks.
const NODES: u32 = 42 * 500;

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    let boot = work.archive()?;
    let to = match work.step.arguments.first().map_or("amd64", String::as_str) {
        "amd64" => "platform/i86pc/amd64/boot_archive",
        "x86" => "platform/i86pc/boot_archive",
        other => bail!("boot archives of {other} are not made: amd64 and x86 are"),
    };
    let tree = stripped(&boot.tree, to.contains("amd64"));
    std::fs::create_dir_all(&work.places.tmp)
        .with_context(|| work.places.tmp.display().to_string())?;
    let plain = work.places.tmp.join("boot_archive.ufs");
    let written = write(work, &boot, &tree, &plain)?;
    work.debug(&format!("boot archive: {} files, {} bytes", written.files, written.bytes));
    root.put(to, b"", Owned::root(0o644))?;
    let hash = pack(work, &plain, &root, to)?;
    let size = std::fs::metadata(root.on_disk(to)?)?.len();
    if let Some(entry) = root.tree.get_mut(to) {
        (entry.kind, entry.mode) = (Kind::File { size }, 0o644);
    }
    root.put(&format!("{to}.hash"), hash.as_bytes(), Owned::root(0o644))?;
    root.save()?;
    let mut facts = work.facts()?;
    facts.archive_bytes = facts.archive_bytes.max(written.bytes);
    work.keep(&facts)
}

fn write(work: &Work<'_>, boot: &Rooted, tree: &Tree, plain: &Path) -> Result<ufs::Written> {
    let options = &work.image.boot_archive;
    let inodes = match options.nbpi {
        0 => ufs::Inodes::Spare(NODES),
        bytes => ufs::Inodes::BytesPer(bytes),
    };
    let space = ufs::Space::Content { pad_mb: options.size_pad_mb };
    let content = |path: &str| boot.open_file(path);
    archive::write(tree, &content, (space, inodes), boot.time(), plain)
}

/// Packs the plain archive to its place in the root; gives the hash's text.
fn pack(work: &Work<'_>, plain: &Path, root: &Rooted, to: &str) -> Result<String> {
    let level = match work.image.boot_archive.compression {
        Compression::Gzip(level) => Some(level),
        Compression::None => None,
        other => bail!("a boot archive for x86 is packed by gzip or not at all, not by {other:?}"),
    };
    let kept = work.kept(&to.replace('/', "-"));
    archive::pack(plain, level, kept, &root.on_disk(to)?)
}

/// The rows of one architecture's archive.
fn stripped(tree: &Tree, is_64: bool) -> Tree {
    let in_kernel = |path: &str| path.starts_with("kernel/") || path.starts_with("platform/");
    let is_amd64 = |path: &str| path.split('/').any(|part| part == "amd64");
    let ships_both = tree.iter().any(|(path, _)| in_kernel(path) && is_amd64(path));
    let kept = |path: &str, kind: &Kind| {
        if !ships_both {
            return true;
        }
        if is_64 {
            let file = matches!(kind, Kind::File { .. } | Kind::HardLink { .. });
            !(in_kernel(path) && file) || path.ends_with(".conf") || is_amd64(path)
        } else {
            !((in_kernel(path) || path.starts_with("lib/")) && is_amd64(path))
        }
    };
    let mut out = Tree::new();
    let rows: Vec<_> = tree.iter().filter(|(path, entry)| kept(path, &entry.kind)).collect();
    for (path, entry) in &rows {
        let mut entry = (*entry).clone();
        if let Kind::HardLink { target } = &entry.kind {
            let first = tree.get(target);
            if let Some(first) = first.filter(|first| !kept(target, &first.kind)) {
                // The first name stays behind: the first that comes along takes its place.
                let own = tree.iter().find(|(other, row)| {
                    matches!(&row.kind, Kind::HardLink { target: t } if t == target)
                        && kept(other, &row.kind)
                });
                let own = own.map_or(*path, |(other, _)| other).to_string();
                if own == *path {
                    entry = first.clone();
                } else {
                    entry.kind = Kind::HardLink { target: own };
                }
            }
        }
        // The paths come from a table.
        let _known = out.insert(path, entry);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_tree::Entry;

    fn tree(paths: &[&str]) -> Tree {
        let mut tree = Tree::new();
        for path in paths {
            let kind = match path.strip_suffix('/') {
                Some(_) => Kind::Directory,
                None => Kind::File { size: 1 },
            };
            let entry = Entry { kind, mode: 0o755, uid: 0, gid: 0, mtime: 0 };
            tree.insert(path.trim_end_matches('/'), entry).unwrap();
        }
        tree
    }

    #[test]
    fn each_architecture_gets_its_modules() {
        let all = tree(&[
            "kernel/",
            "kernel/amd64/",
            "kernel/amd64/genunix",
            "kernel/genunix",
            "kernel/a.conf",
            "lib/",
            "lib/amd64/",
            "lib/amd64/libc.so.1",
            "lib/libc.so.1",
            "platform/",
            "platform/i86pc/",
            "platform/i86pc/kernel/",
            "platform/i86pc/kernel/unix",
        ]);
        let paths = |tree: &Tree| -> Vec<String> {
            let files = tree.iter().filter(|(_, entry)| entry.kind != Kind::Directory);
            files.map(|(path, _)| path.to_string()).collect()
        };
        assert_eq!(
            paths(&stripped(&all, true)),
            ["kernel/a.conf", "kernel/amd64/genunix", "lib/amd64/libc.so.1", "lib/libc.so.1"]
        );
        assert_eq!(
            paths(&stripped(&all, false)),
            ["kernel/a.conf", "kernel/genunix", "lib/libc.so.1", "platform/i86pc/kernel/unix"]
        );
        let one = tree(&["kernel/", "kernel/genunix"]);
        assert_eq!(stripped(&one, true), one);
    }

    #[test]
    fn a_name_whose_first_is_stripped_becomes_the_file() {
        let mut all = tree(&["kernel/", "kernel/amd64/", "kernel/amd64/x", "kernel/first"]);
        for name in ["kernel/amd64/link", "kernel/amd64/other"] {
            let kind = Kind::HardLink { target: "kernel/first".into() };
            all.insert(name, Entry { kind, mode: 0, uid: 0, gid: 0, mtime: 0 }).unwrap();
        }
        let left = stripped(&all, true);
        assert_eq!(left.get("kernel/amd64/link").unwrap().kind, Kind::File { size: 1 });
        let second = Kind::HardLink { target: "kernel/amd64/link".into() };
        assert_eq!(left.get("kernel/amd64/other").unwrap().kind, second);
    }
}
