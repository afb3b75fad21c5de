//! smf-contract - process contracts off illumos.
//!
//! A contract groups every process started under it, whatever those processes do: setsid, double
//! fork, lose their parents.  Contracts nest: a stage is a member of its method's contract, and the
//! tools it contains in a contract of its own are members of both.
//!
//! Two ways, chosen once by [`Contracts::open`]:
//! - a cgroup (v2) of its own, where one can be made below the caller's;
//! - else a cookie in the environment, looked for in /proc, with descendants and sessions.
//!
//! Reading order: `maker` (who makes and adopts them), [`contract`] (one of them), [`cgroup`] (the
//! directory), `idle` (directories kept for the next), [`cookie`] (the environment), [`family`] (the
//! same, for who reaps all it starts), [`processes`] (/proc), [`watch`] (one descriptor that tells
//! when a contract may have become empty).
//!
//! Law: a contract is named by a number that nobody else on the host uses.  Signals go to a process
//! only after it was seen to be a member, through a descriptor that cannot name a later process.
//! Nothing here starts a process, and nothing here sleeps: waiting is always for a descriptor.
//!
//! What the cookie way cannot see: a process that cleared its environment, made a session of its
//! own and lost its parent before anyone looked.

pub mod cgroup;
pub mod contract;
pub mod cookie;
pub mod family;
mod idle;
mod maker;
pub mod processes;
pub mod watch;

pub use contract::{Contract, ContractError, Entrance};
pub use maker::{Contracts, FORBID_CGROUP, Surroundings, Way};
pub use processes::{Pid, become_subreaper, reap_orphans};
