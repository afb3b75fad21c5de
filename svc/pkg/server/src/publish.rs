//! publish.rs - the operations that publish: open, append, add, file/1, manifest/1, close, abandon.
//!
//! ```text
//! open/0/FMRI → Transaction-ID      add/0/ID/TYPE (body: payload, X-IPkg-SetAttrN: name=value)
//! append/0/FMRI → Transaction-ID    file/1/ID (body: payload, stored form with its name, or raw)
//!                                   manifest/1/ID (body: manifest, plain or gzip)
//! close/0/ID → State, Package-FMRI  abandon/0/ID → State
//! ```
//!
//! The state of a transaction is its folder in the repository, so it outlives this process.  A
//! body goes to a file there as it comes.  A bad request is answered 400, never 404, which
//! clients take for "not supported"; a full disk 507.
//!
//! Not here: what a transaction does (ips_repository).

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use ips_model::{Action, Kind, Timestamp, quote};
use ips_repository::{Transaction, WriteError};
use tempfile::NamedTempFile;

use crate::admin;
use crate::connection::{Answer, Receiver};
use crate::http::{self, Request, Response};
use crate::literal;
use crate::operations::uncached;
use crate::service::{Call, Service};

/// What is sent with every answer about a transaction.
const TEXT: &str = "text/plain; charset=utf-8";
/// The most a manifest may unpack to; all of it is looked into at once.
const MANIFEST_LIMIT: u64 = 256 << 20;

/// Answers one of the operations.
pub fn answer(service: &Arc<Service>, call: &Call<'_>) -> Answer {
    let argument = call.argument.clone().unwrap_or_default();
    match call.operation {
        "open" | "append" => open(service, call, &argument),
        "add" => match argument.rsplit_once('/') {
            Some((id, kind)) => match action(call.request, &http::decode(kind)) {
                Ok(action) => receive(service, id, Intake::Action(Box::new(action))),
                Err(message) => http::error(400, &message).into(),
            },
            None => http::error(400, "An action type must be named.").into(),
        },
        "file" => {
            let name = attribute(call.request, "basename");
            receive(service, &argument, name.map_or(Intake::Content, Intake::Stored))
        }
        "manifest" => receive(service, &argument, Intake::Manifest),
        "close" => {
            let said = call.request.header("x-ipkg-add-to-catalog");
            close(service, &argument, said.is_none_or(|text| text.trim() != "0"))
        }
        _ => abandon(service, &argument),
    }
}

/// An id as clients send it: decoded once by some, not at all by others.
fn plain(id: &str) -> String {
    let once = http::decode(id);
    let whole = if once.contains('%') { http::decode(&once) } else { once };
    quote::quote(&whole)
}

fn open(service: &Arc<Service>, call: &Call<'_>, argument: &str) -> Answer {
    let mut fmri = http::decode(argument);
    let named = fmri.strip_prefix("pkg:").unwrap_or(&fmri);
    if !named.starts_with("//") {
        // A publisher in the path is the package's; so is the only one there is.
        if let Some(publisher) = service.view().chosen(call.publisher.as_deref()) {
            fmri = format!("pkg://{publisher}/{}", named.trim_start_matches('/'));
        }
    }
    let append = call.operation == "append";
    let service = service.clone();
    later(move || {
        let repository = service.repository()?;
        let now = now();
        let opened = if append {
            repository.append_transaction(&fmri, now)?
        } else {
            repository.open_transaction(&fmri, now)?
        };
        Ok(done().with("Transaction-ID", opened.id()))
    })
}

fn close(service: &Arc<Service>, id: &str, catalogued: bool) -> Answer {
    let (service, id) = (service.clone(), plain(id));
    later(move || {
        let repository = service.repository()?;
        let transaction = repository.transaction(&id)?;
        let fmri = if catalogued {
            transaction.close(now())?
        } else {
            transaction.close_uncatalogued(now())?
        };
        // It may be the first package of its publisher.
        service.follow();
        if catalogued {
            admin::index_soon(&service);
        }
        Ok(done().with("State", "PUBLISHED").with("Package-FMRI", fmri.to_string()))
    })
}

fn abandon(service: &Arc<Service>, id: &str) -> Answer {
    let (service, id) = (service.clone(), plain(id));
    later(move || {
        service.repository()?.transaction(&id)?.abandon()?;
        Ok(done().with("State", "ABANDONED"))
    })
}

fn done() -> Response {
    uncached(Response::new(200, TEXT, ""))
}

fn later(work: impl FnOnce() -> Result<Response, WriteError> + Send + 'static) -> Answer {
    Answer::Later(Box::new(move || work().unwrap_or_else(|error| refused(&error))))
}

/// The answer that tells why something was not done.
fn refused(error: &WriteError) -> Response {
    let status = match error.io().map(io::Error::kind) {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => 507,
        Some(io::ErrorKind::NotFound) | None => 400,
        Some(_) => 500,
    };
    http::error(status, &error.to_string())
}

