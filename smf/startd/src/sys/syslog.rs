//! syslog - what goes to the log daemon of the host: what went wrong, and who went to maintenance.
//!
//! Never waits: a log daemon that does not read loses the message, which is in svc.startd.log too.
//! One that was started anew is found again.

use std::fmt;

type Logger = syslog::Logger<syslog::LoggerBackend, syslog::Formatter3164>;

/// The way to the log daemon; made with the first message.
#[derive(Default)]
pub struct Syslog {
    logger: Option<Logger>,
}

impl fmt::Debug for Syslog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syslog").field("connected", &self.logger.is_some()).finish()
    }
}

impl Syslog {
    /// Tells it; twice, because the daemon may have been started anew since the last message.
    pub fn tell(&mut self, message: &str) {
        for _ in 0..2 {
            if self.logger.is_none() {
                self.logger = connect();
            }
            // A host without a syslog is a host without a syslog.
            let Some(logger) = &mut self.logger else { return };
            match logger.err(message) {
                Ok(()) => return,
                Err(error) if is_full(&error) => return,
                Err(_) => self.logger = None,
            }
        }
    }
}

fn connect() -> Option<Logger> {
    let logger = syslog::unix(syslog::Formatter3164 {
        facility: syslog::Facility::LOG_DAEMON,
        hostname: None,
        process: "svc.startd".to_owned(),
        pid: std::process::id(),
    })
    .ok()?;
    if let syslog::LoggerBackend::Unix(socket) = &logger.backend {
        socket.set_nonblocking(true).ok()?;
    }
    Some(logger)
}

fn is_full(error: &syslog::Error) -> bool {
    let source = std::error::Error::source(error);
    let io = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
