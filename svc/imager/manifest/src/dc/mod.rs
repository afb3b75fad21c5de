//! dc - the newer form.
//!
//! | file | what |
//! |---|---|
//! | `schema.rs` | what may stand where; the attributes that have defaults |
//! | `content.rs` | which values make sense |
//! | `model.rs` | what the steps read |

mod content;
mod model;
mod schema;

pub(crate) use content::check;
pub(crate) use model::image;
pub(crate) use schema::complete;
