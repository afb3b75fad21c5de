//! content.rs - what is in a file, by the best hash its action names.
//!
//! An ELF file may differ in sections that do not matter; it is right when the hash of the others
//! is.  A file that may be edited is never wrong: that it was is told, not complained of.

use ips_model::action::Action;
use ips_repository::{Room, digest_all};

use super::Report;
use crate::root::{Directory, RootError};

/// The hash of an action's content: algorithm and value.
fn wanted(action: &Action) -> Option<(&'static str, &str)> {
    action.content_hash("file").or_else(|| Some(("sha1", action.payload_hash()?)))
}

/// The hash of the ELF sections that matter.
pub(super) fn sections_hash(action: &Action) -> Option<(&'static str, &str)> {
    action.content_hash("gelf").or_else(|| Some(("sha1", action.get("elfhash")?)))
}

/// Found and expected hash, where they differ.
pub(super) fn differs(action: &Action, bytes: &[u8]) -> Option<(String, String)> {
    let (algorithm, expected) = wanted(action)?;
    let found = ips_repository::digest(algorithm, bytes)?;
    (found != expected).then(|| (found, expected.to_string()))
}

/// A file to be read.
pub(super) struct Wanted<'a> {
    /// Its name in its directory.
    pub(super) name: &'a str,
    /// Who delivers it.
    pub(super) action: &'a Action,
    /// Its length.
    pub(super) size: u64,
}

/// Whether a file's content counts: what is mounted over it is another file on purpose.
pub(super) fn counts(action: &Action) -> bool {
    !action.get("mountpoint").is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Reads files of a directory and compares; what is wrong with each, in order.  Their digests are
/// made side by side.
pub(super) fn check_all(
    directory: &Directory,
    group: &[&Wanted<'_>],
    room: &mut Room,
) -> Vec<Report> {
    room.clear();
    let read: Vec<Result<(), RootError>> =
        group.iter().map(|file| room.add(|onto| directory.bytes_onto(file.name, onto))).collect();
    let texts = room.texts();
    let there = group.iter().zip(&read).filter(|(_, read)| read.is_ok()).map(|(file, _)| file);
    let asked: Vec<(&str, &[u8])> = there
        .zip(&texts)
        .map(|(file, text)| (wanted(file.action).map_or("", |(algorithm, _)| algorithm), *text))
        .collect();
    let mut digests = digest_all(&asked).into_iter().zip(&texts);
    let report = |(file, read): (&&Wanted<'_>, Result<(), RootError>)| {
        let mut report = Report::default();
        match read {
            Err(error) => report.error(unread(&error)),
            Ok(()) => {
                let expected = wanted(file.action).map(|(_, expected)| expected);
                if let (Some((Some(found), text)), Some(expected)) = (digests.next(), expected) {
                    if found != expected {
                        differs_from(expected, &found, file.action, text, &mut report);
                    }
                }
            }
        }
        report
    };
    group.iter().zip(read).map(report).collect()
}

fn unread(error: &RootError) -> String {
    match error {
        RootError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            "Skipping: Permission Denied".to_string()
        }
        other => format!("Unexpected Error: {other}"),
    }
}

/// What a content that is not the one delivered means.
fn differs_from(expected: &str, found: &str, action: &Action, text: &[u8], report: &mut Report) {
    let sections = sections_hash(action)
        .map(|(algorithm, expected)| (ips_repository::sections_digest(algorithm, text), expected));
    if let Some((Some(found), expected)) = &sections {
        if found == expected {
            return;
        }
    }
    if action.get("preserve").is_some() {
        report.info.push("editable file has been changed".to_string());
        return;
    }
    match sections {
        Some((Some(found), expected)) => {
            report.error(format!("ELF content hash: {found} should be {expected}"));
        }
        Some((None, _)) | None => report.error(format!("Hash: {found} should be {expected}")),
    }
}
