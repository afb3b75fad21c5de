//! exact_install.rs - `pkg exact-install`: these packages, what they need, and nothing else.

use ips_client::change::Want;
use ips_cmd::Failure;

use crate::call::Call;
use crate::change::{Change, given};

/// Brings the image there.
pub fn exact_install(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &[])?;
    if given.operands.is_empty() {
        return Err(call.usage("at least one package name required"));
    }
    Change::of(call, &given, "exact-install")?.run(Want::ExactInstall(given.operands.clone()))
}
