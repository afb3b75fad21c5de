//! ini.rs - `pkg5.image` as sections of `name = value`: order, and what nobody knows, are kept.
//!
//! A line that begins with a blank goes on with the value before it; after each section stands a
//! blank line.

use std::fmt;

/// A line that is no part of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is neither a section nor a property")]
pub struct IniError(pub usize);

/// A section's properties, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    properties: Vec<(String, String)>,
}

impl Section {
    /// A property's text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Sets a property: in its place, or as the last.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.properties.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value.to_string(),
            None => self.properties.push((name.to_string(), value.to_string())),
        }
    }

    /// Takes a property out; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.properties.len();
        self.properties.retain(|(other, _)| other != name);
        self.properties.len() != before
    }

    /// The properties.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.properties.is_empty()
    }
}

/// The sections, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ini {
    sections: Vec<(String, Section)>,
}

impl Ini {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, IniError> {
        let mut sections: Vec<(String, Section)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let refused = || IniError(at + 1);
            if line.trim().is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                let last =
                    sections.last_mut().and_then(|(_, section)| section.properties.last_mut());
                let (_, value) = last.ok_or_else(refused)?;
                value.push('\n');
                value.push_str(line.trim());
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let name = name.trim_end().strip_suffix(']').ok_or_else(refused)?;
                sections.push((name.to_string(), Section::default()));
                continue;
            }
            let (name, value) = line.split_once(['=', ':']).ok_or_else(refused)?;
            let (_, section) = sections.last_mut().ok_or_else(refused)?;
            if name.trim().is_empty() {
                return Err(refused());
            }
            section.set(name.trim(), value.trim());
        }
        Ok(Self { sections })
    }

    /// A section.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|(other, _)| other == name).map(|(_, section)| section)
    }

    /// A section to be changed; a new one comes before `[CONFIGURATION]`.
    pub fn section_mut(&mut self, name: &str) -> &mut Section {
        let at = self.sections.iter().position(|(other, _)| other == name);
        let at = at.unwrap_or_else(|| {
            let last = self.sections.iter().position(|(other, _)| other == "CONFIGURATION");
            let at = last.unwrap_or(self.sections.len());
            self.sections.insert(at, (name.to_string(), Section::default()));
            at
        });
        &mut self.sections[at].1
    }

    /// Takes a section out; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.sections.len();
        self.sections.retain(|(other, _)| other != name);
        self.sections.len() != before
    }

    /// The names of the sections.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|(name, _)| name.as_str())
    }

    /// A property's text.
    pub fn get(&self, section: &str, name: &str) -> Option<&str> {
        self.section(section)?.get(name)
    }
}

impl fmt::Display for Ini {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, section) in &self.sections {
            writeln!(to, "[{name}]")?;
            for (name, value) in section.iter() {
                writeln!(to, "{name} = {}", value.replace('\n', "\n\t"))?;
            }
            writeln!(to)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written() {
        let text = "[image]\nversion = 4\n\n[odd]\nx = y=z\nlong = a\n\tb\nempty = \n\n";
        let read = Ini::parse(text).unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(read.get("odd", "long"), Some("a\nb"));
        assert_eq!(Ini::parse("; c\n[a]\n# d\nb: c\n").unwrap().get("a", "b"), Some("c"));
    }

    #[test]
    fn a_new_section_comes_before_the_last() {
        let mut ini = Ini::parse("[image]\n[CONFIGURATION]\nversion = 3\n").unwrap();
        ini.section_mut("variant").set("variant.arch", "i386");
        assert_eq!(ini.names().collect::<Vec<_>>(), ["image", "variant", "CONFIGURATION"]);
        assert!(ini.remove("variant") && !ini.remove("variant"));
    }

    #[test]
    fn refused() {
        for (bad, line) in
            [("x = y\n", 1), ("[a\n", 1), ("[a]\nb\n", 2), (" a\n", 1), ("[a]\n= b\n", 2)]
        {
            assert_eq!(Ini::parse(bad), Err(IniError(line)), "{bad:?}");
        }
    }
}
