//! edits.rs - what groups, users, drivers and legacy actions write into an image's files.
//!
//! They come after all files are laid down, because the files they edit are delivered by packages
//! too.  What an edit made or changed is noted by path and length for the table.

use std::collections::BTreeMap;

use crate::accounts::{Accounts, User};
use crate::drivers::{Driver, DriverFiles, FILES};
use crate::lay::published;
use crate::plan::{Item, Plan, mode};
use crate::populate::PopulateError;
use crate::root::Root;

pub const PASSWD: &str = "etc/passwd";
pub const SHADOW: &str = "etc/shadow";
pub const GROUP: &str = "etc/group";
pub const FTPUSERS: &str = "etc/ftpd/ftpusers";
/// Its presence makes the next boot look for devices; add_drv leaves it.
pub const RECONFIGURE: &str = "reconfigure";
/// What a pkginfo file may say, in its order.
const PKGINFO: [(&str, &str); 12] = [
    ("ARCH", "arch"),
    ("BASEDIR", "basedir"),
    ("CATEGORY", "category"),
    ("DESC", "desc"),
    ("HOTLINE", "hotline"),
    ("NAME", "name"),
    ("PKG", "pkg"),
    ("PKGINST", "pkginst"),
    ("PSTAMP", "pstamp"),
    ("SUNW_PRODVERS", "sunw_prodvers"),
    ("VENDOR", "vendor"),
    ("VERSION", "version"),
];

/// The edits of one image.
pub struct Edits<'a> {
    root: &'a Root,
    plan: &'a Plan<'a>,
    /// The time of what is written: the newest package's.
    time: i64,
    /// Path → length of what was written.
    pub written: BTreeMap<String, u64>,
    /// The account files as they are now.
    pub accounts: Accounts,
    /// Whether etc/passwd and etc/group are there.
    pub has_accounts: (bool, bool),
}

impl<'a> Edits<'a> {
    /// Makes every edit of the plan.  `arch` is the image's machine.
    pub fn make(
        root: &'a Root,
        plan: &'a Plan<'a>,
        time: i64,
        arch: &str,
    ) -> Result<Self, PopulateError> {
        let accounts = Accounts::default();
        let written = BTreeMap::new();
        let mut edits = Self { root, plan, time, written, accounts, has_accounts: (false, false) };
        edits.edit_accounts()?;
        edits.edit_drivers()?;
        for item in &plan.legacies {
            edits.legacy(item, arch)?;
        }
        Ok(edits)
    }

    fn write(&mut self, path: &str, text: &str) -> Result<(), PopulateError> {
        let item = self.plan.paths.get(path);
        let bits = item.and_then(|item| mode(item.action)).unwrap_or(0o644);
        let (directory, name) = self.root.parent(path)?;
        directory.replace(name, text.as_bytes(), bits, self.time)?;
        self.written.insert(path.to_string(), text.len() as u64);
        Ok(())
    }

