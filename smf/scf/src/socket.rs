//! socket.rs - local sockets whose names may be longer than an address has room for.
//!
//! A `sockaddr_un` holds about a hundred bytes; a root of services below a deep directory needs
//! more.  On Linux the directory is opened and named by its descriptor.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// The longest name that is used as it is; addresses hold 104 bytes or more everywhere.
#[cfg(target_os = "linux")]
const PLAIN_MAX: usize = 100;

/// Connects to the socket at `path`.
///
/// # Errors
/// What the system says.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    short(path, |path| UnixStream::connect(path))
}

/// Makes the socket `path` and listens on it.
///
/// # Errors
/// What the system says.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    short(path, |path| UnixListener::bind(path))
}

#[cfg(target_os = "linux")]
fn short<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    use std::os::fd::AsRawFd;
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return act(path) };
    if path.as_os_str().len() <= PLAIN_MAX {
        return act(path);
    }
    let directory = std::fs::File::open(directory)?;
    let through = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
    act(&through.join(name))
}

#[cfg(not(target_os = "linux"))]
fn short<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    act(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_reached() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("door");
        let listener = bind(&path).unwrap();
        let _here = connect(&path).unwrap();
        listener.accept().unwrap();
    }
}
