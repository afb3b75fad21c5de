//! The nouns of SMF.  No I/O: files and repositories are read by the caller.
//!
//! Reading order: `fmri` (names), `group` (property groups as a repository holds them), `bundle`
//! (service bundles: reading with `bundle::parse`, writing with `bundle::write`, types and values
//! in `bundle::value`), `template` (what patterns say about property groups).
//!
//! # For the commands
//!
//! | command | functions |
//! |---|---|
//! | `svccfg export [-a]` | `bundle::write::targets` names the entities to read, `bundle::write::export` |
//! | `svccfg archive [-a]` | the same, with `bundle::write::archive` |
//! | `svccfg extract` | `bundle::write::extract` |
//! | `svccfg validate FILE`, `import` | `template::validate_bundle`, `TemplateError::text` |
//! | `svccfg validate FMRI` | `template::validate` with `Mode::Running` |
//! | `svccfg describe [-v]` | `template::describe::{entity, group, property}` beneath each line of listprop |
//! | `svccfg describe -t` | `template::describe::templates` |
//! | `svccfg setprop` without a type | `Templates::property_type` |

pub mod bundle;
pub mod fmri;
pub mod group;
pub mod template;
