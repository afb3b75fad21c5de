//! inner.rs - an ISO 9660 image of a part of a root, with owners and modes from its table.
//!
//! xorriso reads modes from the disk, which without privilege has not those of the image.  So the
//! commonest of each is its default, and what differs is told by a file of commands.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use image_tree::Kind;

use crate::medium::{Tools, environment};
use crate::root::Rooted;

/// Paths in one command.
const BATCH: usize = 50;

/// What becomes an image.
pub struct Inner<'a> {
    /// The root.
    pub root: &'a Rooted,
    /// The directories that are in it.
    pub parts: &'a [&'a str],
    /// Whether the one part is the image's root itself.
    pub is_top: bool,
    /// Lines `PATH TAB WEIGHT` of files that come first, heaviest first.
    pub sort: Option<&'a str>,
}

impl Inner<'_> {
    /// A path of the root in the image.
    fn inside(&self, path: &str) -> String {
        let top = self.parts.first().filter(|_| self.is_top);
        let rest = top.map_or(path, |top| path.strip_prefix(top).unwrap_or(path));
        format!("/{}", rest.trim_start_matches('/'))
    }

    fn rows(&self) -> impl Iterator<Item = (&str, &image_tree::Entry)> {
        let part = |path: &str, part: &str| {
            path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let wanted = move |path: &str| self.parts.iter().any(|one| part(path, one));
        self.root.tree.iter().filter(move |(path, entry)| {
            wanted(path) && !matches!(entry.kind, Kind::HardLink { .. })
        })
    }

    /// Writes it to `output`, by help of files in `work`.
    pub fn write(&self, work: &Path, output: &Path, tools: &dyn Tools) -> Result<()> {
        let commands = work.join("owners.xorriso");
        let defaults = self.defaults();
        let text = self.commands(&defaults);
        std::fs::write(&commands, text).with_context(|| commands.display().to_string())?;
        match std::fs::remove_file(output) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| output.display().to_string());
            }
            Ok(()) | Err(_) => {}
        }
        let time = self.root.time();
        let mut arguments = self.arguments(&defaults, output, time)?;
        if let Some(sort) = self.sort {
            let weights = work.join("sort-weights");
            std::fs::write(&weights, self.weights(sort))
                .with_context(|| weights.display().to_string())?;
            arguments.extend(["--sort-weight-list".into(), weights.display().to_string()]);
        }
        if self.is_top {
            let top = self.root.dir().join(self.parts.first().copied().unwrap_or(""));
            arguments.push(top.display().to_string());
        } else {
            arguments.push("-graft-points".into());
            for part in self.parts {
                let from = self.root.dir().join(part);
                // An equals sign or a backslash in a path would part it elsewhere.
                let from = from.display().to_string().replace('\\', "\\\\").replace('=', "\\=");
                arguments.push(format!("/{part}={from}"));
            }
        }
        arguments.extend(["--", "-options_from_file"].map(str::to_string));
        arguments.push(commands.display().to_string());
        tools.run("xorriso", &arguments, &environment(time))
    }

    fn arguments(&self, defaults: &Defaults, output: &Path, time: i64) -> Result<Vec<String>> {
        let date = date(time)?;
        // The file is one step's own: nothing waits for the disk.
        let mut arguments: Vec<String> =
            ["-no_rc", "-stdio_sync", "off", "-as", "mkisofs", "-quiet"]
                .map(str::to_string)
                .to_vec();
        let mut pair = |name: &str, value: String| arguments.extend([name.into(), value]);
        pair("-o", output.display().to_string());
        pair("-V", "compress".into());
        pair("--set_all_file_dates", date.clone());
        pair("-uid", "0".into());
        pair("-gid", defaults.gid.to_string());
        pair("-dir-mode", format!("{:04o}", defaults.directory));
        pair("-file-mode", format!("{:04o}", defaults.file));
        arguments.push(format!("--modification-date={date}"));
        arguments.extend(["-R", "-D", "-d", "-N", "-l", "-U"].map(str::to_string));
        Ok(arguments)
    }

    /// The commonest modes and group.
    fn defaults(&self) -> Defaults {
        let (mut files, mut directories, mut groups) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (_, entry) in self.rows() {
            match entry.kind {
                // Special bits are no default: xorriso takes plain modes alone.
                Kind::File { .. } if entry.mode < 0o1000 => {
                    *files.entry(entry.mode).or_insert(0) += 1;
                }
                Kind::Directory if entry.mode < 0o1000 => {
                    *directories.entry(entry.mode).or_insert(0) += 1;
                }
                _ => {}
            }
            *groups.entry(entry.gid).or_insert(0) += 1;
        }
        let commonest = |counts: &BTreeMap<u32, i32>, other: u32| {
            counts.iter().max_by_key(|(_, count)| **count).map_or(other, |(value, _)| *value)
        };
        Defaults {
            file: commonest(&files, 0o644),
            directory: commonest(&directories, 0o755),
            gid: commonest(&groups, 0),
        }
    }

    fn commands(&self, defaults: &Defaults) -> String {
        let mut commands: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, entry) in self.rows() {
            let mut say = |command: String| {
                commands.entry(command).or_default().push(quoted(&self.inside(path)));
            };
            let usual = match entry.kind {
                Kind::File { .. } => Some(defaults.file),
                Kind::Directory => Some(defaults.directory),
                _ => None,
            };
            if usual.is_some_and(|usual| usual != entry.mode) {
                say(format!("-chmod 0{:o}", entry.mode));
            }
            if entry.uid != 0 {
                say(format!("-chown {}", entry.uid));
            }
            if entry.gid != defaults.gid {
                say(format!("-chgrp {}", entry.gid));
            }
        }
        let mut text = String::new();
        for (command, paths) in commands {
            for batch in paths.chunks(BATCH) {
                // Writing to a String cannot fail.
                let _done = writeln!(text, "{command} {} --", batch.join(" "));
            }
        }
        text
    }

    /// xorriso's order of fields: weight, then path in the image.
    fn weights(&self, sort: &str) -> String {
        let mut text = String::new();
        for line in sort.lines() {
            if let Some((path, weight)) = line.rsplit_once(char::is_whitespace) {
                let path = self.inside(path.trim().trim_start_matches("./"));
                let _done = writeln!(text, "{} {path}", weight.trim());
            }
        }
        text
    }
}

