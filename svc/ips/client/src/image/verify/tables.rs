//! tables.rs - users, groups and drivers in the files that hold them.

use std::collections::BTreeSet;

use ips_model::action::Action;

use super::Report;
use crate::image::print_list;
use crate::root::{Root, RootError};

/// The texts of the files.
pub(super) struct Tables {
    passwd: String,
    shadow: String,
    group: String,
    ftpusers: String,
    major: Option<String>,
    aliases: Option<String>,
    classes: Option<String>,
    minor_perm: Option<String>,
    policy: Option<String>,
    privs: Option<String>,
}

const MISSING: &str = "<missing>";
const EMPTY: &str = "<empty>";

/// The fields of shadow after the password.
const AGING: [&str; 7] = ["lastchg", "min", "max", "warn", "inactive", "expire", "flag"];

impl Tables {
    /// Reads the driver files; the account files are there already.
    pub(super) fn read(
        root: &Root,
        passwd: &str,
        shadow: &str,
        group: &str,
        ftpusers: &str,
    ) -> Result<Self, RootError> {
        let text = |path: &str| -> Result<Option<String>, RootError> {
            Ok(root.bytes(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        Ok(Self {
            passwd: passwd.to_string(),
            shadow: shadow.to_string(),
            group: group.to_string(),
            ftpusers: ftpusers.to_string(),
            major: text("etc/name_to_major")?,
            aliases: text("etc/driver_aliases")?,
            classes: text("etc/driver_classes")?,
            minor_perm: text("etc/minor_perm")?,
            policy: text("etc/security/device_policy")?,
            privs: text("etc/security/extra_privs")?,
        })
    }

    /// A user action against passwd, shadow, group and ftpusers.
    pub(super) fn user(&self, action: &Action) -> Report {
        let mut report = Report::default();
        let name = action.key().unwrap_or_default();
        let passwd = entry(&self.passwd, name);
        let shadow = entry(&self.shadow, name);
        let field = |fields: &Option<Vec<&str>>, at: usize| {
            fields.as_ref().map(|fields| fields.get(at).copied().unwrap_or_default().to_string())
        };
        let gid = field(&passwd, 3);
        let primary = gid.as_deref().map(|gid| {
            let groups = self.group.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let own = groups.into_iter().find(|fields| fields.get(2) == Some(&gid));
            own.and_then(|fields| fields.first().map(ToString::to_string)).unwrap_or_default()
        });
        let wanted = |name: &str, default: &str| action.get(name).unwrap_or(default).to_string();
        let mut compare = |name: &str, found: Option<String>, expected: String| {
            let found = match found {
                None => MISSING.to_string(),
                Some(found) => found,
            };
            let expected = match (expected.is_empty(), found.is_empty()) {
                (true, true) => return,
                (true, false) if found == MISSING => return,
                (true, false) => EMPTY.to_string(),
                (false, _) => expected,
            };
            if found != expected {
                report.error(format!("{name}: '{found}' should be '{expected}'"));
            }
        };
        compare("username", passwd.as_ref().map(|_| name.to_string()), name.to_string());
        let password = wanted("password", "*LK*");
        // A password that somebody has set is his own affair.
        if matches!(password.as_str(), "*LK*" | "NP") {
            compare("password", field(&shadow, 1), password);
        }
        if action.get("uid").is_some() {
            compare("uid", field(&passwd, 2), wanted("uid", ""));
        }
        compare("group", primary, wanted("group", ""));
        compare("gcos-field", field(&passwd, 4), wanted("gcos-field", "& User"));
        compare("home-dir", field(&passwd, 5), wanted("home-dir", "/"));
        compare("login-shell", field(&passwd, 6), wanted("login-shell", ""));
        let mut groups = action.values("group-list").to_vec();
        groups.sort();
        let list = |groups: &[String]| {
            if groups.is_empty() { String::new() } else { print_list(groups) }
        };
        let member = passwd.as_ref().map(|_| list(&self.groups_of(name)));
        compare("group-list", member, list(&groups));
        for (at, name) in AGING.iter().enumerate() {
            // The day is the day it was made, unless the action names one.
            if *name != "lastchg" || action.get(name).is_some() {
                compare(name, field(&shadow, at + 2), wanted(name, ""));
            }
        }
        let denied = self.ftpusers.lines().any(|line| line.trim() == name);
        let ftp = passwd.as_ref().map(|_| (!denied).to_string());
        compare("ftpuser", ftp, wanted("ftpuser", "true").to_ascii_lowercase());
        report
    }

    /// The groups that list a user, sorted.
    fn groups_of(&self, name: &str) -> Vec<String> {
        let mut groups = Vec::new();
        for line in self.group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let members = fields.get(3).copied().unwrap_or_default();
            if members.split(',').any(|member| member == name) {
                groups.extend(fields.first().map(ToString::to_string));
            }
        }
        groups.sort();
        groups
    }

    /// A group action against the group file.
    pub(super) fn group(&self, action: &Action) -> Report {
        let mut report = Report::default();
        let name = action.key().unwrap_or_default();
        let Some(fields) = entry(&self.group, name) else {
            report.error(format!("groupname: '{MISSING}' should be '{name}'"));
            if let Some(gid) = action.get("gid") {
                report.error(format!("gid: '{MISSING}' should be '{gid}'"));
            }
            return report;
        };
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        if !field(1).is_empty() {
            report.error(format!("password: '{}' should be '{EMPTY}'", field(1)));
        }
        if let Some(gid) = action.get("gid").filter(|gid| *gid != field(2)) {
            report.error(format!("gid: '{}' should be '{gid}'", field(2)));
        }
        report
    }

    /// A driver action against the driver files.
    pub(super) fn driver(&self, action: &Action) -> Report {
        let mut report = Report::default();
        let name = action.key().unwrap_or_default();
        let majors = rows(self.major.as_deref()).filter(|fields| fields.first() == Some(&name));
        match majors.count() {
            0 => {
                report.error(format!("etc/name_to_major: '{name}' entry not present"));
                return report;
            }
            1 => {}
            _ => report
                .error(format!("etc/name_to_major: more than one entry for '{name}' is present")),
        }
        for (path, text) in [
            ("etc/driver_aliases", &self.aliases),
            ("etc/driver_classes", &self.classes),
            ("etc/minor_perm", &self.minor_perm),
            ("etc/security/device_policy", &self.policy),
            ("etc/security/extra_privs", &self.privs),
        ] {
            if text.is_none() {
                report.error(format!("{path}: No such file or directory"));
            }
        }
        let second = |text: Option<&str>| -> BTreeSet<String> {
            let own = rows(text).filter(|fields| fields.len() == 2 && fields[0] == name);
            own.map(|fields| fields[1].trim_matches('"').to_string()).collect()
        };
        let wanted = |name: &str| action.values(name).iter().cloned().collect::<BTreeSet<_>>();
        let mut compare =
            |found: BTreeSet<String>, wanted: BTreeSet<String>, what: &str, path: &str| {
                for extra in found.difference(&wanted) {
                    report.warnings.push(format!("extra {what} '{extra}' found in {path}"));
                }
                for missing in wanted.difference(&found) {
                    report.errors.push(format!("{what} '{missing}' missing from {path}"));
                }
            };
        let aliases =
            wanted("alias").iter().map(|text| text.trim_matches('"').to_string()).collect();
        compare(second(self.aliases.as_deref()), aliases, "alias", "etc/driver_aliases");
        let classes = second(self.classes.as_deref());
        compare(classes, wanted("class"), "class", "etc/driver_classes");
        if name != "clone" {
            let perms = self.perms(name);
            compare(perms, wanted("perms"), "minor node permission", "etc/minor_perm");
        }
        let policies = wanted("policy").iter().map(|text| any_minor(text)).collect();
        compare(self.policies(name), policies, "device policy", "etc/security/device_policy");
        compare(
            self.privileges(name),
            wanted("privs"),
            "device privilege",
            "etc/security/extra_privs",
        );
        report
    }

    fn perms(&self, name: &str) -> BTreeSet<String> {
        let lines = rows(self.minor_perm.as_deref()).filter(|fields| fields.len() == 4);
        let own = lines.filter_map(|fields| {
            let (driver, minor) = fields[0].split_once(':')?;
            (driver == name).then(|| format!("{minor} {}", fields[1..].join(" ")))
        });
        own.collect()
    }

    fn policies(&self, name: &str) -> BTreeSet<String> {
        let lines = rows(self.policy.as_deref()).filter(|fields| fields.len() >= 2);
        let own = lines.filter_map(|fields| {
            let (driver, minor) = fields[0].split_once(':').unwrap_or((fields[0], "*"));
            (driver == name).then(|| any_minor(&format!("{minor} {}", fields[1..].join(" "))))
        });
        own.collect()
    }

    fn privileges(&self, name: &str) -> BTreeSet<String> {
        let text = self.privs.as_deref().unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let own =
            lines.filter_map(|line| line.split_once(':').filter(|(driver, _)| *driver == name));
        own.map(|(_, privilege)| privilege.to_string()).collect()
    }
}

/// A policy without the minor that means all.
fn any_minor(policy: &str) -> String {
    let words: Vec<&str> = policy.split_whitespace().collect();
    match words.split_first() {
        Some((&"*", rest)) => rest.join(" "),
        Some(_) | None => words.join(" "),
    }
}

/// The lines of a driver file as words, comments left out.
fn rows(text: Option<&str>) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.unwrap_or_default().lines();
    let words = |line| {
        let words = str::split_whitespace(line);
        words.take_while(|word| !word.starts_with('#')).collect::<Vec<_>>()
    };
    lines.map(words).filter(|words| !words.is_empty())
}

/// The fields of the line of a name.
fn entry<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.into_iter().find(|fields| fields.first() == Some(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Tables {
        let some = |text: &str| Some(text.to_string());
        Tables {
            passwd: "root:x:0:0::/:\npicker:x:100:100:& User:/:\n".into(),
            shadow: "root:NP:1::::::\npicker:*LK*:19000::::::\n".into(),
            group: "root::0:\npicker::100:\nother::1:root,picker\n".into(),
            ftpusers: "root\n".into(),
            major: some("clone 11\nplum 300\n"),
            aliases: some("plum \"pci1,2\"\nplum \"pci3\"\n"),
            classes: some("plum\tfruit\n"),
            minor_perm: some("plum:* 0666 root sys\nclone:plum 0666 root sys\n"),
            policy: some("plum:*\tread_priv_set=net\n"),
            privs: some("plum:pluck\n"),
        }
    }

    #[test]
    fn accounts() {
        for (action, errors) in [
            ("user username=picker group=picker group-list=other", &[][..]),
            (
                "user username=picker group=picker uid=101 group-list=other",
                &["uid: '100' should be '101'"],
            ),
            (
                "user username=picker group=root login-shell=/bin/sh ftpuser=false",
                &[
                    "group: 'picker' should be 'root'",
                    "login-shell: '' should be '/bin/sh'",
                    "group-list: '['other']' should be '<empty>'",
                    "ftpuser: 'true' should be 'false'",
                ],
            ),
            (
                "user username=none group=root home-dir=/x",
                &[
                    "username: '<missing>' should be 'none'",
                    "password: '<missing>' should be '*LK*'",
                    "group: '<missing>' should be 'root'",
                    "gcos-field: '<missing>' should be '& User'",
                    "home-dir: '<missing>' should be '/x'",
                    "ftpuser: '<missing>' should be 'true'",
                ],
            ),
        ] {
            let report = tables().user(&Action::parse(action).unwrap());
            assert_eq!(report.errors, errors, "{action}");
        }
        for (action, errors) in [
            ("group groupname=picker gid=100", &[][..]),
            ("group groupname=picker gid=9", &["gid: '100' should be '9'"]),
            ("group groupname=none", &["groupname: '<missing>' should be 'none'"]),
        ] {
            let report = tables().group(&Action::parse(action).unwrap());
            assert_eq!(report.errors, errors, "{action}");
        }
    }

    #[test]
    fn drivers() {
        let whole = "driver name=plum alias=pci1,2 alias=pci3 class=fruit perms=\"* 0666 root sys\" policy=\"* read_priv_set=net\" privs=pluck";
        assert!(tables().driver(&Action::parse(whole).unwrap()).is_empty());
        let report =
            tables().driver(&Action::parse("driver name=plum alias=pci9 class=fruit").unwrap());
        assert_eq!(report.errors, ["alias 'pci9' missing from etc/driver_aliases"]);
        assert_eq!(
            report.warnings,
            [
                "extra alias 'pci1,2' found in etc/driver_aliases",
                "extra alias 'pci3' found in etc/driver_aliases",
                "extra minor node permission '* 0666 root sys' found in etc/minor_perm",
                "extra device policy 'read_priv_set=net' found in etc/security/device_policy",
                "extra device privilege 'pluck' found in etc/security/extra_privs",
            ]
        );
        let report = tables().driver(&Action::parse("driver name=none").unwrap());
        assert_eq!(report.errors, ["etc/name_to_major: 'none' entry not present"]);
    }
}
