//! pace.rs - what comes too slowly to be waited for.
//!
//! As with curl in pkg5: over each span of the time that is waited without a byte, a connection has
//! to bring 1024 bytes a second.  A byte now and then does not keep it.

use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

use ureq::Timeout;

/// Bytes a second.
const LEAST: u64 = 1024;

/// What comes, comes too slowly.
#[derive(Debug, thiserror::Error)]
#[error("less than {LEAST} bytes a second")]
struct TooSlow;

/// How fast a body comes.
#[derive(Debug)]
pub(crate) struct Pace {
    span: Option<Duration>,
    since: Instant,
    came: u64,
}

impl Pace {
    /// From now on; without a span everything is fast enough.
    pub(crate) fn new(span: Option<Duration>, now: Instant) -> Self {
        Self { span, since: now, came: 0 }
    }

    /// The same from now on.
    pub(crate) fn again(&self, now: Instant) -> Self {
        Self::new(self.span, now)
    }

    /// Notes so many more bytes; says whether that is fast enough.
    pub(crate) fn came(&mut self, bytes: usize, now: Instant) -> io::Result<()> {
        self.came += bytes as u64;
        let Some(span) = self.span else { return Ok(()) };
        if now.saturating_duration_since(self.since) < span {
            return Ok(());
        }
        if u128::from(self.came) * 1000 < span.as_millis() * u128::from(LEAST) {
            return Err(io::Error::new(ErrorKind::TimedOut, TooSlow));
        }
        (self.since, self.came) = (now, 0);
        Ok(())
    }
}

/// A body that is to come fast enough.
struct Paced<R> {
    body: R,
    pace: Pace,
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(room)?;
        // The end is never too late.
        if count > 0 {
            self.pace.came(count, Instant::now())?;
        }
        Ok(count)
    }
}

/// Reads a body to its end, unless it comes too slowly.
pub(crate) fn read(body: impl Read, span: Option<Duration>) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    Paced { body, pace: Pace::new(span, Instant::now()) }.read_to_end(&mut whole)?;
    Ok(whole)
}

/// Whether an error says that nothing, or too little, came.
pub(crate) fn is_slow(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(Timeout::PerRead) => true,
        ureq::Error::Io(error) => error.get_ref().is_some_and(|inner| inner.is::<TooSlow>()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_now_and_then_is_too_slow() {
        let began = Instant::now();
        let second = Duration::from_secs(1);
        let ten = Some(10 * second);
        for (what, span, bytes, times, until) in [
            ("a byte a second", ten, 1, 20, Some(10)),
            ("just fast enough", ten, 1024, 40, None),
            ("just too slow", ten, 1023, 40, Some(10)),
            ("no limit", None, 0, 1000, None),
        ] {
            let mut pace = Pace::new(span, began);
            let slow = (1..=times).find(|at| pace.came(bytes, began + *at * second).is_err());
            assert_eq!(slow, until, "{what}");
        }
        // A burst does not make up for what comes after it.
        let mut pace = Pace::new(ten, began);
        assert!(pace.came(1 << 20, began + 10 * second).is_ok());
        assert!(pace.came(1, began + 19 * second).is_ok());
        assert!(pace.came(1, began + 20 * second).is_err());
    }

    #[test]
    fn a_body_is_read_to_its_end() {
        for length in [0, 1, 64 * 1024, 3 * 64 * 1024 + 7] {
            let body = vec![7; length];
            assert_eq!(read(&body[..], Some(Duration::from_secs(600))).unwrap(), body);
        }
    }
}
