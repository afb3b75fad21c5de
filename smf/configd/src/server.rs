//! server.rs - clients of the repository, each with a thread of its own.
//!
//! Whoever may open the socket may ask; who a client is, the credentials of its socket say, and
//! what it may do, its authorizations (root and the server's own user may everything).  A client
//! that sends what is no message, sends or reads too slowly or is idle too long is let go; it can
//! hold up nobody but itself (`clients`).

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use smf_scf::protocol::{Refusal, Request, Response, receive_at_most, send};
use smf_scf::socket;

use crate::answer::answer;
use crate::clients::{Clients, Limits, Place, Until, Who};
use crate::host::Host;
use crate::rights::{self, Caller};

/// How long nobody is let in when the system has nothing left and no connection ends.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves from now on.
pub(crate) fn serve(host: Host, path: &Path, root: &Path, limits: Limits) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = socket::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    let clients = Clients::new(limits);
    let root: Arc<Path> = root.into();
    std::thread::Builder::new().name("configd".into()).spawn(move || {
        let mut reserve = Reserve::new(&listener);
        loop {
            let accepted = match listener.accept() {
                Ok((stream, _)) => Ok(Some(stream)),
                // It went away while it stood in line.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(None),
                Err(_) => reserve.accept(&listener),
            };
            match accepted {
                Ok(stream) => {
                    let receive = |stream| receive_client(&host, &clients, stream, &root);
                    stream.into_iter().for_each(receive);
                }
                Err(_) => clients.await_departure(PAUSE),
            }
        }
    })?;
    Ok(())
}

/// A descriptor kept for when there is no other: whoever comes then is told so, instead of standing
/// in line for as long as that lasts.
struct Reserve(Option<OwnedFd>);

impl Reserve {
    fn new(listener: &UnixListener) -> Reserve {
        Reserve(listener.as_fd().try_clone_to_owned().ok())
    }

    /// The next client, if there is room again when it comes; if not, it is told.
    ///
    /// # Errors
    /// There was no descriptor even for that.
    fn accept(&mut self, listener: &UnixListener) -> io::Result<Option<UnixStream>> {
        drop(self.0.take());
        let (stream, _) = listener.accept()?;
        *self = Reserve::new(listener);
        if self.0.is_some() {
            return Ok(Some(stream));
        }
        refuse(&stream);
        drop(stream);
        *self = Reserve::new(listener);
        Ok(None)
    }
}

/// Whoever is not there to read it does not hear it.
fn refuse(stream: &UnixStream) {
    let _unheard =
        stream.set_nonblocking(true).and_then(|()| send(stream, &Response::Refused(Refusal::Busy)));
}

fn receive_client(host: &Host, clients: &Arc<Clients>, stream: UnixStream, root: &Arc<Path>) {
    let stream = Arc::new(stream);
    let uid = peer(&stream);
    let own = nix::unistd::geteuid().as_raw();
    let who = match uid {
        Some(uid) if uid == 0 || uid == own => Who::Owner,
        // Nobody has this number.
        other => Who::User(other.unwrap_or(u32::MAX)),
    };
    let Some(place) = clients.admit(who, &stream) else {
        refuse(&stream);
        return;
    };
    let (host, root) = (host.clone(), root.clone());
    let client = move || {
        let caller = caller(who, &root);
        // The connection is gone; so is whoever would have heard why.
        let _lost = attend(&host, &stream, &caller, &place);
    };
    // Without a thread the client finds its connection closed, and says so.
    let _refused = std::thread::Builder::new().stack_size(1 << 20).spawn(client);
}

fn attend(host: &Host, stream: &UnixStream, caller: &Caller, place: &Place) -> io::Result<()> {
    let limits = *place.limits();
    let longest = match place.who {
        Who::Owner => limits.request,
        Who::User(_) => limits.request_of_others,
    };
    loop {
        place.is_idle();
        if !comes(stream, limits.idle)? {
            return Ok(());
        }
        place.is_answered();
        let Some(request) = receive_at_most(Until::new(stream, limits.message), longest)? else {
            return Ok(());
        };
        // Held until the answer is through: room for it is room for those of the same user.
        let _large = match is_large(&request).then(|| place.large()) {
            Some(None) => {
                send(Until::new(stream, limits.message), &Response::Refused(Refusal::Busy))?;
                continue;
            }
            Some(Some(large)) => Some(large),
            None => None,
        };
        let waits = matches!(request, Request::Wait { .. } | Request::WaitGroup(..));
        let response = if waits && !place.may_wait() {
            Err(Refusal::Busy)
        } else {
            answer(host, request, caller)
        };
        let response = response.unwrap_or_else(Response::Refused);
        send(Until::new(stream, limits.message), &response)?;
    }
}

/// Whether the answer may be as large as the repository.
fn is_large(request: &Request) -> bool {
    matches!(
        request,
        Request::Entities
            | Request::Own(..)
            | Request::Composed(_)
            | Request::Table(_)
            | Request::Found(_)
    )
}

/// Sleeps until there is something to read, or the end; false after this long.
fn comes(stream: &UnixStream, longest: Duration) -> io::Result<bool> {
    let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(count) => return Ok(count > 0),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What the other side may do.
fn caller(who: Who, root: &Path) -> Caller {
    let Who::User(uid) = who else { return Caller::Owner };
    match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => rights::of_user(&user, root),
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
