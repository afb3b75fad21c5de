//! unset_publisher.rs - `pkg unset-publisher`: publishers go, with what was fetched of them.

use ips_client::image::Outcome;
use ips_cmd::Failure;

use crate::call::{Call, refused};
use crate::session::Session;

/// Removes publishers; status 3 where some were not there.
pub fn unset_publisher(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&[])?;
    if given.operands.is_empty() {
        return Err(call.usage("at least one publisher must be specified"));
    }
    let mut session = Session::begin(call, "remove-publisher")?;
    let mut configuration = session.image.configuration().clone();
    let mut errors = String::new();
    let mut removed = Vec::new();
    for name in &given.operands {
        let prefix = configuration.publisher(name).map(|one| one.prefix.clone());
        match prefix {
            Some(prefix) => {
                configuration.remove_publisher(&prefix);
                removed.push(prefix);
            }
            None => errors
                .push_str(&format!("\nRemoval failed for '{name}': Unknown publisher '{name}'.\n")),
        }
    }
    if !removed.is_empty() {
        session.configure(configuration)?;
        session.image.rebuild(&session.lock, session.start).map_err(refused)?;
        for prefix in &removed {
            session.image.forget_publisher(&session.lock, prefix).map_err(refused)?;
        }
    }
    if errors.is_empty() {
        session.end(Outcome::SUCCEEDED)?;
        return Ok(0);
    }
    let mut failure = call.failed(errors.trim_end());
    failure.status = if removed.is_empty() { 1 } else { 3 };
    Err(session.fail(Outcome::BAD_REQUEST, failure))
}
