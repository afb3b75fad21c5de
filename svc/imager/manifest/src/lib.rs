//! image-manifest - what an image is to be: its manifest, read, completed, checked, asked.
//!
//! | file | what |
//! |---|---|
//! | `tree.rs` | elements, attributes, text; each knows its place |
//! | `xml.rs` | text becomes a tree |
//! | `include.rs` | what a manifest includes from beside itself |
//! | `write.rs` | a tree becomes text again |
//! | `rule.rs` | schemas as tables, and the check against them |
//! | `old/` | `distribution`, both generations: defaults, schema, content, model |
//! | `dc/` | `dc`, the newer form: schema, content, model |
//! | `document.rs` | a manifest of either form: parse, complete, check |
//! | `image.rs` | the one model that the steps read, whichever form it came from |
//! | `native.rs` | the steps that are built in, and the scripts and classes they stand for |
//! | `query.rs` | node paths: the language in which scripts ask |
//! | `argslist.rs` | lists of quoted strings |
//! | `protocol.rs` | the socket's framing, both sides, over any stream |
//!
//! Law: text in, model out.  No file is opened, no clock is read, nothing is printed: what is
//! included, what a host can run and what an unnamed distribution is called are handed in.
//! Every fault names line, column and node path, and all of them are reported.

pub mod argslist;
mod dc;
mod document;
mod image;
mod include;
mod native;
mod old;
pub mod protocol;
mod query;
mod rule;
mod tree;
mod write;
mod xml;

pub use document::{Checked, Document, Form, Host, Phase, Problem, Problems};
pub use image::{
    Authority, BootArchive, BootEntry, BootMenu, Compression, Flags, Image, Included, Listed,
    Listing, Password, Profile, Publishers, Step,
};
pub use include::Open;
pub use native::{Native, SCRIPTS};
pub use query::QueryError;
pub use tree::Position;
pub use xml::ParseError;
