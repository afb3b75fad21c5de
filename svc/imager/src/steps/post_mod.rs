//! post_mod.rs - what is left of the image, compressed onto the medium.
//!
//! ```text
//! solaris.zlib        usr            an ISO 9660 image, compressed as lofiadm -C does
//! solarismisc.zlib    opt etc var    likewise
//! ```
//!
//! Both are mounted by the running system: /usr, /mnt/misc.  An image that is not compressed is
//! stored as it is: lofi takes a file without its header for a plain one.
//!
//! What the images were made of is moved out of the way, not removed: the next build takes it back.

use std::collections::HashMap;
use std::io::ErrorKind;

use anyhow::{Context, Result, bail};
use image_formats::{iso, lofi};
use image_manifest::{Compression, Image};
use image_tree::Kind;

use super::Work;
use image_rooted::Owned;
use image_rooted::inner::Inner;

const SORT: &str = "iso_sort";

pub(super) fn options(image: &Image) -> Result<String> {
    let sort = sort(image)?.unwrap_or_default();
    let sort = stage::recipe::sha256(sort.as_bytes());
    Ok(format!("{:?} {sort}", image.live_compression))
}

/// The order of the files; none where the file is not there or empty, as the original has it.
fn sort(image: &Image) -> Result<Option<String>> {
    let Some(path) = image.pairs.get(SORT) else { return Ok(None) };
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{SORT}: {path}")),
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
    }
}

/// `known`: what the contents of files of the root are called, by path.
pub(super) fn run(work: &Work<'_>, known: &HashMap<String, String>) -> Result<()> {
    let usr = usr_compression(work)?;
    let mut root = work.root()?;
    if let Some(id) = work.archive()?.read(iso::VOLUME_SET_ID)? {
        root.put(iso::VOLUME_SET_ID, &id, Owned::root(0o444))?;
    }
    for path in ["etc/.pwd.lock", "sbin", "kernel", "lib"] {
        root.remove(path)?;
    }
    for path in ["usr", "opt", "etc", "var"] {
        root.directory(path, Owned::sys(0o755))?;
    }
    let sort = sort(work.image)?;
    if let (None, Some(path)) = (&sort, work.image.pairs.get(SORT)) {
        work.say(&format!("WARNING: {SORT}: nothing is in {path}: solaris.zlib is in no order"));
    }
    let sort = sort.as_deref();
    let top = Inner { root: &root, parts: &["usr"], is_top: true, sort, known };
    let usr_size = pack(work, &top, usr, "solaris.zlib")?;
    let misc = algorithm(work.image.live_compression)?;
    let parts = &["opt", "etc", "var"];
    let rest = Inner { root: &root, parts, is_top: false, sort: None, known };
    let misc_size = pack(work, &rest, misc, "solarismisc.zlib")?;
    for (name, size) in [("solaris.zlib", usr_size), ("solarismisc.zlib", misc_size)] {
        root.put(name, b"", Owned::root(0o444))?;
        std::fs::rename(work.places.tmp.join(name), root.on_disk(name)?)
            .with_context(|| name.to_string())?;
        if let Some(entry) = root.tree.get_mut(name) {
            entry.kind = Kind::File { size };
        }
    }
    for path in ["opt", "etc", "var", "usr"] {
        work.set_aside(&mut root, path)?;
    }
    Ok(root.save()?)
}

/// How /usr is compressed: the step's argument in the old form, a named one in the newer.
fn usr_compression(work: &Work<'_>) -> Result<Option<lofi::Algorithm>> {
    if let Some(named) = work.step.argument("compression_type") {
        return named_algorithm(named);
    }
    let Some(argument) = work.step.arguments.first() else {
        return algorithm(work.image.live_compression);
    };
    let (key, value) = argument.split_once('=').unwrap_or((argument, ""));
    if key != "usr_zlib_compression" {
        bail!("Key to specify usr zlib compression algorithm is not valid.");
    }
    if value.is_empty() {
        bail!("Algorithm for usr zlib compression is not specified.");
    }
    named_algorithm(value)
}

fn named_algorithm(name: &str) -> Result<Option<lofi::Algorithm>> {
    if name == "none" {
        return Ok(None);
    }
    let known = lofi::Algorithm::of(name);
    Ok(Some(known.with_context(|| format!("{name}: no compression that lofi knows"))?))
}

fn algorithm(compression: Compression) -> Result<Option<lofi::Algorithm>> {
    Ok(match compression {
        Compression::None => None,
        Compression::Gzip(9) => Some(lofi::Algorithm::Gzip9),
        Compression::Gzip(_) => Some(lofi::Algorithm::Gzip),
        Compression::Lzma => Some(lofi::Algorithm::Lzma),
        Compression::Dcfs => bail!("compression of solarismisc failed: dcfs is no lofi algorithm"),
    })
}

/// Makes a compressed image of a part in `tmp`; gives its size.
fn pack(
    work: &Work<'_>,
    part: &Inner<'_>,
    how: Option<lofi::Algorithm>,
    name: &str,
) -> Result<u64> {
    let tmp = &work.places.tmp;
    std::fs::create_dir_all(tmp).with_context(|| tmp.display().to_string())?;
    let made = part.pack(how, work.kept(name), &tmp.join(name));
    let made = made.with_context(|| format!("compression of {name} failed"))?;
    work.debug(&format!("{name}: {} bytes in {}", made.plain, made.packed));
    Ok(made.packed)
}
