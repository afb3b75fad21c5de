//! The nouns of SMF: names (`fmri`), property groups as a repository holds them (`group`), service
//! bundles with their types and values (`bundle`).
//!
//! No I/O.

pub mod bundle;
pub mod fmri;
pub mod group;
