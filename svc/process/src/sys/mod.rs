//! What only one system has.

#[cfg(target_os = "linux")]
mod confine;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod look;
#[cfg(not(target_os = "linux"))]
mod nothing;
#[cfg(target_os = "linux")]
mod reach;
#[cfg(target_os = "linux")]
mod witness;

#[cfg(target_os = "linux")]
pub use confine::Prepared;
#[cfg(not(target_os = "linux"))]
pub use nothing::{Prepared, Witness, generation_at};
#[cfg(target_os = "linux")]
pub use reach::generation_at;
#[cfg(target_os = "linux")]
pub use witness::Witness;
