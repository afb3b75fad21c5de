//! elf.rs - what pkg5 says of ELF files: architecture, width, and a digest of the sections.
//!
//! The digested data are the sections in table order, those left out that differ from build to
//! build without meaning.  A file that claims to be ELF and whose tables do not lie inside it is
//! treated as no ELF.  How the format is read: `ips_model::elf`.

use sha1::{Digest, Sha1};
use sha2::Sha512_256;

use ips_model::digest::hex;
use ips_model::elf;

/// Sections that never count.
const LEFT_OUT: [&[u8]; 11] = [
    b".SUNW_signature",
    b".comment",
    b".SUNW_dof",
    b".debug",
    b".plt",
    b".rela.bss",
    b".rela.plt",
    b".line",
    b".note",
    b".compcom",
    b"",
];

/// ELF attributes of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elf {
    /// `i386`, `sparc`, ...
    pub(crate) arch: &'static str,
    /// `32` or `64`.
    pub(crate) bits: &'static str,
    /// SHA-1 of the data.
    pub(crate) sha1: String,
    /// SHA-512/256 of the data.
    pub(crate) sha512_256: String,
}

/// The attributes, or nothing where the bytes are no ELF file.
pub(crate) fn inspect(bytes: &[u8]) -> Option<Elf> {
    let file = elf::Elf::parse(bytes).ok()?;
    let (mut sha1, mut sha512) = (Sha1::new(), Sha512_256::new());
    for (name, data) in file.named_sections().ok()? {
        if LEFT_OUT.contains(&name) {
            continue;
        }
        let data = data?;
        sha1.update(&data);
        sha512.update(&data);
    }
    Some(Elf {
        arch: file.arch(),
        bits: if file.is_64() { "64" } else { "32" },
        sha1: hex(&sha1.finalize()),
        sha512_256: hex(&sha512.finalize()),
    })
}

/// The digest of an ELF file's sections that matter, in hex; `None` for other files and algorithms.
pub fn sections_digest(algorithm: &str, bytes: &[u8]) -> Option<String> {
    let elf = inspect(bytes)?;
    match algorithm {
        "sha1" => Some(elf.sha1),
        "sha512t_256" => Some(elf.sha512_256),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_elf() {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(64, 0);
        assert!(inspect(&header).is_some(), "a header without sections is ELF");
        // A section table far outside the file, and every truncation of the header.
        header[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
        header[60] = 9;
        assert_eq!(inspect(&header), None);
        for length in 0..20 {
            assert_eq!(inspect(&header[..length]), None, "{length}");
        }
        assert_eq!(inspect(b"#!/bin/sh\n"), None);
    }
}
