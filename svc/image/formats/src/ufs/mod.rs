//! UFS1, little endian, as Solaris and illumos on x86 know it (8192/1024).
//!
//! The writer turns a metadata table into a file system that mounts clean; the reader looks into what
//! was made, and the check holds every field of it against every other.  Sources: `ufs_fs.h`,
//! `ufs_inode.h`, `ufs_fsdir.h` and mkfs(8) of illumos.

mod allocate;
mod check;
mod geometry;
mod layout;
mod map;
mod plan;
mod read;
mod summary;
mod window;
mod write;

pub use crate::content::Content;
pub use check::check;
pub use geometry::{Geometry, GeometryError, Inodes, Space};
pub use plan::PlanError;
pub use read::{Image, Node, NodeKind, ReadError, Totals};
pub use write::{Options, WriteError, Written, Zeros, write};
