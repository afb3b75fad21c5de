//! clock.rs - times the way svcs prints them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A day in seconds.
const DAY: i64 = 24 * 60 * 60;

/// Seconds of a stored time value: `sec` or `sec.nnnnnnnnn`.
#[must_use]
pub fn seconds(stored: &str) -> Option<i64> {
    stored.split_once('.').map_or(stored, |(whole, _)| whole).parse().ok()
}

/// Seconds and the digits of the fraction of a stored time value.
#[must_use]
pub fn seconds_and_fraction(stored: &str) -> Option<(i64, String)> {
    let (whole, fraction) = stored.split_once('.').unwrap_or((stored, ""));
    Some((whole.parse().ok()?, fraction.to_owned()))
}

/// The STIME column: the hour within a day, the day within 360 days, else the year.
#[must_use]
pub fn stime(then: i64, now: i64, zone: &TimeZone) -> String {
    let format = match now - then {
        age if age < DAY => "%k:%M:%S",
        age if age < 360 * DAY => "%b_%d",
        _ => "%Y",
    };
    strftime(then, format, zone)
}

/// A date the way the C locale writes it.
#[must_use]
pub fn date(then: i64, zone: &TimeZone) -> String {
    strftime(then, "%a %b %e %H:%M:%S %Y", zone)
}

fn strftime(then: i64, format: &str, zone: &TimeZone) -> String {
    match Timestamp::from_second(then) {
        Ok(time) => time.to_zoned(zone.clone()).strftime(format).to_string(),
        // Outside of what a calendar holds.
        Err(_) => "-".into(),
    }
}

/// Now, in seconds.
#[must_use]
pub fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Now, in milliseconds.
#[must_use]
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The time since the system was started, as gethrtime(3C) gives it.
#[must_use]
pub fn monotonic_ns() -> i64 {
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    nix::time::clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_column() {
        let then = 1_265_947_111; // Fri Feb 12 03:58:31 2010 UTC
        for (age, expected) in [
            (0, " 3:58:31"),
            (DAY - 1, " 3:58:31"),
            (DAY, "Feb_12"),
            (360 * DAY - 1, "Feb_12"),
            (360 * DAY, "2010"),
        ] {
            assert_eq!(stime(then, then + age, &TimeZone::UTC), expected, "{age}");
        }
        assert_eq!(date(then, &TimeZone::UTC), "Fri Feb 12 03:58:31 2010");
        assert_eq!(seconds("12.000000001"), Some(12));
    }
}
