//! image-rooted - an image's root while it is built without privilege, and what becomes of it.
//!
//! | file | what |
//! |---|---|
//! | `root.rs` | a directory with its metadata table |
//! | `script.rs` | a script of the user's own, contained |
//! | `services.rs` | the configuration repository of an image |
//! | `password.rs` | the password of root |
//! | `archive.rs` | files that matter, and a boot archive: written, checked, packed |
//! | `host.rs` | the host's tools |
//! | `medium.rs` | the host's GRUB 2, and the ISO made of a directory |
//! | `poured.rs` | a medium brought from xorriso to its file, and seen on the way |
//! | `inner.rs` | an ISO image of a part of a root, with owners from its table |
//! | `kept.rs` | the pieces of a packed file, kept until the next is packed |
//! | `removal.rs` | a large tree removed from the disk |
//! | `sys/` | what differs between systems |
//! | `parallel.rs` | the same done to many things by a few threads |
//!
//! Law: programs run only through a seam that is handed in; every date comes from the caller.
//! Not here: where files come from (packages, proto areas), and the steps of a build.

pub mod archive;
pub mod host;
pub mod inner;
pub mod kept;
pub mod medium;
pub mod parallel;
pub mod password;
mod poured;
pub mod removal;
pub mod root;
pub mod script;
pub mod services;
mod sys;

pub use root::{Before, Given, Owned, Rooted, RootedError, Ways};
