//! time.rs - points in time as catalogs and packages write them.  Nothing here reads a clock.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a time of the form YYYYMMDDTHHMMSS[.ffffff]Z")]
pub struct TimeError(pub String);

/// Microseconds since 1970, UTC.  `Display` is `YYYYMMDDTHHMMSS.ffffffZ`, the fraction left out
/// where it is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970; times past the year 9999 are held at its end.
    pub fn from_micros(micros: i64) -> Timestamp {
        let range = jiff::Timestamp::MIN.as_microsecond()..=jiff::Timestamp::MAX.as_microsecond();
        Timestamp(micros.clamp(*range.start(), *range.end()))
    }

    /// From seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// Reads both forms.
    pub fn parse(text: &str) -> Result<Timestamp, TimeError> {
        let refused = || TimeError(text.to_string());
        let body = text.strip_suffix('Z').ok_or_else(refused)?;
        let (whole, fraction) = body.split_once('.').unwrap_or((body, "0"));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        // A sign is a character too, and would make a year before Christ of it.
        let signed = whole.split('T').any(|part| !digits(part));
        if whole.len() != 15
            || signed
            || fraction.is_empty()
            || fraction.len() > 6
            || !digits(fraction)
        {
            return Err(refused());
        }
        let civil = DateTime::strptime("%Y%m%dT%H%M%S", whole).map_err(|_| refused())?;
        let at = civil.to_zoned(TimeZone::UTC).map_err(|_| refused())?.timestamp();
        let micros: i64 = format!("{fraction:0<6}").parse().map_err(|_| refused())?;
        Ok(Timestamp(at.as_microsecond() + micros))
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The next representable time.
    pub fn next(self) -> Timestamp {
        Timestamp(self.0 + 1)
    }

    /// `YYYYMMDDTHHMMSSZ`, the time in a version.
    pub fn package(self) -> String {
        self.civil().strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// `YYYYMMDDTHHZ`, the hour in an update log's name.
    pub fn hour(self) -> String {
        self.civil().strftime("%Y%m%dT%HZ").to_string()
    }

    /// `YYYY-MM-DDTHH:MM:SS.ffffffZ`, what `pkgrepo info` prints.
    pub fn extended(self) -> String {
        let head = self.civil().strftime("%Y-%m-%dT%H:%M:%S").to_string();
        match self.0.rem_euclid(1_000_000) {
            0 => format!("{head}Z"),
            micros => format!("{head}.{micros:06}Z"),
        }
    }

    fn civil(self) -> DateTime {
        let at = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        at.to_zoned(TimeZone::UTC).datetime()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.civil().strftime("%Y%m%dT%H%M%S").to_string())?;
        match self.0.rem_euclid(1_000_000) {
            0 => to.write_str("Z"),
            micros => write!(to, ".{micros:06}Z"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        for text in ["20261122T020923.708265Z", "20261122T030350Z", "20240102T030405.000001Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        let at = Timestamp::parse("20261122T020923.5Z").unwrap();
        assert_eq!(at.to_string(), "20261122T020923.500000Z");
        assert_eq!(at.package(), "20261122T020923Z");
        assert_eq!(at.hour(), "20261122T02Z");
        assert_eq!(at.extended(), "2026-11-22T02:09:23.500000Z");
        assert_eq!(Timestamp::from_seconds(0).to_string(), "19700101T000000Z");
    }

    #[test]
    fn refused() {
        for bad in [
            "",
            "Z",
            "20261122T020923",
            "20261322T020923Z",
            "20261122T020923.Z",
            "20261122T020923.1234567Z",
            "20261122T020923.-1Z",
            "2026-11-22T02:09:23Z",
            "-0261122T030350.507228Z",
            "20261122T+20923Z",
        ] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }
}
