//! content.rs - what is in a file, by the best hash its action names.
//!
//! An ELF file may differ in sections that do not matter; it is right when the hash of the others
//! is.  A file that may be edited is never wrong: that it was is told, not complained of.

use ips_model::action::Action;

use super::Report;
use crate::root::Directory;

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

/// Reads a file and compares.
pub(super) fn check(directory: &Directory, name: &str, action: &Action, report: &mut Report) {
    // What is mounted over it is another file on purpose.
    if action.get("mountpoint").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return;
    }
    let bytes = match directory.bytes(name) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.error(match &error {
                crate::root::RootError::Io { source, .. }
                    if source.kind() == std::io::ErrorKind::PermissionDenied =>
                {
                    "Skipping: Permission Denied".to_string()
                }
                other => format!("Unexpected Error: {other}"),
            });
            return;
        }
    };
    let Some((found, expected)) = differs(action, &bytes) else { return };
    let sections = sections_hash(action).map(|(algorithm, expected)| {
        (ips_repository::sections_digest(algorithm, &bytes), expected)
    });
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
