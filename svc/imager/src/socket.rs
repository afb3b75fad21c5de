//! socket.rs - the socket at which finalizer scripts ask for the manifest's values.
//!
//! One thread accepts, one serves each client.  Between requests a client may be silent as long
//! as it likes (a script works for hours between two questions); inside a message it has
//! [`MESSAGE_TIME`].  More than [`CLIENTS_MAX`] clients there are not: the oldest makes way, so
//! scripts that leave connections behind shut nobody out.
//!
//! Invariants: when a [`Server`] is dropped its threads are gone and so is its socket; a socket
//! that a dead server left is taken over, one that is served is not.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use image_manifest::Document;
use image_manifest::protocol::{self, Peer};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a client may take inside a message.
const MESSAGE_TIME: Duration = Duration::from_secs(30);
/// The most clients at once.
const CLIENTS_MAX: usize = 64;
/// Milliseconds until a connection is accepted again after one could not be.
const RETRY: u16 = 100;

/// Hears what clients ask and are told.
pub type Log = dyn Fn(&str) + Send + Sync;

/// The socket while it is served.
pub struct Server {
    path: PathBuf,
    /// Closed when the server is to end.
    running: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves a manifest at `path` from now on.
    pub fn start(document: Arc<Document>, path: &Path, log: Arc<Log>) -> io::Result<Self> {
        let listener = bind(path)?;
        listener.set_nonblocking(true)?;
        let (running, ended) = UnixStream::pair()?;
        let thread = thread::Builder::new()
            .name("manifest".to_owned())
            .spawn(move || accept(&listener, &ended, &document, &log))?;
        Ok(Self { path: path.to_owned(), running: Some(running), thread: Some(thread) })
    }

    /// Where it is served.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
        // A script may have removed it before.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Binds the socket; one that nobody serves any more is removed first.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = path.symlink_metadata()?.file_type().is_socket();
            let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
            if !is_socket || !UnixStream::connect(path).is_err_and(refused) {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// One that is being served: its stream, to end it, and its thread.
struct Client {
    stream: UnixStream,
    thread: JoinHandle<()>,
}

impl Client {
    fn end(self) {
        // It may have ended of its own accord.
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = self.thread.join();
    }
}

fn accept(listener: &UnixListener, ended: &UnixStream, document: &Arc<Document>, log: &Arc<Log>) {
    let mut clients: VecDeque<Client> = VecDeque::new();
    loop {
        let mut fds = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(ended.as_fd(), PollFlags::POLLIN),
        ];
        if let Err(error) = poll(&mut fds, PollTimeout::NONE) {
            if error == nix::Error::EINTR {
                continue;
            }
            log(&format!("Error accepting a client: {error}"));
            break;
        }
        if fds[1].revents().is_some_and(|events| !events.is_empty()) {
            break;
        }
        clients.retain(|client| !client.thread.is_finished());
        if clients.len() == CLIENTS_MAX {
            clients.pop_front().into_iter().for_each(Client::end);
        }
        match listener.accept().and_then(|(stream, _)| serve(stream, document, log)) {
            Ok(client) => clients.push_back(client),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                log(&format!("Error accepting a client: {error}"));
                // Out of descriptors or threads: whoever is oldest gives back theirs.
                clients.pop_front().into_iter().for_each(Client::end);
                let mut fds = [PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
                if poll(&mut fds, PollTimeout::from(RETRY)).is_ok_and(|ready| ready > 0) {
                    break;
                }
            }
        }
    }
    clients.into_iter().for_each(Client::end);
}

fn serve(stream: UnixStream, document: &Arc<Document>, log: &Arc<Log>) -> io::Result<Client> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(MESSAGE_TIME))?;
    let mut peer = Connection { stream: stream.try_clone()? };
    let (document, log) = (Arc::clone(document), Arc::clone(log));
    let thread = thread::Builder::new().name("manifest client".to_owned()).spawn(move || {
        if let Err(error) = protocol::serve(&mut peer, &document, &mut |line| log(line)) {
            log(&error.to_string());
        }
        // The other descriptor of this stream is closed only when its place is needed.
        let _ = peer.stream.shutdown(Shutdown::Both);
    })?;
    Ok(Client { stream, thread })
}

/// A client's stream, with the time it has.
struct Connection {
    stream: UnixStream,
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Peer for Connection {
    fn idle(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(None)
    }

    fn busy(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(MESSAGE_TIME))
    }
}
