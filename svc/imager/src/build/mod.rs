//! A build: from a request to media, by steps with checkpoints between them.
//!
//! In reading order: `arguments` (the words), `choice` (which steps they mean), `table` (what `-l`
//! shows), `logs` (where lines go).

pub mod arguments;
pub mod choice;
pub mod logs;
pub mod table;
