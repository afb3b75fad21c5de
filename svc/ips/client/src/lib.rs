//! Receive packages, fill image roots.
//!
//! In reading order: `origin` (where packages come from), `source` (an opened origin: verified
//! catalogs, manifests, payloads) and `digest`, `control` (progress and cancelling); for
//! receiving, `receive`; for filling a root, `populate`, which stands on `conditions` (variants
//! and facets), `candidate` and `solve` (the closed set), `plan` (the actions of all packages as
//! one, conflicts), `root` (writing below a root), `accounts` and `drivers` (edits of its files).
//!
//! The library prints nothing and reads no environment.

mod accounts;
mod candidate;
mod conditions;
mod control;
mod digest;
mod drivers;
mod origin;
mod root;
mod solve;
mod source;

pub use accounts::AccountError;
pub use control::{Control, Phase, Progress};
pub use digest::PayloadError;
pub use drivers::DriverError;
pub use origin::{Origin, OriginError};
pub use root::RootError;
pub use solve::SolveError;
pub use source::{PublisherCatalog, Source, SourceError};
