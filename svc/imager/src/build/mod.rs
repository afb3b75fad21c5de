//! A build: from a request to media, by steps with checkpoints between them.
//!
//! In reading order: `arguments` (the words), `choice` (which steps they mean), `newer` (the same by
//! the newer form's rules), `table` (what `-l` shows), `lines` (what either form says), `logs` (where
//! that goes), `ids` (what names a state), `media` (which step made what), `complete` (whether
//! everything is there), `script` (a step that is the user's own program), `kit` (what such a program
//! finds), `room` (what is said of a full disk), `times` (how long steps take), `once` (what the
//! service goes back to), `run` (the steps), `door` (all of it).

pub mod arguments;
pub mod choice;
mod complete;
pub mod door;
pub mod ids;
pub mod kit;
pub mod lines;
pub mod logs;
mod media;
mod newer;
pub mod once;
pub mod room;
pub mod run;
pub mod script;
pub mod table;
pub mod times;
