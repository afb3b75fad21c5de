//! What every stage shares.
//!
//! Reading order: [`smf`] (the method's view of SMF) and [`properties`]; [`recipe`] (what names an
//! output), [`tree`], [`seen`] and [`glob`] (digests of files); [`output`] (stamps, the link `current`),
//! [`collect`] (which outputs go) and [`lock`]; [`progress`], [`durations`], [`watch`] (being wanted); [`stage`] (all of it
//! together) and [`run`] (the frame of a program: log line and exit status).
//!
//! The life of a stage:
//!
//! ```text
//! run("merger", |stage| {
//!     let input = stage.input("builder/illumos")?;      // held until dropped
//!     let mut recipe = stage.recipe();
//!     recipe.add("builder:illumos", input.part("repo"));
//!     if stage.is_up_to_date(&recipe)? { return Ok(()); }
//!     ...                                               // work in stage.work()
//!     stage.finish(&recipe, made, &[&input], keep)?;
//!     Ok(())
//! })
//! ```
//!
//! Invariant: a stage program that exits 0 leaves `current` naming a complete output for the
//! inputs it saw.

pub mod collect;
pub mod durations;
pub mod glob;
pub mod lock;
pub mod output;
pub mod progress;
pub mod properties;
pub mod recipe;
pub mod run;
pub mod seen;
pub mod smf;
pub mod stage;
pub mod tree;
pub mod watch;

pub use collect::{Collected, Collecting, Retention};
pub use glob::Globs;
pub use output::{Input, Outputs, Stamp};
pub use properties::{Properties, PropertyError};
pub use recipe::Recipe;
pub use run::{Failure, run, run_method};
pub use smf::{Smf, SmfError};
pub use stage::{Made, Stage, VERSION};
pub use tree::{Files, StatCache, Tree};
