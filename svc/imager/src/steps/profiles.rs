//! profiles.rs - the profiles of services that the machine that builds lends an image.
//!
//! A file at the path that the manifest names comes first.  The original installed its own below
//! /usr/share/distro_const; where there are none, those in `profiles/` stand for them, so a
//! manifest for such a machine is a manifest for any.  They switch services on and off, nothing else.

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context, Result};
use image_manifest::{Image, SCRIPTS};
use stage::recipe::sha256;

const GENERIC: &str = include_str!("profiles/generic_live.xml");
const SLIM: &str = include_str!("profiles/slimcd_live.xml");
const TEXT: &str = include_str!("profiles/text_live.xml");
const AUTO: &str = include_str!("profiles/ai_live.xml");

/// By their paths below /usr/share/distro_const, in the older form and in the newer.
const BUILT_IN: [(&str, &str); 8] = [
    ("generic_live.xml", GENERIC),
    ("slim_cd/slimcd_live.xml", SLIM),
    ("text_install/text_live.xml", TEXT),
    ("auto_install/ai_live.xml", AUTO),
    ("profile/generic.xml", GENERIC),
    ("profile/livecd.xml", SLIM),
    ("profile/text.xml", TEXT),
    ("profile/ai.xml", AUTO),
];

/// A profile that is lent.
pub(super) struct Lent {
    /// Its name in the image's etc/svc/profile.
    pub name: String,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// All that an image is lent, in the manifest's order.
pub(super) fn lent(image: &Image) -> Result<Vec<Lent>> {
    let profiles = image.boot_archive.profiles.iter().filter(|profile| profile.on_build_host);
    let lent = profiles.map(|profile| {
        let path = profile.path.as_str();
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        Ok(Lent { name, bytes: read(path).with_context(|| format!("profile {path}"))? })
    });
    lent.collect()
}

fn read(path: &str) -> std::io::Result<Vec<u8>> {
    let below = path.strip_prefix(SCRIPTS).and_then(|rest| rest.strip_prefix('/'));
    let own = || BUILT_IN.iter().find(|(known, _)| Some(*known) == below);
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            own().map(|(_, text)| text.as_bytes().to_vec()).ok_or(error)
        }
        read => read,
    }
}

/// Whatever of them shows in an image.
pub(super) fn options(image: &Image) -> Result<String> {
    let own = image.boot_archive.profiles.iter().filter(|profile| !profile.on_build_host);
    let own: Vec<&str> = own.map(|profile| profile.path.as_str()).collect();
    let lent: Vec<_> =
        lent(image)?.into_iter().map(|lent| (lent.name, sha256(&lent.bytes))).collect();
    let order = image.boot_archive.profiles.iter().map(|profile| profile.on_build_host);
    Ok(format!("{own:?} {lent:?} {:?}", order.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use smf_seed::{Contents, Delivered};

    use super::*;

    #[test]
    fn the_built_in_ones_can_be_applied() {
        let texts: BTreeSet<_> = BUILT_IN.iter().map(|(_, text)| *text).collect();
        assert_eq!(texts.len(), 4);
        for (path, text) in BUILT_IN {
            let profile = Delivered { path, bytes: text.as_bytes() };
            Contents::default().apply(&profile, &[]).unwrap_or_else(|why| panic!("{path}: {why}"));
            let absent = !std::path::Path::new(SCRIPTS).join(path).exists();
            let found = read(&format!("{SCRIPTS}/{path}")).unwrap();
            assert_eq!(found == text.as_bytes(), absent, "{path}");
        }
    }

    #[test]
    fn a_file_comes_first_and_nothing_else_is_known() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("generic_live.xml");
        let path = path.to_str().unwrap();
        assert!(read(path).is_err());
        fs::write(path, "mine").unwrap();
        assert_eq!(read(path).unwrap(), b"mine");
        for absent in
            ["/usr/share/distro_const/mine.xml", "/usr/share/distro_constgeneric_live.xml"]
        {
            assert_eq!(read(absent).unwrap_err().kind(), ErrorKind::NotFound, "{absent}");
        }
    }
}
