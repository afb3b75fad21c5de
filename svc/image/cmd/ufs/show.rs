//! show.rs - ls, cat, stat, verify: what is in an image, on standard output.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_formats::ufs::{self, Node, NodeKind};
use image_tree::{Kind, Tree};

use crate::open;
use crate::options::Ls;

/// A path of the table: without slashes at either end.
fn plain(path: &str) -> &str {
    path.trim_matches('/')
}

/// A name without what a terminal would obey.
fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// `ufs ls`.
pub fn ls(options: &Ls) -> Result<bool> {
    let mut image = open(&options.image)?;
    let tree = image.tree().with_context(|| options.image.display().to_string())?;
    let path = plain(&options.path);
    let Some(entry) = tree.get(path) else { bail!("{path} is not in the image") };
    let directory = entry.kind == Kind::Directory;
    let skip = if path.is_empty() { 0 } else { path.len() + 1 };
    let mut rows = Tree::new();
    if !directory {
        rows.insert(path, entry.clone())?;
    }
    for (below, entry) in tree.below(path) {
        if directory && (options.recursive || !below[skip..].contains('/')) {
            rows.insert(below, entry.clone())?;
        }
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    if options.long {
        write!(out, "{rows}")?;
    } else {
        for (below, _) in rows.iter() {
            let name = if options.recursive || !directory { below } else { &below[skip..] };
            writeln!(out, "{}", shown(name))?;
        }
    }
    out.flush()?;
    Ok(true)
}

/// `ufs cat`.
pub fn cat(image: &Path, paths: &[String]) -> Result<bool> {
    let named = || image.display().to_string();
    let mut image = open(image)?;
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    for path in paths {
        let node = image.find(plain(path)).with_context(named)?;
        if node.kind != NodeKind::File {
            bail!("{path} is no file");
        }
        image.copy(&node, &mut out).with_context(named)?;
    }
    out.flush()?;
    Ok(true)
}

/// `ufs stat`.
pub fn stat(path: &Path, paths: &[String]) -> Result<bool> {
    let named = || path.display().to_string();
    let mut image = open(path)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if paths.is_empty() {
        let totals = image.totals();
        for (name, value) in [
            ("bytes", totals.bytes),
            ("groups", totals.groups),
            ("inodes", totals.inodes),
            ("inodes free", totals.inodes_free),
            ("directories", totals.directories),
            ("blocks free", totals.blocks_free),
            ("fragments free", totals.frags_free),
            ("time", totals.time),
        ] {
            writeln!(out, "{name:<15} {value}")?;
        }
    }
    for path in paths {
        let node = image.find(plain(path)).with_context(named)?;
        writeln!(out, "{:<15} {}", "path", shown(plain(path)))?;
        for (name, value) in facts(&node) {
            writeln!(out, "{name:<15} {value}")?;
        }
    }
    out.flush()?;
    Ok(true)
}

fn facts(node: &Node) -> Vec<(&'static str, String)> {
    let kind = match node.kind {
        NodeKind::Directory => "directory",
        NodeKind::File => "file",
        NodeKind::Symlink => "symbolic link",
        NodeKind::CharacterDevice => "character device",
        NodeKind::BlockDevice => "block device",
        NodeKind::Fifo => "pipe",
    };
    let mut facts = vec![
        ("type", kind.to_string()),
        ("inode", node.number.to_string()),
        ("mode", format!("{:04o}", node.mode)),
        ("links", node.links.to_string()),
        ("owner", node.uid.to_string()),
        ("group", node.gid.to_string()),
        ("size", node.size.to_string()),
        ("sectors", node.sectors.to_string()),
        ("time", node.mtime.to_string()),
    ];
    if matches!(node.kind, NodeKind::CharacterDevice | NodeKind::BlockDevice) {
        let (major, minor) = node.device();
        facts.push(("device", format!("{major},{minor}")));
    }
    facts
}

/// `ufs verify`.
pub fn verify(images: &[PathBuf]) -> Result<bool> {
    let mut well = true;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for path in images {
        let name = path.display();
        let mut image = open(path)?;
        let faults = ufs::check(&mut image).with_context(|| name.to_string())?;
        for fault in &faults {
            writeln!(out, "{name}: {fault}")?;
        }
        well &= faults.is_empty();
        if faults.is_empty() {
            let totals = image.totals();
            let taken = totals.inodes - totals.inodes_free;
            writeln!(out, "{name}: in order, {taken} inodes, {} directories", totals.directories)?;
        }
    }
    out.flush()?;
    Ok(well)
}