/// The time of a publication.
pub fn now() -> Timestamp {
    let now = jiff::Timestamp::now();
    Timestamp::from_micros(now.as_microsecond())
}

/// An answer on the way out.
struct Refused(Response);

impl<E: Into<WriteError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Refused(refused(&error.into()))
    }
}

/// What a body is.
enum Intake {
    /// The payload of an action, if the type has one.
    Action(Box<Action>),
    /// A payload in its stored form, and its name.
    Stored(String),
    /// A payload as it is.
    Content,
    /// A manifest.
    Manifest,
}

/// A body on its way into a transaction.
struct Upload {
    service: Arc<Service>,
    id: String,
    intake: Intake,
    file: NamedTempFile,
    length: u64,
}

/// Makes ready for a body; the transaction is looked up at once, before anything is sent.
fn receive(service: &Arc<Service>, id: &str, intake: Intake) -> Answer {
    let id = plain(id);
    let begun = || -> Result<NamedTempFile, Refused> {
        Ok(service.repository()?.transaction(&id)?.receive()?)
    };
    match begun() {
        Ok(file) => {
            let service = service.clone();
            Answer::AfterBody(Box::new(Upload { service, id, intake, file, length: 0 }))
        }
        Err(Refused(response)) => Answer::Now(response),
    }
}

impl Receiver for Upload {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Box<Response>> {
        self.length += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| {
            let full =
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            let message = format!("The body could not be kept: {error}");
            Box::new(http::error(if full { 507 } else { 500 }, &message))
        })
    }

    fn finish(self: Box<Self>) -> Response {
        match self.hand_over() {
            Ok(()) => done(),
            Err(Refused(response)) => response,
        }
    }
}

impl Upload {
    fn hand_over(self) -> Result<(), Refused> {
        let repository = self.service.repository()?;
        let transaction = repository.transaction(&self.id)?;
        match self.intake {
            Intake::Action(action) => add(&transaction, *action, self.file, self.length)?,
            Intake::Stored(name) => transaction.add_stored(&name, self.file)?,
            Intake::Content => transaction.add_content(self.file)?,
            Intake::Manifest => {
                let text = manifest(self.file.into_file()).map_err(|error| {
                    Refused(http::error(400, &format!("The manifest cannot be read: {error}")))
                })?;
                transaction.set_manifest(&text)?;
            }
        }
        Ok(())
    }
}

fn add(
    transaction: &Transaction<'_>,
    action: Action,
    payload: NamedTempFile,
    length: u64,
) -> Result<(), WriteError> {
    match action.kind {
        // The name was given when the transaction was opened.
        Kind::Set if action.get("name") == Some("pkg.fmri") => Ok(()),
        Kind::File | Kind::License => transaction.add_received(action, payload),
        Kind::Signature if length > 0 => transaction.add_received(action, payload),
        _ => transaction.add(action, None),
    }
}

/// A manifest's text, out of gzip if it came so.
fn manifest(mut file: File) -> io::Result<String> {
    let mut magic = [0; 2];
    file.rewind()?;
    let gzip = matches!(file.read(&mut magic)?, 2) && magic == [0x1f, 0x8b];
    file.rewind()?;
    let source: Box<dyn Read> =
        if gzip { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut text = String::new();
    let length = source.take(MANIFEST_LIMIT + 1).read_to_string(&mut text)?;
    if length as u64 > MANIFEST_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    Ok(text)
}

/// The attribute of this name that a request's headers set; of several the last.
fn attribute(request: &Request, name: &str) -> Option<String> {
    let set = attributes(request).filter(|(key, _)| *key == name);
    set.last().map(|(_, value)| value.to_string())
}

fn attributes(request: &Request) -> impl Iterator<Item = (&str, &str)> {
    let headers = request.headers().filter(|(name, _)| name.starts_with("x-ipkg-setattr"));
    headers.filter_map(|(_, text)| text.split_once('='))
}

/// The action that a request's headers describe.  The error is the text of a 400.
fn action(request: &Request, kind: &str) -> Result<Action, String> {
    let Some(kind) = Kind::from_name(kind) else {
        return Err(format!("The specified Action Type, '{kind}', is not valid."));
    };
    let mut action = Action::new(kind);
    for (name, value) in attributes(request) {
        if name.is_empty() || name.contains([' ', '"', '\'']) || value.contains(['\n', '\r']) {
            return Err(format!("The attribute '{name}' is not valid."));
        }
        let values = literal::list(value).unwrap_or_else(|| vec![value.to_string()]);
        action.set(name, values);
    }
    // What is printed has to be read again as the same.
    match Action::parse(&action.to_string()) {
        Ok(again) if again == action => Ok(action),
        Ok(_) => Err(format!("The action '{action}' cannot be written down.")),
        Err(error) => Err(error.to_string()),
    }
}
