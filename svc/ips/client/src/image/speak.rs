//! speak.rs - how a publisher's places are spoken to.
//!
//! `ssl_cert` and `ssl_key` are the publisher's, a proxy is the origin's or mirror's own, `ca-path`
//! is the image's: a folder of PEM files.  Without any certificate in it the usual ones are trusted.
//! What the program's surroundings say comes first for certificates that are trusted, and last for
//! proxies.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::{Image, Publisher, PublisherUri};
use crate::transport::{Transport, TransportError};

impl Image {
    /// How a place of a publisher is spoken to.
    pub(super) fn transport(
        &self,
        publisher: &Publisher,
        place: &PublisherUri,
    ) -> Result<Transport, TransportError> {
        let mut transport = (self.surroundings)(&place.uri)?;
        if let Some(proxy) = &place.proxy {
            transport = transport.with_proxy(proxy)?;
        }
        if !place.uri.starts_with("https:") {
            return Ok(transport);
        }
        let folder = self.configuration().property("ca-path").unwrap_or_default();
        let trusted =
            if transport.has_roots() { Vec::new() } else { authorities(Path::new(folder))? };
        if !trusted.is_empty() {
            transport = transport.with_roots((folder, &trusted))?;
        }
        let certificate = &publisher.ssl_cert;
        if certificate.is_empty() {
            return Ok(transport);
        }
        // A file may have both.
        let key = if publisher.ssl_key.is_empty() { certificate } else { &publisher.ssl_key };
        let (shown, with) = (read(Path::new(certificate))?, read(Path::new(key))?);
        transport.with_identity((certificate, &shown), (key, &with))
    }
}

/// The PEM files of a folder, one after the other, each once; what hashes name are links to others.
fn authorities(folder: &Path) -> Result<Vec<u8>, TransportError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| refused(folder, &error))?,
    };
    let mut files = BTreeSet::new();
    for entry in entries {
        let path = entry.map_err(|error| refused(folder, &error))?.path();
        // A link to what is gone is passed over.
        if !path.is_file() {
            continue;
        }
        let mut bytes = read(&path)?;
        bytes.push(b'\n');
        files.insert(bytes);
    }
    let begin = b"-----BEGIN ";
    files.retain(|bytes| {
        bytes.windows(begin.len()).any(|window| window == begin)
            && ureq::tls::parse_pem(bytes)
                .any(|item| matches!(item, Ok(ureq::tls::PemItem::Certificate(_))))
    });
    Ok(files.into_iter().flatten().collect())
}

fn read(path: &Path) -> Result<Vec<u8>, TransportError> {
    fs::read(path).map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &io::Error) -> TransportError {
    TransportError { what: path.display().to_string(), reason: error.to_string() }
}
