//! contents.rs - what an image is made of, as the evidence has it.

use serde::{Deserialize, Serialize};

/// The program that built the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Hashes of some bytes, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// SHA-1: what SPDX demands of a file.
    pub sha1: String,
    /// SHA-256.
    pub sha256: String,
}

/// A medium: an ISO, a USB image, a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medium {
    /// Its file name.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// A package in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The publisher.
    pub publisher: String,
    /// The name: `system/kernel`.
    pub name: String,
    /// The version with branch and time stamp, as an FMRI has it.
    pub version: String,
    /// One line of what it is.
    pub summary: Option<String>,
    /// What its licence actions call its licences.
    pub licenses: Vec<String>,
    /// Names of the packages it requires; those that are not in the image do not count.
    pub requires: Vec<String>,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
}

impl Package {
    /// `pkg://PUBLISHER/NAME@VERSION`
    #[must_use]
    pub fn fmri(&self) -> String {
        let Package { publisher, name, version, .. } = self;
        format!("pkg://{publisher}/{name}@{version}")
    }
}

/// A regular file in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its path, relative to the image's root.
    pub path: String,
    /// The name of the package that delivers it; `None`: the build made it.
    pub package: Option<String>,
    /// Length in bytes.
    pub size: u64,
    /// Hashes of its bytes.
    #[serde(flatten)]
    pub digests: Digests,
}

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// The distribution's name.
    pub name: String,
    /// The time of the build's inputs, seconds since the epoch.
    pub time: i64,
    /// What built it.
    pub tool: Tool,
    /// Its packages; any order.
    pub packages: Vec<Package>,
    /// Its files; any order.
    pub files: Vec<File>,
    /// What came out.
    pub media: Vec<Medium>,
}
