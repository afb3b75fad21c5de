//! Receive packages, fill image roots.
//!
//! In reading order: `origin` (where packages come from), `archive` (a p5p file, read; `pack`, made),
//! `transport` (how depots are spoken to; `volley`: many files asked for at once; `download`: a file
//! that is no part of a repository), `source` (an opened origin: verified catalogs, manifests,
//! payloads) and `digest`, `control` (progress and cancelling); for receiving, `select` (which
//! packages), `receive` and `mirror` (an exact copy), `mogrify` (manifests edited by rules); for
//! publishing to a depot, `publish_http` (its operations), `deliver` (from a manifest) and `republish`
//! (from a repository); `signature` (made and verified); for merging the builds of several variants,
//! `builds` (which packages) and `merge`; for filling a root, `populate`, which
//! stands on `conditions` (variants and facets), `solve` (the closed
//! set), `mediators` and `plan` (the actions of all packages as one) and `conflicts`, `root`
//! (writing below a root), `below` (looking, moving, removing there) and `lay`, `accounts`, `drivers` and `edits` (edits of its files), `owners`; for images that keep track of
//! their packages, `image`, `change` (what is to become of one), `execute` (done whole or not at all); `search` (queries); `donor` (files of an image that goes, for one that comes).
//!
//! The library prints nothing and reads no environment.

mod accounts;
mod archive;
mod below;
mod builds;
pub mod change;
mod conditions;
mod conflicts;
mod control;
mod deliver;
mod digest;
mod donor;
mod download;
mod drivers;
mod edits;
pub mod execute;
pub mod image;
mod lay;
mod mediators;
mod merge;
mod mirror;
pub mod mogrify;
mod origin;
mod owners;
mod pack;
mod payloads;
mod plan;
mod populate;
mod publish_http;
mod receive;
mod republish;
mod root;
mod search;
mod select;
pub mod signature;
pub mod solve;
mod source;
mod transport;
mod volley;

pub use accounts::AccountError;
pub use builds::BuildsError;
pub use conditions::Conditions;
pub use control::{Control, Phase, Progress};
pub use deliver::{DeliverError, deliver};
pub use digest::PayloadError;
pub use donor::Donor;
pub use download::download;
pub use drivers::DriverError;
pub use merge::{MergeError, MergeOptions, MergeSource, Merged, merge};
pub use mirror::mirror;
pub use origin::{Origin, OriginError};
pub use owners::OwnerError;
pub use pack::pack;
pub use plan::ConflictError;
pub use populate::{PopulateError, PopulateOptions, Populated, populate};
pub use publish_http::{Depot, DepotError, Prepared};
pub use receive::{ReceiveError, ReceiveOptions, Received, Versions, chosen, receive};
pub use republish::republish;
pub use root::RootError;
pub use search::{AskError, Found};
pub use solve::SolveError;
pub use solve::choose::ChooseError;
pub use source::{PublisherCatalog, Source, SourceError};
pub use transport::{Patience, Transport, TransportError};
