//! log.rs - the log of a build: every line also goes to whoever listens.
//!
//! ```text
//! TOP/log/build_live.STAMP.log       TOP/build → log
//! ```

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use live_manifest::Stamp;

/// The log of one build.
pub struct Log<'a> {
    path: PathBuf,
    file: RefCell<BufWriter<File>>,
    hear: &'a dyn Fn(&str),
    /// The first failure to write it.
    failed: RefCell<Option<io::Error>>,
}

impl<'a> Log<'a> {
    /// Begins it; its folder is made, and `build` beside the folder leads to it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(folder: &Path, stamp: &Stamp, hear: &'a dyn Fn(&str)) -> Result<Log<'a>> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        if let (Some(name), Some(above)) = (folder.file_name(), folder.parent()) {
            let link = above.join("build");
            match std::os::unix::fs::symlink(name, &link) {
                // A `build` that somebody has made is left alone.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(error).with_context(|| link.display().to_string());
                }
                Ok(()) | Err(_) => {}
            }
        }
        let path = folder.join(format!("build_live.{stamp}.log"));
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        let file = RefCell::new(BufWriter::new(file));
        Ok(Log { path, file, hear, failed: RefCell::new(None) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One line.
    pub fn say(&self, line: &str) {
        (self.hear)(line);
        let mut file = self.file.borrow_mut();
        if let Err(error) = file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n")) {
            self.failed.borrow_mut().get_or_insert(error);
        }
    }

    /// All that was said is in the file.
    ///
    /// # Errors
    /// It is not.
    pub fn flush(&self) -> Result<()> {
        let flushed = self.file.borrow_mut().flush();
        let first = self.failed.borrow_mut().take();
        first.map_or(flushed, Err).with_context(|| self.path.display().to_string())
    }
}
