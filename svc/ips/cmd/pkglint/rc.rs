//! rc.rs - which pkglintrc is read: the one that is named, else the system's and then the user's.
//!
//! A host without one has the defaults.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ips_cmd::Failure;
use ips_publish::lint::{Config, ConfigError};

use crate::options::Options;

const SYSTEM: &str = "/usr/share/lib/pkg/pkglintrc";

/// Reads it.
pub fn read(options: &Options) -> Result<Config, Failure> {
    if let Some(path) = &options.config {
        let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        return Config::of_file(&text).map_err(|error| corrupt(path, &error));
    }
    let mut config = Config::default();
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pkglintrc"));
    for path in [Some(PathBuf::from(SYSTEM)), home].into_iter().flatten() {
        match fs::read_to_string(&path) {
            Ok(text) => config.overlay(&text).map_err(|error| corrupt(&path, &error))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(config)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let reason = match error.kind() {
        ErrorKind::NotFound => format!("[Errno 2] No such file or directory: '{}'", path.display()),
        _ => format!("{}: {error}", path.display()),
    };
    Failure::argument(format!("unable to read config file: {reason} "))
}

fn corrupt(path: &Path, error: &ConfigError) -> Failure {
    match error {
        ConfigError::Modules(_) | ConfigError::Level(_) => Failure::argument(error),
        ConfigError::Line(_) | ConfigError::Section => Failure::argument(format!(
            "missing or corrupt pkglintrc file {}: {error}",
            path.display()
        )),
    }
}
