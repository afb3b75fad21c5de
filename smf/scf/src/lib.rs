//! How a program talks to the configuration repository.
//!
//! Reading order: `import` (what a service bundle does to a repository), `protocol` (requests and
//! responses, and how they travel), `packed` (groups as text), `handle` (the calling side), `socket` (names of any length),
//! `root` (where the files are).
//!
//! Not here: what a repository is made of (configd), what is printed (the commands).

pub mod handle;
pub mod import;
pub mod packed;
pub mod protocol;
pub mod root;
pub mod socket;
pub mod table;
