//! log - the lines of instance logs and of svc.startd.log, and their files.
//!
//! ```text
//! [ Nov 24 09:56:06 Enabled. ]                    <service with - for />:<instance>.log
//! Nov 24 09:56:06/1 ERROR: no space left          svc.startd.log
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Level;

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
        Level::Notice => "",
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
        .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!("network-ssh:default.log", log_name("svc:/network/ssh:default"));
        assert_eq!("[ Nov  4 09:56:06 Enabled. ]\n", line("Nov  4 09:56:06", "Enabled."));
        assert_eq!("T/1: x\n", note("T", Level::Notice, "x"));
        assert_eq!("T/1 ERROR: x\n", note("T", Level::Error, "x"));
        assert_eq!(15, stamp().len());
    }
}
