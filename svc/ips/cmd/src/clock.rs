//! clock.rs - the time of a publication: `SOURCE_DATE_EPOCH` where it is set, else now.

use std::time::{SystemTime, UNIX_EPOCH};

use ips_model::Timestamp;

use crate::Failure;

/// The time a package or a catalog gets.
pub fn publication() -> Result<Timestamp, Failure> {
    let Some(seconds) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(now()) };
    let text = seconds.to_string_lossy();
    let seconds = text.trim().parse::<i64>();
    seconds.map(Timestamp::from_seconds).map_err(|_| {
        Failure::new(format!("SOURCE_DATE_EPOCH is not a number of seconds: '{text}'"))
    })
}

/// The clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
