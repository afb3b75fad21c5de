//! What only one system has.

#[cfg(target_os = "linux")]
mod confine;

#[cfg(target_os = "linux")]
pub use confine::Prepared;

/// Elsewhere a program's own rights are all that holds it.
#[cfg(not(target_os = "linux"))]
pub struct Prepared;

#[cfg(not(target_os = "linux"))]
impl Prepared {
    /// Nothing is prepared.
    pub fn of(_confinement: &crate::Confinement) -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Nothing is done.
    pub fn enter(&self) -> std::io::Result<()> {
        Ok(())
    }
}
