//! lint - the checks of pkglint(1) on packages that were read.
//!
//! `ini` and `config` (pkglintrc), `package` (a package, the others it is checked with, renames), `log` (what
//! is told, and what the packager waved aside), `conflict` (actions that meet under variants),
//! `seeds` (who delivers what), `checks` (all checks by id), `engine` (a run of them).  The checks:
//! `actions`, `depends`, `duplicates`, `overlays`, `mediators`; `manifests`, `lineage`,
//! `classification`.
//!
//! Ids, severities and texts are pkg5's, and so is the order: manifest checks before action
//! checks, each by the names that pkg5's methods have.

mod actions;
mod checks;
mod classification;
mod config;
mod conflict;
mod depends;
mod duplicates;
mod engine;
mod ini;
mod lineage;
mod log;
mod manifests;
mod mediators;
mod overlays;
mod package;
mod seeds;

pub use checks::{Check, listed};
pub use classification::Classification;
pub use config::{Config, ConfigError};
pub use engine::{Setup, run};
pub use log::{Level, line};
pub use package::{Package, World};
