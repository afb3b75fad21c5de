//! configuration.rs - `pkg5.repository`: sections of `name = value`, order and unknown ones kept;
//! and `cfg_cache`, which repositories of version 3 have in its place.
//!
//! Lists are written `['a', 'b']`, truths `True` and `False`, after every section a blank line.
//! One property of ours stands in `[repository]`, where pkg5 keeps what it does not know:
//! `compression = zlib` makes payloads the bytes pkg5 makes; without it they are smaller.

use std::fmt;

/// A file that is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// A line is neither a section nor `name = value`.
    #[error("line {0} is neither a section nor a property")]
    Line(usize),
    /// `[repository] version` is missing or another's.
    #[error("repository version '{}' is not supported (3 and 4 are)", .0.as_deref().unwrap_or("none"))]
    Version(Option<String>),
}

/// Where a repository keeps what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Version 3: one publisher, whose folders are those of the repository.
    Single,
    /// Version 4: a folder for each publisher.
    Publishers,
}

/// How payloads are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// libdeflate: faster and smaller; the default.
    Libdeflate,
    /// Stock zlib at level 9: byte for byte what pkg5 stores.
    Zlib,
}

/// The sections of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    sections: Vec<(String, Vec<(String, String)>)>,
}

impl Default for Configuration {
    fn default() -> Configuration {
        Configuration::new()
    }
}

impl Configuration {
    /// What `pkgrepo create` writes.
    pub fn new() -> Configuration {
        let section = |name: &str, properties: &[(&str, &str)]| {
            let property = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
            (name.to_string(), properties.iter().map(property).collect())
        };
        Configuration {
            sections: vec![
                section("publisher", &[("prefix", "")]),
                section(
                    "repository",
                    &[
                        ("version", "4"),
                        ("trust-anchor-directory", "/etc/ssl/pkg/"),
                        ("signature-required-names", "[]"),
                        ("check-certificate-revocation", "False"),
                    ],
                ),
                section("CONFIGURATION", &[("version", "4")]),
            ],
        }
    }

    /// Reads `pkg5.repository`, of version 3 or 4.
    pub fn parse(text: &str) -> Result<Configuration, ConfigurationError> {
        let configuration = Configuration::read(text)?;
        match configuration.get("repository", "version") {
            Some("3" | "4") => Ok(configuration),
            other => Err(ConfigurationError::Version(other.map(str::to_string))),
        }
    }

    /// Reads `cfg_cache`, which is of version 3 and need not say so.
    pub fn parse_older(text: &str) -> Result<Configuration, ConfigurationError> {
        let mut configuration = Configuration::read(text)?;
        match configuration.get("repository", "version") {
            Some("3") => {}
            None => configuration.set("repository", "version", "3"),
            other => return Err(ConfigurationError::Version(other.map(str::to_string))),
        }
        Ok(configuration)
    }

    /// Where the repository keeps what it has.
    pub fn layout(&self) -> Layout {
        match self.get("repository", "version") {
            Some("3") => Layout::Single,
            Some(_) | None => Layout::Publishers,
        }
    }

    fn read(text: &str) -> Result<Configuration, ConfigurationError> {
        let mut sections: Vec<(String, Vec<(String, String)>)> = Vec::new();
        for (at, raw) in text.lines().enumerate() {
            let line = raw.trim();
            // A line that begins with white space goes on with the value before it.
            let last = sections.last_mut().and_then(|(_, properties)| properties.last_mut());
            if let Some((_, value)) = last.filter(|_| raw.starts_with([' ', '\t'])) {
                if !line.is_empty() {
                    value.extend(["\n\t", line]);
                }
                continue;
            }
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let refused = || ConfigurationError::Line(at + 1);
            if let Some(name) = line.strip_prefix('[') {
                let name = name.strip_suffix(']').ok_or_else(refused)?;
                sections.push((name.to_string(), Vec::new()));
            } else {
                let (name, value) = line.split_once('=').ok_or_else(refused)?;
                let (_, properties) = sections.last_mut().ok_or_else(refused)?;
                properties.push((name.trim().to_string(), value.trim().to_string()));
            }
        }
        Ok(Configuration { sections })
    }

