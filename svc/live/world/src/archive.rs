//! archive.rs - an archive of somebody else: taken from a URL or a path, checked, unpacked beside.
//!
//! Law: nothing is unpacked before its digest is right, where one is given.  The archive is hostile: entries stay
//! below the place they are unpacked to, whatever their names and links say.  Whoever waits for a
//! download can end it; a server that does not answer ends it as well.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Cancel, Ended, Limits, ProcessError, Program, Stream};
use sha2::{Digest, Sha256};

/// Programs that unpack, by how an archive's name ends.
const UNPACKERS: [(&str, &str); 7] = [
    (".tar.gz", "gzip"),
    (".tgz", "gzip"),
    (".tar.bz2", "bzip2"),
    (".tbz", "bzip2"),
    (".tar.xz", "xz"),
    (".txz", "xz"),
    (".tar", ""),
];

/// How long a server may take to be reached, and to begin its answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why an archive was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It could not be got.
    #[error("{location}: {reason}")]
    Get {
        /// A URL or a path.
        location: String,
        /// What the other side or the system said.
        reason: String,
    },
    /// It is not the one that was meant.
    #[error("{location}: its SHA-256 is {found}, not {wanted}")]
    Digest {
        /// A URL or a path.
        location: String,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// Its name does not say what it is.
    #[error("{0}: neither .tar, .tar.gz, .tar.bz2 nor .tar.xz")]
    Kind(String),
    /// It could not be unpacked.
    #[error("{path}: {reason}", path = path.display())]
    Unpack {
        /// The archive, or a file of it.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The unpacker did not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// The program that unpacks what a location names.
#[must_use]
pub fn unpacker(location: &str) -> Option<&'static str> {
    let known = UNPACKERS.iter().find(|(end, _)| location.ends_with(end));
    known.map(|(_, program)| *program).filter(|program| !program.is_empty())
}

/// Whether a text names an archive: one word that ends as archives do.
#[must_use]
pub fn is_archive(text: &str) -> bool {
    !text.contains(char::is_whitespace) && UNPACKERS.iter().any(|(end, _)| text.ends_with(end))
}

/// Unpacks an archive into `into`, which exists and is empty, by way of `scratch`.
///
/// # Errors
/// It cannot be got, is another one, or cannot be unpacked.
pub fn take(
    location: &str,
    digest: Option<&str>,
    scratch: &Path,
    into: &Path,
    cancel: &Cancel,
) -> Result<(), ArchiveError> {
    let packed = scratch.join("packed");
    let found = get(location, &packed, cancel)?;
    if let Some(wanted) = digest.filter(|wanted| !wanted.eq_ignore_ascii_case(&found)) {
        let (location, wanted) = (location.to_owned(), wanted.to_owned());
        return Err(ArchiveError::Digest { location, found, wanted });
    }
    let plain = match unpacker(location) {
        None if location.ends_with(".tar") => packed,
        None => return Err(ArchiveError::Kind(location.to_owned())),
        Some(program) => {
            let plain = scratch.join("plain");
            decompress(program, &packed, &plain, cancel)?;
            plain
        }
    };
    let failed = |error: io::Error| ArchiveError::Unpack {
        path: PathBuf::from(location),
        reason: whole(&error),
    };
    let mut archive = tar::Archive::new(File::open(&plain).map_err(failed)?);
    archive.set_preserve_permissions(true);
    archive.unpack(into).map_err(failed)
}

/// An error and what caused it; tar's own says only where.
fn whole(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(std::error::Error::source);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Copies what a location names to a file; its digest.
fn get(location: &str, to: &Path, cancel: &Cancel) -> Result<String, ArchiveError> {
    let failed = |reason: String| ArchiveError::Get { location: location.to_owned(), reason };
    let mut from: Box<dyn Read> = if location.contains("://") && !location.starts_with("file://") {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE));
        let agent = config.build().new_agent();
        let answer = agent.get(location).call().map_err(|error| failed(error.to_string()))?;
        Box::new(answer.into_body().into_reader())
    } else {
        let path = location.strip_prefix("file://").unwrap_or(location);
        Box::new(File::open(path).map_err(|error| failed(error.to_string()))?)
    };
    let mut file = File::create(to).map_err(|error| failed(error.to_string()))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        if cancel.is_set() {
            return Err(failed("no longer wanted".to_owned()));
        }
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error.to_string())),
        };
        digest.update(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(|error| failed(error.to_string()))?;
    }
    Ok(stage::recipe::hex(&digest.finalize()))
}

