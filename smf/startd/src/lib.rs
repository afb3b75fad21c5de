//! smf-startd - the restarter (svc.startd).
//!
//! Two halves in one engine: the graph decides who is to run, the restarter runs it.  The engine
//! is pure: it sees the repository through [`store::Store`] and the system through [`sys::Sys`].
//!
//! Reading order:
//! - [`state`]: the words; [`store`], [`sys`]: the two seams
//! - [`graph`], [`evaluate`], [`propagate`]: who depends on whom, what is satisfied, what follows
//! - [`config`], [`expand`], [`context`]: what properties say about methods
//! - [`engine`], `events`, `deadlines`, `configure`, `actions`, `orders`, `methods`, `outcomes`: the engine
//! - `milestone`: what is to run at all
//! - `unwritten`: what the repository did not take
//! - [`sys::machine`]: the real system
//! - [`init`]: what the host says about every process; [`place`]: directories, lock, boot stamp; [`repository`]: the store on configd; [`daemon`]: the
//!   main loop
//!
//! Not here: SQL (configd), the commands (smf/cmd).

mod actions;
pub mod config;
mod configure;
pub mod context;
pub mod daemon;
mod deadlines;
pub mod engine;
pub mod evaluate;
mod events;
pub mod expand;
pub mod graph;
pub mod init;
mod methods;
mod milestone;
mod orders;
mod outcomes;
pub mod place;
pub mod propagate;
pub mod repository;
pub mod state;
pub mod store;
pub mod sys;
mod unwritten;
