//! update_format.rs - `pkg update-format`: images that are not of the newest format.
//!
//! What is older than the formats that are read is refused when the image is opened; what is newer
//! than the one that is written has nothing to be brought to.

use ips_cmd::Failure;

use crate::call::Call;
use crate::change::NOTHING;

/// Says that there is nothing to do.
pub fn update_format(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&[])?;
    call.no_operands(&given)?;
    call.image()?;
    println!("Image format already current.");
    Ok(NOTHING)
}
