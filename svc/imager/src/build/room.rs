//! room.rs - what is said of a step that found no room: where, how much there is, how much it takes.
//!
//! Programs of the host say it in their own words, a script may not say it at all; so the words
//! count, and after a failure the file systems that a build writes are looked at.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use image_manifest::{Form, Native};
use image_tree::{Kind, Tree};
use nix::sys::statvfs::statvfs;

use super::run::Going;
use crate::packages::Takes;
use crate::steps::Places;

/// A file system with less than this has no room.
const LEAST: u64 = 64 << 10;
/// How xorriso says it.
const TOO_SMALL: &str = " exceeds free space on media";

/// How a build goes on once there is room: as whoever began it would type it; `step`: the one that
/// failed, where one had begun.
pub fn onward(form: Form, going: Going, step: Option<&str>) -> String {
    match (going, form, step) {
        (Going::AsItIs, ..) => "clear the instance".to_owned(),
        (Going::AsTold, Form::Dc, Some(step)) => format!("go on with -r {step}"),
        (Going::AsTold, Form::Dc, None) => "build again".to_owned(),
        (Going::AsTold, Form::Distribution | Form::Distribution2009, _) => {
            "go on with -R".to_owned()
        }
    }
}

/// The line that explains the failure of `who`, where it is one of room.
pub fn lacking(
    who: &str,
    error: &anyhow::Error,
    places: &[&Path],
    takes: Option<u64>,
    onward: &str,
) -> Option<String> {
    let mut all: Vec<Place> = Vec::new();
    for place in places.iter().filter_map(|path| Place::of(path)) {
        if all.iter().all(|known| known.device != place.device) {
            all.push(place);
        }
    }
    let takes = counted(error)
        .or(takes)
        .or_else(|| error.downcast_ref::<Takes>().map(|Takes(bytes)| *bytes));
    let said = says_full(error);
    // What was half made may be gone again by now: the fullest one it was.
    let place = all.iter().min_by_key(|place| (!place.is_full(), place.bytes))?;
    if !said && !place.is_full() {
        return None;
    }
    let takes = takes.map(|bytes| format!(", the step takes about {}", size(bytes)));
    Some(format!(
        "{who}: no room in the file system {}: {} available{}{}; free some and {onward}",
        place.mounted.display(),
        size(place.bytes),
        if place.has_names { "" } else { ", no more files" },
        takes.unwrap_or_default()
    ))
}

/// A file system.
struct Place {
    device: u64,
    mounted: PathBuf,
    bytes: u64,
    has_names: bool,
}

impl Place {
    fn of(path: &Path) -> Option<Self> {
        // A directory that is not there yet would be made in the one above it.
        let path = path.ancestors().find(|above| above.exists())?.canonicalize().ok()?;
        let device = path.metadata().ok()?.dev();
        let same = |above: &&Path| above.metadata().is_ok_and(|about| about.dev() == device);
        let mounted = path.ancestors().take_while(same).last().unwrap_or(&path).to_path_buf();
        let room = statvfs(&path).ok()?;
        let bytes = room.blocks_available() * room.fragment_size();
        // Some file systems count no files.
        let has_names = room.files() == 0 || room.files_available() > 0;
        Some(Self { device, mounted, bytes, has_names })
    }

    fn is_full(&self) -> bool {
        self.bytes < LEAST || !self.has_names
    }
}

/// Whether a file system was full, by what was said.
pub fn says_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let text = cause.to_string();
        matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
            || text.contains(TOO_SMALL)
            || text.contains("No space left on device")
            || text.contains("Disk quota exceeded")
    })
}

/// What xorriso counted: `Image size 186s exceeds free space on media 34s`, in sectors.
fn counted(error: &anyhow::Error) -> Option<u64> {
    let text = format!("{error:#}");
    let (before, _) = text.split_once(TOO_SMALL)?;
    let sectors = before.rsplit("Image size ").next()?.strip_suffix('s')?;
    Some(sectors.parse::<u64>().ok()? * 2048)
}

