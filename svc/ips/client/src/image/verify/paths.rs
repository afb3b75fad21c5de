//! paths.rs - objects at paths: type, owner, group, mode, time, size, target.

use image_tree::{Kind as Node, Tree};
use ips_model::Fmri;
use ips_model::action::{Action, Kind};

use super::{Ask, Disk, Report, content};
use crate::below::{Lies, Look};
use crate::root::{Directory, RootError};

/// What pkg5 calls what lies there.
fn name(lies: Lies) -> &'static str {
    match lies {
        Lies::File => "regular file",
        Lies::Directory => "directory",
        Lies::Link => "symbolic link",
        Lies::Other => "special file",
    }
}

impl Disk<'_> {
    /// The object of an action, seen from its directory; the length of a file whose content is to be
    /// read besides.
    pub(super) fn path(
        &self,
        directory: &Result<Option<Directory>, RootError>,
        action: &Action,
        ask: Ask,
    ) -> (Report, Option<u64>) {
        let mut report = Report::default();
        let path = action.get("path").unwrap_or_default();
        let last = path.rsplit_once('/').map_or(path, |(_, last)| last);
        let look = match directory {
            Ok(Some(directory)) => directory.look(last),
            Ok(None) => Ok(None),
            Err(error) => {
                report.error(failed(error));
                return (report, None);
            }
        };
        let look = match look {
            Ok(look) => look,
            Err(error) => {
                report.error(failed(&error));
                return (report, None);
            }
        };
        if ask == Ask::Absence {
            if look.is_some() {
                report.error("File should not exist");
            }
            return (report, None);
        }
        if action.kind == Kind::File && action.get("preserve") == Some("abandon") {
            return (report, None);
        }
        let expected = match action.kind {
            Kind::Dir => Lies::Directory,
            Kind::Link => Lies::Link,
            _ => Lies::File,
        };
        let Some(look) = look else {
            if action.get("preserve") != Some("legacy") {
                report.error(format!("Missing: {} does not exist", name(expected)));
            }
            return (report, None);
        };
        if look.lies != expected {
            report.error(format!(
                "File Type: '{}' should be '{}'",
                name(look.lies),
                name(expected)
            ));
            return (report, None);
        }
        self.object(path, action, &look, &mut report);
        let reads = action.kind == Kind::File
            && (self.editable || action.get("preserve").is_none())
            && content::counts(action);
        (report, reads.then_some(look.size))
    }

    fn object(&self, path: &str, action: &Action, look: &Look, report: &mut Report) {
        self.owner(path, action, look, report);
        match action.kind {
            Kind::File => times_and_size(action, look, report),
            Kind::Link => {
                let target = action.get("target").unwrap_or_default();
                match self.root.target(path) {
                    Ok(found) => {
                        let found = found.unwrap_or_default();
                        if found != target {
                            report.error(format!("Target: '{found}' should be '{target}'"));
                        }
                    }
                    Err(error) => report.error(failed(&error)),
                }
            }
            Kind::Hardlink => self.hard_link(path, action, look, report),
            _ => {}
        }
    }

    /// Owner, group and mode: of a rootless image the table's.
    fn owner(&self, path: &str, action: &Action, look: &Look, report: &mut Report) {
        let found = match &self.table {
            None => Some((look.uid, look.gid, look.mode)),
            Some(table) => row(table, path),
        };
        let asked = ["owner", "group", "mode"].iter().any(|name| action.get(name).is_some());
        let Some((uid, gid, mode)) = found else {
            if asked {
                report.error("Missing: not in the image's table of owners");
            }
            return;
        };
        if let Some(owner) = action.get("owner") {
            match self.owners.uid(owner) {
                None => report.error(format!("Owner: {owner} is unknown")),
                Some(wanted) if wanted != uid => report.error(format!(
                    "owner: '{} ({uid})' should be '{owner} ({wanted})'",
                    named(&self.passwd, uid)
                )),
                Some(_) => {}
            }
        }
        if let Some(group) = action.get("group") {
            match self.owners.gid(group) {
                None => report.error(format!("Group: {group} is unknown ")),
                Some(wanted) if wanted != gid => report.error(format!(
                    "group: '{} ({gid})' should be '{group} ({wanted})'",
                    named(&self.group, gid)
                )),
                Some(_) => {}
            }
        }
        if let Some(wanted) = action.get("mode").and_then(|text| u32::from_str_radix(text, 8).ok())
        {
            if wanted != mode {
                report.error(format!("mode: {mode:04o} should be {wanted:04o}"));
            }
        }
    }

    fn hard_link(&self, path: &str, action: &Action, look: &Look, report: &mut Report) {
        let target = action.get("target").unwrap_or_default();
        let Some(resolved) = resolve(path, target) else {
            report.error(format!("Target '{target}' does not exist"));
            return;
        };
        match self.root.look(&resolved) {
            Ok(None) => report.error(format!("Target '{target}' does not exist")),
            Ok(Some(other)) if other.identity != look.identity => {
                report.error(format!("Broken: Path and Target ({resolved}) inodes not the same"))
            }
            Ok(Some(_)) => {}
            Err(error) => report.error(failed(&error)),
        }
    }

    /// A licence's text, in the image's own folder.
    pub(super) fn license(&self, fmri: &Fmri, action: &Action) -> Report {
        let mut report = Report::default();
        let path = self.image.license_path(fmri, action.get("license").unwrap_or_default());
        match std::fs::read(&path) {
            Ok(bytes) => {
                if let Some((found, expected)) = content::differs(action, &bytes) {
                    report.error(format!("Hash: '{found}' should be '{expected}'"));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                report.error(format!("License file {} does not exist.", path.display()));
            }
            Err(error) => report.error(format!("Unexpected Error: {error}")),
        }
        report
    }

    /// What SVR4 packages' tools read.
    pub(super) fn legacy(&self, action: &Action) -> Report {
        let mut report = Report::default();
        let folder = format!("var/sadm/pkg/{}", action.get("pkg").unwrap_or_default());
        let lies = |path: &str| self.root.look(path).ok().flatten().map(|look| look.lies);
        if lies(&folder) != Some(Lies::Directory) {
            report.error(format!("Missing directory {folder}"));
        } else if lies(&format!("{folder}/pkginfo")) != Some(Lies::File) {
            report.error(format!("Missing file {folder}/pkginfo"));
        }
        report
    }
}

