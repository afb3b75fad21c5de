//! places.rs - where a file of the image is looked for, and what is found there.
//!
//! ```text
//! A   overlay/PATH                         first
//! P   proto/PATH                           then each proto area
//! M   man tree, PATH without usr/share/man/    only for what lies below that
//! S   the running system, /PATH            only when it is allowed
//! ```
//!
//! Law: what is taken lies in its place.  A link in a place is followed, as cp does, but never out of
//! the place: that would be a file of this host in somebody else's image.  What stands in the way (no
//! permission, a device, a link that leads out) is told; it is never a reason to look further.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stage::seen::About;

/// What a man tree has without saying it.
pub const MAN: &str = "usr/share/man/";

/// A directory that is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What stands in brackets in the log.
    pub letter: char,
    /// The directory, links in its own path resolved.
    pub dir: PathBuf,
    /// Whether it is a man tree: `man1/ls.1` there is `usr/share/man/man1/ls.1`.
    pub is_man: bool,
    /// Whether it is the root of a host.
    pub is_host: bool,
}

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The number of its place.
    pub place: usize,
    /// Where it lies, links resolved.
    pub path: PathBuf,
    /// What it looked like.
    pub about: About,
}

/// A path that was tried, and what is there.
#[derive(Debug)]
pub struct Tried {
    /// The path.
    pub path: PathBuf,
    /// Why it was not taken.
    pub why: Why,
}

/// Why a path was not taken.
#[derive(Debug)]
pub enum Why {
    /// Nothing is there.
    Absent,
    /// A directory is there.
    Directory,
    /// A device, pipe or socket is there.
    Special,
    /// It is, or lies behind, a link that leads out of the place.
    Outside(PathBuf),
    /// The system refused.
    Refused(io::Error),
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Absent => write!(f, "{path}"),
            Why::Directory => write!(f, "{path} (a directory)"),
            Why::Special => write!(f, "{path} (no regular file)"),
            Why::Outside(to) => write!(f, "{path} (leads out of its place, to {})", to.display()),
            Why::Refused(error) => write!(f, "{path} ({error})"),
        }
    }
}

/// A search through places; remembers their folders.
#[derive(Debug)]
pub struct Search<'a> {
    places: &'a [Place],
    folders: Vec<HashMap<String, Folder>>,
}

/// What a folder of a place is.
#[derive(Debug, Clone)]
enum Folder {
    At(PathBuf),
    Absent,
    Outside(PathBuf),
}

impl<'a> Search<'a> {
    /// Through these, in their order.
    #[must_use]
    pub fn through(places: &'a [Place]) -> Search<'a> {
        Search { places, folders: vec![HashMap::new(); places.len()] }
    }

    /// Looks for a file of the image; what was tried when it is not found.
    ///
    /// # Errors
    /// It is nowhere, or something stands in the way.
    pub fn find(&mut self, path: &str) -> Result<Taken, Vec<Tried>> {
        let mut tried = Vec::new();
        for (number, place) in self.places.iter().enumerate() {
            let below = if place.is_man {
                let Some(below) = path.strip_prefix(MAN) else { continue };
                below
            } else {
                path
            };
            let why = match look(place, &mut self.folders[number], below) {
                Ok((path, about)) => return Ok(Taken { place: number, path, about }),
                Err(why) => why,
            };
            let further = matches!(why, Why::Absent | Why::Directory);
            tried.push(Tried { path: place.dir.join(below), why });
            if !further {
                break;
            }
        }
        Err(tried)
    }
}

fn look(
    place: &Place,
    folders: &mut HashMap<String, Folder>,
    below: &str,
) -> Result<(PathBuf, About), Why> {
    let (parent, name) = below.rsplit_once('/').unwrap_or(("", below));
    let folder = match folders.get(parent) {
        Some(folder) => folder.clone(),
        None => {
            let folder = folder(place, parent).map_err(Why::Refused)?;
            folders.insert(parent.to_owned(), folder.clone());
            folder
        }
    };
    let at = match folder {
        Folder::At(folder) => folder.join(name),
        Folder::Absent => return Err(Why::Absent),
        Folder::Outside(to) => return Err(Why::Outside(to)),
    };
    let absent = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Why::Absent,
        _ => Why::Refused(error),
    };
    let mut about = fs::symlink_metadata(&at).map_err(absent)?;
    let mut path = at;
    if about.is_symlink() {
        path = fs::canonicalize(&path).map_err(absent)?;
        if !path.starts_with(&place.dir) {
            return Err(Why::Outside(path));
        }
        about = fs::symlink_metadata(&path).map_err(absent)?;
    }
    if about.is_dir() {
        return Err(Why::Directory);
    }
    if !about.is_file() {
        return Err(Why::Special);
    }
    Ok((path, About::of(&about)))
}

