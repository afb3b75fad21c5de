//! sys - what svccfg asks of the system beyond files: the user's editor, and the interrupt key.

pub mod editor;
pub mod interrupt;