fn failed(error: &RootError) -> String {
    match error {
        RootError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            "Skipping: Permission denied".to_string()
        }
        other => format!("Unexpected Error: {other}"),
    }
}

/// Owner, group and mode of a path in the table; a further name has those of the first.
fn row(table: &Tree, path: &str) -> Option<(u32, u32, u32)> {
    let entry = table.get(path)?;
    let entry = match &entry.kind {
        Node::HardLink { target } => table.get(target)?,
        _ => entry,
    };
    Some((entry.uid, entry.gid, entry.mode))
}

/// The name of a number in a text of `NAME:…:NUMBER:…`; the number itself where it has none.
fn named(text: &str, number: u32) -> String {
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let wanted = number.to_string();
    let found = lines.find(|fields| fields.get(2) == Some(&wanted.as_str()));
    found.and_then(|fields| fields.first().map(ToString::to_string)).unwrap_or(wanted)
}

fn times_and_size(action: &Action, look: &Look, report: &mut Report) {
    if action.get("preserve").is_some() {
        return;
    }
    if let Some(wanted) = action.get("timestamp") {
        let time = ips_model::Timestamp::parse(wanted);
        if time.is_ok_and(|time| time.seconds() != look.mtime) {
            let found = ips_model::Timestamp::from_seconds(look.mtime);
            report.error(format!("Timestamp: {found} should be {wanted}"));
        }
    }
    // Files that differ where it does not matter may differ in length.
    let sections = content::sections_hash(action).is_some();
    let size = action.get("pkg.size").and_then(|text| text.parse::<u64>().ok());
    if let Some(wanted) = size.filter(|wanted| *wanted != look.size && !sections) {
        report.error(format!("Size: {} bytes should be {wanted}", look.size));
    }
}

/// A hard link's target as a path of the image; `None`: it leads out of it.
fn resolve(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => path.rsplit_once('/').map_or(Vec::new(), |(parent, _)| parent.split('/').collect()),
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (path, target, resolved) in [
            ("usr/bin/a", "b", Some("usr/bin/b")),
            ("usr/bin/a", "../lib/b", Some("usr/lib/b")),
            ("a", "/usr/b", Some("usr/b")),
            ("a", "../b", None),
            ("usr/a", "../../../etc/passwd", None),
        ] {
            assert_eq!(resolve(path, target).as_deref(), resolved, "{path} {target}");
        }
    }

    #[test]
    fn names_of_numbers() {
        let text = "root:x:0:0::/:\nlp:x:71:8::/:\n# odd\n";
        assert_eq!((named(text, 71), named(text, 5)), ("lp".to_string(), "5".to_string()));
    }
}
