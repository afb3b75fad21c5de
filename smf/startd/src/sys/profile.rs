//! profile - what a rights profile says about a command: exec_attr(5) below the root.
//!
//! ```text
//! etc/security/exec_attr, etc/security/exec_attr.d/*
//! Media Backup:solaris:cmd:::/usr/bin/tar:euid=0;gid=sys;privs=file_dac_read
//! ```
//!
//! The command is a path, a directory with `/*` behind it, or `*`; of several entries the most
//! exact counts.

use std::fs;
use std::path::Path;

/// What an entry gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Execution {
    /// The user, by name or number.
    pub user: Option<String>,
    /// The group.
    pub group: Option<String>,
    /// Privileges, inheritable.
    pub privileges: Option<String>,
    /// Privileges, limit.
    pub limit: Option<String>,
}

/// The entry of `profile` for `command`, by the files below `root`.
#[must_use]
pub fn execution(root: &Path, profile: &str, command: &str) -> Option<Execution> {
    let main = root.join("etc/security/exec_attr");
    let fragments = fs::read_dir(root.join("etc/security/exec_attr.d"));
    let mut paths: Vec<_> = fragments.into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths.insert(0, main);
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    let text: String = texts.map(|text| text + "\n").collect();
    find(&text, profile, command)
}

fn find(text: &str, profile: &str, command: &str) -> Option<Execution> {
    let mut best: Option<(usize, Execution)> = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.splitn(7, ':').collect();
        let [name, _, "cmd", _, _, id, attributes] = fields[..] else { continue };
        let matches = match id.strip_suffix('*') {
            Some(stem) => (stem.is_empty() || stem.ends_with('/')) && command.starts_with(stem),
            None => id == command,
        };
        // Of two that are as exact the first counts.
        let exact = if id.ends_with('*') { id.len() } else { usize::MAX };
        if name == profile && matches && best.as_ref().is_none_or(|(held, _)| *held < exact) {
            best = Some((exact, parse(attributes)));
        }
    }
    best.map(|(_, execution)| execution)
}

fn parse(attributes: &str) -> Execution {
    let mut execution = Execution::default();
    for attribute in attributes.split(';') {
        let Some((name, value)) = attribute.trim().split_once('=') else { continue };
        let value = Some(value.to_owned());
        match name {
            "uid" | "euid" => execution.user = value,
            "gid" | "egid" => execution.group = value,
            "privs" => execution.privileges = value,
            "limitprivs" => execution.limit = value,
            _ => {}
        }
    }
    execution
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let text = "# Backup:solaris:cmd:::/bin/tar:uid=9\n\
                    Backup:solaris:cmd:::*:uid=1\n\
                    Backup:solaris:cmd:::/bin/*:euid=2;privs=basic\n\
                    Backup:solaris:cmd:::/bin/tar:uid=3;egid=sys;limitprivs=zone\n\
                    Backup:solaris:act:::/bin/cp:uid=4\n\
                    Other:solaris:cmd:::/bin/tar:uid=5\n\
                    Broken:solaris:cmd:/bin/tar\n";
        let user = |profile: &str, command: &str| find(text, profile, command)?.user;
        for (profile, command, want) in [
            ("Backup", "/bin/tar", Some("3")),
            ("Backup", "/bin/cp", Some("2")),
            ("Backup", "/sbin/x", Some("1")),
            ("Other", "/bin/tar", Some("5")),
            ("Other", "/bin/cp", None),
            ("Broken", "/bin/tar", None),
        ] {
            assert_eq!(want.map(str::to_owned), user(profile, command), "{profile} {command}");
        }
        let found = find(text, "Backup", "/bin/tar").unwrap();
        assert_eq!((Some("sys".into()), Some("zone".into())), (found.group, found.limit));
    }
}
