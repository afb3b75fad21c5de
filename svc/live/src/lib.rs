//! live - the work of the stage that turns proto areas into a platform image, as joyent-live does.
//!
//! | file | what |
//! |---|---|
//! | `build.rs` | one build, from what is asked to what is in place |
//! | `places.rs` | where files are looked for |
//! | `gather.rs` | the manifest's entries become rows, and each file gets its source |
//! | `digests.rs`, `md5.rs` | MD5 and SHA-256 of files, remembered |
//! | `inputs.rs` | the digest of all that makes a platform what it is |
//! | `workshop.rs` | the part of the image that steps change |
//! | `customize.rs` | the user's scripts, and what every platform gets |
//! | `image.rs` | the image: its table, and where bytes are |
//! | `listing.rs` | the image's own manifest |
//! | `archive.rs` | the boot archive |
//! | `tarball.rs` | the platform as one file |
//! | `sources.rs` | from which commits it was made |
//! | `media.rs` | ISO and USB, tried |
//! | `output.rs` | the folder that platforms are put into |
//! | `log.rs` | the log |
//!
//! Law: nothing is copied that need not be: the table has owners and modes, the writers read the proto
//! areas.  A file that changes meanwhile fails the build.  Programs run only through `process`.

pub mod archive;
pub mod build;
pub mod customize;
pub mod digests;
pub mod gather;
pub mod image;
pub mod inputs;
pub mod listing;
pub mod log;
mod md5;
pub mod media;
pub mod output;
pub mod places;
pub mod sources;
pub mod tarball;
pub mod workshop;
