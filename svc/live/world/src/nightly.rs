//! nightly.rs - what nightly's logs say of a build that failed.
//!
//! ```text
//! $ATLOG/nightly.log                    while it runs
//! $ATLOG/log.YYYY-MM-DD.HH:MM/          afterwards: nightly.log, mail_msg
//! $ATLOG/latest                         a link to it, in newer gates
//! ```
//!
//! mail_msg has sections headed `==== X ====`.  A failure is told in those named in [`FAILING`];
//! what else stands there (times, noise, differences) is none, whatever its words are.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use process::Complaint;

/// How the headings of sections begin that tell of a failure, in the order they count.
const FAILING: [&str; 14] = [
    "Nightly argument issues",
    "Tools build errors",
    "Build errors",
    "Make clobber ERRORS",
    "Make tools clobber ERRORS",
    "package build errors",
    "Build warnings",
    "Linting packages",
    "Validating manifests against proto area",
    "Check versioning and ABI information",
    "Check ELF runtime attributes",
    "'dmake lint' of src ERRORS",
    "cstyle/hdrchk errors",
    "Find core files",
];

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The section's heading.
    pub section: String,
    /// The first line that is an error.
    pub line: String,
}

/// A section's heading.
fn heading(line: &str) -> Option<&str> {
    line.trim().strip_prefix("==== ")?.strip_suffix(" ====")
}

/// A line that nightly itself counts as an error, of those it copies: a word `error` that stands
/// alone, make's own complaint, a warning.
fn is_error(line: &str) -> bool {
    // A package's manifest that cannot be made is noise where nobody wants packages.
    let noise = ["Ignoring unknown host", "cc .* -o error ", ".mog'", ".mog:"];
    if noise.iter().any(|word| line.contains(word)) {
        return false;
    }
    let lower = line.to_lowercase();
    let alone = lower.match_indices("error").any(|(at, word)| {
        let before = lower[..at].chars().next_back();
        let after = lower[at + word.len()..].chars().next();
        before.is_none_or(char::is_whitespace)
            && after.is_none_or(|c| c == ':' || c.is_whitespace())
    });
    let make = ["dmake:", "make:", "gmake:"].iter().any(|name| lower.starts_with(name));
    let warning = lower.contains("warning:") || lower.contains("warn:");
    let linker = lower.contains("bootblock image is") && lower.ends_with("bytes too big");
    (line.contains(':') && (alone || make)) || warning || linker
}

/// The first error of a section: a compiler's before the makes that gave up because of it; where
/// nothing looks like an error, the first line.
fn first_error(lines: &[&str]) -> Option<String> {
    let mut complaint = Complaint::default();
    let errors: Vec<&str> = lines.iter().copied().filter(|line| is_error(line)).collect();
    errors.iter().for_each(|line| complaint.hear(line));
    let first = complaint.error().or(errors.first().copied()).or(lines.first().copied());
    first.map(|line| line.trim().to_owned())
}

/// What a mail_msg tells.
#[must_use]
pub fn told(mail_msg: &str) -> Option<Told> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in mail_msg.lines() {
        match heading(line) {
            Some(name) => sections.push((name, Vec::new())),
            None => {
                if let Some((_, lines)) = sections.last_mut().filter(|_| !line.trim().is_empty()) {
                    lines.push(line);
                }
            }
        }
    }
    FAILING.iter().find_map(|begins| {
        let mut those = sections.iter().filter(|(name, _)| name.starts_with(begins));
        those.find_map(|(name, lines)| {
            let line = first_error(lines)?;
            Some(Told { section: (*name).to_owned(), line })
        })
    })
}

/// The newest log directory of nightly that is not older than `since`.
#[must_use]
pub fn newest(atlog: &Path, since: SystemTime) -> Option<PathBuf> {
    let entries = fs::read_dir(atlog).ok()?.flatten();
    let logs = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("log."));
    let timed =
        logs.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())));
    timed.filter(|(time, _)| *time >= since).max().map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_errors() {
        for (line, want) in [
            ("\"a.c\", line 5: error: undefined symbol: x", true),
            ("ld: fatal: error: x", true),
            ("dmake: Fatal error: Command failed for target `install'", true),
            ("dmake: Warning: Command failed for target `packages.i386/SUNWcs.mog'", false),
            ("a.c:5: warn: x", true),
            ("strerror.c: In function", false),
            ("installing error.h", false),
            ("the bootblock image is 12 bytes too big", true),
        ] {
            assert_eq!(is_error(line), want, "{line}");
        }
    }

    #[test]
    fn the_first_error_of_the_section_that_failed() {
        let mail = |errors: &str, warnings: &str| {
            format!(
                "==== Nightly distributed build started:   Mon Nov 30 ====\n\n\
                 ==== Nightly argument issues ====\n\n\n==== Build environment ====\n\
                 /usr/bin/dmake error: none\n\n==== Build errors (non-DEBUG) ====\n\n{errors}\n\
                 ==== Build warnings (non-DEBUG) ====\n\n{warnings}\n\
                 ==== Nightly build noise ====\nx: error: noise\n"
            )
        };
        let make = "dmake: Fatal error: Command failed for target `a.o'";
        let cc = "../a.c:5:2: error: unknown type name 'retrun'";
        let ld = "ld: fatal: symbol error : x";
        let warning = "b.c:1:1: warning: unused";
        for (errors, warnings, want) in [
            ("", "", None),
            (&format!("{make}\n{cc}\n../a.c:6:1: error: y\n")[..], warning, Some(cc)),
            (&format!("{ld}\n{make}\n"), "", Some(ld)),
            (
                "Undefined first referenced\n symbol in file\n",
                "",
                Some("Undefined first referenced"),
            ),
            ("", warning, Some(warning)),
        ] {
            let told = told(&mail(errors, warnings));
            assert_eq!(told.map(|told| told.line).as_deref(), want, "{errors}{warnings}");
        }
    }

    #[test]
    fn the_newest_log_of_this_run() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let began = SystemTime::now() - std::time::Duration::from_secs(60);
        for name in ["log.2026-01-01.10:00", "log.2026-01-02.10:00", "nightly.log"] {
            fs::create_dir(path(name)).unwrap();
        }
        let old = fs::File::open(path("log.2026-01-02.10:00")).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(newest(place.path(), began), Some(path("log.2026-01-01.10:00")));
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(newest(place.path(), later), None);
        assert_eq!(newest(&path("absent"), began), None);
    }
}
