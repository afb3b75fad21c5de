//! The live manifest: one line for every directory, file and link of a platform image.
//!
//! ```text
//! d PATH MODE OWNER GROUP          a directory
//! f PATH MODE OWNER GROUP [GUARD]  a file, looked for in the search places
//! s NAME=TARGET                    a symbolic link; the target is kept as it is written
//! h NAME=EXISTING                  a further name of a file of the same manifest
//! ```
//!
//! Blanks and tabs part the fields; a line that begins with `#`, and what follows ` #`, is a comment.
//! Paths are those of the image, without a slash in front.  An entry's key is its path; of a link, what
//! stands before the first `=`.
//!
//! Reading order: `entry` (a line), `manifest` (a file of them), `accounts` (whose names are owners),
//! `check` (what is wrong with all of it), `merge` (several files), `compare`, `packages` (derived from
//! IPS manifests), `similar` (what somebody may have meant), `stamp` (the time that names everything of a platform).
//!
//! Pure: text in, text and problems out.  Every problem has the file and line; all are told, not the
//! first.

mod accounts;
mod check;
mod compare;
mod entry;
mod manifest;
mod merge;
mod packages;
mod similar;
mod stamp;

pub use accounts::Accounts;
pub use check::check;
pub use compare::{Difference, compare};
pub use entry::{Entry, Kind, Owned};
pub use manifest::{Manifest, Problem};
pub use merge::merge;
pub use packages::{Package, from_packages};
pub use similar::nearest;
pub use stamp::{Stamp, StampError, stamped};
