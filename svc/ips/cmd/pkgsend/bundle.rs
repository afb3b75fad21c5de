//! bundle.rs - what a directory, a tar archive or a package of System V delivers, as actions.
//!
//! Names of one file beyond the first are hard links to it; which one is the file can be asked
//! for.  Owner and group are root and bin unless those of the source are wanted.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ips_cmd::Failure;
use ips_model::pattern::glob_matches;
use ips_model::{Action, Kind, Timestamp};

use crate::svr4;

/// How a bundle is read.
#[derive(Debug, Default)]
pub struct Reading {
    /// `-T`: globs of names whose times are kept.
    pub timestamps: Vec<String>,
    /// `--target`: paths that are files, not hard links.
    pub targets: Vec<String>,
    /// `-u`: owner and group of the source.
    pub owners: bool,
}

/// What a bundle delivers.
#[derive(Debug, Default)]
pub struct Delivered {
    /// The actions; the hash of one with a payload is the payload's path in the bundle's folder.
    pub actions: Vec<Action>,
    /// What of it no action can say.
    pub errors: Vec<String>,
    /// Whether it is a package of System V.
    pub svr4: bool,
}

/// Something in a bundle.
struct Item {
    path: String,
    what: What,
    mode: u32,
    owner: String,
    group: String,
    modified: i64,
}

enum What {
    File,
    Folder,
    Link(String),
    /// The path of the file it is another name of.
    Hardlink(String),
}

/// What a bundle delivers: of a package of System V as its map has it, else by path.
pub fn delivered(bundle: &Path, reading: &Reading) -> Result<Delivered, Failure> {
    let about = fs::metadata(bundle).map_err(|error| absent(bundle, &error))?;
    let items = match about.is_dir() {
        true if svr4::is_package(bundle) => return svr4::delivered(bundle, reading),
        true => of_folder(bundle, reading)?,
        false if svr4::is_datastream(bundle) => {
            return svr4::delivered(svr4::unpacked(bundle)?.path(), reading);
        }
        false => of_archive(bundle, reading)?,
    };
    let actions = items.iter().map(|item| action(item, reading)).collect();
    Ok(Delivered { actions, ..Delivered::default() })
}

fn absent(path: &Path, error: &std::io::Error) -> Failure {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    Failure::new(format!("{text}: '{}'", path.display()))
}

fn action(item: &Item, reading: &Reading) -> Action {
    let one = |text: &str| vec![text.to_string()];
    let kind = match item.what {
        What::File => Kind::File,
        What::Folder => Kind::Dir,
        What::Link(_) => Kind::Link,
        What::Hardlink(_) => Kind::Hardlink,
    };
    let mut action = Action::new(kind);
    action.set("path", one(&item.path));
    match &item.what {
        What::Link(target) => action.set("target", one(target)),
        What::Hardlink(target) => action.set("target", one(&relative(&item.path, target))),
        What::File | What::Folder => {
            action.set("mode", vec![format!("{:04o}", item.mode & 0o7777)]);
            action.set("owner", one(if reading.owners { &item.owner } else { "root" }));
            action.set("group", one(if reading.owners { &item.group } else { "bin" }));
            let name = item.path.rsplit('/').next().unwrap_or(&item.path);
            if reading.timestamps.iter().any(|glob| glob_matches(glob, name)) {
                let time = Timestamp::from_seconds(item.modified).package();
                action.set("timestamp", vec![time]);
            }
        }
    }
    if kind == Kind::File {
        action.hash = Some(item.path.clone());
    }
    action
}

/// The way from the folder of `from` to `to`.
fn relative(from: &str, to: &str) -> String {
    let mut here: Vec<&str> = from.split('/').collect();
    here.pop();
    let mut there: Vec<&str> = to.split('/').collect();
    while there.len() > 1 && here.first() == there.first() && !here.is_empty() {
        here.remove(0);
        there.remove(0);
    }
    let up = std::iter::repeat_n("..", here.len());
    up.chain(there).collect::<Vec<_>>().join("/")
}

fn of_folder(top: &Path, reading: &Reading) -> Result<Vec<Item>, Failure> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut folders = vec![top.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| absent(&folder, &error))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
            paths.push(entry.path());
        }
    }
    paths.sort();
    let mut items = Vec::new();
    // Device and inode → the file's names.
    let mut inodes: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
    for path in &paths {
        let about = fs::symlink_metadata(path).map_err(|error| absent(path, &error))?;
        let below = path.strip_prefix(top).unwrap_or(path);
        let refused = |what: &str| Failure::new(format!("{}: {what}", path.display()));
        let name = below.to_str().ok_or_else(|| refused("the name is not UTF-8"))?;
        if !is_sayable(name) {
            return Err(refused("no manifest can say this name"));
        }
        let what = if about.is_dir() {
            What::Folder
        } else if about.is_symlink() {
            let target = fs::read_link(path)?;
            let target = target.to_str().ok_or_else(|| refused("the target is not UTF-8"))?;
            if !is_sayable(target) {
                return Err(refused("no manifest can say the target"));
            }
            What::Link(target.into())
        } else if about.is_file() {
            inodes.entry((about.dev(), about.ino())).or_default().push(items.len());
            What::File
        } else {
            return Err(refused("not a file, a directory or a symbolic link"));
        };
        let (owner, group) = if reading.owners { names_of(&about) } else { Default::default() };
        let (mode, modified) = (about.mode(), about.mtime());
        items.push(Item { path: name.to_string(), what, mode, owner, group, modified });
    }
    for names in inodes.values().filter(|names| names.len() > 1) {
        let is_target = |at: &&usize| reading.targets.contains(&items[**at].path);
        let file = *names.iter().find(is_target).unwrap_or(&names[0]);
        let target = items[file].path.clone();
        for name in names.iter().filter(|name| **name != file) {
            if !reading.targets.contains(&items[*name].path) {
                items[*name].what = What::Hardlink(target.clone());
            }
        }
    }
    Ok(items)
}

