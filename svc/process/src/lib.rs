//! Run a program contained, heard, with a clean environment.
//!
//! Reading order: [`account`] (whom a program runs as), [`cancel`] (the wish to stop, a flag that wakes), [`program`] (what to run),
//! [`confinement`] (what of the file system it may change), [`ledger`] (whose it said files are), [`child`] (a started program: hearing it, ending it), [`lines`] (bytes to lines), [`complaint`] (which line says why a build failed), [`tree`]
//! (ending what an earlier program left alive), orphans (what got away).
//!
//! Law: every program outside the engine is started here.  A contained program is a contract of
//! its own (smf-contract: a cgroup or a cookie; on illumos ctrun): when [`Program::run`] returns,
//! it and all it started are gone, however it ended.  Standard input is /dev/null.  The
//! environment holds what the caller named, `PATH`, `LC_ALL=C` and `TZ=UTC`.

pub mod account;
pub mod cancel;
pub mod child;
pub mod complaint;
pub mod confinement;
pub mod ledger;
pub mod lines;
mod orphans;
pub mod program;
mod sys;
pub mod tree;

pub use account::{Account, AccountError};
pub use cancel::Cancel;
pub use child::{Child, Ended, Limits, Stream};
pub use complaint::Complaint;
pub use confinement::Confinement;
pub use ledger::{Claim, Device, Ledger};
pub use lines::Lines;
pub use program::{Output, ProcessError, Program};
