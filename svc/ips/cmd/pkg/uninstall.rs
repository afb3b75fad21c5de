//! uninstall.rs - `pkg uninstall`: packages that nothing else needs, taken away.

use ips_client::change::Want;
use ips_cmd::Failure;
use ips_model::Pattern;

use crate::call::Call;
use crate::change::{Change, NOTHING, given};

/// Uninstalls them.
pub fn uninstall(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &["ignore-missing*"])?;
    if given.operands.is_empty() {
        return Err(call.usage("at least one package name required"));
    }
    let change = Change::of(call, &given, "uninstall")?;
    let mut patterns = given.operands.clone();
    if given.has("ignore-missing") {
        let image = call.image()?;
        let installed = image.installed().map_err(Failure::new)?;
        let all: Vec<_> = installed.packages().map(|(fmri, _)| fmri).collect();
        let there = |text: &String| {
            Pattern::parse(text).is_ok_and(|pattern| !pattern.select(&all).is_empty())
        };
        patterns.retain(there);
        if patterns.is_empty() {
            return Ok(NOTHING);
        }
    }
    change.run(Want::Uninstall(patterns))
}
