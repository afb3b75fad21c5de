//! root.rs - which root of state a program belongs to, and where its repository is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the server of the repository listens, below the root.
pub const DOOR: &str = "etc/svc/volatile/repository_door";

/// The repository's lasting file, below the root.
pub const LASTING: &str = "etc/svc/repository.db";

/// The repository's volatile file, below the root.
pub const VOLATILE: &str = "etc/svc/volatile/svc_nonpersist.db";

/// The root of the state: `$SMF_ROOT`, else `/` for root, else the user's state directory; none
/// when a user has no home.  `variable` reads the environment.
#[must_use]
pub fn root(variable: impl Fn(&str) -> Option<OsString>, is_root: bool) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(root) = set("SMF_ROOT") {
        return Some(root);
    }
    if is_root {
        return Some("/".into());
    }
    let home = || set("HOME").map(|home| home.join(".local/state"));
    set("XDG_STATE_HOME").or_else(home).map(|state| state.join("lamplighter"))
}

/// The socket of the repository: `$LIBSCF_DOORPATH`, else the one below the root.
#[must_use]
pub fn door(variable: impl Fn(&str) -> Option<OsString>, root: &Path) -> PathBuf {
    let named = variable("LIBSCF_DOORPATH").filter(|value| !value.is_empty());
    named.map_or_else(|| root.join(DOOR), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots() {
        for (variables, is_root, want) in [
            (vec![("SMF_ROOT", "/r"), ("HOME", "/h")], true, Some("/r")),
            (vec![("SMF_ROOT", ""), ("HOME", "/h")], true, Some("/")),
            (vec![("HOME", "/h")], false, Some("/h/.local/state/lamplighter")),
            (vec![("HOME", "/h"), ("XDG_STATE_HOME", "/s")], false, Some("/s/lamplighter")),
            (vec![], false, None),
        ] {
            let of = |name: &str| {
                variables.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into())
            };
            assert_eq!(root(of, is_root), want.map(PathBuf::from), "{variables:?}");
        }
    }
}
