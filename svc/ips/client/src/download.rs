//! download.rs - a file from a web server, as it is: no part of a repository.

use std::io::{self, Write};

use crate::source::SourceError;
use crate::transport::Transport;

/// Writes what a server has under a URI.
pub fn download(uri: &str, transport: &Transport, to: &mut impl Write) -> Result<u64, SourceError> {
    let failed = |reason: String| SourceError::Transport { uri: uri.to_string(), reason };
    let mut response =
        transport.agent().get(uri).call().map_err(|error| failed(error.to_string()))?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(SourceError::Status { uri: uri.to_string(), status });
    }
    let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
    let size = io::copy(&mut body, to).map_err(|error| failed(error.to_string()))?;
    to.flush().map_err(|error| failed(error.to_string()))?;
    Ok(size)
}