    /// A property's text.
    pub fn get(&self, section: &str, name: &str) -> Option<&str> {
        let (_, properties) = self.sections.iter().find(|(title, _)| title == section)?;
        properties.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Sets a property; a new section comes before `[CONFIGURATION]`.
    pub fn set(&mut self, section: &str, name: &str, value: &str) {
        if !self.sections.iter().any(|(title, _)| title == section) {
            let last = self.sections.iter().position(|(title, _)| title == "CONFIGURATION");
            let at = last.unwrap_or(self.sections.len());
            self.sections.insert(at, (section.to_string(), Vec::new()));
        }
        let Some((_, properties)) = self.sections.iter_mut().find(|(title, _)| title == section)
        else {
            return;
        };
        match properties.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value.to_string(),
            None => properties.push((name.to_string(), value.to_string())),
        }
    }

    /// Every property: section, name, value, in the file's order.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.sections.iter().flat_map(|(section, properties)| {
            properties
                .iter()
                .map(move |(name, value)| (section.as_str(), name.as_str(), value.as_str()))
        })
    }

    /// The default publisher.
    pub fn default_publisher(&self) -> Option<&str> {
        self.get("publisher", "prefix").filter(|prefix| !prefix.is_empty())
    }

    /// `[repository] compression`.
    pub fn compression(&self) -> Compression {
        match self.get("repository", "compression") {
            Some("zlib") => Compression::Zlib,
            Some(_) | None => Compression::Libdeflate,
        }
    }
}

/// The members of a stored list, `['a', 'b']`; nothing where the text is no list.
pub fn list_members(text: &str) -> Option<Vec<String>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?.trim();
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let member = |item: &str| {
        let item = item.trim();
        let bare = item.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        bare.or_else(|| item.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')))
            .map(str::to_string)
    };
    inner.split(',').map(member).collect()
}

impl fmt::Display for Configuration {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (section, properties) in &self.sections {
            writeln!(to, "[{section}]")?;
            for (name, value) in properties {
                writeln!(to, "{name} = {value}")?;
            }
            writeln!(to)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = "[publisher]\nprefix = \n\n[repository]\nversion = 4\n\
        trust-anchor-directory = /etc/ssl/pkg/\nsignature-required-names = []\n\
        check-certificate-revocation = False\n\n[CONFIGURATION]\nversion = 4\n\n";

    #[test]
    fn what_create_writes() {
        assert_eq!(Configuration::new().to_string(), CREATED);
        assert_eq!(Configuration::parse(CREATED).unwrap(), Configuration::new());
        assert_eq!(Configuration::new().default_publisher(), None);
    }

    #[test]
    fn unknown_properties_are_kept() {
        let mut read =
            Configuration::parse("[repository]\nversion = 4\nformat = utf8\n[odd]\nx=y=z\n")
                .unwrap();
        read.set("publisher", "prefix", "p.example");
        read.set("repository", "compression", "zlib");
        assert_eq!(read.compression(), Compression::Zlib);
        assert_eq!(read.default_publisher(), Some("p.example"));
        assert_eq!(read.get("odd", "x"), Some("y=z"));
        assert_eq!(Configuration::parse(&read.to_string()).unwrap(), read);
    }

    #[test]
    fn refused() {
        for bad in ["", "[repository]\nversion = 9\n", "x = y\n", "[repository\n", "[a]\nb\n"] {
            assert!(Configuration::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn older_repositories() {
        let text = "[publisher]\nprefix = p.example\n\n[repository]\ndescription = two\n\tlines\n\n[feed]\nid = x\n";
        let read = Configuration::parse_older(text).unwrap();
        assert_eq!(read.layout(), Layout::Single);
        assert_eq!(read.default_publisher(), Some("p.example"));
        assert_eq!(read.get("repository", "description"), Some("two\n\tlines"));
        assert_eq!(Configuration::parse_older(&read.to_string()).unwrap(), read);
        assert!(Configuration::parse(text).is_err());
        let marked = Configuration::parse("[repository]\nversion = 3\n").unwrap();
        assert_eq!(marked.layout(), Layout::Single);
        assert_eq!(Configuration::new().layout(), Layout::Publishers);
        assert!(Configuration::parse_older("[repository]\nversion = 4\n").is_err());
    }

    #[test]
    fn lists() {
        assert_eq!(list_members("[]"), Some(vec![]));
        assert_eq!(list_members("['a', \"b c\"]"), Some(vec!["a".into(), "b c".into()]));
        for bad in ["", "[", "[a]", "a"] {
            assert_eq!(list_members(bad), None, "{bad}");
        }
    }
}
