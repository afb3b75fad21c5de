//! imager - the work of the stage that turns a repository into media.
//!
//! | file | what |
//! |---|---|
//! | `build/` | one build: what is asked, which steps that means, where its lines go |
//! | `host.rs` | the host's tools |
//! | `archive.rs` | files that matter, and the check of a boot archive |
//! | `medium.rs` | the host's GRUB 2, and the ISO made of a directory |
//! | `rooted/` | a directory with its metadata table |
//! | `removal.rs` | a large tree removed from the disk |
//! | `packages.rs` | packages into an image's root |
//! | `inner.rs` | an ISO image of a part of a root, with owners from its table |
//! | `services.rs` | the configuration repository of an image |
//! | `steps/` | the steps that are built in, one file each |
//! | `source.rs` | a manifest on disk, of any form: read, completed, checked |
//! | `socket.rs` | the socket at which finalizer scripts ask for its values |
//!
//! Law: programs run only through a seam that is handed in; every date comes from the caller.
//! Not here: properties, locks, outputs and the exit status, which are the program's.

pub mod archive;
pub mod build;
pub mod host;
pub mod inner;
pub mod medium;
pub mod packages;
mod removal;
pub mod rooted;
pub mod services;
pub mod socket;
pub mod source;
pub mod steps;
