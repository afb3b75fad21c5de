//! FMRIs, values, property groups, service bundles, states: the nouns of SMF, no I/O

pub mod bundle;
