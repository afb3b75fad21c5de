//! The pages that a browser shows: plain HTML, one style sheet, no scripts.
//!
//! ```text
//! /en/index.shtml       publishers, and how to use them      /en/search.shtml?q=…
//! /en/stats.shtml       the state of the repository          /PUB/en/search.shtml?q=…
//! /PUB/en/catalog.shtml?q=…&page=N       packages            /en/advanced_search.shtml
//! /PUB/en/package.shtml?name=…&version=…&files=N             /_themes/style.css, icon.svg
//! /feed, /PUB/feed      what changed lately, as Atom
//! ```
//!
//! In reading order: `place` (which page is asked for, and links), `frame` (what all pages have),
//! `index`, `catalog`, `package`, `search`, `stats` (the pages), `listing` (catalogs in memory),
//! `feed` (what changed), `figures` (times and sizes as people read them).
//!
//! Invariants: links are relative, so a proxy may put the depot anywhere; all text goes through
//! maud, which escapes it; a page works without anything that is not from here, and the
//! Content-Security-Policy says so.

mod catalog;
mod feed;
mod figures;
mod frame;
mod index;
mod listing;
mod package;
mod place;
mod search;
mod stats;

use std::sync::Arc;

use sha1::{Digest, Sha1};

use crate::connection::Answer;
use crate::http::{self, Body, Request, Response};
use crate::service::Service;

pub use listing::Listings;
use place::{Page, Place};

const STYLE: &str = include_str!("style.css");
const ICON: &str = include_str!("icon.svg");
const HTML: &str = "text/html; charset=utf-8";
const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// What a page may use: its own style sheet and icon, and forms to the depot itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'self'";

/// A page that cannot be shown, as HTTP and a person are told.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// There is nothing of that name.
    #[error("{0}")]
    Absent(String),
    /// What should be there cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ips_repository::ReadError),
}

/// Answers a request for a page; nothing where the path is none of a page.
pub fn answer(service: &Arc<Service>, request: &Request) -> Option<Answer> {
    if let Some(publisher) = feed_of(&request.path) {
        let (service, base) = (service.clone(), service.base_uri(request));
        return Some(Answer::Later(Box::new(move || feed(&service, publisher.as_deref(), &base))));
    }
    let theme = request.path.strip_prefix("/_themes/");
    if theme.is_none() && !request.path.ends_with(".shtml") {
        return None;
    }
    if request.method == "POST" {
        return Some(http::error(405, "A page is asked for by GET.").into());
    }
    let known = request.header("if-none-match").map(str::to_string);
    if let Some(name) = theme {
        let response = match name {
            "style.css" => Response::new(200, "text/css; charset=utf-8", STYLE).cached(DAY),
            "icon.svg" => Response::new(200, "image/svg+xml", ICON).cached(DAY),
            _ => return None,
        };
        return Some(revalidated(response, known.as_deref()).into());
    }
    let place = Place::of(request)?;
    let (service, base) = (service.clone(), service.base_uri(request));
    Some(Answer::Later(Box::new(move || {
        let response = page(&service, &place, &base).unwrap_or_else(|refusal| {
            let status = match &refusal {
                Refusal::Absent(_) => 404,
                Refusal::Unreadable(error) => {
                    service.log_error(&format!("page: {error}"));
                    503
                }
            };
            html(status, frame::refused(&place, status, &refusal))
        });
        revalidated(response, known.as_deref())
    })))
}

/// Whose feed a path means; the inner nothing: the default publisher's.
fn feed_of(path: &str) -> Option<Option<String>> {
    let publisher = path.strip_suffix("/feed")?;
    match publisher.strip_prefix('/') {
        None => publisher.is_empty().then_some(None),
        Some(name) => (!name.contains('/')).then(|| Some(http::decode(name))),
    }
}

fn feed(service: &Service, publisher: Option<&str>, base: &str) -> Response {
    let view = service.view();
    let Some(publisher) = view.chosen(publisher).filter(|name| view.has(name)) else {
        return http::error(404, "There is no such publisher.");
    };
    if service.versions("catalog").is_empty() {
        return http::error(404, "Operation not supported in current server mode.");
    }
    match feed::feed(service, &view, publisher, base) {
        Ok(Some(text)) => {
            Response::new(200, "application/atom+xml; charset=utf-8", text.0).cached(HOUR)
        }
        Ok(None) => http::error(503, "There is no history of changes."),
        Err(error) => {
            service.log_error(&format!("feed: {error}"));
            http::error(503, "The catalog cannot be read.")
        }
    }
}

fn page(service: &Arc<Service>, place: &Place, base: &str) -> Result<Response, Refusal> {
    let view = service.view();
    if let Some(publisher) = place.publisher.as_deref().filter(|name| !view.has(name)) {
        return Err(Refusal::Absent(format!("There is no publisher “{publisher}” here.")));
    }
    // A mirror has payloads only; an operation that is not served has no page either.
    let needs = match place.page {
        Page::Index | Page::Stats => "status",
        Page::Catalog => "catalog",
        Page::Package => "manifest",
        Page::Search | Page::Advanced => "search",
    };
    if service.versions(needs).is_empty() {
        return Err(Refusal::Absent("This depot does not offer that.".to_string()));
    }
    let text = match place.page {
        Page::Index => index::page(service, &view, place, base),
        Page::Stats => stats::page(service, &view, place),
        Page::Catalog => catalog::page(service, &view, place)?,
        Page::Package => package::page(service, &view, place, base)?,
        Page::Search | Page::Advanced => search::page(service, &view, place)?,
    };
    Ok(html(200, text))
}

fn html(status: u16, text: maud::PreEscaped<String>) -> Response {
    let response = Response::new(status, HTML, text.0).with("Content-Security-Policy", POLICY);
    let response = response.with("X-Content-Type-Options", "nosniff");
    response.with("Referrer-Policy", "same-origin").with("Cache-Control", "no-cache")
}

/// Sends what the client has not got already.
fn revalidated(response: Response, known: Option<&str>) -> Response {
    let Body::Bytes(bytes) = &response.body else { return response };
    if response.status != 200 {
        return response;
    }
    let tag: String = Sha1::digest(bytes)[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let has = |list: &str| {
        list.split(',').any(|own| own.trim().trim_start_matches("W/") == tag || own.trim() == "*")
    };
    let mut response = response.with("ETag", tag.clone());
    if known.is_some_and(has) {
        response.status = 304;
        response.body = Body::Absent;
    }
    response
}

#[cfg(test)]
mod tests;
