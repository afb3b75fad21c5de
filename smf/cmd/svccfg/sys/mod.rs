//! sys - what svccfg starts: the user's editor, and nothing else.

pub mod editor;
