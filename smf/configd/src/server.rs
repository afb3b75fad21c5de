//! server.rs - clients of the repository, each with a thread of its own.
//!
//! Whoever may open the socket may read; who a client is, the credentials of its socket say, and
//! what it may change, its authorizations (root and the server's own user may everything).  A client that sends what is no message is
//! let go; it can hold up nobody but itself.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use smf_scf::protocol::{Refusal, Request, Response, WAIT_MAX_MS, receive, send};
use smf_scf::socket;

use crate::authorization;
use crate::backup::BackupError;
use crate::host::Host;
use crate::rights::{self, Caller};

/// More clients than this at once are turned away.
const CLIENTS_MAX: usize = 512;

/// Serves from now on.
pub(crate) fn serve(host: Host, path: &Path, root: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = socket::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    let clients = Arc::new(AtomicUsize::new(0));
    let root: Arc<Path> = root.into();
    std::thread::Builder::new().name("configd".into()).spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let place = Place::take(&clients);
            let (host, root) = (host.clone(), root.clone());
            let client = move || {
                if place.within {
                    // The connection is gone; so is whoever would have heard why.
                    let _lost = attend(&host, &stream, &root);
                }
            };
            // Without a thread the client finds its connection closed, and says so.
            let _refused = std::thread::Builder::new().stack_size(1 << 20).spawn(client);
        }
    })?;
    Ok(())
}

/// One client's place among those at once.
struct Place {
    clients: Arc<AtomicUsize>,
    within: bool,
}

impl Place {
    fn take(clients: &Arc<AtomicUsize>) -> Self {
        let within = clients.fetch_add(1, Ordering::Relaxed) < CLIENTS_MAX;
        Self { clients: clients.clone(), within }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

fn attend(host: &Host, stream: &UnixStream, root: &Path) -> io::Result<()> {
    let caller = caller(stream, root);
    while let Some(request) = receive(stream)? {
        let response = answer(host, request, &caller);
        send(stream, &response.unwrap_or_else(Response::Refused))?;
    }
    Ok(())
}

fn answer(host: &Host, request: Request, caller: &Caller) -> Result<Response, Refusal> {
    match request {
        Request::Entities => Ok(Response::Entities(host.read(|repository| repository.entities()))),
        Request::Groups(entity) => {
            host.read(|repository| repository.seen_by(caller).groups(&entity)).map(Response::Groups)
        }
        Request::Snapshot(instance, name) => host
            .read(|repository| repository.seen_by(caller).snapshot(&instance, &name))
            .map(Response::Snapshot),
        Request::Snapshots(instance) => {
            host.read(|repository| repository.snapshots(&instance)).map(Response::Snapshots)
        }
        Request::Hidden(entity) => host
            .read(|repository| repository.seen_by(caller).hidden(&entity))
            .map(|names| Response::Hidden(names.into_iter().collect())),
        Request::CarryOutUpon(expected, operations) => host
            .by_client(|repository| repository.carry_out_upon(&expected, &operations, caller))
            .map(|()| Response::Done),
        Request::Generation(entity, group) => {
            Ok(Response::Generation(host.read(|repository| repository.generation(&entity, &group))))
        }
        Request::WaitGroup(known, longest_ms) => {
            let longest = Duration::from_millis(longest_ms.min(WAIT_MAX_MS));
            Ok(Response::Generation(host.wait_group(&known, longest)))
        }
        Request::Composed(query) => Ok(Response::Composed(
            host.read(|repository| repository.seen_by(caller).composed(&query)),
        )),
        Request::Table(columns) => {
            Ok(Response::Table(host.read(|repository| repository.seen_by(caller).table(&columns))))
        }
        Request::Revert(instance, name) => host
            .by_client(|repository| repository.revert(&instance, &name, caller))
            .map(|()| Response::Done),
        Request::RemoveSnapshot(instance, name) => host
            .by_client(|repository| repository.remove_snapshot(&instance, &name, caller))
            .map(|()| Response::Done),
        Request::Delete(entity) => {
            host.by_client(|repository| repository.delete(&entity, caller)).map(|()| Response::Done)
        }
        Request::CarryOut(operations) => host
            .by_client(|repository| repository.carry_out(&operations, caller))
            .map(|()| Response::Done),
        Request::Backup(tag) => {
            if !authorization::may_modify(caller) {
                return Err(Refusal::Denied);
            }
            let made = host.read(|repository| repository.backup(&tag));
            let path = made.map_err(|error| match error {
                BackupError::Tag(tag) => Refusal::InvalidName(tag),
                other => Refusal::Failed(with_sources(&other)),
            })?;
            Ok(Response::Backup(path.map(|path| path.display().to_string())))
        }
        Request::Mark => Ok(Response::Mark(host.mark())),
        Request::Wait { since, longest_ms } => {
            let longest = Duration::from_millis(longest_ms.min(WAIT_MAX_MS));
            Ok(Response::Mark(host.wait(since, longest)))
        }
    }
}

/// An error and what it came of, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Who the other side is.
fn caller(stream: &UnixStream, root: &Path) -> Caller {
    let own = nix::unistd::geteuid().as_raw();
    let Some(uid) = peer(stream) else { return Caller::Holder(BTreeSet::new()) };
    if uid == 0 || uid == own {
        return Caller::Owner;
    }
    match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => rights::of_user(&user.name, root),
        Ok(None) | Err(_) => Caller::Holder(BTreeSet::new()),
    }
}

/// The user on the other side.
#[cfg(target_os = "linux")]
fn peer(stream: &UnixStream) -> Option<u32> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    getsockopt(stream, PeerCredentials).ok().map(|peer| peer.uid())
}

/// The user on the other side.
#[cfg(not(target_os = "linux"))]
fn peer(stream: &UnixStream) -> Option<u32> {
    use std::os::fd::AsRawFd;
    let mut credential: *mut libc::ucred_t = std::ptr::null_mut();
    // SAFETY: getpeerucred(3C) on an open socket; it allocates what ucred_free releases.
    unsafe {
        if libc::getpeerucred(stream.as_raw_fd(), &raw mut credential) != 0 {
            return None;
        }
        let uid = libc::ucred_geteuid(credential);
        libc::ucred_free(credential);
        Some(uid)
    }
}
