//! drivers.rs - driver actions, as edits of an image's driver files (what add_drv does).
//!
//! ```text
//! etc/name_to_major              NAME NUMBER
//! etc/rem_name_to_major          NAME NUMBER            (numbers of removed drivers)
//! etc/driver_aliases             NAME "ALIAS"
//! etc/driver_classes             NAME<TAB>CLASS
//! etc/minor_perm                 NAME:MINOR MODE OWNER GROUP
//! etc/security/extra_privs       NAME:PRIV,PRIV
//! etc/security/device_policy     NAME:MINOR<TAB>POLICY
//! etc/devlink.tab                as the action says, \t being a tab
//! ```
//!
//! Law: entries are appended, in the order of the actions; an entry that is there is not doubled;
//! a number once given to a name is given to it again.
//!
//! Not here: reading and writing the files.

use std::collections::BTreeMap;

const MAJOR: &str = "etc/name_to_major";
const REMOVED: &str = "etc/rem_name_to_major";
const ALIASES: &str = "etc/driver_aliases";
const CLASSES: &str = "etc/driver_classes";
const MINOR_PERM: &str = "etc/minor_perm";
const PRIVS: &str = "etc/security/extra_privs";
const POLICY: &str = "etc/security/device_policy";
const DEVLINK: &str = "etc/devlink.tab";

/// The driver files.
pub const FILES: [&str; 8] = [MAJOR, REMOVED, ALIASES, CLASSES, MINOR_PERM, PRIVS, POLICY, DEVLINK];

/// Why a driver cannot be added.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DriverError {
    /// add_drv fails without these files, and so would the kernel.
    #[error("driver {driver}: the image has no {file}")]
    NoFile {
        /// The driver.
        driver: String,
        /// The missing file.
        file: &'static str,
    },
    /// One alias, two drivers.
    #[error("driver {driver}: alias {alias} belongs to driver {holder}")]
    Alias {
        /// The driver.
        driver: String,
        /// The alias.
        alias: String,
        /// Who has it.
        holder: String,
    },
    /// An attribute of the wrong form.
    #[error("driver {driver}: {attribute} \"{text}\" is malformed")]
    Attribute {
        /// The driver.
        driver: String,
        /// The attribute.
        attribute: &'static str,
        /// Its value.
        text: String,
    },
}

/// A driver action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Driver {
    /// Name.
    pub name: String,
    /// Aliases.
    pub aliases: Vec<String>,
    /// Classes.
    pub classes: Vec<String>,
    /// `MINOR MODE OWNER GROUP`.
    pub perms: Vec<String>,
    /// `DEVICE MODE OWNER GROUP` of the clone driver.
    pub clone_perms: Vec<String>,
    /// `[MINOR ]read_priv_set=... write_priv_set=...`.
    pub policies: Vec<String>,
    /// Privileges.
    pub privileges: Vec<String>,
    /// Lines for devlink.tab.
    pub devlinks: Vec<String>,
}

/// The driver files of an image, by their paths; a file that the image has not is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriverFiles {
    files: BTreeMap<&'static str, Vec<String>>,
}

impl DriverFiles {
    /// Takes a file's text.
    pub fn put(&mut self, path: &'static str, text: &str) {
        self.files.insert(path, text.lines().map(str::to_string).collect());
    }

