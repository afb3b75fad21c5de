//! medium.rs - the newest medium: where it is, its size and digest, what its guest said.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::place::Place;

/// The stage that makes media.
const IMAGER: &str = "svc:/application/imager:default";

/// A medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Medium {
    /// The ISO.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// The newest ISO of the release, else of the imager.
pub fn newest(place: &Place) -> Option<PathBuf> {
    let folders = [place.release("default").join("media"), place.stage(IMAGER).join("current")];
    folders.iter().find_map(|folder| newest_in(folder))
}

/// What is released of a platform is called so; it is no medium of the distribution.
const PLATFORM: &str = "platform-";

fn newest_in(folder: &Path) -> Option<PathBuf> {
    newest_of(folder, &|name| name.ends_with(".iso") && !name.starts_with(PLATFORM))
}

/// The newest platform of the release.
pub fn platform(place: &Place) -> Option<PathBuf> {
    let media = place.release("default").join("media");
    newest_of(&media, &|name| name.starts_with(PLATFORM) && name.ends_with(".tgz"))
}

fn newest_of(folder: &Path, is_one: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let those = entries.filter(|entry| is_one(&entry.file_name().to_string_lossy()));
    let dated = those.map(|entry| entry.path()).filter_map(|path| {
        let time = std::fs::metadata(&path).and_then(|about| about.modified()).ok()?;
        Some((time, path))
    });
    dated.max().map(|(_, path)| path)
}

/// What the guest printed when the medium was tried.
pub fn guest(place: &Place) -> Option<String> {
    let log = place.stage(IMAGER).join("current/boot-test.log");
    let bytes = std::fs::read(log).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl Medium {
    /// Reads all of a medium.
    pub fn read(path: PathBuf) -> Result<Self> {
        let named = || path.display().to_string();
        let mut file = File::open(&path).with_context(named)?;
        let (mut hash, mut size) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).with_context(named)? {
                0 => break,
                count => {
                    hash.update(&buffer[..count]);
                    size += count as u64;
                }
            }
        }
        let sha256 = stage::recipe::hex(&hash.finalize());
        Ok(Self { path, size, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_comes_before_the_imager_s() {
        let root = tempfile::tempdir().unwrap();
        let place = Place { root: root.path().into(), prefix: "/p".into() };
        assert_eq!(newest(&place), None);
        let made = place.stage(IMAGER).join("out/x");
        std::fs::create_dir_all(&made).unwrap();
        std::os::unix::fs::symlink("out/x", place.stage(IMAGER).join("current")).unwrap();
        std::fs::write(made.join("a.iso"), "abc").unwrap();
        std::fs::write(made.join("boot-test.log"), "hello\n").unwrap();
        let found = newest(&place).unwrap();
        assert!(found.ends_with("imager/default/current/a.iso"), "{}", found.display());
        let media = place.release("default").join("media");
        std::fs::create_dir_all(&media).unwrap();
        std::fs::write(media.join("b.iso"), "abc").unwrap();
        std::fs::write(media.join("platform-S.iso"), "newer").unwrap();
        assert_eq!(platform(&place), None);
        std::fs::write(media.join("platform-S.tgz"), "").unwrap();
        assert_eq!(platform(&place), Some(media.join("platform-S.tgz")));
        let medium = Medium::read(newest(&place).unwrap()).unwrap();
        assert_eq!((medium.path, medium.size), (media.join("b.iso"), 3));
        assert!(medium.sha256.starts_with("ba7816bf8f01cfea"), "{}", medium.sha256);
        assert_eq!(guest(&place).as_deref(), Some("hello\n"));
    }
}
