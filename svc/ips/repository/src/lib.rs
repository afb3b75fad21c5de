//! The version 4 file repository