fn folder(place: &Place, below: &str) -> io::Result<Folder> {
    match fs::canonicalize(place.dir.join(below)) {
        Ok(path) if path.starts_with(&place.dir) => Ok(Folder::At(path)),
        Ok(path) => Ok(Folder::Outside(path)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Folder::Absent),
            _ => Err(error),
        },
    }
}

/// All files of the places by the paths they would have in the image, for who looks for one that is
/// not there.  Folders that cannot be read hold nothing.
#[must_use]
pub fn all_files(places: &[Place]) -> Vec<String> {
    let mut found = Vec::new();
    for place in places.iter().filter(|place| !place.is_host) {
        let prefix = if place.is_man { MAN } else { "" };
        walk(&place.dir, prefix, &mut found);
    }
    found
}

fn walk(dir: &Path, prefix: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), &format!("{prefix}{name}/"), found),
            Ok(_) => found.push(format!("{prefix}{name}")),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_first_place_that_has_it() {
        let scratch = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(scratch.path()).unwrap();
        let put = |path: &str| {
            let path = top.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        for path in [
            "overlay/etc/a",
            "proto/etc/a",
            "proto/etc/b",
            "proto/lib/libc.so.1",
            "overlay/dir/inner",
            "proto/dir",
            "man/man1/ls.1",
            "man/etc/c",
            "secret",
        ] {
            put(path);
        }
        symlink("libc.so.1", top.join("proto/lib/libc.so")).unwrap();
        symlink("nowhere", top.join("overlay/etc/b")).unwrap();
        symlink("../../secret", top.join("proto/etc/out")).unwrap();
        symlink(&top, top.join("proto/up")).unwrap();
        symlink(".", top.join("man/usr")).unwrap();
        nix::unistd::mkfifo(&top.join("overlay/etc/pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        put("proto/etc/pipe");
        let place = |letter, name: &str| {
            let (is_man, is_host) = (letter == 'M', false);
            Place { letter, dir: top.join(name), is_man, is_host }
        };
        let places = [place('A', "overlay"), place('P', "proto"), place('M', "man")];
        let mut search = Search::through(&places);
        let mut told = |path: &str| match search.find(path) {
            Ok(taken) => {
                let path = taken.path.strip_prefix(&top).unwrap().display().to_string();
                format!("{} {path}", places[taken.place].letter)
            }
            Err(tried) => {
                let all: Vec<String> = tried.iter().map(Tried::to_string).collect();
                all.join(", ").replace(&format!("{}/", top.display()), "")
            }
        };
        for (path, wanted) in [
            ("etc/a", "A overlay/etc/a"),
            ("etc/b", "P proto/etc/b"),
            ("lib/libc.so", "P proto/lib/libc.so.1"),
            ("usr/share/man/man1/ls.1", "M man/man1/ls.1"),
            ("etc/c", "overlay/etc/c, proto/etc/c"),
            ("dir", "P proto/dir"),
            ("usr/share/man/x", "overlay/usr/share/man/x, proto/usr/share/man/x, man/x"),
            ("etc/pipe", "overlay/etc/pipe (no regular file)"),
        ] {
            assert_eq!(told(path), wanted, "{path}");
        }
        for path in ["etc/out", "up/secret"] {
            let told = told(path);
            assert!(told.contains("(leads out of its place, to "), "{told}");
        }
        let files = all_files(&places);
        assert!(files.contains(&"usr/share/man/man1/ls.1".to_owned()), "{files:?}");
    }
}