    fn text(&self, path: &str) -> Result<Option<String>, PopulateError> {
        let bytes = if self.plan.paths.contains_key(path) { self.root.read(path)? } else { None };
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn edit_accounts(&mut self) -> Result<(), PopulateError> {
        let passwd = self.text(PASSWD)?;
        let shadow = self.text(SHADOW)?;
        let group = self.text(GROUP)?;
        let ftpusers = self.text(FTPUSERS)?;
        self.has_accounts = (passwd.is_some(), group.is_some());
        let missing = |item: &Item<'_>, path: &'static str| PopulateError::NoFile {
            fmri: item.package.fmri.to_string(),
            path,
        };
        if let (Some(item), None) = (self.plan.groups.first().or(self.plan.users.first()), &group) {
            return Err(missing(item, GROUP));
        }
        if let Some(item) = self.plan.users.first() {
            for (text, path) in [(&passwd, PASSWD), (&shadow, SHADOW)] {
                if text.is_none() {
                    return Err(missing(item, path));
                }
            }
        }
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        let before = [or_empty(&passwd), or_empty(&shadow), or_empty(&group), or_empty(&ftpusers)];
        let mut accounts = Accounts::parse(&before[0], &before[1], &before[2], &before[3]);
        for item in &self.plan.groups {
            let name = item.action.key().unwrap_or("");
            accounts.add_group(name, number(item, "gid")?)?;
        }
        let today = u64::try_from(self.time / 86_400).unwrap_or(0);
        for item in &self.plan.users {
            accounts.add_user(&user(item)?, today)?;
        }
        let after = [accounts.passwd(), accounts.shadow(), accounts.group(), accounts.ftpusers()];
        for ((path, before), after) in
            [PASSWD, SHADOW, GROUP, FTPUSERS].into_iter().zip(before).zip(after)
        {
            if before != after {
                self.write(path, &after)?;
            }
        }
        self.accounts = accounts;
        Ok(())
    }

    fn edit_drivers(&mut self) -> Result<(), PopulateError> {
        if self.plan.drivers.is_empty() {
            return Ok(());
        }
        let mut files = DriverFiles::default();
        for path in FILES {
            if let Some(text) = self.text(path)? {
                files.put(path, &text);
            }
        }
        let before: BTreeMap<&str, String> = files.texts().collect();
        for item in &self.plan.drivers {
            files.add(&driver(item))?;
        }
        for (path, text) in files.texts() {
            if before.get(path) != Some(&text) {
                self.write(path, &text)?;
            }
        }
        self.write(RECONFIGURE, "")
    }

    fn legacy(&mut self, item: &Item<'_>, arch: &str) -> Result<(), PopulateError> {
        let name = item.action.key().unwrap_or("");
        let text = pkginfo(item, arch, published(item));
        self.write(&format!("var/sadm/pkg/{name}/pkginfo"), &text)
    }
}

/// What SVR4 queries read of a package that came at this time.
pub fn pkginfo(item: &Item<'_>, arch: &str, time: i64) -> String {
    let manifest = &item.package.manifest;
    let summary = manifest.property("pkg.summary").unwrap_or("");
    let version = item.package.fmri.version.as_ref().map(ToString::to_string);
    let mut text = String::new();
    for (key, attribute) in PKGINFO {
        let default = match attribute {
            "arch" => arch.to_string(),
            "basedir" => "/".to_string(),
            "category" => "system".to_string(),
            "name" => summary.chars().take(256).collect(),
            "version" => version.clone().unwrap_or_default(),
            _ => String::new(),
        };
        let value = item.action.get(attribute).unwrap_or(&default);
        if !value.is_empty() {
            text.push_str(&format!("{key}={}\n", value.replace('\n', " ")));
        }
    }
    let when = jiff::Timestamp::from_second(time).unwrap_or_default();
    text.push_str(&format!("INSTDATE={}\n", when.strftime("%b %d %Y %H:%M")));
    text
}

/// A numeric attribute.
pub fn number(item: &Item<'_>, attribute: &'static str) -> Result<Option<u32>, PopulateError> {
    let Some(text) = item.action.get(attribute) else { return Ok(None) };
    let malformed = |_| PopulateError::Attribute {
        fmri: item.package.fmri.to_string(),
        attribute,
        text: text.to_string(),
    };
    text.parse().map(Some).map_err(malformed)
}

/// A user action.
pub fn user(item: &Item<'_>) -> Result<User, PopulateError> {
    let text = |name: &str| item.action.get(name).map(str::to_string);
    let aging = ["lastchg", "min", "max", "warn", "inactive", "expire", "flag"].map(text);
    Ok(User {
        name: item.action.key().unwrap_or("").to_string(),
        uid: number(item, "uid")?,
        group: text("group").unwrap_or_default(),
        password: text("password"),
        gcos: text("gcos-field"),
        home: text("home-dir"),
        shell: text("login-shell"),
        groups: item.action.values("group-list").to_vec(),
        ftp: item.action.get("ftpuser") != Some("false"),
        aging,
    })
}

/// A driver action.
pub fn driver(item: &Item<'_>) -> Driver {
    let list = |name: &str| item.action.values(name).to_vec();
    Driver {
        name: item.action.key().unwrap_or("").to_string(),
        aliases: list("alias"),
        classes: list("class"),
        perms: list("perms"),
        clone_perms: list("clone_perms"),
        policies: list("policy"),
        privileges: list("privs"),
        devlinks: list("devlink"),
    }
}
