//! view.rs - what the depot remembers of its repository between two refreshes.
//!
//! ```text
//! REPOSITORY/pkg5.repository            [publisher] prefix = default, [repository] version = 4
//! REPOSITORY/publisher/PUB/pub.p5i      publisher configuration, optional
//!                          catalog/ file/ pkg/      opened by path at every request
//! ```
//!
//! A repository of version 3 has one publisher, whose folders are those at its top; what configures
//! it may be called cfg_cache.
//!
//! Invariant: a name in `publishers` is a publisher prefix, so it may stand in a path.
//!
//! Not here: answering.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ips_model::fmri::is_publisher;
use serde_json::{Map, Value, json};

use crate::opening::Root;

/// Why a repository cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// Nothing there, or nothing that is a repository.
    #[error("The path '{}' does not contain a valid package repository.", path.display())]
    NoRepository {
        /// The path as given.
        path: PathBuf,
    },
    /// Another layout than versions 3 and 4.
    #[error("repository {}: version {version} is not served, only versions 3 and 4", path.display())]
    Version {
        /// The path as given.
        path: PathBuf,
        /// The version it says.
        version: String,
    },
    /// A version 3 repository that does not say whose packages it has.
    #[error("repository {}: version 3, and publisher/prefix is not set", path.display())]
    NoPublisher {
        /// The path as given.
        path: PathBuf,
    },
    /// A file of it cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A repository, as last read.
#[derive(Debug)]
pub struct View {
    root: Root,
    configuration: BTreeMap<String, BTreeMap<String, String>>,
    /// Publisher prefix → its object in p5i.
    publishers: BTreeMap<String, Value>,
    /// Version 3: the publisher's folders are those of the repository.
    single: bool,
}

impl View {
    /// Reads publishers and configuration of the repository at an absolute path.
    pub fn read(root: &Path) -> Result<Self, ViewError> {
        Self::read_by(root, &root.join("pkg5.repository"))
    }

    /// The same with the configuration in another file.
    pub fn read_by(root: &Path, configuration: &Path) -> Result<Self, ViewError> {
        let [now, older] = ["pkg5.repository", "cfg_cache"].map(|name| root.join(name));
        let is_older = configuration == now && !now.exists() && older.is_file();
        let path = if is_older { older } else { configuration.to_path_buf() };
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                ViewError::NoRepository { path: root.to_path_buf() }
            }
            _ => ViewError::Unreadable { path: path.clone(), source },
        })?;
        let configuration = sections(&text);
        let version = value(&configuration, "repository", "version");
        let single = match version {
            Some("4") if !is_older => false,
            Some("3") => true,
            None if is_older => true,
            other => {
                let version = other.unwrap_or("unknown").to_string();
                return Err(ViewError::Version { path: root.to_path_buf(), version });
            }
        };
        let publishers = if single {
            let prefix = value(&configuration, "publisher", "prefix");
            let prefix = prefix.filter(|prefix| is_publisher(prefix));
            let prefix = prefix.ok_or_else(|| ViewError::NoPublisher { path: root.into() })?;
            BTreeMap::from([(prefix.to_string(), described(root, prefix))])
        } else {
            publishers_below(&root.join("publisher"))?
        };
        Ok(Self { root: Root::of(root), configuration, publishers, single })
    }

    /// Whether the repository can be read only, whatever the depot is told.
    pub fn is_older(&self) -> bool {
        self.single
    }

    /// Whether this publisher is in the repository.
    pub fn has(&self, publisher: &str) -> bool {
        self.publishers.contains_key(publisher)
    }

    /// The publishers, sorted.
    pub fn publishers(&self) -> impl Iterator<Item = &str> {
        self.publishers.keys().map(String::as_str)
    }

    /// A publisher's object in p5i.
    pub fn publisher(&self, name: &str) -> Value {
        self.publishers.get(name).cloned().unwrap_or(Value::Null)
    }

    /// The publisher a request means: the one its path names (known by then), else the default,
    /// else the only one there is.
    pub fn chosen<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        let default = value(&self.configuration, "publisher", "prefix");
        let default = default.filter(|prefix| self.has(prefix));
        let only = || {
            let mut names = self.publishers();
            names.next().filter(|_| self.publishers.len() == 1)
        };
        named.or(default).or_else(only)
    }

    /// Where a publisher's files are.
    pub fn directory(&self, publisher: &str) -> PathBuf {
        match self.single {
            true => self.root.path().to_path_buf(),
            false => self.root.path().join("publisher").join(publisher),
        }
    }

    /// Opens a file of the repository and looks at it; no link leads out of it.
    pub fn open(&self, path: &Path) -> io::Result<(fs::File, fs::Metadata)> {
        self.root.open(path)
    }

    /// Where a payload may lie, in the order to try: this layout, then the older one; of the
    /// named publisher, or of all, the default first.
    pub fn payload_paths(&self, named: Option<&str>, hash: &str) -> Vec<PathBuf> {
        let first = self.chosen(named);
        let others = self.publishers().filter(|name| named.is_none() && first != Some(*name));
        let names: Vec<&str> = first.into_iter().chain(others).collect();
        let both = |name: &&str| {
            let files = self.directory(name).join("file");
            let new = files.join(&hash[..2]).join(hash);
            let old = files.join(&hash[..2]).join(&hash[2..8]).join(hash);
            [new, old]
        };
        names.iter().flat_map(both).collect()
    }

    /// The configuration as status/0 shows it: known types instead of text.
    pub fn configuration(&self) -> Value {
        let mut shown = Map::new();
        for (section, properties) in &self.configuration {
            if section == "CONFIGURATION" {
                continue;
            }
            let pairs = properties.iter().map(|(name, text)| (name.clone(), literal(text)));
            shown.insert(section.clone(), Value::Object(pairs.collect()));
        }
        Value::Object(shown)
    }

    /// Counts of a publisher's catalog as it is now.
    pub fn publisher_status(&self, publisher: &str) -> Value {
        let path = self.directory(publisher).join("catalog/catalog.attrs");
        let text = fs::read_to_string(path).unwrap_or_default();
        let attrs: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let number = |name: &str| attrs[name].as_u64().unwrap_or(0);
        json!({
            "last-catalog-update": attrs["last-modified"].as_str().unwrap_or(""),
            "package-count": number("package-count"),
            "package-version-count": number("package-version-count"),
            "status": "online",
        })
    }
}

