//! account.rs - whom a program runs as, and giving it a tree to work in.

use std::fs;
use std::io;
use std::os::unix::fs::lchown;
use std::path::Path;

use nix::unistd::{User, geteuid};

/// Why there is no such account to be had.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Nobody is called so.
    #[error("there is no user \"{0}\"")]
    Unknown(String),
    /// The system cannot say.
    #[error("user \"{name}\": {source}")]
    Lookup {
        /// The name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A user with the groups it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Account {
    /// By its name or number.
    ///
    /// # Errors
    /// There is none.
    pub fn of(name: &str) -> Result<Account, AccountError> {
        let failed =
            |errno: nix::Error| AccountError::Lookup { name: name.into(), source: errno.into() };
        let found = match name.parse::<u32>() {
            Ok(uid) => User::from_uid(uid.into()),
            Err(_) => User::from_name(name),
        };
        let user = found.map_err(failed)?.ok_or_else(|| AccountError::Unknown(name.into()))?;
        let groups = groups(&user).map_err(failed)?;
        Ok(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw(), groups })
    }

    /// Whether this process may run programs as this account: root as anybody, others as
    /// themselves.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        geteuid().is_root() || geteuid().as_raw() == self.uid
    }

    /// Gives a tree to the account; links are given themselves, never what they name.
    ///
    /// # Errors
    /// Not root, or the tree cannot be read.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        lchown(path, Some(self.uid), Some(self.gid))?;
        if fs::symlink_metadata(path)?.is_dir() {
            for entry in fs::read_dir(path)? {
                self.give(&entry?.path())?;
            }
        }
        Ok(())
    }

    /// Becomes the account, between fork and exec: system calls only.
    pub(crate) fn assume(&self) -> io::Result<()> {
        if geteuid().as_raw() == self.uid {
            return Ok(());
        }
        // SAFETY: three system calls on numbers and on a slice that outlives them.
        let done = unsafe {
            libc::setgroups(self.groups.len() as _, self.groups.as_ptr()) == 0
                && libc::setgid(self.gid) == 0
                && libc::setuid(self.uid) == 0
        };
        if done { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(target_os = "linux")]
fn groups(user: &User) -> Result<Vec<u32>, nix::Error> {
    let name = std::ffi::CString::new(user.name.as_str()).map_err(|_| nix::Error::EINVAL)?;
    let groups = nix::unistd::getgrouplist(&name, user.gid)?;
    Ok(groups.into_iter().map(nix::unistd::Gid::as_raw).collect())
}

#[cfg(not(target_os = "linux"))]
fn groups(user: &User) -> Result<Vec<u32>, nix::Error> {
    Ok(vec![user.gid.as_raw()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Program};

    #[test]
    fn accounts_by_name_and_number() {
        let root = Account::of("root").unwrap();
        assert_eq!(root, Account::of("0").unwrap());
        let unknown = Account::of("nobody-is-called-so").unwrap_err();
        assert_eq!(unknown.to_string(), "there is no user \"nobody-is-called-so\"");
    }

    #[test]
    fn a_program_runs_as_somebody_else() {
        let nobody = Account::of("nobody").unwrap();
        if !nobody.is_possible() {
            eprintln!("SKIPPED: only root runs programs as nobody");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("sub")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", place.path().join("sub/link")).unwrap();
        nobody.give(place.path()).unwrap();
        let script = "id -u; echo x > sub/file; ls -ld sub/file /etc/passwd | cut -d' ' -f3";
        let said = Program::new("/bin/sh")
            .args(["-c", script])
            .directory(place.path())
            .account(nobody)
            .output(&Limits::none())
            .unwrap();
        assert_eq!(said.text().lines().next(), Some("65534"), "{said:?}");
        assert!(said.text().contains("root\n"), "what a link names stays as it was: {said:?}");
        assert!(place.path().join("sub/file").exists());
    }
}
