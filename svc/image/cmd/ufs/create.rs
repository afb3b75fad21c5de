//! create.rs - an image of a directory: written beside its place, checked, synced, renamed.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_formats::ufs::{self, Image, Inodes, Space, Zeros};
use image_tree::{Kind, Tree};

use crate::options::Create;
use crate::scan::scan;

/// `ufs create`.
pub fn create(options: &Create) -> Result<bool> {
    let tree = match &options.table {
        Some(path) => read_table(path, &options.directory)?,
        None => scan(&options.directory)?,
    };
    let beside = beside(&options.image);
    let made = write(&tree, options, &beside);
    let renamed = made.and_then(|()| {
        std::fs::rename(&beside, &options.image)
            .with_context(|| options.image.display().to_string())
    });
    if renamed.is_err() {
        // What is not whole is of no use; the failure that is told is the first.
        let _ = std::fs::remove_file(&beside);
    }
    renamed.map(|()| true)
}

/// A table from a file, whose directories are directories on disk too: no link leads its files
/// elsewhere.
fn read_table(path: &Path, root: &Path) -> Result<Tree> {
    let named = || path.display().to_string();
    let tree =
        Tree::parse(&std::fs::read_to_string(path).with_context(named)?).with_context(named)?;
    let files = tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::File { .. }));
    let mut last = None;
    for (file, _) in files {
        let up = file.rsplit_once('/').map_or("", |(up, _)| up);
        if last == Some(up) {
            continue;
        }
        last = Some(up);
        let mut place = root.to_path_buf();
        for part in up.split('/').filter(|part| !part.is_empty()) {
            place.push(part);
            let about = place.symlink_metadata().with_context(|| place.display().to_string())?;
            if !about.is_dir() {
                bail!("{} is no directory", place.display());
            }
        }
    }
    Ok(tree)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".new");
    PathBuf::from(name)
}

fn write(tree: &Tree, options: &Create, beside: &Path) -> Result<()> {
    let named = || beside.display().to_string();
    match std::fs::remove_file(beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(named),
        Ok(()) | Err(_) => {}
    }
    let mut out = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(beside)
        .with_context(named)?;
    let content = |path: &str| -> std::io::Result<Box<dyn Read>> {
        let file: File = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(options.directory.join(path))?;
        Ok(Box::new(file))
    };
    let how = ufs::Options {
        space: options.size.map_or(Space::Content { pad_mb: options.pad }, Space::Bytes),
        inodes: match (options.nbpi, options.spare) {
            (Some(bytes), _) => Inodes::BytesPer(bytes),
            (None, Some(more)) => Inodes::Spare(more),
            (None, None) => Inodes::Content,
        },
        zeros: if options.holes { Zeros::Holes } else { Zeros::Stored },
        time: options.time,
    };
    let image = || options.image.display().to_string();
    ufs::write(tree, &content, &how, &mut out).with_context(image)?;
    let mut made = Image::open(out).with_context(image)?;
    if let Some(fault) = ufs::check(&mut made).with_context(image)?.first() {
        bail!("{}: not in order: {fault}", options.image.display());
    }
    made.into_inner().sync_all().with_context(named)
}
