//! severed.rs - a way to a depot that breaks: connections end, fall silent, or are refused.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is passed on.
    Whole,
    /// It ends after so many bytes of the depot's.
    Cut(usize),
    /// Nothing comes any more after so many bytes.
    Silent(usize),
}

/// The way.
pub struct Severed {
    address: String,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    to: String,
    /// The fates of connections to come, the first one's first; then all are whole.
    fates: Mutex<Vec<Fate>>,
    /// How many files were asked for.
    asked: AtomicUsize,
    /// The way ends when so many were; 0: never.
    ends_at: usize,
    ended: AtomicBool,
    /// Both ends of all connections, to end them.
    streams: Mutex<Vec<TcpStream>>,
}

impl Severed {
    /// A way to a depot (`host:port`); 0: it never ends.
    pub fn to(depot: &str, fates: &[Fate], ends_at: usize) -> Severed {
        Self::at("127.0.0.1:0", depot, fates, ends_at)
    }

    /// The same at an address that was used before.
    pub fn at(address: &str, depot: &str, fates: &[Fate], ends_at: usize) -> Severed {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            to: depot.to_string(),
            fates: Mutex::new(fates.iter().rev().copied().collect()),
            asked: AtomicUsize::new(0),
            ends_at,
            ended: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || accept(&listener, &shared));
        Severed { address, state, thread: Some(thread) }
    }

    /// Where it begins.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many files were asked for.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// How many of the fates were not met.
    pub fn left(&self) -> usize {
        self.state.fates.lock().unwrap().len()
    }
}

impl Drop for Severed {
    fn drop(&mut self) {
        self.state.end();
        // Whoever accepts is woken by one more.
        let _woken = TcpStream::connect(&self.address);
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

impl State {
    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    let mut hands = Vec::new();
    while let Ok((client, _)) = listener.accept() {
        if state.has_ended() {
            break;
        }
        let depot = TcpStream::connect(&state.to).unwrap();
        let fate = state.fates.lock().unwrap().pop().unwrap_or(Fate::Whole);
        let clone = |stream: &TcpStream| stream.try_clone().unwrap();
        state.streams.lock().unwrap().extend([clone(&client), clone(&depot)]);
        let (up, down) = ((clone(&client), clone(&depot)), (depot, client));
        let shared = Arc::clone(state);
        hands.push(std::thread::spawn(move || ask(up, &shared)));
        hands.push(std::thread::spawn(move || answer(down, fate)));
        // It may have ended while the two were made.
        if state.has_ended() {
            state.end();
        }
    }
    state.end();
    hands.into_iter().for_each(|hand| drop(hand.join()));
}

/// What the client asks.
fn ask((mut from, mut to): (TcpStream, TcpStream), state: &State) {
    let mut buffer = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        // A question fits into what is read at once.
        let text = String::from_utf8_lossy(&buffer[..length]);
        let files = text.matches("/file/").count();
        let asked = state.asked.fetch_add(files, Ordering::SeqCst) + files;
        if state.ends_at > 0 && asked >= state.ends_at {
            return state.end();
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Write);
}

/// What the depot answers.
fn answer((mut from, mut to): (TcpStream, TcpStream), fate: Fate) {
    let mut left = match fate {
        Fate::Whole => usize::MAX,
        Fate::Cut(bytes) | Fate::Silent(bytes) => bytes,
    };
    let mut buffer = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let passed = length.min(left);
        left -= passed;
        if to.write_all(&buffer[..passed]).is_err() {
            break;
        }
        if passed < length && matches!(fate, Fate::Cut(_)) {
            break;
        }
        // Of one that fell silent nothing is passed on, until somebody ends it.
    }
    let _gone = to.shutdown(Shutdown::Both);
}
