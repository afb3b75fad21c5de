//! What the package commands share: `failure` (messages and exit statuses), `place` (where a
//! repository is), `clock` (the time of a publication), `patterns` (packages as users name
//! them), `newest` (the newest packages of repositories), `transport` (how depots are spoken to),
//! `progress` (a bar on a terminal), `table` (lists as text and JSON), `output` (files that are
//! written whole), `unread` (output that nobody reads).
//!
//! Each command is a folder beside this one, a file for each of its parts.

pub mod clock;
pub mod failure;
pub mod newest;
pub mod output;
pub mod patterns;
pub mod place;
pub mod progress;
pub mod table;
pub mod transport;
pub mod unread;

pub use failure::{Failure, end};
pub use unread::watched;

/// Manifests are hundreds of thousands of short texts, read and let go of by several threads at
/// once.  glibc spends a quarter to a third of a merge or rebuild on that, most of it on giving
/// memory back; illumos' libraries are another matter.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
