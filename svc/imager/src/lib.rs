//! imager - the work of the stage that turns a repository into media.
//!
//! | file | what |
//! |---|---|
//! | `build/` | one build: what is asked, which steps that means, where its lines go |
//! | `manifest.rs` | the image manifest: distro_const's XML |
//! | `archive.rs` | the boot archive of a populated root |
//! | `medium.rs` | the medium's directory, and the ISO made of it |
//! | `source.rs` | a manifest on disk, of any form: read, completed, checked |
//! | `socket.rs` | the socket at which finalizer scripts ask for its values |
//! | `steps.rs` | populate, archive, medium, boot: one after the other |
//!
//! Law: programs run only through a seam that is handed in; every date comes from the caller.
//! Not here: properties, locks, outputs and the exit status, which are the program's.

pub mod archive;
pub mod build;
pub mod inner;
pub mod manifest;
pub mod medium;
pub mod socket;
pub mod source;
pub mod steps;
