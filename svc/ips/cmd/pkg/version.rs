//! version.rs - `pkg version`.

use ips_cmd::Failure;

use crate::call::Call;

/// Prints the version.
pub fn version(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&[])?;
    if !given.operands.is_empty() {
        let operands = given.operands.join(" ");
        return Err(call.usage(format!("version: command does not take operands ('{operands}')")));
    }
    println!("{}", env!("CARGO_PKG_VERSION"));
    Ok(0)
}
