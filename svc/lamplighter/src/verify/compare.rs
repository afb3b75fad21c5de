//! compare.rs - where two built roots part: artifact, package, action, file, byte.
//!
//! Compared are the release repository (manifests, and by their hashes the payloads; catalogs
//! tell when packages came), the media, the boot archive, its hash and the table of the root.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

/// One difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    artifact: String,
    package: Option<String>,
    action: Option<String>,
    file: Option<String>,
    byte: Option<u64>,
    note: String,
}

impl Difference {
    /// One line of the event stream.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "event": "difference",
            "artifact": self.artifact,
            "package": self.package,
            "action": self.action,
            "file": self.file,
            "byte": self.byte,
            "note": self.note,
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.artifact)?;
        for (name, text) in
            [("package", &self.package), ("action", &self.action), ("file", &self.file)]
        {
            if let Some(text) = text {
                write!(out, "\n  {name} {text}")?;
            }
        }
        write!(out, "\n  {}", self.note)
    }
}

/// All differences, the release's first: what follows from them comes after.
pub fn differences(one: &Path, other: &Path) -> Result<Vec<Difference>> {
    let below = |root: &Path, name: &str| root.join("var/lamplighter").join(name);
    let mut found = Vec::new();
    let sides = [one, other].map(|root| below(root, "release/default/repo/publisher"));
    packages([one, other], [&sides[0], &sides[1]], &mut found)?;
    for folder in ["imager/default/current", "release/default/media"] {
        let (mine, theirs) = (below(one, folder), below(other, folder));
        let names: BTreeSet<PathBuf> = [&mine, &theirs]
            .into_iter()
            .map(|side| files(side))
            .collect::<Result<Vec<_>>>()?
            .concat()
            .into_iter()
            .filter(|name| !is_of_the_run(name))
            .collect();
        for name in names {
            let artifact = Path::new(folder).join(&name).display().to_string();
            if let Some((byte, note)) = part(&mine.join(&name), &theirs.join(&name))? {
                found.push(Difference { artifact, byte, note, ..Difference::default() });
            }
        }
    }
    Ok(found)
}

/// Relative paths of all files below a folder.
fn files(top: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(top).unwrap_or(&path).to_owned());
            }
        }
    }
    Ok(found)
}

/// Manifests by package: `PUBLISHER/pkg/STEM/VERSION` is `pkg://PUBLISHER/STEM@VERSION`, quoted.
fn manifests(publishers: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for file in files(publishers)? {
        let parts: Vec<String> =
            file.iter().map(|part| part.to_string_lossy().replace("%2F", "/")).collect();
        if let [publisher, folder, stem, version] = parts.as_slice() {
            if folder == "pkg" {
                let version = version.replace("%2C", ",").replace("%3A", ":");
                let path = publishers.join(&file);
                let text =
                    std::fs::read_to_string(&path).with_context(|| file.display().to_string())?;
                found.insert(format!("pkg://{publisher}/{stem}@{version}"), text);
            }
        }
    }
    Ok(found)
}

fn packages(roots: [&Path; 2], sides: [&Path; 2], found: &mut Vec<Difference>) -> Result<()> {
    let [mine, theirs] = [manifests(sides[0])?, manifests(sides[1])?];
    let names: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
    for name in names {
        let base = Difference {
            artifact: "release repository".to_owned(),
            package: Some(name.clone()),
            ..Difference::default()
        };
        match (mine.get(name), theirs.get(name)) {
            (Some(one), Some(other)) => actions(roots, &base, one, other, found)?,
            (one, _) => {
                let only = roots[usize::from(one.is_none())].display();
                found.push(Difference { note: format!("only in {only}"), ..base });
            }
        }
    }
    Ok(())
}

