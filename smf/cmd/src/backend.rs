//! backend.rs - where the repository is, and what serves it: the server of svc.startd.
//!
//! What is not here yet: the connection itself.  smf-scf offers none so far, so nobody answers.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::repository::{Backend, RepositoryError};

/// The root of the state: `$SMF_ROOT`, else `/` for root, else the user's state directory.
#[must_use]
pub fn root() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(root) = set("SMF_ROOT") {
        return root.into();
    }
    if nix::unistd::geteuid().is_root() {
        return "/".into();
    }
    let state = set("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    state.unwrap_or_else(|| "/".into()).join("lamplighter")
}

fn socket() -> PathBuf {
    match std::env::var_os("LIBSCF_DOORPATH").filter(|value| !value.is_empty()) {
        Some(path) => path.into(),
        None => root().join("etc/svc/volatile/repository_door"),
    }
}

/// For reading: the server.
///
/// # Errors
/// Nobody answers.
pub fn open() -> Result<Box<dyn Backend>, RepositoryError> {
    open_live()
}

/// For reading and writing: the server.
///
/// # Errors
/// Nobody answers.
pub fn open_live() -> Result<Box<dyn Backend>, RepositoryError> {
    match UnixStream::connect(socket()) {
        Ok(_) => Err(RepositoryError::Other("no protocol to talk to the server by".into())),
        Err(_) => Err(RepositoryError::NoServer),
    }
}
