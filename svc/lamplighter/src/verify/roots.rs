//! roots.rs - temporary roots that are configured as this one, and built.
//!
//! What must hold: nothing of this root is changed, and nothing of a temporary root is alive or
//! there when this ends.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::plan;
use crate::smf::Smf;

/// Groups that say what is built; of the rest nothing matters for the bytes.
const GROUPS: [&str; 4] = ["build/", "merge/", "image/", "pipeline/"];

/// That of the platform, in its own service; the release has a dependency of that name.
const LIVE_GROUPS: [&str; 1] = ["live/"];

/// Properties that lead out of a temporary root.
const OUTWARD: [&str; 2] = ["image/output", "live/output"];

/// How one of the two is built.
#[derive(Debug)]
pub struct How {
    /// The root's folder.
    pub name: &'static str,
    umask: &'static str,
    zone: &'static str,
}

/// The two ways; they differ in whatever a build must not depend on.
pub const HOW: [How; 2] = [
    How { name: "a", umask: "022", zone: "UTC" },
    How { name: "another-root", umask: "077", zone: "Asia/Kathmandu" },
];

impl fmt::Display for How {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "umask {}, {}", self.umask, self.zone)
    }
}

/// The folder of both roots; it goes with this.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new one.
    pub fn new() -> Result<Folder> {
        let name = format!("lamplighter-verify.{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Folder(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = stage::output::remove_tree(&self.0) {
            eprintln!("lamplighter: {}: {error}", self.0.display());
        }
    }
}

/// The session of svccfg that configures a root as this one is.
pub fn configuration(smf: &Smf<'_>) -> Result<String> {
    let mut script = String::new();
    for fmri in smf.pipeline()? {
        let said = smf.must("svcprop", &[&fmri])?.out;
        script.push_str(&format!("select {fmri}\n"));
        let groups = if fmri == plan::LIVE { &LIVE_GROUPS[..] } else { &GROUPS };
        let lines = said.lines().filter_map(|line| setprop(line, groups));
        lines.for_each(|line| script.push_str(&line));
        script.push_str("refresh\n");
    }
    Ok(script)
}

/// A line of svcprop as a line of svccfg, when the property is to be copied.
fn setprop(line: &str, groups: &[&str]) -> Option<String> {
    let mut words = line.splitn(3, ' ');
    let (name, kind, text) = (words.next()?, words.next()?, words.next().unwrap_or_default());
    let wanted = groups.iter().any(|group| name.starts_with(group)) && !OUTWARD.contains(&name);
    let values = values(text);
    // None is a value too: it hides what a fresh root was given.
    wanted.then(|| {
        let mut script = String::new();
        plan::set(&mut script, name, kind, &values);
        script
    })
}

/// The values of a line: blanks part them, a backslash takes the next character as it is.
fn values(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut value: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' => found.extend(value.take()),
            '\\' => value.get_or_insert_default().extend(characters.next()),
            other => value.get_or_insert_default().push(other),
        }
    }
    found.extend(value);
    found.into_iter().map(|one| if one == "\"\"" { String::new() } else { one }).collect()
}

/// Builds in a root of its own; the root.
pub fn build(smf: &Smf<'_>, folder: &Folder, how: &How, configuration: &str) -> Result<PathBuf> {
    let root = folder.path().join(how.name);
    std::fs::create_dir(&root).with_context(|| root.display().to_string())?;
    let script = folder.path().join(format!("{}.svccfg", how.name));
    std::fs::write(&script, configuration).with_context(|| script.display().to_string())?;
    let run = |line: &str| -> Result<crate::smf::Said> {
        let bin = smf.place.prefix.join("bin");
        let bin = bin.to_str().context("the prefix is no text")?;
        let line = format!("umask {}; PATH={bin}:$PATH; export PATH; {line}", how.umask);
        let root = root.to_str().context("the temporary directory is no text")?;
        let words = ["-c", &line, script.to_str().context("the temporary directory is no text")?];
        let environment = [("SMF_ROOT", root), ("TZ", how.zone)];
        smf.host.run(Path::new("/bin/sh"), &words, &environment)
    };
    let said = run("lamplighter up --ports 0 && svccfg -f \"$0\" && lamplighter build");
    let down = run("lamplighter down");
    let (said, down) = (said?, down?);
    if down.status != 0 {
        bail!("{}: {}", root.display(), down.err.trim_end());
    }
    if said.status != 0 {
        bail!("{}: not built\n{}", root.display(), said.err.trim_end());
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_and_how() {
        for (line, want) in [
            ("build/gate astring /g/a\\ b", "setprop build/gate = astring: \"/g/a b\"\n"),
            ("build/reads astring a:x b:y", "setprop build/reads = astring: (\"a:x\" \"b:y\")\n"),
            ("merge/publisher astring \"\"", "setprop merge/publisher = astring: \"\"\n"),
            (
                "build/command astring sh\\ \\\"\\$P/x\\\"",
                "setprop build/command = astring: \"sh \\\"$P/x\\\"\"\n",
            ),
            ("build/inputs astring ", "setprop build/inputs = astring: ()\n"),
            ("image/output astring /home/x", ""),
            ("general/enabled boolean true", ""),
        ] {
            assert_eq!(setprop(line, &GROUPS).unwrap_or_default(), want, "{line}");
        }
        let line = "live/grouping astring optional_all";
        assert_eq!(setprop(line, &GROUPS), None, "a dependency of the release");
        let line = "live/archive astring ufs";
        assert!(setprop(line, &LIVE_GROUPS).is_some());
    }
}
