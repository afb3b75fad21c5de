//! The nouns of IPS: FMRIs, versions, actions, manifests, catalogs.  No input or output.
//!
//! In reading order:
//!
//! - `version`, `fmri`, `pattern`: names of packages, their order, and how a user picks them;
//! - `quote`, `time`, `digest`: how names and times are spelled in paths and files;
//! - `action`, `parse`, `manifest`: a package as lines of text; `check`: what publication refuses;
//! - `tokens`: the words an action is found by; `query`: the language they are searched in;
//! - `merge`: builds of a package for several variants as one; `signature`: what is signed;
//! - `json`, `catalog`: catalog v1 and its signature;
//! - `elf`: what is in an ELF file;
//! - `configuration`, `p5i`: `pkg5.repository` and publisher descriptions.
//!
//! Source of the formats: the manual pages pkg(7), pkgsend(1), pkgrepo(1), and what pkg5 writes.

pub mod action;
pub mod catalog;
pub mod check;
pub mod configuration;
pub mod digest;
pub mod elf;
pub mod fmri;
pub mod json;
pub mod manifest;
pub mod merge;
pub mod p5i;
pub mod parse;
pub mod pattern;
pub mod query;
pub mod quote;
pub mod signature;
pub mod time;
pub mod tokens;
pub mod version;

pub use action::{Action, Kind};
pub use fmri::{Fmri, FmriError};
pub use manifest::Manifest;
pub use pattern::Pattern;
pub use time::Timestamp;
pub use version::Version;
