//! sample.rs - bytes such as images have, for benches.

use std::fs;
use std::path::PathBuf;

/// Programs and libraries of this host, so many bytes of them.
pub fn sample(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length);
    let mut folders = vec![PathBuf::from("/usr/lib"), PathBuf::from("/usr/bin")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            let Ok(about) = path.symlink_metadata() else { continue };
            if about.is_dir() {
                folders.push(path);
            } else if about.is_file() && about.len() < 8 << 20 && bytes.len() < length {
                bytes.extend(fs::read(&path).unwrap_or_default());
            }
        }
    }
    bytes.truncate(length);
    bytes
}
