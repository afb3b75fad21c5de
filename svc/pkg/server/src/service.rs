//! service.rs - the depot as a function from a request to an answer.
//!
//! Owns the view of the repository (publishers and configuration, replaced whole by `refresh`),
//! the counters and the logs.  Files are opened by path at every request, so a repository that is
//! swapped under its name is followed at once; an answer under way keeps the file it opened.
//!
//! The path of a request:
//!
//! ```text
//! /OP/VERSION/ARGUMENTS      /PUBLISHER/OP/VERSION/ARGUMENTS
//! ```
//!
//! Not here: what each operation answers (operations, packages).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ips_repository::{OpenError, Repository};
use rustls::ServerConfig;

use crate::admin::Orders;
use crate::connection::Answer;
use crate::content::Content;
use crate::http::{self, Request, Response};
use crate::log::Log;
use crate::operations;
use crate::options::{Feed, Options};
use crate::pages::{self, Listings};
use crate::search::Indexes;
use crate::view::{View, ViewError};

/// What an operation does to the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Writes,
}

use Effect::{Reads, Writes};

/// Every operation of the protocol, the versions this depot serves (none: known, not served), and
/// what it does.
const OPERATIONS: [(&str, &[u32], Effect); 16] = [
    ("abandon", &[0], Writes),
    ("add", &[0], Writes),
    ("admin", &[0], Writes),
    ("append", &[0], Writes),
    ("catalog", &[0, 1], Reads),
    ("close", &[0], Writes),
    ("file", &[0, 1, 2], Reads),
    ("index", &[0], Writes),
    ("info", &[0], Reads),
    ("manifest", &[0, 1], Reads),
    ("open", &[0], Writes),
    ("p5i", &[0], Reads),
    ("publisher", &[0, 1], Reads),
    ("search", &[0, 1], Reads),
    ("status", &[0], Reads),
    ("versions", &[0], Reads),
];

/// The names of all operations, sorted.
pub fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|(name, _, _)| *name)
}

/// How many requests of a kind were answered.
#[derive(Debug, Default)]
pub struct Counters {
    /// catalog/*
    pub catalog: AtomicU64,
    /// file/*
    pub file: AtomicU64,
    /// manifest/*
    pub manifests: AtomicU64,
}

/// A request, taken apart.
#[derive(Debug)]
pub struct Call<'a> {
    /// The request itself.
    pub request: &'a Request,
    /// The publisher the path names; known when it is `Some`.
    pub publisher: Option<String>,
    /// The operation's name.
    pub operation: &'static str,
    /// The operation's version.
    pub version: u32,
    /// What follows, still encoded, joined by `/`; `None` when nothing does.
    pub argument: Option<String>,
}

/// The depot.
pub struct Service {
    options: Options,
    view: RwLock<Arc<View>>,
    /// What the site adds.
    pub content: Content,
    /// What TLS is spoken with, if it is.
    tls: RwLock<Option<Arc<ServerConfig>>>,
    /// How often the view was replaced.
    generation: AtomicU64,
    /// Counts for status/0.
    pub counters: Counters,
    /// The search indexes, as far as they were asked for.
    pub indexes: Indexes,
    /// The packages as pages list them, as far as they were asked for.
    pub listings: Listings,
    orders: Mutex<Option<Orders>>,
    access: Log,
    errors: Log,
}

impl Service {
    /// A depot over a repository that could be read.
    pub fn new(options: Options, view: View, access: Log, errors: Log) -> Self {
        let view = RwLock::new(Arc::new(view));
        let orders = Mutex::default();
        let generation = AtomicU64::new(0);
        let tls = RwLock::default();
        let content = Content::of(&options.content);
        let indexes = Indexes::at(options.indexes.clone());
        Self {
            options,
            view,
            content,
            tls,
            generation,
            counters: Counters::default(),
            indexes,
            listings: Listings::default(),
            orders,
            access,
            errors,
        }
    }

