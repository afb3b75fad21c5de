//! The nouns of SMF: names (`fmri`), service bundles with their types and values (`bundle`).
//!
//! No I/O.

pub mod bundle;
pub mod fmri;
