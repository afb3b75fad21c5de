//! operations.rs - what each operation answers from the repository's files.
//!
//! catalog/1, manifest/* and file/* are files sent as they lie there.  What the original's front
//! end does is kept where a client can tell: 304 only for the very text that Last-Modified had,
//! HEAD refused for file/1, no Content-Encoding ever.
//!
//! Not here: info/0, p5i/0 and catalog/0, which read packages (packages); what publishes (publish)
//! and maintains (admin).

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha512_256;

use crate::connection::Answer;
use crate::http::{self, Body, Request, Response, SharedFile};
use crate::service::{Call, Service, not_found, operations};
use crate::view::{self, View};
use crate::{admin, packages, publish, search};

/// The type of text that pkg reads.
pub const TEXT: &str = "text/plain;charset=utf-8";
/// The type of publisher and package information.
pub const P5I: &str = "application/vnd.pkg5.info";
const YEAR: i64 = 31_536_000;
const FOUR_HOURS: i64 = 14_400;

/// Answers a call of an operation that is served.
///
/// This runs in a worker's event loop: what takes longer than opening a file, or needs the body of
/// the request, is handed back as a job ([`Answer::Later`], [`Answer::AfterBody`]).
pub fn answer(service: &Arc<Service>, call: &Call<'_>) -> Answer {
    service.count(call.operation);
    match call.operation {
        "open" | "append" | "add" | "close" | "abandon" => publish::answer(service, call),
        "manifest" | "file" if call.request.method == "POST" => {
            if service.is_writable() {
                publish::answer(service, call)
            } else {
                no_transaction(call).into()
            }
        }
        "search" => search::answer(service, call),
        "admin" => admin::admin(service, call).into(),
        "index" => admin::index(service, call).into(),
        // These read whole catalogs, manifests and payloads.
        "catalog" if call.version == 0 => later(service, call),
        "file" if call.version == 2 && call.request.is_head() => later(service, call),
        "info" | "p5i" => later(service, call),
        _ => read(service, call).into(),
    }
}

/// The same answer, beside the event loop.
fn later(service: &Arc<Service>, call: &Call<'_>) -> Answer {
    let (service, request) = (service.clone(), call.request.clone());
    let (operation, version) = (call.operation, call.version);
    let (publisher, argument) = (call.publisher.clone(), call.argument.clone());
    Answer::Later(Box::new(move || {
        read(&service, &Call { request: &request, publisher, operation, version, argument })
    }))
}

/// The operations that read, from files as they lie there.
fn read(service: &Service, call: &Call<'_>) -> Response {
    let view = service.view();
    match (call.operation, call.version) {
        ("versions", _) => versions(service),
        ("publisher", 0) => publishers(&view, call),
        // Version 1 only says that paths may begin with a publisher.
        ("publisher", _) => typed(http::error(500, "publisher/1 has no contents"), P5I),
        ("status", _) => status(service, &view),
        ("catalog", 0) => packages::catalog_0(&view, call),
        ("catalog", _) => catalog(&view, call),
        ("manifest", _) => manifest(&view, call),
        ("file", _) => payload(&view, call),
        ("info", _) => packages::info(&view, call),
        ("p5i", _) => packages::p5i(&view, call),
        _ => not_found(call.request),
    }
}

/// The pages that are no operation: for robots, and for a person who typed the depot's address.
pub fn page(service: &Service, request: &Request) -> Option<Response> {
    match request.path.as_str() {
        "/" => {
            let to = format!("{}/en/index.shtml", service.base_uri(request));
            let body = format!("This resource can be found at <a href=\"{to}\">{to}</a>.");
            let response = Response::new(303, "text/html;charset=utf-8", body);
            Some(uncached(response).with("Location", to))
        }
        "/robots.txt" => Some(Response::new(200, "text/plain", "User-agent: *\nDisallow: /\n")),
        _ => None,
    }
}

/// Nobody may keep the answer.
pub fn uncached(response: Response) -> Response {
    let control = "no-cache, no-transform, must-revalidate";
    response.with("Expires", "0").with("Pragma", "no-cache").with("Cache-Control", control)
}

/// An error page under another content type, as the original sends it for some operations.
pub fn typed(mut response: Response, content_type: &str) -> Response {
    for (name, value) in &mut response.headers {
        if *name == "Content-Type" {
            *value = content_type.to_string();
        }
    }
    response
}

fn versions(service: &Service) -> Response {
    let mut text = format!("pkg-server lamplighter-{}\n", env!("CARGO_PKG_VERSION"));
    for name in operations() {
        let served: Vec<String> = service.versions(name).iter().map(u32::to_string).collect();
        if !served.is_empty() {
            text.push_str(&format!("{name} {}\n", served.join(" ")));
        }
    }
    Response::new(200, TEXT, text).cached(300)
}

fn publishers(view: &View, call: &Call<'_>) -> Response {
    let named = call.publisher.as_deref();
    let chosen = view.publishers().filter(|name| named.is_none_or(|named| named == *name));
    let body = view::p5i(&[], chosen.map(|name| view.publisher(name)).collect());
    Response::new(200, P5I, body).cached(FOUR_HOURS)
}

fn status(service: &Service, view: &View) -> Response {
    let mut publishers = Map::new();
    for name in view.publishers() {
        publishers.insert(name.to_string(), view.publisher_status(name));
    }
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &service.counters;
    let body = json!({
        "repository": {
            "configuration": view.configuration(),
            "publishers": Value::Object(publishers),
            "requests": {
                "catalog": count(&counters.catalog),
                "file": count(&counters.file),
                "manifests": count(&counters.manifests),
            },
            "status": "online",
            "version": 4,
        },
        "version": 1,
    });
    let body = serde_json::to_string_pretty(&body).unwrap_or_default();
    Response::new(200, "application/json; charset=utf-8", body).cached(300)
}

