//! packages.rs - a live manifest from IPS manifests.
//!
//! ```text
//! file path=P [mode owner group]     f P 0444 root sys
//! dir path=P                         d P 0555 root sys
//! link path=P target=T               s P=T
//! hardlink path=P target=T           h P=T, T as seen from the root of the image
//! ```
//!
//! Nothing else of a package is a path.  Actions for another architecture, for debugging, or for a zone are
//! left out, as the variants given say; those that say nothing of a variant are in.  Directories that several
//! packages deliver alike are one line; whatever else stands twice is left to `check`.

use ips_model::{Action, Kind as ActionKind, Manifest as Actions};

use crate::entry::{Entry, Kind};
use crate::manifest::{Manifest, Problem};

/// A package's manifest.
#[derive(Debug, Clone, Copy)]
pub struct Package<'a> {
    /// Its name or file, for messages.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// Derives a live manifest.  `variants` are names and values, such as `variant.arch` and `i386`.
#[must_use]
pub fn from_packages(
    packages: &[Package<'_>],
    variants: &[(&str, &str)],
) -> (Manifest, Vec<Problem>) {
    let mut manifest = Manifest::default();
    let mut problems = Vec::new();
    for (file, package) in packages.iter().enumerate() {
        manifest.files.push(package.name.to_owned());
        let told = |line, text| Problem { file: package.name.to_owned(), line, text };
        let actions = match Actions::parse(package.text) {
            Ok(actions) => actions,
            Err(errors) => {
                let errors = errors.0.into_iter();
                problems.extend(errors.map(|error| told(error.line, error.to_string())));
                continue;
            }
        };
        for (line, action) in (1..).zip(&actions.actions) {
            if !suits(action, variants) {
                continue;
            }
            match kind(action) {
                None => {}
                Some(Ok((path, kind))) => manifest.entries.push(Entry { path, kind, file, line }),
                Some(Err(text)) => problems.push(told(line, text)),
            }
        }
    }
    manifest.sort();
    let directory = |entry: &Entry| matches!(entry.kind, Kind::Directory(_));
    manifest.entries.dedup_by(|again, first| {
        again.path == first.path && again.kind == first.kind && directory(first)
    });
    (manifest, problems)
}

fn suits(action: &Action, variants: &[(&str, &str)]) -> bool {
    variants.iter().all(|(name, value)| {
        let values = action.values(name);
        values.is_empty() || values.iter().any(|own| own == value)
    })
}

fn kind(action: &Action) -> Option<Result<(String, Kind), String>> {
    let known = [ActionKind::File, ActionKind::Dir, ActionKind::Link, ActionKind::Hardlink];
    if !known.contains(&action.kind) {
        return None;
    }
    Some(entry(action))
}

fn entry(action: &Action) -> Result<(String, Kind), String> {
    let kind = action.kind.as_str();
    let path = action.get("path").ok_or_else(|| format!("{kind}: no path"))?;
    let target = || action.get("target").ok_or_else(|| format!("{kind} {path}: no target"));
    let line = match action.kind {
        ActionKind::Link => format!("s {path}={}", target()?),
        ActionKind::Hardlink => format!("h {path}={}", from_root(path, target()?)?),
        other => {
            let (letter, mode) =
                if other == ActionKind::Dir { ("d", "0555") } else { ("f", "0444") };
            let get = |name: &str, default| action.get(name).unwrap_or(default).to_owned();
            let (owner, group) = (get("owner", "root"), get("group", "sys"));
            format!("{letter} {path} {} {owner} {group}", get("mode", mode))
        }
    };
    // A path of a package may hold what a line of a live manifest cannot.
    if line.split(' ').count() != line.split_whitespace().count() || path.contains([' ', '#', '='])
    {
        return Err(format!("{kind} {path}: not a path of a live manifest"));
    }
    match crate::entry::parse(&line) {
        Some(parsed) => parsed,
        None => Err(format!("{kind} {path}: nothing")),
    }
}

/// The target of a hard link, which is told from its own directory, as seen from the root.
fn from_root(path: &str, target: &str) -> Result<String, String> {
    if let Some(target) = target.strip_prefix('/') {
        return Ok(target.to_owned());
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => {
                return Err(format!("hardlink {path}: {target} leads out of the image"));
            }
            ".." => {}
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derive(texts: &[&str]) -> (String, Vec<String>) {
        let packages: Vec<Package<'_>> =
            texts.iter().map(|text| Package { name: "p", text }).collect();
        let (manifest, problems) = from_packages(&packages, &[("variant.arch", "i386")]);
        (manifest.to_string(), problems.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn actions_become_entries() {
        let one = "set name=pkg.fmri value=pkg:/a@1\n\
            dir path=usr\ndir path=usr/bin mode=0755 group=bin\n\
            file abc path=usr/bin/x mode=4555 owner=root group=bin\n\
            file NOHASH path=usr/only variant.arch=sparc\n\
            file NOHASH path=usr/both variant.arch=i386 variant.arch=sparc\n\
            link path=bin target=./usr/bin\n\
            hardlink path=usr/bin/y target=x\nhardlink path=usr/z target=../usr/bin/x\n\
            license abc license=CDDL\ndepend type=require fmri=b\n";
        let two = "dir path=usr\nfile NOHASH path=usr/q\n";
        let (text, problems) = derive(&[one, two]);
        assert_eq!(problems, Vec::<String>::new());
        let expected = "s bin=./usr/bin\nd usr 0555 root sys\nd usr/bin 0755 root bin\n\
            f usr/bin/x 4555 root bin\nh usr/bin/y=usr/bin/x\nf usr/both 0444 root sys\n\
            f usr/q 0444 root sys\nh usr/z=usr/bin/x\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_cannot_be_an_entry_is_told() {
        for (text, part) in [
            ("file NOHASH path=\"a b\"", "file a b: not a path of a live manifest"),
            ("link path=a", "no target"),
            ("hardlink path=a target=../../x", "leads out of the image"),
            ("file NOHASH path=a=b", "not a path of a live manifest"),
            ("nonsense", "p:1: "),
        ] {
            let (_, problems) = derive(&[text]);
            assert!(problems.len() == 1 && problems[0].contains(part), "{text}: {problems:?}");
        }
    }
}
