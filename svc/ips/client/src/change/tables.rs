//! tables.rs - files of the root that are edited: accounts, drivers, pkginfo.
//!
//! What is edited may be put by the same change: then its staged content is edited, and the outcome
//! takes its place.  Everything is done on texts; `changed` tells which have to be put.

use std::collections::BTreeMap;

use super::ChangeError;
use super::plan::Planned;
use super::prepare::{Intent, Prepared};
use crate::accounts::Accounts;
use crate::drivers::{DriverFiles, FILES};
use crate::edits::{FTPUSERS, GROUP, PASSWD, RECONFIGURE, SHADOW, driver, number, pkginfo, user};
use crate::plan::Item;
use crate::populate::PopulateError;
use crate::root::{Directory, Root};

/// The original leaves this behind when it edits accounts.
pub const PASSWORD_LOCK: &str = "etc/.pwd.lock";
/// What packages of before this one say of themselves.
const PKGINFOS: &str = "var/sadm/pkg";

/// The edited texts.
#[derive(Debug)]
pub struct Tables {
    /// Path → new text.
    pub changed: BTreeMap<String, String>,
    /// The accounts as they will be.
    pub accounts: Accounts,
    /// Whether there are etc/passwd and etc/group.
    pub has_accounts: (bool, bool),
}

/// Whether a file's staged content may be edited.
pub fn is_edited(path: &str) -> bool {
    [PASSWD, SHADOW, GROUP, FTPUSERS, PASSWORD_LOCK, RECONFIGURE].contains(&path)
        || FILES.contains(&path)
        || path.strip_prefix(PKGINFOS).is_some_and(|rest| rest.starts_with('/'))
}

/// Where texts come from.
pub struct Texts<'a> {
    /// The root.
    pub root: &'a Root,
    /// The stage.
    pub stage: &'a Directory,
    /// What will be put.
    pub prepared: &'a Prepared<'a>,
    /// What will go.
    pub gone: &'a BTreeMap<&'a str, Item<'a>>,
}

impl Texts<'_> {
    /// A file's text as it will be.
    fn text(&self, path: &str) -> Result<Option<String>, ChangeError> {
        let bytes = match self.prepared.intents.get(path) {
            Some(Intent::Put { staged, .. }) => Some(self.stage.bytes(staged)?),
            Some(_) | None if self.gone.contains_key(path) => None,
            Some(_) | None => self.root.bytes(path)?,
        };
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// Makes every edit of a plan; `time` is now, in seconds.
pub fn edit<'a>(
    planned: &Planned<'a>,
    texts: &Texts<'_>,
    time: i64,
) -> Result<Tables, ChangeError> {
    let accounts = Accounts::default();
    let mut tables = Tables { changed: BTreeMap::new(), accounts, has_accounts: (false, false) };
    tables.edit_accounts(planned, texts, time)?;
    let variants = planned.configuration.variants();
    if variants.get("variant.opensolaris.zone").map(String::as_str) != Some("nonglobal") {
        tables.edit_drivers(planned, texts)?;
    }
    let arch = variants.get("variant.arch").map_or("i386", String::as_str);
    for came in &planned.difference.legacies.came {
        let name = came.new.action.key().unwrap_or("");
        let path = format!("{PKGINFOS}/{name}/pkginfo");
        tables.changed.insert(path, pkginfo(&came.new, arch, time));
    }
    Ok(tables)
}