/// The body of publisher and package information: JSON, two blanks, sorted keys.
pub fn p5i(packages: &[String], publishers: Vec<Value>) -> String {
    let body = json!({ "packages": packages, "publishers": publishers, "version": 1 });
    let mut text = serde_json::to_string_pretty(&body).unwrap_or_default();
    text.push('\n');
    text
}

fn publishers_below(directory: &Path) -> Result<BTreeMap<String, Value>, ViewError> {
    let unreadable = |source| ViewError::Unreadable { path: directory.to_path_buf(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        // A repository just created has no publisher directory.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut publishers = BTreeMap::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        let Some(name) = name.to_str().filter(|name| is_publisher(name)) else { continue };
        publishers.insert(name.to_string(), described(&directory.join(name), name));
    }
    Ok(publishers)
}

/// A publisher's object in p5i: what `pub.p5i` in its folder says, or the name alone.
fn described(folder: &Path, name: &str) -> Value {
    let text = fs::read_to_string(folder.join("pub.p5i")).unwrap_or_default();
    let read: Option<Value> = serde_json::from_str(&text).ok();
    let own = read.and_then(|p5i| {
        let listed = p5i["publishers"].as_array()?.iter();
        listed.into_iter().find(|publisher| publisher["name"] == name).cloned()
    });
    own.unwrap_or_else(|| json!({"alias": null, "name": name, "packages": [], "repositories": []}))
}

fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            current = name.to_string();
        } else if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#'))
        {
            let properties: &mut BTreeMap<String, String> =
                sections.entry(current.clone()).or_default();
            properties.insert(name.trim().to_string(), value.trim().to_string());
        }
    }
    sections
}

fn value<'a>(
    sections: &'a BTreeMap<String, BTreeMap<String, String>>,
    section: &str,
    name: &str,
) -> Option<&'a str> {
    let text = sections.get(section)?.get(name)?;
    (!text.is_empty()).then_some(text.as_str())
}

/// A property's text as the value it stands for: number, truth, list of words, or text.
fn literal(text: &str) -> Value {
    let list = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match (text, list) {
        ("True", _) => Value::Bool(true),
        ("False", _) => Value::Bool(false),
        (_, Some(items)) => {
            let items = items.split(',').map(|item| item.trim().trim_matches(['\'', '"']));
            items.filter(|item| !item.is_empty()).map(Value::from).collect()
        }
        _ => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        for (text, expected) in [
            ("4", json!(4)),
            ("True", json!(true)),
            ("[]", json!([])),
            ("['a', 'b']", json!(["a", "b"])),
            ("/etc/ssl/pkg/", json!("/etc/ssl/pkg/")),
        ] {
            assert_eq!(literal(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_repository_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let error = View::read(&path.join("none")).unwrap_err().to_string();
        let text = format!("The path '{}/none' does not contain a valid", path.display());
        assert!(error.starts_with(&text), "{error}");
        fs::write(path.join("pkg5.repository"), "[repository]\nversion = 2\n").unwrap();
        let error = View::read(path).unwrap_err().to_string();
        assert!(error.ends_with("version 2 is not served, only versions 3 and 4"), "{error}");
        fs::write(path.join("pkg5.repository"), "[repository]\nversion = 3\n").unwrap();
        let error = View::read(path).unwrap_err().to_string();
        assert!(error.ends_with("version 3, and publisher/prefix is not set"), "{error}");
        fs::remove_file(path.join("pkg5.repository")).unwrap();
        fs::write(path.join("cfg_cache"), "[publisher]\nprefix = old.example\n").unwrap();
        let view = View::read(path).unwrap();
        assert_eq!((view.chosen(None), view.is_older()), (Some("old.example"), true));
        assert_eq!(view.directory("old.example"), path);
    }

    #[test]
    fn the_default_publisher_or_the_only_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let configure = |prefix: &str| {
            let text = format!("[publisher]\nprefix = {prefix}\n\n[repository]\nversion = 4\n");
            fs::write(path.join("pkg5.repository"), text).unwrap();
        };
        configure("");
        fs::create_dir_all(path.join("publisher/a.example")).unwrap();
        fs::create_dir_all(path.join("publisher/..hidden")).unwrap();
        assert_eq!(View::read(path).unwrap().chosen(None), Some("a.example"));
        fs::create_dir_all(path.join("publisher/b.example")).unwrap();
        assert_eq!(View::read(path).unwrap().chosen(None), None);
        configure("b.example");
        let view = View::read(path).unwrap();
        assert_eq!(view.chosen(None), Some("b.example"));
        assert_eq!(view.chosen(Some("a.example")), Some("a.example"));
        assert_eq!(view.payload_paths(None, &"0".repeat(40)).len(), 4);
    }
}
