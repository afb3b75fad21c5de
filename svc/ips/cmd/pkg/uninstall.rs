//! uninstall.rs - `pkg uninstall`: packages that nothing else needs, taken away.

use ips_client::change::Want;
use ips_cmd::Failure;

use crate::call::Call;
use crate::change::{Change, given};

/// Uninstalls them.
pub fn uninstall(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &["ignore-missing*"])?;
    if given.operands.is_empty() {
        return Err(call.usage("at least one package name required"));
    }
    Change::of(call, &given, "uninstall")?.run(Want::Uninstall(given.operands.clone()))
}
