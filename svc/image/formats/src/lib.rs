//! image-formats - the on-disk formats of an image, written to streams that are handed in.
//!
//! The map, in reading order:
//!
//! | file | what |
//! |---|---|
//! | `ufs/layout.rs` | the constants and byte order of UFS as illumos on x86 reads it |
//! | `ufs/geometry.rs` | how large a file system is and where its groups lie |
//! | `ufs/allocate.rs` | which fragments a file gets |
//! | `ufs/map.rs` | a file's addresses, by indirect blocks up to three deep |
//! | `ufs/plan.rs` | a metadata table turned into inodes and directory blocks |
//! | `ufs/window.rs` | where the writer's bytes go |
//! | `ufs/write.rs` | the plan written out |
//! | `ufs/summary.rs` | superblock and cylinder groups as bytes |
//! | `ufs/read.rs` | a reader of our own |
//! | `ufs/check/` | does every counter, bitmap and name of an image agree with its files |
//! | `archive.rs` | gzip and `boot_archive.hash` |
//! | `content.rs` | where the bytes of files come from |
//! | `feed.rs` | the files' bytes, read ahead |
//! | `pieces.rs` | pieces of a packed stream that an earlier one had too |
//! | `pipe.rs` | a writer's bytes, read by another thread |
//! | `waves.rs` | a stream cut into pieces that are worked on at once |
//! | `lofi.rs`, `lofi/` | compressed images of lofi, written and read |
//! | `cpio.rs`, `cpio/` | cpio archives, written and read |
//! | `date.rs` | seconds since the epoch as a date |
//! | `fat.rs` | the EFI system partition |
//! | `iso9660/` | ISO 9660 with Rock Ridge, written: the parts of an image that are mounted |
//! | `iso.rs`, `iso/` | xorriso's and grub-mkimage's arguments, GRUB's menu, El Torito's catalog, hybrid media |
//! | `disk.rs`, `disk/` | partition tables, boot records, qcow2, VMDK |
//! | `netboot.rs` | what a machine is started from over the network |
//!
//! Law: the same table, contents and options give the same bytes; no clock, no random number.
//! Not here: choosing paths, starting programs.

pub mod archive;
pub mod content;
pub mod cpio;
mod date;
pub mod disk;
pub mod fat;
mod feed;
pub mod iso;
pub mod iso9660;
pub mod lofi;
pub mod netboot;
pub mod pieces;
pub mod pipe;
pub mod ufs;
mod waves;
