//! clients.rs - who is connected, what each is doing, and who has to wait or go.
//!
//! What must hold: what one user does takes nothing from another.  Each has so many connections,
//! so many of them asleep in a wait and so many in a large answer.  Who wants one more connection
//! loses the one of their own that has been idle longest; the next question over that one finds it
//! closed and connects again.  The owner's connections are counted apart.

use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much clients may have under way.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections of root and of the server's own user.
    pub owner: usize,
    /// Connections of everybody else together.
    pub others: usize,
    /// Connections of one other user.
    pub user: usize,
    /// Connections of one user, or of the owner, that sleep until something changes.
    pub waits: usize,
    /// Large answers on their way to one user.
    pub large: usize,
    /// The longest request of the owner, in bytes.
    pub request: usize,
    /// The longest request of others, in bytes.
    pub request_of_others: usize,
    /// How long a connection may be idle.
    pub idle: Duration,
    /// How long a message may take, from its first byte to its last.
    pub message: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            owner: 256,
            others: 192,
            user: 64,
            waits: 48,
            large: 4,
            request: smf_scf::protocol::LENGTH_MAX,
            request_of_others: 1 << 20,
            idle: Duration::from_secs(600),
            message: Duration::from_secs(10),
        }
    }
}

/// Whose connections are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Owner,
    User(u32),
}

#[derive(Debug)]
enum Doing {
    Idle(Instant),
    Answered,
    Waiting,
}

#[derive(Debug)]
struct Client {
    who: Who,
    stream: Arc<UnixStream>,
    doing: Doing,
}

#[derive(Debug, Default)]
struct Registry {
    clients: BTreeMap<u64, Client>,
    /// Large answers on their way.
    large: BTreeMap<Who, usize>,
    next: u64,
}

#[derive(Debug)]
pub(crate) struct Clients {
    pub limits: Limits,
    registry: Mutex<Registry>,
    freed: Condvar,
}

impl Clients {
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, registry: Mutex::default(), freed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        // Every change of it is one step.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection, if there is one to be had.
    pub fn admit(self: &Arc<Self>, who: Who, stream: &Arc<UnixStream>) -> Option<Place> {
        let mut registry = self.lock();
        let count = |fits: &dyn Fn(&Client) -> bool| -> usize {
            registry.clients.values().filter(|client| fits(client)).count()
        };
        let limit = if who == Who::Owner { self.limits.owner } else { self.limits.user };
        let full = count(&|client| client.who == who) >= limit;
        let crowded =
            who != Who::Owner && count(&|client| client.who != Who::Owner) >= self.limits.others;
        if full || crowded {
            let loser = if full { who } else { registry.largest()? };
            registry.dismiss(loser)?;
        }
        let id = registry.next;
        registry.next += 1;
        let doing = Doing::Idle(Instant::now());
        registry.clients.insert(id, Client { who, stream: stream.clone(), doing });
        Some(Place { clients: self.clone(), id, who })
    }

    /// Waits until a connection has ended, but not longer than this: descriptors that no client had
    /// are given back without anybody being told.
    pub fn await_departure(&self, longest: Duration) {
        let _woken = self.freed.wait_timeout(self.lock(), longest);
    }
}

impl Registry {
    /// Who of the others has most connections.
    fn largest(&self) -> Option<Who> {
        let mut counts: BTreeMap<Who, usize> = BTreeMap::new();
        for client in self.clients.values().filter(|client| client.who != Who::Owner) {
            *counts.entry(client.who).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(who, _)| who)
    }

    /// Ends the connection that has been idle longest; none if all are at work.
    fn dismiss(&mut self, who: Who) -> Option<()> {
        let idle = |(id, client): (&u64, &Client)| match client.doing {
            Doing::Idle(since) if client.who == who => Some((since, *id)),
            _ => None,
        };
        let (_, id) = self.clients.iter().filter_map(idle).min()?;
        let client = self.clients.remove(&id)?;
        // It may have gone by itself this moment.
        let _gone = client.stream.shutdown(Shutdown::Both);
        Some(())
    }
}

/// The place of one connection; it is free when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    clients: Arc<Clients>,
    id: u64,
    pub who: Who,
}

impl Place {
    pub fn limits(&self) -> &Limits {
        &self.clients.limits
    }

    pub fn is_idle(&self) {
        self.does(Doing::Idle(Instant::now()));
    }

