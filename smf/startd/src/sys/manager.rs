//! manager - telling the service manager that started this process how it is (sd_notify(3)).
//!
//! ```text
//! $NOTIFY_SOCKET    a path, or @ and an abstract name; one datagram an assignment list
//! $WATCHDOG_USEC    it wants to hear WATCHDOG=1 this often, or it ends this process
//! $WATCHDOG_PID     whom that is meant for
//! ```
//!
//! Who was not started by one tells nobody, and never wakes for it.

use std::ffi::{OsStr, OsString};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// What the service manager wants to know.
#[derive(Debug)]
pub struct Manager {
    socket: Option<UnixDatagram>,
    /// How often it is told, half of what it asks for; and when it was.
    pace: Option<Duration>,
    told: Instant,
}

impl Manager {
    /// The one that `variable`, the environment, names.
    #[must_use]
    pub fn new(variable: impl Fn(&str) -> Option<OsString>) -> Manager {
        let named = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = named.and_then(|name| connect(&name));
        let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
        let mine = variable("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
        let pace = number("WATCHDOG_USEC").filter(|usec| mine && *usec > 0);
        let pace = pace.filter(|_| socket.is_some()).map(|usec| Duration::from_micros(usec / 2));
        Manager { socket, pace, told: Instant::now() }
    }

    /// Nobody.
    #[must_use]
    pub fn none() -> Manager {
        Manager { socket: None, pace: None, told: Instant::now() }
    }

    /// It serves.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=Services are managed");
    }

    /// It takes its services down.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Services are being stopped");
    }

    /// The main loop has come round: tells so if it is time, and says how long until the next.
    pub fn beat(&mut self) -> Option<Duration> {
        let pace = self.pace?;
        if self.told.elapsed() >= pace {
            self.tell("WATCHDOG=1");
            self.told = Instant::now();
        }
        Some(pace.saturating_sub(self.told.elapsed()))
    }

    fn tell(&self, what: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not listen any more is no reason to do anything else.
            let _unheard = socket.send(what.as_bytes());
        }
    }
}

#[cfg(target_os = "linux")]
fn connect(name: &OsStr) -> Option<UnixDatagram> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let bytes = name.as_encoded_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
        None => SocketAddr::from_pathname(name),
    };
    let socket = UnixDatagram::unbound().ok()?;
    // One that is full is told the next time.
    socket.set_nonblocking(true).ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    Some(socket)
}

#[cfg(not(target_os = "linux"))]
fn connect(_name: &OsStr) -> Option<UnixDatagram> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).expect("something was sent");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    fn manager(socket: &str, usec: &str, pid: &str) -> Manager {
        let variables = [("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)];
        Manager::new(|name| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| OsString::from(value)).filter(|value| !value.is_empty())
        })
    }

    #[test]
    fn it_is_told_by_path_and_by_abstract_name() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("notify");
        let own = format!("lamplighter-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&own).unwrap();
        for (name, socket) in [
            (path.display().to_string(), UnixDatagram::bind(&path).unwrap()),
            (format!("@{own}"), UnixDatagram::bind_addr(&address).unwrap()),
        ] {
            let mut manager = manager(&name, "", "");
            manager.ready();
            assert!(heard(&socket).starts_with("READY=1\n"));
            manager.stopping();
            assert!(heard(&socket).starts_with("STOPPING=1\n"));
            assert_eq!(None, manager.beat(), "nobody asked to be told");
        }
    }

    #[test]
    fn the_watchdog_hears_as_often_as_it_asked() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let name = path.display().to_string();
        let mut eager = manager(&name, "2", &std::process::id().to_string());
        while eager.told.elapsed() < Duration::from_micros(1) {}
        assert!(eager.beat().is_some_and(|next| next <= Duration::from_micros(1)));
        assert_eq!("WATCHDOG=1", heard(&socket));
        let mut patient = manager(&name, "60000000", "");
        let next = patient.beat().unwrap();
        assert!(next > Duration::from_secs(29) && next <= Duration::from_secs(30), "{next:?}");
        assert_eq!(None, manager(&name, "2", "1").beat(), "meant for another process");
        assert_eq!(None, manager("", "2", "").beat(), "nobody to tell");
        assert_eq!(None, Manager::none().beat());
    }
}
