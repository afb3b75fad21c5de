//! add_publisher.rs - `pkgrepo add-publisher`.

use ips_cmd::{Failure, clock};
use ips_model::fmri::is_publisher;
use ips_repository::WriteError;

use crate::options::Options;

/// Adds the publishers that are not there; status 3 where only some could be added.
pub fn add_publisher(options: &Options) -> Result<(), Failure> {
    let place = options.local_place()?;
    if options.operands.is_empty() {
        return Err(Failure::usage("At least one publisher must be specified").of(options.name));
    }
    let mut bad: Vec<Failure> = options
        .operands
        .iter()
        .filter(|name| !is_publisher(name))
        .map(|bad| Failure::new(format!("Invalid publisher prefix '{bad}'")).of(options.name))
        .collect();
    if let Some(last) = bad.pop() {
        for failure in bad {
            failure.tell("pkgrepo");
        }
        return Err(last);
    }
    let repository = place.open()?;
    let now = clock::publication()?;
    let mut held = Vec::new();
    for name in &options.operands {
        match repository.add_publisher(name, now) {
            Ok(()) => {}
            Err(WriteError::PublisherExists(name)) => held.push(name),
            Err(error) => return Err(error.into()),
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    let message = format!("specified publisher(s) already exist: {}", held.join(", "));
    let some = held.len() < options.operands.len();
    let failure = if some { Failure::partial(message) } else { Failure::new(message) };
    Err(failure.of(options.name))
}
