//! old - the form `distribution`, of both generations.
//!
//! | file | what |
//! |---|---|
//! | `places.rs` | the elements that moved from one generation to the next |
//! | `defaults.rs` | what is filled in |
//! | `schema.rs` | what may stand where |
//! | `content.rs` | which values make sense |
//! | `model.rs` | what the steps read |

mod content;
mod defaults;
mod model;
mod places;
mod schema;

pub(crate) use content::{
    build_area, check, distribution_name, is_host_name, is_tame, stays_inside, step_name,
};
pub(crate) use defaults::complete;
pub(crate) use model::image;
pub(crate) use places::is_of_2009;
