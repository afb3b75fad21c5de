//! owners.rs - names of owners as numbers.
//!
//! The image's own account files say them.  An image without such a file (a sample, a part of a
//! system) gets the numbers illumos has given its accounts from the start; the host's are never
//! asked.

use ips_model::Fmri;
use ips_model::action::Action;

use crate::accounts::Accounts;

const USERS: [(&str, u32); 20] = [
    ("root", 0),
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("adm", 4),
    ("uucp", 5),
    ("nuucp", 9),
    ("dladm", 15),
    ("netadm", 16),
    ("netcfg", 17),
    ("dhcpserv", 18),
    ("smmsp", 25),
    ("listen", 37),
    ("gdm", 50),
    ("lp", 71),
    ("webservd", 80),
    ("postgres", 90),
    ("pkg5srv", 97),
    ("nobody", 60_001),
    ("noaccess", 60_002),
];

const GROUPS: [(&str, u32); 21] = [
    ("root", 0),
    ("other", 1),
    ("bin", 2),
    ("sys", 3),
    ("adm", 4),
    ("uucp", 5),
    ("mail", 6),
    ("tty", 7),
    ("lp", 8),
    ("nuucp", 9),
    ("staff", 10),
    ("daemon", 12),
    ("sysadmin", 14),
    ("games", 20),
    ("smmsp", 25),
    ("gdm", 50),
    ("netadm", 65),
    ("webservd", 80),
    ("postgres", 90),
    ("nobody", 60_001),
    ("noaccess", 60_002),
];

/// An owner or group nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fmri}: {path}: the image has no {what} {name}")]
pub struct OwnerError {
    /// The package.
    pub fmri: String,
    /// The path.
    pub path: String,
    /// `user` or `group`.
    pub what: &'static str,
    /// The name.
    pub name: String,
}

/// Numbers for names.
#[derive(Debug)]
pub struct Owners<'a> {
    accounts: &'a Accounts,
    /// Whether the image has etc/passwd and etc/group.
    files: (bool, bool),
}

fn known(table: &[(&str, u32)], name: &str) -> Option<u32> {
    table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

impl<'a> Owners<'a> {
    /// Looks into these accounts, as far as their file is there.
    pub fn new(accounts: &'a Accounts, has_passwd: bool, has_group: bool) -> Self {
        Self { accounts, files: (has_passwd, has_group) }
    }

    /// The number of a user.
    pub fn uid(&self, name: &str) -> Option<u32> {
        let named = if self.files.0 { self.accounts.uid(name) } else { known(&USERS, name) };
        named.or_else(|| name.parse().ok())
    }

    /// The number of a group.
    pub fn gid(&self, name: &str) -> Option<u32> {
        let named = if self.files.1 { self.accounts.gid(name) } else { known(&GROUPS, name) };
        named.or_else(|| name.parse().ok())
    }

    /// Owner and group of what an action delivers at a path.
    pub fn of(&self, fmri: &Fmri, path: &str, action: &Action) -> Result<(u32, u32), OwnerError> {
        let failed = |what, name: &str| OwnerError {
            fmri: fmri.to_string(),
            path: path.to_string(),
            what,
            name: name.to_string(),
        };
        let owner = action.get("owner").unwrap_or("root");
        let group = action.get("group").unwrap_or("root");
        let uid = self.uid(owner).ok_or_else(|| failed("user", owner))?;
        let gid = self.gid(group).ok_or_else(|| failed("group", group))?;
        Ok((uid, gid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_own_numbers_win() {
        let accounts = Accounts::parse("lp:x:7:7::/:\n", "", "bin::22:\n", "");
        let own = Owners::new(&accounts, true, true);
        assert_eq!((own.uid("lp"), own.gid("bin")), (Some(7), Some(22)));
        assert_eq!((own.uid("root"), own.uid("12")), (None, Some(12)));
        let none = Owners::new(&accounts, false, false);
        assert_eq!((none.uid("lp"), none.gid("bin")), (Some(71), Some(2)));
        let fmri = Fmri::parse("pkg://a/x@1").unwrap();
        let action = Action::parse("dir path=p mode=0755 owner=root group=pears").unwrap();
        let error = none.of(&fmri, "p", &action).unwrap_err().to_string();
        assert_eq!(error, "pkg://a/x@1,5.11: p: the image has no group pears");
    }
}