    pub fn is_answered(&self) {
        self.does(Doing::Answered);
    }

    fn does(&self, doing: Doing) {
        if let Some(client) = self.clients.lock().clients.get_mut(&self.id) {
            client.doing = doing;
        }
    }

    /// False if as many of the user's connections wait as may.
    pub fn may_wait(&self) -> bool {
        let mut registry = self.clients.lock();
        let of_user = registry.clients.values().filter(|client| client.who == self.who);
        let waiting = of_user.filter(|client| matches!(client.doing, Doing::Waiting)).count();
        if waiting >= self.limits().waits {
            return false;
        }
        if let Some(client) = registry.clients.get_mut(&self.id) {
            client.doing = Doing::Waiting;
        }
        true
    }

    /// Room for a large answer, as soon as another of the user's is through; none if none is soon.
    pub fn large(&self) -> Option<Large<'_>> {
        let until = Instant::now() + self.limits().message;
        let mut registry = self.clients.lock();
        loop {
            let count = registry.large.entry(self.who).or_default();
            if *count < self.limits().large {
                *count += 1;
                return Some(Large { place: self });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let woken = self.clients.freed.wait_timeout(registry, left);
            registry = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clients.lock().clients.remove(&self.id);
        self.clients.freed.notify_all();
    }
}

/// Room for a large answer.
#[derive(Debug)]
pub(crate) struct Large<'p> {
    place: &'p Place,
}

impl Drop for Large<'_> {
    fn drop(&mut self) {
        let mut registry = self.place.clients.lock();
        if let Some(count) = registry.large.get_mut(&self.place.who) {
            *count -= 1;
            if *count == 0 {
                registry.large.remove(&self.place.who);
            }
        }
        self.place.clients.freed.notify_all();
    }
}

/// A stream that is read and written until a moment, however slowly bytes come and go.
#[derive(Debug)]
pub(crate) struct Until<'s> {
    stream: &'s UnixStream,
    until: Instant,
}

impl<'s> Until<'s> {
    pub fn new(stream: &'s UnixStream, longest: Duration) -> Self {
        Self { stream, until: Instant::now() + longest }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl io::Read for Until<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into)
    }
}

impl io::Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(clients: &Arc<Clients>, who: Who) -> Option<Place> {
        let (stream, _) = UnixStream::pair().unwrap();
        clients.admit(who, &Arc::new(stream))
    }

    #[test]
    fn one_user_takes_nothing_from_another() {
        let limits = Limits { owner: 2, others: 5, user: 3, waits: 1, ..Limits::default() };
        let clients = Clients::new(limits);
        let (one, two) = (Who::User(1), Who::User(2));
        let of = |who| clients.lock().clients.values().filter(|client| client.who == who).count();
        let held: Vec<Place> = (0..3).map(|_| connect(&clients, one).unwrap()).collect();
        // The fourth costs the longest idle; when none is idle it is refused.
        held[0].is_answered();
        let fourth = connect(&clients, one).unwrap();
        assert_eq!(of(one), 3);
        assert!(clients.lock().clients.contains_key(&held[0].id), "at work");
        assert!(!clients.lock().clients.contains_key(&held[1].id), "idle longest");
        // The others together are too many: the user who has most pays.
        let more: Vec<Place> = (0..3).map(|_| connect(&clients, two).unwrap()).collect();
        assert_eq!((of(one), of(two)), (2, 3));
        for place in held.iter().chain([&fourth]).chain(&more) {
            place.is_answered();
        }
        assert!(connect(&clients, Who::User(3)).is_none());
        // The owner is counted apart.
        let owner = connect(&clients, Who::Owner).unwrap();
        assert!(owner.may_wait() && more[0].may_wait() && !more[1].may_wait());
        drop(more);
        assert!(connect(&clients, Who::User(3)).is_some());
    }

    #[test]
    fn large_answers_follow_each_other() {
        let limits = Limits { large: 1, message: Duration::from_millis(50), ..Limits::default() };
        let clients = Clients::new(limits);
        let (place, other) = (connect(&clients, Who::User(1)), connect(&clients, Who::User(2)));
        let (place, other) = (place.unwrap(), other.unwrap());
        let first = place.large().unwrap();
        assert!(place.large().is_none());
        assert!(other.large().is_some());
        drop(first);
        assert!(place.large().is_some());
    }
}