    /// The repository as last read.
    pub fn view(&self) -> Arc<View> {
        // A thread that panicked while holding the lock left a whole Arc behind.
        match self.view.read() {
            Ok(view) => view.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }

    /// Reads publishers and configuration again; on failure the old view stays.
    pub fn refresh(&self) -> Result<(), ViewError> {
        let fresh = Arc::new(View::read_by(&self.options.repository, &self.options.configuration)?);
        match self.view.write() {
            Ok(mut view) => *view = fresh,
            Err(poisoned) => *poisoned.into_inner() = fresh,
        }
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// What TLS is spoken with, if it is.
    pub fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.options.tls.as_ref()?;
        self.tls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Speaks TLS with another certificate from now on.
    pub fn set_tls(&self, configuration: Arc<ServerConfig>) {
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = Some(configuration);
    }

    /// Which view of the repository this is; it grows.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether every request has to be looked at as a whole, because it is logged.
    pub fn is_watched(&self) -> bool {
        self.options.log_headers || !matches!(self.access, Log::None)
    }

    /// How long a connection may rest.
    pub fn socket_timeout(&self) -> Duration {
        match self.options.socket_timeout {
            Duration::ZERO => Duration::MAX,
            limit => limit,
        }
    }

    /// The URI that stands for this depot in answers, without a slash at its end.
    pub fn base_uri(&self, request: &Request) -> String {
        match self.options.proxy_base.trim_end_matches('/') {
            "" => {
                let scheme = if self.options.tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{}", request.header("host").unwrap_or("localhost"))
            }
            base => base.to_string(),
        }
    }

    /// Puts a line into the error log.
    pub fn log_error(&self, text: &str) {
        self.errors.line(&format!("pkg.depotd: {text}"));
    }

    /// The repository, for a change.
    pub fn repository(&self) -> Result<Repository, OpenError> {
        let repository = Repository::open(&self.options.repository)?;
        Ok(match &self.options.indexes {
            Some(home) => repository.with_indexes(home),
            None => repository,
        })
    }

    /// Sends orders for maintenance there from now on.
    pub fn take_orders(&self, orders: Orders) {
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = Some(orders);
    }

    /// Gives an order to whoever takes them, if anybody does.
    pub fn with_orders<T>(&self, give: impl FnOnce(Option<&Orders>) -> T) -> T {
        give(self.orders.lock().unwrap_or_else(PoisonError::into_inner).as_ref())
    }

    /// What the feed of changes says of itself.
    pub fn feed(&self) -> &Feed {
        &self.options.feed
    }

    /// Whether search indexes are elsewhere, where they are kept up to date from here: so has them
    /// what may only be read.
    pub fn has_own_indexes(&self) -> bool {
        self.options.indexes.is_some() && !self.options.mirror
    }

    /// Whether packages may be published here.
    pub fn is_writable(&self) -> bool {
        self.options.writable
    }

    /// Takes notice of a change that was made here.
    pub fn follow(&self) {
        if let Err(error) = self.refresh() {
            self.log_error(&format!("refresh: {error}; serving as before"));
        }
    }

    /// The versions of an operation that are served in this mode.
    pub fn versions(&self, operation: &str) -> Vec<u32> {
        let mirrored = ["versions", "file", "status", "publisher"];
        let known = OPERATIONS.iter().find(|(name, _, _)| *name == operation);
        let Some((_, versions, effect)) = known else { return Vec::new() };
        let off = (self.options.mirror && !mirrored.contains(&operation))
            || (*effect == Writes && !self.options.writable)
            || self.options.disabled.contains(operation);
        if off {
            return Vec::new();
        }
        let served = versions.iter().copied();
        served.filter(|v| !self.options.disabled.contains(&format!("{operation}/{v}"))).collect()
    }

    /// What becomes of a request.
    pub fn answer(self: &Arc<Self>, request: &Request, _peer: SocketAddr) -> Answer {
        if self.options.log_headers {
            for (name, value) in request.headers() {
                self.log_error(&format!("{} {}: {name}: {value}", request.method, request.path));
            }
        }
        if let Some(added) = self.added(request) {
            return added.into();
        }
        if let Some(page) = pages::answer(self, request) {
            return page;
        }
        match self.route(request) {
            Ok(call) => operations::answer(self, &call),
            Err(response) => Answer::Now(*response),
        }
    }

    /// What the site has at a path that is neither an operation's nor a publisher's.
    fn added(&self, request: &Request) -> Option<Response> {
        let first = request.path.strip_prefix('/')?.split('/').next().unwrap_or("");
        let is_taken = first.is_empty() || operations().any(|name| name == first);
        if is_taken || self.view().has(&http::decode(first)) {
            return None;
        }
        self.content.answer(request)
    }

    /// Notes that a request has got its answer.
    pub fn answered(&self, request: &Request, response: &Response, peer: SocketAddr) {
        self.access.access(request, response, peer);
    }

    fn route<'a>(&self, request: &'a Request) -> Result<Call<'a>, Box<Response>> {
        if !matches!(request.method.as_str(), "GET" | "HEAD" | "POST") {
            let message = format!("{} is not allowed", request.method);
            return Err(Box::new(http::error(405, &message)));
        }
        let mut parts = request.path.strip_prefix('/').unwrap_or("").split('/').peekable();
        let first = parts.peek().copied().unwrap_or("");
        let known = |name: &str| operations().find(|op| *op == name);
        let mut publisher = None;
        if known(first).is_none() {
            if let Some(page) = operations::page(self, request) {
                return Err(Box::new(page));
            }
            publisher = parts.next().map(http::decode);
        }
        let name = parts.next().unwrap_or("");
        let operation = known(name).ok_or_else(|| Box::new(not_found(request)))?;
        if let Some(publisher) = &publisher {
            if !self.view().has(publisher) {
                let message = format!("Unknown publisher: {publisher}\n");
                return Err(Box::new(http::error(400, &message)));
            }
        }
        let version = self.version(operation, parts.next().unwrap_or(""))?;
        let rest: Vec<&str> = parts.collect();
        let rest = rest.join("/");
        let rest = rest.trim_matches('/');
        let argument = (!rest.is_empty()).then(|| rest.to_string());
        Ok(Call { request, publisher, operation, version, argument })
    }

    fn version(&self, operation: &str, text: &str) -> Result<u32, Box<Response>> {
        let refused = |status, message: String| Err(Box::new(http::error(status, &message)));
        let served = self.versions(operation);
        match text.parse::<u32>() {
            _ if text.is_empty() => refused(400, "Missing version\n".to_string()),
            Err(_) => refused(400, "Non-integer version\n".to_string()),
            Ok(_) if served.is_empty() => {
                refused(404, "Operation not supported in current server mode.".to_string())
            }
            Ok(version) if served.contains(&version) => Ok(version),
            Ok(_) => refused(
                404,
                format!("Version '{text}' not supported for operation '{operation}'\n"),
            ),
        }
    }

    /// Counts an answered request.
    pub fn count(&self, operation: &str) {
        let counter = match operation {
            "catalog" => &self.counters.catalog,
            "file" => &self.counters.file,
            "manifest" => &self.counters.manifests,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The answer for a path that leads nowhere.
pub fn not_found(request: &Request) -> Response {
    let path = http::decode_but(&request.path, Some(b'/'));
    http::error(404, &format!("The path '{path}' was not found."))
}
