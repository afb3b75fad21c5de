//! update.rs - `pkg update`: installed packages as new as the image allows, all of them or some.

use ips_client::change::Want;
use ips_cmd::Failure;

use crate::call::Call;
use crate::change::{Change, given};

/// Updates them.
pub fn update(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &["f*", "force*", "ignore-missing*"])?;
    let mut change = Change::of(call, &given, "update")?;
    change.nothing = "No updates available for this image.";
    change.run(Want::Update(given.operands.clone()))
}
