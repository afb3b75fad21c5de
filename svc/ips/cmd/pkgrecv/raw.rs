//! raw.rs - `pkgrecv --raw`: packages as folders of files, which pkgsend can publish again.
//!
//! ```text
//! DEST/QUOTED-NAME/QUOTED-VERSION/manifest        as it is stored
//!                                /manifest.TYPE   its actions of one type
//!                                /HASH            payloads, unpacked or as they are stored
//! ```
//!
//! The manifest comes last: a package that has one is there whole and is not fetched again.

use std::fs;
use std::io::Write;
use std::path::Path;

use ips_client::Source;
use ips_cmd::Failure;
use ips_model::{Fmri, Kind};

use crate::options::Form;

/// Writes a package; whether it came now.
pub fn write(source: &Source, fmri: &Fmri, top: &Path, form: Form) -> Result<bool, Failure> {
    let (text, manifest) = source.manifest(fmri).map_err(Failure::new)?;
    let folder = top.join(fmri.path().unwrap_or_default());
    if fs::read(folder.join("manifest")).is_ok_and(|held| held == text.as_bytes()) {
        return Ok(false);
    }
    fs::create_dir_all(&folder).map_err(|error| {
        let (top, what) = (top.display(), error.kind());
        Failure::new(format!("Unable to create basedir '{top}': {what}"))
    })?;
    for action in &manifest.actions {
        let Some(hash) = action.payload_hash() else { continue };
        let bytes = match (form, action.kind) {
            (Form::RawStored, Kind::Signature) => source.named_payload(fmri, hash),
            (Form::RawStored, _) => source.payload(fmri, action),
            (_, _) => source.contents(fmri, action),
        };
        put(&folder.join(hash), &bytes.map_err(Failure::new)?)?;
    }
    for kind in Kind::ALL {
        let lines: String = manifest.of_kind(kind).map(|action| format!("{action}\n")).collect();
        if !lines.is_empty() {
            put(&folder.join(format!("manifest.{}", kind.as_str())), lines.as_bytes())?;
        }
    }
    put(&folder.join("manifest"), text.as_bytes())?;
    Ok(true)
}

/// A file that is whole or not there.
fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let told =
        |error: std::io::Error| Failure::new(format!("{}: {}", path.display(), error.kind()));
    written(path, bytes).map_err(told)
}

fn written(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(bytes)?;
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    beside.as_file().set_permissions(readable)?;
    beside.persist(path).map_err(|error| error.error)?;
    Ok(())
}
