//! The search index of a publisher: `PUB/index`, as pkg5 writes and reads it.
//!
//! ```text
//! main_dict.ascii.v2    TOKEN ACTION!KEY@VALUE#PACKAGE,OFFSET…      a line a token, tokens sorted
//! manf_list.v1          NAME@VERSION                                the packages, by number
//! full_fmri_list        pkg:/NAME@VERSION                           the packages that are indexed
//! token_byte_offset.v1  0TOKEN OFFSET                               where its line begins
//! fmri_offsets.v1       NAME@VERSION…!OFFSET DELTA…                 lines a package is in
//! __at_ACTION __st_KEY  OFFSET                                      lines an action type, a key is in
//! fast_add.v1 fast_remove.v1   (of images; empty here)     lock
//! ```
//!
//! All but `__at_*` and `__st_*` begin with the line `VERSION: N`, the same N in all of them.
//!
//! In reading order: `dictionary` (a line of the main dictionary), `gather` (manifests →
//! entries), `files` (entries → all files), `update` (the folder replaced as a whole), `words`
//! (the tokens as a table in memory), `index` (an index open for questions), `search` (a query
//! run on it), `lines` (an action's line in its manifest).
//!
//! Invariants: the folder holds the files of one version, because it is put in place by one
//! exchange; an index says nothing that is not in a manifest; a query never waits for a writer.

mod dictionary;
mod files;
mod gather;
#[expect(clippy::module_inception, reason = "the type the folder is about")]
mod index;
mod lines;
mod search;
mod update;
mod words;

pub use index::Index;
pub use search::SearchError;
pub use update::Indexed;
