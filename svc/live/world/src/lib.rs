//! A live workspace before an image is made of it: the checks that `configure` makes, and the
//! sources that `world` builds into one proto area.
//!
//! Reading order: [`workspace`] (what lies where) and [`buildstamp`]; [`host`] and [`site`] (what
//! is known of the host, and what the site says), [`check`] (everything that is wrong, and what
//! mends it), [`fetch`] and [`archive`] (what is brought), [`environment`] (the files that are
//! written), [`configure`] (all of it together); [`steps`] (what is built when), [`build`] (one
//! step), [`nightly`] (what nightly's logs say), [`clean`] and [`update`].
//!
//! Law: a stamp is written when its step has succeeded and goes before anything that could make it
//! untrue.  What is fetched is made beside and renamed; what is written is whole or not there.

pub mod archive;
pub mod build;
pub mod buildstamp;
pub mod check;
pub mod clean;
pub mod configure;
pub mod environment;
pub mod fetch;
pub mod host;
pub mod nightly;
pub mod site;
pub mod steps;
pub mod update;
pub mod workspace;

pub use buildstamp::{BuildstampError, buildstamp};
pub use workspace::Workspace;