/// Bytes that a step writes, about; none where nothing tells.
pub fn takes(native: Option<Native>, places: &Places) -> Option<u64> {
    let root = || bytes(&places.pkg_image, &[""]);
    match native? {
        // The archive as it grows in the image, and its compressed form beside it.
        Native::BaArch => bytes(&places.boot_archive, &[""]).map(|bytes| bytes * 16 / 10),
        // Each part as an ISO image, then compressed beside it.
        Native::PostMod => {
            bytes(&places.pkg_image, &["usr", "opt", "etc", "var"]).map(|bytes| bytes * 15 / 10)
        }
        Native::Iso | Native::Netboot => root(),
        // A fifth more room than what it holds.
        Native::Usb | Native::Disk => root().map(|bytes| bytes * 12 / 10),
        _ => None,
    }
}

/// Bytes of files below some paths of a root.
fn bytes(root: &Path, parts: &[&str]) -> Option<u64> {
    let tree = Tree::parse(&std::fs::read_to_string(root.with_extension("table")).ok()?).ok()?;
    let within = |path: &str| {
        parts.iter().any(|part| {
            let rest = path.strip_prefix(part);
            rest.is_some_and(|rest| part.is_empty() || rest.starts_with('/'))
        })
    };
    let size = |(path, entry): (&str, &image_tree::Entry)| match entry.kind {
        Kind::File { size } if within(path) => size,
        _ => 0,
    };
    Some(tree.iter().map(size).sum())
}

/// As people read it.
fn size(bytes: u64) -> String {
    if bytes < 1 << 20 {
        return format!("{} KiB", bytes.div_ceil(1 << 10));
    }
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use image_checkpoint::{Area, Options, Place};

    use super::*;
    use crate::zfs::Zfs;

    #[test]
    fn room_is_told_of_when_it_is_what_lacks() {
        let here = std::env::temp_dir();
        let full = anyhow::Error::from(io::Error::from_raw_os_error(28)).context("/a/b");
        let line = lacking("step iso", &full, &[&here], Some(3 << 20), "go on").unwrap();
        assert!(line.starts_with("step iso: no room in the file system /"), "{line}");
        assert!(line.contains(" available, the step takes about 3 MiB; free "), "{line}");
        let tool = anyhow::anyhow!("xorriso: No space left on device (exited with status 5)");
        assert!(lacking("step iso", &tool, &[&here], None, "go on").is_some());
        let takes = full.context(Takes(100 << 10));
        let line = lacking("step im-pop", &takes, &[&here], None, "go on").unwrap();
        assert!(line.contains("takes about 100 KiB"), "{line}");
        assert_eq!(lacking("step iso", &anyhow::anyhow!("other"), &[&here], None, "go on"), None);
        assert_eq!(lacking("step iso", &tool, &[], None, "go on"), None);
        let xorriso = "xorriso : FAILURE : Image size 186s exceeds free space on media 34s";
        let line =
            lacking("step iso", &anyhow::anyhow!(xorriso), &[&here], Some(5), "go on").unwrap();
        assert!(line.contains("takes about 372 KiB"), "{line}");
    }

    #[test]
    fn who_began_a_build_is_told_how_it_goes_on() {
        for (form, going, step, wanted) in [
            (Form::Distribution, Going::AsTold, Some("iso"), "go on with -R"),
            (Form::Dc, Going::AsTold, Some("iso"), "go on with -r iso"),
            (Form::Dc, Going::AsTold, None, "build again"),
            (Form::Dc, Going::AsItIs, Some("iso"), "clear the instance"),
            (Form::Distribution2009, Going::AsItIs, None, "clear the instance"),
        ] {
            assert_eq!(onward(form, going, step), wanted);
        }
    }

    #[test]
    fn a_step_takes_what_its_files_do() {
        let scratch = tempfile::tempdir().unwrap();
        let options = Options { tools: Arc::new(Zfs), calls: None };
        let area = Area::open(&Place::Directory(scratch.path().to_owned()), &options).unwrap();
        let places = Places::of(&area);
        std::fs::create_dir_all(&places.build_data).unwrap();
        assert_eq!(takes(Some(Native::Iso), &places), None);
        let table = "d 0755 0 0 0 - usr\nf 0644 0 0 0 1000 usr/a\nf 0644 0 0 0 20 usrb\n";
        let tree = Tree::parse(table).map(|tree| tree.to_string());
        std::fs::write(places.pkg_image.with_extension("table"), tree.unwrap()).unwrap();
        assert_eq!(takes(Some(Native::Iso), &places), Some(1020));
        assert_eq!(takes(Some(Native::PostMod), &places), Some(1500));
        assert_eq!(takes(Some(Native::ImMod), &places), None);
        assert_eq!(takes(None, &places), None);
    }
}