/// ECMA-119's sixteen digits; the last two are hundredths of a second.
fn date(time: i64) -> Result<String> {
    let stamp = jiff::Timestamp::from_second(time).context("the time of the image")?;
    Ok(stamp.strftime("%Y%m%d%H%M%S00").to_string())
}

struct Defaults {
    file: u32,
    directory: u32,
    gid: u32,
}

/// A word as xorriso reads words: either quote holds everything but itself.
fn quoted(path: &str) -> String {
    let parts: Vec<String> = path.split('\'').map(|part| format!("'{part}'")).collect();
    parts.join("\"'\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Owned;

    #[test]
    fn what_differs_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("r");
        let mut root = Rooted::create(&dir, &dir.with_extension("table"), 0).unwrap();
        for (path, mode, uid, gid) in [
            ("usr/bin/a", 0o555, 0, 2),
            ("usr/bin/b", 0o555, 0, 2),
            ("usr/bin/it's", 0o4555, 5, 2),
            ("etc/x", 0o600, 0, 3),
        ] {
            root.put(path, b"", Owned { mode, uid, gid }).unwrap();
        }
        for path in ["usr", "usr/bin"] {
            root.tree.get_mut(path).unwrap().gid = 2;
        }
        let inner = Inner { root: &root, parts: &["usr"], is_top: true, sort: None };
        let defaults = inner.defaults();
        assert_eq!((defaults.file, defaults.directory, defaults.gid), (0o555, 0o755, 2));
        assert_eq!(
            inner.commands(&defaults),
            "-chmod 04555 '/bin/it'\"'\"'s' --\n-chown 5 '/bin/it'\"'\"'s' --\n"
        );
        assert_eq!(inner.weights("usr/bin/a\t10\n"), "10 /bin/a\n");
        let parts = Inner { root: &root, parts: &["etc", "usr"], is_top: false, sort: None };
        assert!(parts.commands(&parts.defaults()).contains("-chmod 0600 '/etc/x' --\n"));
    }
}
