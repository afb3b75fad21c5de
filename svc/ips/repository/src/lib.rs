//! The file repository: one directory, read by anyone, changed in whole batches.  Version 4; of
//! version 3, with the publisher's folders at its top, it is read.
//!
//! ```text
//! REPO/pkg5.repository                 configuration, marks the repository
//! REPO/publisher/PUB/catalog/          catalog.attrs, the parts, the update logs
//! REPO/publisher/PUB/file/ab/abcd…     payloads: gzip, named by SHA-1 of the content
//! REPO/publisher/PUB/pkg/NAME/VERSION  manifests
//! REPO/publisher/PUB/index/            search index
//! REPO/publisher/PUB/pub.p5i           description of the publisher
//! REPO/publisher/PUB/tmp/              lock, and what is being written
//! ```
//!
//! In reading order: `repository` (create, open, configuration, publishers), `read` (manifests,
//! payloads), `catalog` (a publisher's catalog as a set), `batch` (a transaction of packages:
//! `publish` from a proto area, `append` from another repository), `staging` (what a batch has
//! written and nobody sees yet), `apart` (where on the disk that lies), `commit` (how it becomes visible), `transaction` (a package
//! published by several processes one after the other), `rebuild` (a catalog from the
//! manifests), `replace_catalog` (another's, taken over), `remove` (packages and publishers), `verify` (what is damaged), `unresolved` (what
//! depends on packages that are not here), `quarantine` (damage put aside), `index` (what searches look in), `payload` and `elf`
//! (what is said of a payload), `lanes` (many digests at once), `lock`, `durable`.
//!
//! Invariants: a package is in the catalog only after its manifest and payloads are in their
//! places; a reader sees a catalog's files as one set; nothing here prints or reads the clock.

mod apart;
mod batch;
mod catalog;
mod commit;
pub mod durable;
mod elf;
mod error;
mod index;
mod intake;
mod lanes;
mod lock;
mod payload;
mod quarantine;
mod read;
mod rebuild;
mod remove;
mod replace_catalog;
mod repository;
mod staging;
mod transaction;
mod unresolved;
mod verify;

pub use apart::make_apart;
pub use batch::{Appended, Batch, Found, Sources, Stored};
pub use catalog::{Catalog, Package};
pub use elf::sections_digest;
pub use error::{CreateError, OpenError, PathError, ReadError, WriteError};
pub use index::{Index, Indexed, SearchError};
pub use lanes::{Room, digest_all, groups};
pub use lock::{Wait, record_lock};
pub use payload::{
    Made, Stream, Unpacked, compressed, digest, expand, expand_onto, unpack, unpack_file, with_file,
};
pub use quarantine::Fixed;
pub use repository::{Info, Repository};
pub use transaction::Transaction;
pub use unresolved::{Unresolved, unresolved};
pub use verify::{Fault, Finding, Verified};