fn decompress(
    program: &str,
    packed: &Path,
    plain: &Path,
    cancel: &Cancel,
) -> Result<(), ArchiveError> {
    let failed = |reason: String| ArchiveError::Unpack { path: packed.to_owned(), reason };
    let mut file = File::create(plain).map_err(|error| failed(error.to_string()))?;
    let mut said = Vec::new();
    let mut written = Ok(());
    let child = Program::new(program).arg("-dc").arg(packed).start()?;
    let ended = child.wait(&Limits::until(cancel), &mut |stream, bytes| {
        match stream {
            Stream::Err => said.extend_from_slice(bytes),
            Stream::Out => written = file.write_all(bytes),
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written.map_err(|error| failed(error.to_string()))?;
    match ended {
        Ended::Exited(0) => Ok(()),
        other => {
            let said = String::from_utf8_lossy(&said);
            let last = said.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
            Err(failed(last.unwrap_or_else(|| format!("{program} {other}"))))
        }
    }
}

/// What was unpacked: the only directory of a place, or the place itself.
///
/// # Errors
/// It cannot be read.
pub fn content(place: &Path) -> io::Result<PathBuf> {
    let mut entries = fs::read_dir(place)?.collect::<io::Result<Vec<_>>>()?;
    match (entries.pop(), entries.is_empty()) {
        (Some(one), true) if one.file_type()?.is_dir() => Ok(one.path()),
        _ => Ok(place.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with these entries, `name=text`, or `name>target` for a link.
    fn archive(path: &Path, entries: &[&str]) {
        let mut builder = tar::Builder::new(File::create(path).unwrap());
        for entry in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            if let Some((name, target)) = entry.split_once('>') {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, target).unwrap();
            } else {
                let (name, text) = entry.split_once('=').unwrap();
                header.set_size(text.len() as u64);
                // The library refuses hostile names here too, so they are written as bytes.
                header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
                header.set_cksum();
                builder.append(&header, text.as_bytes()).unwrap();
            }
        }
        builder.finish().unwrap();
    }

    fn taken(entries: &[&str], digest: Option<&str>) -> (tempfile::TempDir, Result<(), String>) {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        archive(&path("x.tar"), entries);
        fs::create_dir(path("into")).unwrap();
        let location = path("x.tar").display().to_string();
        let cancel = Cancel::new().unwrap();
        let done = take(&location, digest, place.path(), &path("into"), &cancel);
        let done = done.map_err(|error| error.to_string());
        (place, done)
    }

    #[test]
    fn a_directory_of_an_archive() {
        let (place, done) = taken(&["man/README=pages\n", "man/man1/x.1=x\n"], None);
        done.unwrap();
        let content = content(&place.path().join("into")).unwrap();
        assert_eq!(fs::read_to_string(content.join("README")).unwrap(), "pages\n");
    }

    #[test]
    fn nothing_gets_out_and_nothing_wrong_gets_in() {
        let (place, _) = taken(&["../out=x\n"], None);
        assert!(!place.path().join("out").exists());
        let (place, done) = taken(&["a>..", "a/out=x\n"], None);
        assert!(done.is_err() && !place.path().join("out").exists(), "{done:?}");
        let (place, done) = taken(&["a=x\n"], Some("00"));
        let said = done.unwrap_err();
        assert!(said.contains("its SHA-256 is ") && said.ends_with(", not 00"), "{said}");
        assert_eq!(fs::read_dir(place.path().join("into")).unwrap().count(), 0);
    }

    #[test]
    fn packed_archives() {
        for (name, program) in [("x.tar.gz", "gzip"), ("x.tar.xz", "xz"), ("x.tar.bz2", "bzip2")] {
            assert_eq!(unpacker(name), Some(program));
            assert!(is_archive(name) && !is_archive(&format!("get {name}")));
        }
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        archive(&path("x.tar"), &["a=text\n"]);
        let script = "gzip -c x.tar >x.tar.gz; head -c 40 x.tar.gz >half.tar.gz";
        let made = Program::new("sh").args(["-c", script]).directory(place.path());
        assert!(made.output(&Limits::none()).unwrap().success());
        fs::create_dir(path("into")).unwrap();
        let location = |name: &str| path(name).display().to_string();
        let cancel = Cancel::new().unwrap();
        let take = |name: &str| take(&location(name), None, place.path(), &path("into"), &cancel);
        take("x.tar.gz").unwrap();
        assert_eq!(fs::read_to_string(path("into/a")).unwrap(), "text\n");
        for (name, want) in
            [("half.tar.gz", "unexpected end of file"), ("gone.tar", "No such file")]
        {
            let error = take(name).unwrap_err();
            assert!(error.to_string().contains(want), "{error}");
        }
        cancel.set();
        let error = take("x.tar.gz").unwrap_err();
        assert!(error.to_string().ends_with("x.tar.gz: no longer wanted"), "{error}");
    }
}