fn catalog(view: &View, call: &Call<'_>) -> Response {
    let Some(name) = call.argument.as_deref().map(http::decode) else {
        return http::error(403, "Directory listing not allowed.");
    };
    let plain = !name.contains('/')
        && (name.starts_with("catalog.") || name.starts_with("update."))
        && !name.contains('\0');
    match view.chosen(call.publisher.as_deref()) {
        Some(publisher) if plain => {
            let path = view.directory(publisher).join("catalog").join(name);
            file(view, call, &path, TEXT, FOUR_HOURS)
                .unwrap_or_else(|error| unopened(&error).unwrap_or_else(|| not_found(call.request)))
        }
        _ => not_found(call.request),
    }
}

fn manifest(view: &View, call: &Call<'_>) -> Response {
    let Some(argument) = call.argument.as_deref().map(http::decode) else {
        return http::error(403, "Directory listing not allowed.");
    };
    let path = match packages::manifest_path(view, call.publisher.as_deref(), &argument) {
        Ok(Some(path)) => path,
        Ok(None) => return not_found(call.request),
        Err(message) => return http::error(400, &message),
    };
    file(view, call, &path, TEXT, YEAR)
        .unwrap_or_else(|error| unopened(&error).unwrap_or_else(|| not_found(call.request)))
}

fn payload(view: &View, call: &Call<'_>) -> Response {
    let head = call.request.is_head();
    if head && call.version == 1 {
        return http::error(405, "HEAD is not allowed");
    }
    let hash = call.argument.as_deref().map(http::decode);
    let name = hash.as_deref().unwrap_or("None");
    let hexadecimal = name.len() >= 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let candidates =
        if hexadecimal { view.payload_paths(call.publisher.as_deref(), name) } else { Vec::new() };
    for path in candidates {
        let lifetime = if head && call.version == 2 { 86_400 } else { YEAR };
        match file(view, call, &path, "application/data", lifetime) {
            Ok(response) if head && call.version == 2 => {
                return described(view, &path, response);
            }
            Ok(response) => return response,
            Err(error) => {
                if let Some(response) = unopened(&error) {
                    return response;
                }
            }
        }
    }
    http::error(404, &format!("No file could be found for the specified hash name: '{name}'."))
}

/// The answer where a file may well be there and could not be opened; nothing: there is none.
fn unopened(error: &io::Error) -> Option<Response> {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => {
            Some(http::error(503, "The depot has too much to do; try again later."))
        }
        Some(libc::EIO) => Some(http::error(500, "The file could not be read.")),
        _ => None,
    }
}

/// The answer with both hashes of the stored payload, as pkgsend asks for them by file/2.
fn described(view: &View, path: &Path, response: Response) -> Response {
    match hashes(view, path) {
        Ok((sha1, sha512t_256)) => {
            let listed = format!("pkg.content-hash=gzip:sha512t_256:{sha512t_256}");
            let response = response.with("X-Ipkg-Attr-0", format!("chash={sha1}"));
            response.with("X-Ipkg-Attr-1", listed)
        }
        Err(_) => http::error(500, "The file could not be read."),
    }
}

fn hashes(view: &View, path: &Path) -> io::Result<(String, String)> {
    let (mut short, mut long) = (Sha1::new(), Sha512_256::new());
    let (mut file, _) = view.open(path)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        short.update(&buffer[..count]);
        long.update(&buffer[..count]);
    }
    Ok((format!("{:x}", short.finalize()), format!("{:x}", long.finalize())))
}

fn no_transaction(call: &Call<'_>) -> Response {
    let id = call.argument.as_deref().map(http::decode).unwrap_or_default();
    http::error(400, &format!("No transaction matching '{id}' could be found."))
}

/// A regular file of the repository, whole or the part that was asked for.
fn file(
    view: &View,
    call: &Call<'_>,
    path: &Path,
    content_type: &str,
    lifetime: i64,
) -> io::Result<Response> {
    let mut response = sent(view.open(path)?, call.request, content_type, lifetime)?;
    if matches!(response.status, 200 | 206) {
        response.lasting = matches!(call.operation, "file" | "manifest").then_some(call.operation);
    }
    Ok(response)
}

/// A file that was opened, whole or the part that was asked for.
pub fn sent(
    (file, data): (File, Metadata),
    request: &Request,
    content_type: &str,
    lifetime: i64,
) -> io::Result<Response> {
    let modified = data.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let modified = http::http_date(i64::try_from(modified).unwrap_or(0));
    if request.header("if-modified-since") == Some(modified.as_str()) {
        let mut fresh = Response::new(304, content_type, "");
        (fresh.headers, fresh.body) = (Vec::new(), Body::Absent);
        return Ok(fresh.cached(lifetime));
    }
    let size = data.len();
    let (status, offset, length) = match http::range(request.header("range"), size) {
        None => (200, 0, size),
        Some(Ok((offset, length))) => (206, offset, length),
        Some(Err(())) => {
            let response = http::error(416, "No byte of the range lies in the file.");
            return Ok(response.with("Content-Range", format!("bytes */{size}")));
        }
    };
    let mut response = Response::new(status, content_type, "").cached(lifetime);
    response.body = Body::File { file: SharedFile::new(file), offset, length };
    let response = response.with("Last-Modified", modified).with("Accept-Ranges", "bytes");
    if status == 200 {
        return Ok(response);
    }
    let last = offset + length - 1;
    Ok(response.with("Content-Range", format!("bytes {offset}-{last}/{size}")))
}
