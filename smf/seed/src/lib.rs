//! The configuration repository that illumos reads at its first boot.
//!
//! A live image whose `etc/svc/repository.db` is the empty seed imports every bundle at every boot.  Here the
//! bundles are imported when the image is made, by the same plans that `svccfg import` carries out, and
//! written as svc.configd of illumos would have written them.
//!
//! Reading order: `contents` (bundles in, entities and snapshots held), `schema` (svc.configd's tables, and
//! the contents as their rows), `sqlite2` (tables and indexes as a file), `number` (how an index orders
//! numbers).
//!
//! Pure: files come as bytes with their names in the image, the repository goes out as bytes.  The same
//! bundles give the same bytes.

mod contents;
mod number;
mod schema;
mod sqlite2;

pub use contents::{Contents, Delivered, SeedError};
pub use schema::repository;

/// Imports the bundles, then applies the profiles, both in the order given, and writes the repository:
/// what `etc/svc/repository.db` is to be, with mode 0600.  `included` are files that profiles may include.
///
/// # Errors
/// A file is no bundle of its kind, or cannot be taken over.
pub fn seed(
    bundles: &[Delivered<'_>],
    profiles: &[Delivered<'_>],
    included: &[Delivered<'_>],
) -> Result<Vec<u8>, SeedError> {
    let mut contents = Contents::default();
    for bundle in bundles {
        contents.import(bundle)?;
    }
    for profile in profiles {
        contents.apply(profile, included)?;
    }
    Ok(repository(&contents))
}
