//! image-evidence - what an image is made of, who made it from what, and how two builds differ.
//!
//! Reading order: [`contents`] (an image's packages and files), [`license`] (what packages say of
//! their licences, as SPDX says it), [`bill`] (the SPDX 2.3 document, written), [`read`] (read back),
//! [`facts`] (all that is known of a build, for programs), [`provenance`] (the in-toto statement with SLSA's predicate), [`envelope`] (signed, by DSSE),
//! [`compare`] (two builds side by side).
//!
//! Law: the same contents give the same bytes; the only time is the one handed in.
//!
//! Not here: reading disks, hashing files, choosing where the texts go.

pub mod bill;
pub mod compare;
pub mod contents;
pub mod envelope;
pub mod facts;
pub mod license;
pub mod provenance;
pub mod read;

pub use bill::{Draft, spdx};
pub use compare::{Build, Difference, compare};
pub use contents::{Contents, Digests, File, Medium, Package, Tool};
pub use envelope::{Key, KeyError, envelope};
pub use facts::{Facts, FactsError};
pub use provenance::{Material, Provenance, statement};
pub use read::{ReadError, read};
