//! listing.rs - the image's own manifest: every path, and the digests of files.
//!
//! ```text
//! boot_archive.manifest        f ./etc/passwd 0644 root sys MD5        d ./boot 0755 root sys \
//!   and var/log/manifest       s ./bin=usr/bin    \                    (blanks where fields are empty)
//!                              c ./dev/null 0666 root sys 13,2          (also b, p: devices and pipes)
//! boot_archive.md5sum          MD5  ./etc/passwd
//! boot_archive.sha256sum       SHA256  ./etc/passwd
//! ```
//!
//! Paths in the order of their bytes, `.` first; a hard link is a line of its own, as find(1) meets
//! it.  The file in the image cannot hold its own digest and is the one path that is not listed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use image_tree::{Entry, Kind};
use live_manifest::Accounts;

use crate::digests::{Digests, hex};
use crate::image::{Body, Image};

/// Where the listing lies in the image.
pub const MANIFEST: &str = "var/log/manifest";

/// The three listings.
#[derive(Debug, PartialEq, Eq)]
pub struct Listings {
    /// All paths, with MD5.
    pub manifest: String,
    /// As md5sum(1) has it.
    pub md5sum: String,
    /// As sha256sum(1) has it.
    pub sha256sum: String,
}

/// Numbers to names.
struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    fn of(accounts: &Accounts) -> Names {
        let turned = |names: &BTreeMap<String, u32>| {
            let mut numbers = BTreeMap::new();
            for (name, id) in names {
                // root, where others have its number too.
                let entry = numbers.entry(*id).or_insert_with(|| name.clone());
                if name == "root" {
                    entry.clone_from(name);
                }
            }
            numbers
        };
        Names { users: turned(&accounts.users), groups: turned(&accounts.groups) }
    }

    fn owner(&self, entry: &Entry) -> String {
        let name = |names: &BTreeMap<u32, String>, id: u32| {
            names.get(&id).cloned().unwrap_or_else(|| id.to_string())
        };
        format!("{} {}", name(&self.users, entry.uid), name(&self.groups, entry.gid))
    }
}

/// Lists an image; `digests` tells those of a body.
#[must_use]
pub fn list(image: &Image, accounts: &Accounts, digests: &dyn Fn(&Body) -> Digests) -> Listings {
    let names = Names::of(accounts);
    let mut listings =
        Listings { manifest: String::new(), md5sum: String::new(), sha256sum: String::new() };
    for (path, entry) in image.tree.iter().filter(|(path, _)| *path != MANIFEST) {
        let named = if path.is_empty() { ".".to_owned() } else { format!("./{path}") };
        // Writing to a String cannot fail.
        let _done = match &entry.kind {
            Kind::Directory => {
                let (mode, owner) = (entry.mode, names.owner(entry));
                writeln!(listings.manifest, "d {named} {mode:04o} {owner} ")
            }
            Kind::Symlink { target } => writeln!(listings.manifest, "s {named}={target}    "),
            Kind::File { .. } | Kind::HardLink { .. } => {
                if let Some((row, body)) = image.file(path) {
                    listings.file(&named, row, &names.owner(row), &digests(body));
                }
                Ok(())
            }
            Kind::CharacterDevice { major, minor } => {
                listings.device('c', &named, entry, &names, &format!("{major},{minor}"))
            }
            Kind::BlockDevice { major, minor } => {
                listings.device('b', &named, entry, &names, &format!("{major},{minor}"))
            }
            Kind::Fifo => listings.device('p', &named, entry, &names, ""),
        };
    }
    listings
}

impl Listings {
    fn device(
        &mut self,
        letter: char,
        named: &str,
        row: &Entry,
        names: &Names,
        numbers: &str,
    ) -> std::fmt::Result {
        let owner = names.owner(row);
        writeln!(self.manifest, "{letter} {named} {:04o} {owner} {numbers}", row.mode)
    }

    fn file(&mut self, named: &str, row: &Entry, owner: &str, digests: &Digests) {
        let (md5, sha256) = (hex(&digests.md5), hex(&digests.sha256));
        let _done = writeln!(self.manifest, "f {named} {:04o} {owner} {md5}", row.mode);
        let _done = writeln!(self.md5sum, "{md5}  {named}");
        let _done = writeln!(self.sha256sum, "{sha256}  {named}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stage::seen::About;

    #[test]
    fn every_path_in_its_form() {
        let mut image = Image::default();
        let entry = |kind, mode, gid| Entry { kind, mode, uid: 0, gid, mtime: 0 };
        for (path, row) in [
            ("", entry(Kind::Directory, 0o755, 0)),
            ("bin", entry(Kind::Symlink { target: "usr/bin".into() }, 0o777, 0)),
            ("dev", entry(Kind::Directory, 0o755, 3)),
            ("dev/dsk", entry(Kind::BlockDevice { major: 102, minor: 0 }, 0o640, 3)),
            ("dev/null", entry(Kind::CharacterDevice { major: 13, minor: 2 }, 0o666, 3)),
            ("etc", entry(Kind::Directory, 0o755, 3)),
            ("etc/pipe", entry(Kind::Fifo, 0o600, 0)),
            ("etc/passwd", entry(Kind::File { size: 3 }, 0o644, 3)),
            ("etc/same", entry(Kind::HardLink { target: "etc/passwd".into() }, 0, 0)),
            ("var/log/manifest", entry(Kind::File { size: 3 }, 0o644, 99)),
        ] {
            image.tree.insert(path, row).unwrap();
        }
        let about = About { size: 3, mtime: 0, ctime: 0, inode: (0, 0) };
        let body = Body { path: "x".into(), about };
        image.bodies.insert("etc/passwd".into(), body);
        let accounts = Accounts::parse("daemon:x:0:\nroot:x:0:0:::", "root::0:\nsys::3:");
        let listings = list(&image, &accounts, &|_| Digests::of(b"abc"));
        assert_eq!(
            listings.manifest,
            "d . 0755 root root \n\
             s ./bin=usr/bin    \n\
             d ./dev 0755 root sys \n\
             b ./dev/dsk 0640 root sys 102,0\n\
             c ./dev/null 0666 root sys 13,2\n\
             d ./etc 0755 root sys \n\
             f ./etc/passwd 0644 root sys 900150983cd24fb0d6963f7d28e17f72\n\
             p ./etc/pipe 0600 root root \n\
             f ./etc/same 0644 root sys 900150983cd24fb0d6963f7d28e17f72\n"
        );
        assert_eq!(
            listings.md5sum,
            "900150983cd24fb0d6963f7d28e17f72  ./etc/passwd\n\
             900150983cd24fb0d6963f7d28e17f72  ./etc/same\n"
        );
        assert!(listings.sha256sum.starts_with("ba7816bf8f01cfea"), "{listings:?}");
    }
}
