//! log - the lines of instance logs and of svc.startd.log, and their files.
//!
//! ```text
//! [ Nov 24 09:56:06 Enabled. ]                    <service with - for />:<instance>.log
//! Nov 24 09:56:06/1 ERROR: no space left          svc.startd.log
//! ```
//!
//! A log that has become large is renamed to `NAME.0`, `NAME.0` to `NAME.1` and so on; the oldest
//! goes.  That is done where no line can be lost: before a start method, when nobody of the
//! instance has the old file open but who was left behind, and his lines go on into it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Level;

/// A log larger than this is rotated: 8 MiB.
pub const LARGEST: u64 = 8 << 20;

/// So many old logs are kept.
const KEPT: usize = 4;

/// The name of an instance's log file.
#[must_use]
pub fn log_name(fmri: &str) -> String {
    format!("{}.log", fmri.trim_start_matches("svc:/").replace('/', "-"))
}

/// A line of an instance's log; `time` is what [`stamp`] says.
#[must_use]
pub fn line(time: &str, message: &str) -> String {
    format!("[ {time} {message} ]\n")
}

/// A line of svc.startd.log.
#[must_use]
pub fn note(time: &str, level: Level, message: &str) -> String {
    let level = match level {
        Level::Notice | Level::Debug => "",
        Level::Error => " ERROR",
    };
    format!("{time}/1{level}: {message}\n")
}

/// Now, as `%b %e %T` in local time.
#[must_use]
pub fn stamp() -> String {
    jiff::Zoned::now().strftime("%b %e %T").to_string()
}

/// Opens a log for appending; a link in its place is refused.
///
/// # Errors
/// What the system says.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        // Where a service has put a pipe that nobody reads, nobody waits for a reader.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK)
        .open(path)
}

/// Renames a log that is larger than `largest`; whether it was.
///
/// # Errors
/// What the system says.
pub fn rotate(path: &Path, largest: u64) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_file() && about.len() > largest => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    for number in (1..KEPT).rev() {
        match fs::rename(numbered(path, number - 1), numbered(path, number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(path, numbered(path, 0)).map(|()| true)
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_logs_are_rotated() {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("x.log");
        assert!(!rotate(&log, 3).unwrap(), "there is none");
        for text in ["one.", "two.", "three", "four", "five", "six."] {
            fs::write(&log, text).unwrap();
            assert!(!rotate(&log, 5).unwrap());
            assert!(rotate(&log, 3).unwrap());
            assert!(!log.exists());
        }
        let read = |number| fs::read_to_string(numbered(&log, number)).unwrap();
        assert_eq!([0, 1, 2, 3].map(read), ["six.", "five", "four", "three"]);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), KEPT);
        // What was written to the old file by who had it open is not lost.
        let mut held = open(&log).unwrap();
        io::Write::write_all(&mut held, b"seven").unwrap();
        rotate(&log, 3).unwrap();
        io::Write::write_all(&mut held, b"th").unwrap();
        assert_eq!(read(0), "seventh");
        // A link is no log.
        std::os::unix::fs::symlink("x.log.0", &log).unwrap();
        assert!(!rotate(&log, 3).unwrap());
    }

    #[test]
    fn lines() {
        assert_eq!("network-ssh:default.log", log_name("svc:/network/ssh:default"));
        assert_eq!("[ Nov  4 09:56:06 Enabled. ]\n", line("Nov  4 09:56:06", "Enabled."));
        assert_eq!("T/1: x\n", note("T", Level::Notice, "x"));
        assert_eq!("T/1 ERROR: x\n", note("T", Level::Error, "x"));
        assert_eq!(15, stamp().len());
    }
}
