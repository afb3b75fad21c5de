//! template - what patterns say about property groups and properties: smf_template(7).
//!
//! Reading order: `pattern` (the groups of the template types, read), `lookup` (which pattern
//! holds for a group: instance, service, restarter, global), `builtin` (the patterns of restarter
//! and global where a repository has none), `validate` and `consistency` (a configuration against
//! its patterns), `error` (what is wrong, in svccfg's words), `describe` (the texts for people).
//!
//! What must hold: all of it is a function of groups that the caller has read.  A pattern that is
//! itself wrong is an error in the list, never a refusal to look at the rest.

pub mod builtin;
mod consistency;
pub mod describe;
mod error;
mod lookup;
mod pattern;
mod validate;

pub use error::{Problem, Style, TemplateError};
pub use lookup::{Levels, Owner, Templates, restarter_of, serves_others};
pub use pattern::{GroupPattern, Level, PropertyPattern, Range, Target};
pub use validate::{Mode, validate, validate_bundle};