    /// The files' texts.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.files
            .iter()
            .map(|(path, lines)| (*path, lines.iter().map(|line| format!("{line}\n")).collect()))
    }

    /// Does what `add_drv` does.  On an error nothing is changed.
    pub fn add(&mut self, driver: &Driver) -> Result<(), DriverError> {
        let mut changed = self.clone();
        changed.edit(driver)?;
        *self = changed;
        Ok(())
    }

    /// Does what `rem_drv` does: the driver's entries go, its number is kept for it.
    pub fn remove(&mut self, driver: &Driver) {
        self.forget(driver);
        let name = driver.name.as_str();
        let own = |line: &&String| first(line) == name;
        let number = self.files.get(MAJOR).and_then(|lines| lines.iter().find(own)).cloned();
        if let (Some(number), Some(removed)) = (number, self.files.get_mut(REMOVED)) {
            if !removed.contains(&number) {
                removed.push(number);
            }
        }
        if let Some(lines) = self.files.get_mut(MAJOR) {
            lines.retain(|line| first(line) != name);
        }
    }

    /// Takes out every entry of a driver but its number, for others to be made.
    pub fn forget(&mut self, driver: &Driver) {
        let name = driver.name.as_str();
        let clones: Vec<String> =
            driver.clone_perms.iter().map(|perm| format!("clone:{perm}")).collect();
        let devlinks: Vec<String> =
            driver.devlinks.iter().map(|line| line.replace("\\t", "\t")).collect();
        for (path, lines) in &mut self.files {
            let colon = |line: &str| line.split_once(':').map(|(name, _)| name.to_string());
            match *path {
                ALIASES | CLASSES => lines.retain(|line| first(line) != name),
                MINOR_PERM => lines
                    .retain(|line| colon(line).as_deref() != Some(name) && !clones.contains(line)),
                PRIVS | POLICY => lines.retain(|line| colon(line).as_deref() != Some(name)),
                DEVLINK => lines.retain(|line| !devlinks.contains(line)),
                _ => {}
            }
        }
    }

    fn edit(&mut self, driver: &Driver) -> Result<(), DriverError> {
        let name = driver.name.as_str();
        check(name, "name", name)?;
        self.number(name)?;
        for alias in &driver.aliases {
            check(name, "alias", alias)?;
            self.alias(name, alias)?;
        }
        for class in &driver.classes {
            check(name, "class", class)?;
            self.append(name, CLASSES, format!("{name}\t{class}"))?;
        }
        for (owner, attribute, perms) in
            [(name, "perms", &driver.perms), ("clone", "clone_perms", &driver.clone_perms)]
        {
            for perm in perms {
                check(name, attribute, perm)?;
                if perm.split_whitespace().count() != 4 {
                    return Err(malformed(name, attribute, perm));
                }
                self.append(name, MINOR_PERM, format!("{owner}:{perm}"))?;
            }
        }
        if !driver.privileges.is_empty() {
            let all = driver.privileges.join(",");
            check(name, "privs", &all)?;
            self.append(name, PRIVS, format!("{name}:{all}"))?;
        }
        for policy in &driver.policies {
            check(name, "policy", policy)?;
            let (minor, rest) = match policy.split_once(' ') {
                Some((first, rest)) if !first.contains('=') => (first, rest),
                _ => ("*", policy.as_str()),
            };
            self.append(name, POLICY, format!("{name}:{minor}\t{rest}"))?;
        }
        for devlink in &driver.devlinks {
            check(name, "devlink", devlink)?;
            self.append(name, DEVLINK, devlink.replace("\\t", "\t"))?;
        }
        Ok(())
    }

    /// Gives a driver its number: the one it has, the one it had, else the first free one.
    fn number(&mut self, name: &str) -> Result<(), DriverError> {
        let known = self.lines(name, MAJOR)?;
        if known.iter().any(|line| first(line) == name) {
            return Ok(());
        }
        let removed = self.files.get(REMOVED).map_or(&[] as &[String], Vec::as_slice);
        let before = removed.iter().find(|line| first(line) == name).cloned();
        let line = match before {
            Some(line) => {
                if let Some(lines) = self.files.get_mut(REMOVED) {
                    lines.retain(|other| *other != line);
                }
                line
            }
            None => {
                let number = |line: &String| line.split_whitespace().nth(1)?.parse::<u32>().ok();
                let taken: Vec<u32> = known.iter().chain(removed).filter_map(number).collect();
                let free = (1..).find(|number| !taken.contains(number)).unwrap_or(u32::MAX);
                format!("{name} {free}")
            }
        };
        self.append(name, MAJOR, line)
    }

    fn alias(&mut self, name: &str, alias: &str) -> Result<(), DriverError> {
        let quoted = format!("\"{}\"", alias.trim_matches('"'));
        let held = self.lines(name, ALIASES)?.iter().find(|line| {
            line.split_once(char::is_whitespace).is_some_and(|(_, held)| held.trim() == quoted)
        });
        match held.map(|line| first(line).to_string()) {
            Some(holder) if holder != name => Err(DriverError::Alias {
                driver: name.to_string(),
                alias: alias.to_string(),
                holder,
            }),
            Some(_) => Ok(()),
            None => self.append(name, ALIASES, format!("{name} {quoted}")),
        }
    }

    fn lines(&self, driver: &str, file: &'static str) -> Result<&Vec<String>, DriverError> {
        let missing = || DriverError::NoFile { driver: driver.to_string(), file };
        self.files.get(file).ok_or_else(missing)
    }

    fn append(
        &mut self,
        driver: &str,
        file: &'static str,
        line: String,
    ) -> Result<(), DriverError> {
        let missing = || DriverError::NoFile { driver: driver.to_string(), file };
        let lines = self.files.get_mut(file).ok_or_else(missing)?;
        if !lines.contains(&line) {
            lines.push(line);
        }
        Ok(())
    }
}

