//! autoremove.rs - `pkg autoremove`: packages that nobody asked for and nothing needs any more; and
//! `pkg flag`: which packages somebody asked for.

use ips_client::change::{Want, unneeded};
use ips_client::image::{Change as Recorded, Outcome};
use ips_cmd::Failure;
use ips_model::Fmri;

use crate::call::Call;
use crate::change::{Change, NOTHING, given};
use crate::session::Session;
use crate::verify::chosen;

/// Removes them.
pub fn autoremove(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &["ignore-missing*"])?;
    if !given.operands.is_empty() {
        return Err(call.usage("No packages can be specified."));
    }
    let change = Change::of(call, &given, "autoremove")?;
    let free = unneeded(&call.image()?).map_err(|error| call.failed(error))?;
    if free.is_empty() {
        if !given.has("q") && !given.has("parsable") {
            println!("No removable packages for this image.");
        }
        return Ok(NOTHING);
    }
    change.run(Want::Uninstall(free.iter().map(Fmri::to_string).collect()))
}

/// Marks packages as asked for (`-m`) or not (`-M`).
pub fn flag(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["m", "M"])?;
    if given.has("m") && given.has("M") {
        return Err(call.failed(call.together(&given, "m", "M").message));
    }
    if !given.has("m") && !given.has("M") {
        return Err(call.usage("a flag must be specified"));
    }
    if given.operands.is_empty() {
        return Err(call.usage("at least one package name required"));
    }
    let mut session = Session::begin(call, "flag")?;
    let packages = chosen(call, &session.image, &given.operands)?;
    let mut change = Recorded::at(session.start);
    change.manual = packages.into_iter().map(|fmri| (fmri, given.has("m"))).collect();
    session.record(&change)?;
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}
