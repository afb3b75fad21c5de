//! worker.rs - one event loop over connections of its own.
//!
//! The listening sockets are shared by all workers and wake one of them each.  Workers share
//! nothing that is written but the service's counters and logs, and the threads for jobs.
//!
//! A token is the number of a place and how often it has been taken, so an answer that comes for
//! a connection that is gone meets nobody.
//!
//! Not here: signals (main), what a request means (service), what a connection does (connection).

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::connection::{Answer, Connection, Host, Turn};
use crate::hot::{Hot, Ready};
use crate::http::{Request, Response};
use crate::jobs::{Job, Jobs, Mailbox};
use crate::poller::{Interest, Poller};
use crate::service::Service;
use crate::transport::Transport;

/// How often idle connections are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How much is read at once.
const SCRATCH: usize = 64 * 1024;
/// How many connections are given up at once for want of descriptors.
const GIVEN_UP: usize = 64;
/// Tokens from here on are listening sockets; the one before is the mailbox.
const LISTENERS: u64 = u64::MAX - 0xffff;
const MAILBOX: u64 = LISTENERS - 1;

/// Starts the workers.  They run until the process ends, and have at most so many clients.
pub fn start(
    listeners: Vec<TcpListener>,
    service: &Arc<Service>,
    jobs: &Jobs,
    workers: usize,
    clients: usize,
) -> io::Result<Vec<std::thread::JoinHandle<()>>> {
    let (listeners, all) = (Arc::new(listeners), Arc::new(AtomicUsize::new(0)));
    let mut threads = Vec::new();
    for number in 0..workers {
        let mut worker = Worker::new(listeners.clone(), service.clone(), jobs.clone())?;
        (worker.most, worker.clients) = (clients.max(1), all.clone());
        let name = format!("worker-{number}");
        threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run())?);
    }
    Ok(threads)
}

/// A connection and what it is waited for.
struct Client {
    connection: Connection,
    interest: Interest,
}

/// A place for a connection, and how often it has been taken.
#[derive(Default)]
struct Place {
    taken: u32,
    client: Option<Client>,
}

struct Worker {
    poller: Poller,
    listeners: Arc<Vec<TcpListener>>,
    /// False while the process has no descriptor left for a further connection.
    accepting: bool,
    service: Arc<Service>,
    jobs: Jobs,
    mailbox: Arc<Mailbox>,
    /// The most clients of all workers; the descriptors beyond are for files.
    most: usize,
    /// How many clients all workers have.
    clients: Arc<AtomicUsize>,
    places: Vec<Place>,
    free: Vec<usize>,
    scratch: Vec<u8>,
    hot: RefCell<Hot>,
    swept: Instant,
}

/// What a connection gets its answers from.
struct Desk<'a> {
    service: &'a Arc<Service>,
    jobs: &'a Jobs,
    mailbox: &'a Arc<Mailbox>,
    hot: &'a RefCell<Hot>,
    token: u64,
}

impl Host for Desk<'_> {
    fn answer(&self, request: &Request, peer: SocketAddr) -> Answer {
        self.service.answer(request, peer)
    }

    fn run(&self, job: Job) {
        self.jobs.run(job, self.mailbox, self.token);
    }

    fn ready(&self, bytes: &[u8]) -> Option<(Ready, usize)> {
        if self.service.is_watched() {
            return None;
        }
        let found = self.hot.borrow_mut().find(bytes, self.service.generation())?;
        self.service.count(found.0.operation);
        Some(found)
    }

    fn answered(&self, request: &Request, response: &Response, peer: SocketAddr) {
        self.hot.borrow_mut().keep(request, response, self.service.generation());
        self.service.answered(request, response, peer);
    }
}

impl Worker {
    fn new(
        listeners: Arc<Vec<TcpListener>>,
        service: Arc<Service>,
        jobs: Jobs,
    ) -> io::Result<Self> {
        let (poller, mailbox) = (Poller::new()?, Arc::new(Mailbox::new()?));
        poller.add(mailbox.fd(), MAILBOX, Interest { read: true, write: false })?;
        let mut worker = Self {
            poller,
            listeners,
            accepting: false,
            service,
            jobs,
            mailbox,
            most: 1,
            clients: Arc::default(),
            places: Vec::new(),
            free: Vec::new(),
            scratch: vec![0; SCRATCH],
            hot: RefCell::default(),
            swept: Instant::now(),
        };
        worker.accept_again()?;
        Ok(worker)
    }

    fn accept_again(&mut self) -> io::Result<()> {
        if !self.accepting {
            for (number, listener) in self.listeners.iter().enumerate() {
                self.poller.add_shared(listener.as_fd(), LISTENERS + number as u64)?;
            }
            self.accepting = true;
        }
        Ok(())
    }

