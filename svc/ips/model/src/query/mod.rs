//! The language that packages are searched in: `pkg:action:key:token`, phrases, AND, OR, `<…>`.
//!
//! In reading order: `request` (a query with what is wanted of it, as search/1 spells it), `lexer`
//! and `parse` (text → `Query`), `error` (what is told of a text that is none), `glob` (the
//! patterns of terms), `line` (a line of an answer).
//!
//! ```text
//! xterm   : list | xterm AND xterm | xterm OR xterm        both bind to the right, equally
//! list    : base | base list                               an AND that is not written
//! base    : TERM | fterm | phrase | ( xterm ) | < xterm >
//! fterm   : FTERM | FTERM TERM | FTERM phrase | FTERM fterm
//! phrase  : ' TERM… ' | " TERM… "
//! ```
//!
//! Law: what a text means, and what is said of one that means nothing, is what pkg5 makes of it.
//! Not here: searching.

mod error;
mod glob;
mod lexer;
mod line;
mod parse;
mod request;

pub use error::QueryError;
pub use glob::{Glob, fold};
pub use line::{FIRST_LINE, Line};
pub use parse::{Fields, Query, Term};
pub use request::{Request, Returns};