fn first(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or("")
}

fn malformed(driver: &str, attribute: &'static str, text: &str) -> DriverError {
    DriverError::Attribute { driver: driver.to_string(), attribute, text: text.to_string() }
}

fn check(driver: &str, attribute: &'static str, text: &str) -> Result<(), DriverError> {
    let bad_name = attribute == "name" && text.contains(char::is_whitespace);
    if text.is_empty() || bad_name || text.contains(['\n', '\r']) {
        return Err(malformed(driver, attribute, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> DriverFiles {
        let mut files = DriverFiles::default();
        for path in FILES {
            files.put(path, "");
        }
        files.put(MAJOR, "cn 0\nroot 1\nclone 11\n");
        files.put(REMOVED, "was 2\nfig 40\n");
        files.put(ALIASES, "cn \"conskbd\"\n");
        files.put(POLICY, "* read_priv_set=none write_priv_set=none\n");
        files
    }

    fn plum() -> Driver {
        let list = |items: &[&str]| items.iter().map(|item| item.to_string()).collect();
        Driver {
            name: "plum".into(),
            aliases: list(&["pci1af4,1000", "pciex8086,15b8"]),
            classes: list(&["net"]),
            perms: list(&["* 0666 root sys", "ctl 0600 root sys"]),
            clone_perms: list(&["plum 0666 root sys"]),
            policies: list(&["read_priv_set=net_rawaccess write_priv_set=net_rawaccess"]),
            privileges: list(&["sys_net_config"]),
            devlinks: list(&["type=ddi_pseudo;name=plum\\t\\D"]),
        }
    }

    #[test]
    fn a_driver_is_entered_everywhere_and_once() {
        let mut files = base();
        files.add(&plum()).unwrap();
        let once = files.clone();
        files.add(&plum()).unwrap();
        assert_eq!(files, once);
        let texts: BTreeMap<_, _> = files.texts().collect();
        for (path, text) in [
            (MAJOR, "cn 0\nroot 1\nclone 11\nplum 3\n"),
            (ALIASES, "cn \"conskbd\"\nplum \"pci1af4,1000\"\nplum \"pciex8086,15b8\"\n"),
            (CLASSES, "plum\tnet\n"),
            (
                MINOR_PERM,
                "plum:* 0666 root sys\nplum:ctl 0600 root sys\nclone:plum 0666 root sys\n",
            ),
            (PRIVS, "plum:sys_net_config\n"),
            (
                POLICY,
                "* read_priv_set=none write_priv_set=none\n\
                 plum:*\tread_priv_set=net_rawaccess write_priv_set=net_rawaccess\n",
            ),
            (DEVLINK, "type=ddi_pseudo;name=plum\t\\D\n"),
        ] {
            assert_eq!(texts[path], text, "{path}");
        }
    }

    #[test]
    fn what_goes_leaves_its_number() {
        let mut files = base();
        files.add(&plum()).unwrap();
        files.remove(&plum());
        let mut expected = base();
        expected.put(REMOVED, "was 2\nfig 40\nplum 3\n");
        assert_eq!(files, expected);
        files.add(&plum()).unwrap();
        let texts: BTreeMap<_, _> = files.texts().collect();
        assert!(texts[MAJOR].ends_with("plum 3\n"));
    }

    #[test]
    fn an_old_number_comes_back() {
        let mut files = base();
        files.add(&Driver { name: "fig".into(), ..Driver::default() }).unwrap();
        let texts: BTreeMap<_, _> = files.texts().collect();
        assert!(texts[MAJOR].ends_with("fig 40\n"));
        assert_eq!(texts[REMOVED], "was 2\n");
    }

    #[test]
    fn what_cannot_be_added_changes_nothing() {
        let mut files = base();
        let thief = Driver { aliases: vec!["conskbd".into()], name: "thief".into(), ..plum() };
        let error = files.add(&thief).unwrap_err().to_string();
        assert_eq!(error, "driver thief: alias conskbd belongs to driver cn");
        for bad in [
            Driver { name: "a b".into(), ..Driver::default() },
            Driver { perms: vec!["* 0666 root".into()], ..plum() },
            Driver { devlinks: vec!["a\nb".into()], ..plum() },
        ] {
            assert!(files.add(&bad).is_err(), "{bad:?}");
        }
        assert_eq!(files, base());
        let error = DriverFiles::default().add(&plum()).unwrap_err().to_string();
        assert_eq!(error, "driver plum: the image has no etc/name_to_major");
    }
}
