//! A build: from a request to media, by steps with checkpoints between them.
//!
//! In reading order: `arguments` (the words), `choice` (which steps they mean), `table` (what `-l`
//! shows), `logs` (where lines go), `ids` (what names a state), `complete` (whether everything is
//! there), `script` (a step that is the user's own program), `room` (what is said of a full disk),
//! `times` (how long steps take), `run` (the steps), `door` (all of it).

pub mod arguments;
pub mod choice;
mod complete;
pub mod door;
pub mod ids;
pub mod logs;
pub mod room;
pub mod run;
pub mod script;
pub mod table;
pub mod times;
