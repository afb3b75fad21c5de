//! imager - the work of the stage that turns a repository into media.
//!
//! | file | what |
//! |---|---|
//! | `build/` | one build: what is asked, which steps that means, where its lines go |
//! | `network.rs` | what is asked again when the network was lost |
//! | `packages.rs` | packages into an image's root |
//! | `payloads.rs` | what packages delivered, for the next image |
//! | `steps/` | the steps that are built in, one file each |
//! | `source.rs` | a manifest on disk, of any form: read, completed, checked |
//! | `evidence/` | what is in an image, beside it |
//! | `socket.rs` | the socket at which finalizer scripts ask for its values |
//! | `zfs.rs` | zfs of the host, for build areas |
//!
//! Law: programs run only through a seam that is handed in; every date comes from the caller.
//! A root with its table, the host's tools and boot archives are `image-rooted`'s.
//! Not here: properties, locks, outputs and the exit status, which are the program's.

pub mod build;
pub mod evidence;
pub mod network;
pub mod packages;
pub mod payloads;
pub mod socket;
pub mod source;
pub mod steps;
pub mod zfs;

/// Tables, manifests and documents are hundreds of thousands of short texts, made and let go of by
/// several threads at once; illumos' libraries are another matter than glibc.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