fn actions(
    roots: [&Path; 2],
    base: &Difference,
    one: &str,
    other: &str,
    found: &mut Vec<Difference>,
) -> Result<()> {
    let (mine, theirs): (BTreeSet<&str>, BTreeSet<&str>) =
        (one.lines().collect(), other.lines().collect());
    for line in mine.difference(&theirs) {
        let path = attribute(line, "path=");
        let twin = theirs.iter().find(|other| {
            path.is_some() && attribute(other, "path=") == path && !mine.contains(*other)
        });
        let action = Some((*line).to_owned());
        let base = Difference { action, file: path.map(str::to_owned), ..base.clone() };
        let parted = path.map(|path| in_proto(roots, path)).transpose()?.flatten();
        found.push(match (parted, twin) {
            (Some((byte, note)), _) => Difference { byte, note, ..base },
            (None, Some(twin)) => Difference { note: format!("the other: {twin}"), ..base },
            (None, None) => Difference { note: "the other has no such action".to_owned(), ..base },
        });
    }
    if mine == theirs && one != other {
        found.push(Difference { note: "the order of actions".to_owned(), ..base.clone() });
    } else if mine.is_subset(&theirs) {
        for line in theirs.difference(&mine) {
            let note = "the first has no such action".to_owned();
            found.push(Difference { action: Some((*line).to_owned()), note, ..base.clone() });
        }
    }
    Ok(())
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ').find_map(|word| word.strip_prefix(name))
}

/// Where the files that builders left at a path part.
fn in_proto(roots: [&Path; 2], path: &str) -> Result<Option<(Option<u64>, String)>> {
    let builders = roots[0].join("var/lamplighter/builder");
    for builder in std::fs::read_dir(&builders).into_iter().flatten().flatten() {
        let name = builder.file_name();
        let [one, other] = roots.map(|root| {
            root.join("var/lamplighter/builder").join(&name).join("current/proto").join(path)
        });
        if one.is_file() && other.is_file() {
            if let Some(parted) = part(&one, &other)? {
                return Ok(Some(parted));
            }
        }
    }
    Ok(None)
}

/// Where two files part, and how.
fn part(one: &Path, other: &Path) -> Result<Option<(Option<u64>, String)>> {
    let read = |path: &Path| -> Result<Option<Vec<u8>>> {
        match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            result => result.map(Some).with_context(|| path.display().to_string()),
        }
    };
    let (Some(mine), Some(theirs)) = (read(one)?, read(other)?) else {
        let there = if one.exists() { one } else { other };
        return Ok(Some((None, format!("only {}", there.display()))));
    };
    if mine == theirs {
        return Ok(None);
    }
    let same = mine.iter().zip(&theirs).take_while(|(mine, theirs)| mine == theirs).count();
    let show =
        |bytes: &[u8]| bytes.get(same).map_or("the end".into(), |byte| format!("{byte:#04x}"));
    let note = format!(
        "byte {same}: {} and {} (lengths {} and {})",
        show(&mine),
        show(&theirs),
        mine.len(),
        theirs.len()
    );
    Ok(Some((Some(same as u64), note)))
}

/// What the guest said and showed in a boot test, and when it was made, is no product.
fn is_of_the_run(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name == "stamp" || name.starts_with("boot-test.") || name.starts_with("boot-test-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(place: &Path, name: &str, file: &[u8], hash: &str) -> PathBuf {
        let root = place.join(name);
        let put = |path: &str, bytes: &[u8]| {
            let path = root.join("var/lamplighter").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        let manifest =
            format!("set name=pkg.fmri value=x\nfile {hash} mode=0555 path=usr/bin/true\n");
        put("release/default/repo/publisher/p/pkg/a%2Fb/1%2C5.11%3A2026Z", manifest.as_bytes());
        put("release/default/media/x.iso", file);
        put("imager/default/current/stamp", name.as_bytes());
        put("builder/illumos/current/proto/usr/bin/true", file);
        root
    }

    #[test]
    fn a_difference_is_followed_to_its_byte() {
        let place = tempfile::tempdir().unwrap();
        let one = root(place.path(), "one", b"abcd", "1111");
        assert_eq!(differences(&one, &one).unwrap(), []);
        let other = root(place.path(), "other", b"abXd", "2222");
        let found = differences(&one, &other).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        let first = &found[0];
        assert_eq!(first.package.as_deref(), Some("pkg://p/a/b@1,5.11:2026Z"));
        assert_eq!(first.file.as_deref(), Some("usr/bin/true"));
        assert_eq!(first.byte, Some(2));
        assert!(first.to_string().ends_with("byte 2: 0x63 and 0x58 (lengths 4 and 4)"), "{first}");
        assert_eq!(found[1].artifact, "release/default/media/x.iso");
    }
}