/// Whether a manifest can have this as a value: a line ends at a line feed, a tab ends an unquoted
/// word and does not make it quoted, and a `\\` at the end of a line takes the next one in.
fn is_sayable(text: &str) -> bool {
    !text.contains(['\n', '\r', '\t']) && !text.ends_with('\\')
}

/// The names of owner and group; the number of one that has none.
fn names_of(about: &fs::Metadata) -> (String, String) {
    use nix::unistd::{Gid, Group, Uid, User};
    let user = User::from_uid(Uid::from_raw(about.uid())).ok().flatten().map(|user| user.name);
    let group = Group::from_gid(Gid::from_raw(about.gid())).ok().flatten().map(|group| group.name);
    (
        user.unwrap_or_else(|| about.uid().to_string()),
        group.unwrap_or_else(|| about.gid().to_string()),
    )
}

/// Opens a tar archive, compressed by gzip or not.
fn archive(path: &Path) -> Result<tar::Archive<Box<dyn Read>>, Failure> {
    let mut file = fs::File::open(path).map_err(|error| absent(path, &error))?;
    let mut head = Vec::new();
    (&mut file).take(2).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    let read: Box<dyn Read> = if head == [0x1f, 0x8b] {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    Ok(tar::Archive::new(read))
}

fn of_archive(path: &Path, reading: &Reading) -> Result<Vec<Item>, Failure> {
    let unknown = |_| Failure::new(format!("Unknown bundle type for '{}'", path.display()));
    let mut archive = archive(path)?;
    let mut items = Vec::new();
    for entry in archive.entries().map_err(unknown)? {
        let entry = entry.map_err(unknown)?;
        let utf8 = |bytes: &[u8]| -> Result<String, Failure> {
            let text = std::str::from_utf8(bytes);
            let odd = |_| Failure::new(format!("{}: a name is not UTF-8", path.display()));
            let text = text.map_err(odd)?;
            if !is_sayable(text) {
                let told = format!("{}: no manifest can say the name {text:?}", path.display());
                return Err(Failure::new(told));
            }
            Ok(text.to_string())
        };
        let text = |bytes: &[u8]| -> Result<String, Failure> {
            let text = utf8(bytes)?;
            Ok(text.strip_prefix("./").unwrap_or(&text).trim_matches('/').to_string())
        };
        let name = text(&entry.path_bytes())?;
        let link = || utf8(&entry.link_name_bytes().unwrap_or_default());
        let header = entry.header();
        let kind = header.entry_type();
        let what = if kind.is_dir() {
            What::Folder
        } else if kind.is_file() || (kind.is_hard_link() && reading.targets.contains(&name)) {
            What::File
        } else if kind.is_symlink() {
            What::Link(link()?)
        } else if kind.is_hard_link() {
            What::Hardlink(text(link()?.as_bytes())?)
        } else {
            let told = format!("{}: {name}: not a file, a directory or a link", path.display());
            return Err(Failure::new(told));
        };
        if name.is_empty() || name == "." {
            continue;
        }
        let owner = |name: Option<&str>, id: u64| match name {
            Some(name) if !name.is_empty() => name.to_string(),
            Some(_) | None => id.to_string(),
        };
        items.push(Item {
            what,
            mode: header.mode().map_err(unknown)?,
            owner: owner(header.username().ok().flatten(), header.uid().map_err(unknown)?),
            group: owner(header.groupname().ok().flatten(), header.gid().map_err(unknown)?),
            modified: i64::try_from(header.mtime().map_err(unknown)?).unwrap_or(i64::MAX),
            path: name,
        });
    }
    items.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(items)
}

/// Where a bundle's payloads are: the directory itself, or a temporary one with what the archive
/// holds.
pub fn folder(bundle: &Path) -> Result<(PathBuf, Option<tempfile::TempDir>), Failure> {
    let about = fs::metadata(bundle).map_err(|error| absent(bundle, &error))?;
    if about.is_dir() {
        return Ok((bundle.to_path_buf(), None));
    }
    if svr4::is_datastream(bundle) {
        let place = svr4::unpacked(bundle)?;
        return Ok((place.path().to_path_buf(), Some(place)));
    }
    let place = tempfile::tempdir()?;
    archive(bundle)?.unpack(place.path())?;
    Ok((place.path().to_path_buf(), Some(place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways() {
        for (from, to, way) in [
            ("a", "b", "b"),
            ("usr/bin/x", "usr/bin/y", "y"),
            ("usr/bin/x", "usr/lib/y", "../lib/y"),
            ("usr/bin/x", "y", "../../y"),
            ("x", "usr/y", "usr/y"),
            ("usr/x/y", "usr/x", "../x"),
        ] {
            assert_eq!(relative(from, to), way, "{from} {to}");
        }
    }
}
