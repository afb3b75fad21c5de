//! connection.rs - which repository svccfg works on.
//!
//! | chosen by | repository |
//! |---|---|
//! | `SVCCFG_REPOSITORY`, the command `repository` | that file, served by this process alone |
//! | `SVCCFG_DOOR` | whoever serves that socket |
//! | nothing | the server of svc.startd (`LIBSCF_DOORPATH`, else below `SMF_ROOT`) |
//!
//! It is opened when it is first needed: `help`, `inventory` and their like work without one.

use std::path::{Path, PathBuf};

use smf_cmd::backend;
use smf_cmd::repository::Repository;
use smf_scf::root;

use crate::session::Complaint;

/// A repository, not necessarily open yet.
pub struct Connection {
    place: Place,
    open: Option<Repository>,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Server,
    Door(PathBuf),
    File(PathBuf),
}

impl Connection {
    /// As the environment says; with a warning where it contradicts itself.
    pub fn from_environment() -> (Self, Option<&'static str>) {
        let set =
            |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let (place, warning) = match (set("SVCCFG_REPOSITORY"), set("SVCCFG_DOOR")) {
            (Some(file), None) => (Place::File(file), None),
            (Some(file), Some(_)) => {
                (Place::File(file), Some("SVCCFG_DOOR unused when SVCCFG_REPOSITORY specified"))
            }
            (None, Some(door)) => (Place::Door(door), None),
            (None, None) => (Place::Server, None),
        };
        (Self { place, open: None }, warning)
    }

    /// The repository of a file from now on.
    pub fn choose(&mut self, file: &Path) {
        *self = Self { place: Place::File(file.to_path_buf()), open: None };
    }

    /// The server's repository from now on.
    pub fn forget_file(&mut self) {
        if self.is_private() {
            *self = Self { place: Place::Server, open: None };
        }
    }

    /// Whether no restarter looks after it.
    pub fn is_private(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// Whether a restarter has left its mark beside the socket.
    pub fn has_restarter(&self) -> bool {
        let variable = |name: &str| std::env::var_os(name);
        let door = match &self.place {
            Place::Server => root::door(variable, &backend::root()),
            Place::Door(door) => door.clone(),
            Place::File(_) => return false,
        };
        door.with_file_name("svc.startd.pid").exists()
    }

    /// Opens it, unless it is open.
    pub fn repository(&mut self) -> Result<&mut Repository, Complaint> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        Ok(self.open.insert(open))
    }

    fn connect(&self) -> Result<Repository, Complaint> {
        match &self.place {
            Place::Server => Ok(Repository::open_live()?),
            Place::Door(door) => Ok(Repository::new(backend::open_door(door)?)),
            Place::File(file) => Repository::open_private(file).map_err(|error| {
                Complaint::Fatal(format!("Could not connect to repository server: {error}."))
            }),
        }
    }
}
