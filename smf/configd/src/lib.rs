//! The configuration repository.
//!
//! Reading order: `repository` (entities, groups, snapshots; one commit changes many or none),
//! `version` (what a group is in memory), `draft` (what operations come to), `check` (names and
//! values), `view` (the repository as one caller sees it); `file`, `schema`, `load` (the two SQLite
//! files behind it), `backup`, `restore`; `host` (a repository that a restarter and its clients
//! share), `server`, `clients`, `answer` (the socket that clients come by), `rights` (what a client
//! holds), `authorization` (what a change needs); `reading` (the files, for who asks a few questions
//! where nobody serves).
//!
//! svc.startd hosts it in its own process; svcs and svcprop read the files when no svc.startd runs.

mod answer;
mod authorization;
pub mod backup;
mod check;
pub mod clients;
mod draft;
mod file;
pub mod host;
mod load;
pub mod reading;
pub mod repository;
pub mod restore;
pub mod rights;
mod schema;
mod server;
mod table;
mod version;
pub mod view;

pub use clients::Limits;
pub use draft::Step;
pub use host::{Host, ServeError};
pub use reading::Reading;
pub use repository::{Change, OpenError, Repository};
