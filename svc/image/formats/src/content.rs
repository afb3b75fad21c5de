//! content.rs - where the bytes of a table's files come from.

use std::io::{self, Read};

/// Opens files; from several threads at once where that pays.
pub trait Content: Sync {
    /// Opens the contents of the file at a table path.
    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>>;
}

impl<F: Fn(&str) -> io::Result<Box<dyn Read>> + Sync> Content for F {
    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        self(path)
    }
}

/// The failure of contents that have more bytes than the `size` the table gives.
pub(crate) fn longer(size: u64) -> io::Error {
    let text = format!("longer than the {size} bytes of the table");
    io::Error::new(io::ErrorKind::InvalidData, text)
}
