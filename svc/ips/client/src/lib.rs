//! Receive packages, fill image roots
