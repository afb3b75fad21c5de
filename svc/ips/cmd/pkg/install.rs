//! install.rs - `pkg install`: packages and what they need, as new as the image allows.

use ips_client::change::Want;
use ips_cmd::Failure;

use crate::call::Call;
use crate::change::{Change, given};

/// Installs them.
pub fn install(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &[])?;
    if given.operands.is_empty() {
        return Err(call.usage("at least one package name required"));
    }
    Change::of(call, &given, "install")?.run(Want::Install(given.operands.clone()))
}