    fn run(&mut self) {
        let mut ready = Vec::new();
        loop {
            let nobody = self.free.len() == self.places.len();
            let idle = nobody && self.accepting && self.hot.borrow().is_empty();
            let limit = if idle { None } else { Some(SWEEP) };
            if let Err(error) = self.poller.wait(&mut ready, limit) {
                self.service.log_error(&format!("waiting for clients: {error}"));
                std::process::exit(1);
            }
            for &token in &ready {
                match token {
                    MAILBOX => self.deliver(),
                    LISTENERS.. => self.accept((token - LISTENERS) as usize),
                    _ => self.proceed(token, None),
                }
            }
            if self.swept.elapsed() >= SWEEP {
                self.sweep();
            }
        }
    }

    fn accept(&mut self, which: usize) {
        // A few at a time: the other workers are there too.
        for _ in 0..16 {
            if self.clients.load(Ordering::Relaxed) >= self.most && !self.give_up_idle() {
                self.stop_accepting();
                return;
            }
            match self.listeners[which].accept() {
                Ok((stream, peer)) => {
                    if stream.set_nonblocking(true).is_err() {
                        continue;
                    }
                    // Without it, a head and its body may wait for each other's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    match Transport::new(stream, self.service.tls()) {
                        Ok(transport) => self.adopt(Connection::new(transport, peer)),
                        Err(error) => self.service.log_error(&format!("TLS: {error}")),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                    if !self.give_up_idle() {
                        self.service.log_error(&format!("accepting a connection: {error}"));
                        self.stop_accepting();
                        return;
                    }
                }
                // The client gave up between connecting and now.
                Err(_) => {}
            }
        }
    }

    /// Drops the connections that have rested longest; whether there were any.
    fn give_up_idle(&mut self) -> bool {
        let now = Instant::now();
        let mut idle: Vec<(Instant, usize)> = Vec::new();
        for (index, place) in self.places.iter().enumerate() {
            let since = place.client.as_ref().and_then(|client| client.connection.idle_since());
            // One that came just now is about to say something.
            let since = since.filter(|since| now.duration_since(*since) >= SWEEP);
            idle.extend(since.map(|since| (since, index)));
        }
        idle.sort();
        for (_, index) in idle.iter().take(GIVEN_UP) {
            self.drop_client(*index);
        }
        !idle.is_empty()
    }

    /// The listening sockets would be reported without end; the next sweep looks again.
    fn stop_accepting(&mut self) {
        for listener in self.listeners.iter() {
            let _ = self.poller.remove(listener.as_fd());
        }
        self.accepting = false;
    }

    fn adopt(&mut self, connection: Connection) {
        let interest = Interest { read: true, write: false };
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            self.places.len() - 1
        });
        let place = &mut self.places[index];
        place.taken = place.taken.wrapping_add(1) & 0x7fff_ffff;
        let token = u64::from(place.taken) << 32 | index as u64;
        match self.poller.add(connection.fd(), token, interest) {
            Ok(()) => {
                place.client = Some(Client { connection, interest });
                self.clients.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.free.push(index);
                self.service.log_error(&format!("watching a connection: {error}"));
            }
        }
    }

    /// Gives a connection its turn, with the answer it waited for if one is brought.
    fn proceed(&mut self, token: u64, answer: Option<Response>) {
        let index = (token & 0xffff_ffff) as usize;
        let Some(place) = self.places.get_mut(index) else { return };
        let Some(client) = place.client.as_mut().filter(|_| u64::from(place.taken) == token >> 32)
        else {
            return;
        };
        let (service, jobs, mailbox) = (&self.service, &self.jobs, &self.mailbox);
        let desk = Desk { service, jobs, mailbox, hot: &self.hot, token };
        if let Some(answer) = answer {
            client.connection.deliver(&desk, answer);
        }
        let turn = client.connection.proceed(&desk, &mut self.scratch);
        let keep = match turn {
            Turn::Finished => false,
            Turn::Wait(wanted) if wanted == client.interest => true,
            Turn::Wait(wanted) => {
                client.interest = wanted;
                self.poller.change(client.connection.fd(), token, wanted).is_ok()
            }
        };
        if !keep {
            self.drop_client(index);
        }
    }

    /// Closing the descriptor takes it out of the poller's set.
    fn drop_client(&mut self, index: usize) {
        self.places[index].client = None;
        self.free.push(index);
        self.clients.fetch_sub(1, Ordering::Relaxed);
    }

    fn deliver(&mut self) {
        for (token, answer) in self.mailbox.take() {
            self.proceed(token, Some(answer));
        }
    }

    fn sweep(&mut self) {
        self.swept = Instant::now();
        self.hot.borrow_mut().turn(self.service.generation());
        let limit = self.service.socket_timeout();
        for index in 0..self.places.len() {
            let client = self.places[index].client.as_ref();
            if client.is_some_and(|client| client.connection.is_overdue(self.swept, limit)) {
                self.drop_client(index);
            }
        }
        if let Err(error) = self.accept_again() {
            self.service.log_error(&format!("watching the listening sockets: {error}"));
        }
    }
}