/// The accounts as they will be, as far as what lies below the root tells.
pub fn foreseen(planned: &Planned<'_>, root: &Root, time: i64) -> Result<Tables, ChangeError> {
    let mut before = Vec::new();
    for path in [PASSWD, SHADOW, GROUP, FTPUSERS] {
        let bytes = root.bytes(path)?;
        before.push(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    let has_accounts = (before[0].is_some(), before[2].is_some());
    let or_empty = |number: usize| before[number].clone().unwrap_or_default();
    let mut accounts = Accounts::parse(&or_empty(0), &or_empty(1), &or_empty(2), &or_empty(3));
    if has_accounts == (true, true) {
        change_accounts(&mut accounts, planned, time)?;
    }
    Ok(Tables { changed: BTreeMap::new(), accounts, has_accounts })
}

impl Tables {
    fn edit_accounts(
        &mut self,
        planned: &Planned<'_>,
        texts: &Texts<'_>,
        time: i64,
    ) -> Result<(), ChangeError> {
        let paths = [PASSWD, SHADOW, GROUP, FTPUSERS];
        let mut before = Vec::new();
        for path in paths {
            before.push(texts.text(path)?);
        }
        self.has_accounts = (before[0].is_some(), before[2].is_some());
        let or_empty = |number: usize| before[number].clone().unwrap_or_default();
        let mut accounts = Accounts::parse(&or_empty(0), &or_empty(1), &or_empty(2), &or_empty(3));
        let (users, groups) = (&planned.difference.users, &planned.difference.groups);
        if !users.is_empty() || !groups.is_empty() {
            let first = groups.came.first().or(users.came.first());
            if let (Some(came), false) = (first, self.has_accounts == (true, true)) {
                let path = if self.has_accounts.1 { PASSWD } else { GROUP };
                return Err(no_file(&came.new, path).into());
            }
            if let (Some(came), None) = (users.came.first(), &before[1]) {
                return Err(no_file(&came.new, SHADOW).into());
            }
            change_accounts(&mut accounts, planned, time)?;
        }
        let after = [accounts.passwd(), accounts.shadow(), accounts.group(), accounts.ftpusers()];
        let mut edited = false;
        for ((path, before), after) in paths.into_iter().zip(&before).zip(after) {
            // A file that is gone, or that nobody delivers, is not made for what goes.
            let was = before.clone().unwrap_or_default();
            if (before.is_some() || path == FTPUSERS) && was != after {
                self.changed.insert(path.to_string(), after);
                edited = true;
            }
        }
        if edited && texts.text(PASSWORD_LOCK)?.is_none() {
            self.changed.insert(PASSWORD_LOCK.to_string(), String::new());
        }
        self.accounts = accounts;
        Ok(())
    }

    fn edit_drivers(
        &mut self,
        planned: &Planned<'_>,
        texts: &Texts<'_>,
    ) -> Result<(), ChangeError> {
        let drivers = &planned.difference.drivers;
        if drivers.is_empty() {
            return Ok(());
        }
        let mut files = DriverFiles::default();
        for path in FILES {
            if let Some(text) = texts.text(path)? {
                files.put(path, &text);
            }
        }
        let before: BTreeMap<&str, String> = files.texts().collect();
        for item in &drivers.gone {
            files.remove(&driver(item));
        }
        for came in &drivers.came {
            if let Some(old) = &came.old {
                files.forget(&driver(old));
            }
            files.add(&driver(&came.new))?;
        }
        for (path, text) in files.texts() {
            if before.get(path) != Some(&text) {
                self.changed.insert(path.to_string(), text);
            }
        }
        if !drivers.came.is_empty() {
            self.changed.insert(RECONFIGURE.to_string(), String::new());
        }
        Ok(())
    }
}

fn no_file(item: &Item<'_>, path: &'static str) -> PopulateError {
    PopulateError::NoFile { fmri: item.package.fmri.to_string(), path }
}

fn change_accounts(
    accounts: &mut Accounts,
    planned: &Planned<'_>,
    time: i64,
) -> Result<(), ChangeError> {
    let (users, groups) = (&planned.difference.users, &planned.difference.groups);
    for item in &users.gone {
        accounts.remove_user(item.action.key().unwrap_or(""));
    }
    for item in &groups.gone {
        accounts.remove_group(item.action.key().unwrap_or(""));
    }
    for came in &groups.came {
        let name = came.new.action.key().unwrap_or("");
        accounts.add_group(name, number(&came.new, "gid")?)?;
    }
    let today = u64::try_from(time / 86_400).unwrap_or(0);
    for came in &users.came {
        let new = user(&came.new)?;
        let before = came.old.iter().flat_map(|old| old.action.values("group-list"));
        for group in before.filter(|group| !new.groups.contains(group)) {
            accounts.remove_member(group, &new.name);
        }
        accounts.add_user(&new, today)?;
    }
    Ok(())
}
