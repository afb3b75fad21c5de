//! How a program talks to the configuration repository: protocol, handle, fmri walking, import

pub mod import;
