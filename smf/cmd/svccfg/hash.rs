//! hash.rs - which manifest files are known: their names on services, and their hashes.
//!
//! | what | where |
//! |---|---|
//! | a service came from this file | group manifestfiles of the service, a property named from the path |
//! | the file was imported with these contents (`SVCCFG_CHECKHASH`) | svc:/smf/manifest, a group named from the path: manifestfile, md5sum |
//!
//! A path below the root of an installation (`PKG_INSTALL_ROOT`, `SMF_ROOT`) is named as it is
//! seen inside.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use smf_cmd::svccfg_lex::Token;
use smf_scf::import::merge::{Group, Groups, Property};
use smf_scf::import::{Operation, file_property};

use crate::arguments::flagged;
use crate::session::{Outcome, Session, complain};
use crate::verbs::{At, Verb};

pub const VERBS: &[Verb] = &[Verb {
    name: "delhash",
    usage: "delhash [-d] manifest",
    about: "Delete the hash of a manifest file, so that it is imported again.  With -d the file\n\
            need not exist.",
    at: &[At::Scope],
    run: delhash,
}];

pub use smf_scf::import::HASHES as SERVICE;

fn astring(value: &str) -> Property {
    Property { kind: "astring".into(), values: vec![value.to_owned()] }
}

/// The roots below which paths are named as seen inside.
fn roots() -> impl Iterator<Item = PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    ["PKG_INSTALL_ROOT", "SMF_ROOT"].into_iter().filter_map(set)
}

/// A path as it is seen inside its root.
pub fn inside(path: &Path) -> PathBuf {
    let below = |root: PathBuf| {
        let root = root.canonicalize().unwrap_or(root);
        Some(Path::new("/").join(path.strip_prefix(root).ok()?))
    };
    roots().find_map(below).unwrap_or_else(|| path.to_path_buf())
}

/// The name of a path, where it has one: at most 119 bytes, beginning with a letter.
pub fn name_of(path: &Path) -> Option<String> {
    file_property(&inside(path).to_string_lossy())
}

/// Whether hashes are compared and kept.
pub fn is_wanted() -> bool {
    std::env::var_os("SVCCFG_CHECKHASH").is_some_and(|value| !value.is_empty())
}

/// A file's hash, in hexadecimal digits.
pub fn of(path: &Path) -> std::io::Result<String> {
    let digest = Md5::digest(std::fs::read(path)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether a file was imported with this hash.
pub fn is_known(known: &Groups, path: &Path, hash: &str) -> bool {
    let group = name_of(path).and_then(|name| known.get(&name));
    let sum = group.and_then(|group| group.properties.get("md5sum"));
    sum.is_some_and(|sum| sum.values == [hash])
}

/// Keeps the hashes of files.
pub fn keep(session: &mut Session, hashes: &[(PathBuf, String)]) -> Outcome {
    if hashes.is_empty() {
        return Ok(());
    }
    let repository = session.repository()?;
    let mut operations = Vec::new();
    let known = if repository.entities()?.contains_key(SERVICE) {
        repository.groups(SERVICE)?
    } else {
        operations.push(Operation::Add(SERVICE.into()));
        Groups::new()
    };
    let mut named: HashSet<String> = known.into_keys().collect();
    for (path, hash) in hashes {
        let Some(name) = name_of(path) else { continue };
        if named.insert(name.clone()) {
            let empty = Group { kind: "framework".into(), ..Group::default() };
            operations.push(Operation::AddGroup(SERVICE.into(), name.clone(), empty));
        }
        let sum = Property { kind: "opaque".into(), values: vec![hash.clone()] };
        let file = astring(&inside(path).to_string_lossy());
        for (property, value) in [("manifestfile", file), ("md5sum", sum)] {
            operations.push(Operation::Set(SERVICE.into(), name.clone(), property.into(), value));
        }
    }
    Ok(repository.carry_out(&operations)?)
}

fn delhash(session: &mut Session, tokens: &[Token]) -> Outcome {
    let (gone, manifest) = flagged(tokens, "-d")?;
    if session.selection.is_some() {
        session.voice.say("error, an entity is selected");
        return Ok(());
    }
    if !session.repository()?.entities()?.contains_key(SERVICE) {
        return complain("Pattern 'smf/manifest' doesn't match any instances or services");
    }
    let path = Path::new(manifest);
    let path = if gone { Ok(path.to_path_buf()) } else { path.canonicalize() };
    let Some(name) = path.ok().and_then(|path| name_of(&path)) else {
        session.voice.say(&format!("cannot resolve pathname for {manifest}"));
        return Ok(());
    };
    if session.group(SERVICE, &name)?.is_none() {
        return complain(crate::group::absent(&name));
    }
    session.commit(vec![Operation::RemoveGroup(SERVICE.into(), name)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_paths() {
        for (path, expected) in [
            ("/lib/svc/manifest/a-b.xml", Some("lib_svc_manifest_a_b_xml")),
            ("/9/x.xml", None),
            ("/", None),
        ] {
            assert_eq!(name_of(Path::new(path)).as_deref(), expected, "{path}");
        }
        assert_eq!(name_of(Path::new(&format!("/{}", "a".repeat(120)))), None);
    }
}
