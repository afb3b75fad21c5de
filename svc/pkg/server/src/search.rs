//! search.rs - search/0 and search/1, and the indexes they ask.
//!
//! ```text
//! GET  /PUB/search/0/TOKEN            INDEX FMRI TYPE VALUE            a line a hit, none: empty
//! GET  /PUB/search/1/C_R_N_S_QUERY    "Return from search v1" and a line a hit, none: 204
//! POST /PUB/search/1/   0=…&1=…       the same for several queries, each line with its number
//! ```
//!
//! An index is read when it is first asked and kept until another is in its place.  A repository
//! without one is searched by an index made in memory, if it is small; `pkgrepo refresh` makes the
//! lasting one.  All of this runs as a job.  A long answer goes into a file that has no name.
//!
//! Not here: what a query means (`ips-model`), how it is run (`ips-repository`).

mod indexes;
mod spool;

use std::ops::ControlFlow;
use std::sync::Arc;

use ips_model::query::{FIRST_LINE, Line, Query, Request, Returns};
use ips_repository::{Index, SearchError};

use crate::connection::{Answer, Receiver};
use crate::http::{self, Body, Response};
use crate::operations::TEXT;
use crate::service::{Call, Service};

pub use indexes::{IndexError, Indexes};
use spool::Spool;

const FOUR_HOURS: i64 = 14_400;
/// The most that several queries together may say.
const FORM_LIMIT: usize = 1 << 20;

/// What a call of search becomes.
pub fn answer(service: &Arc<Service>, call: &Call<'_>) -> Answer {
    let argument = call.argument.as_deref().map(http::decode);
    let asked = Asked { service: service.clone(), publisher: call.publisher.clone() };
    if call.version == 0 {
        let Some(token) = argument else { return bad_request().into() };
        return Answer::Later(Box::new(move || asked.search_0(&token)));
    }
    match argument {
        Some(text) => Answer::Later(Box::new(move || asked.search_1(&[text]))),
        None if call.request.method == "POST" => {
            Answer::AfterBody(Box::new(Form { asked, body: Vec::new() }))
        }
        None => bad_request().into(),
    }
}

fn bad_request() -> Response {
    http::error(400, "Bad request syntax or unsupported method")
}

struct Asked {
    service: Arc<Service>,
    publisher: Option<String>,
}

/// Several queries, `0=…&1=…`.
struct Form {
    asked: Asked,
    body: Vec<u8>,
}

impl Receiver for Form {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Box<Response>> {
        self.body.extend_from_slice(bytes);
        if self.body.len() > FORM_LIMIT {
            return Err(Box::new(http::error(413, "The queries are too long.")));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Response {
        let body = String::from_utf8_lossy(&self.body);
        let values = body.split('&').filter_map(|pair| pair.split_once('='));
        let queries: Vec<String> =
            values.map(|(_, value)| http::decode(&value.replace('+', " "))).collect();
        if queries.is_empty() { bad_request() } else { self.asked.search_1(&queries) }
    }
}

impl Asked {
    fn index(&self) -> Result<Arc<Index>, Response> {
        let view = self.service.view();
        let Some(publisher) = view.chosen(self.publisher.as_deref()) else {
            return Err(http::error(404, "The repository has no default publisher."));
        };
        self.service.indexes.of(&view, publisher).map_err(|error| {
            if matches!(error, IndexError::Read(_)) {
                self.service.log_error(&format!("search: {error}"));
            }
            http::error(503, &error.to_string())
        })
    }

    fn search_0(&self, token: &str) -> Response {
        let index = match self.index() {
            Ok(index) => index,
            Err(refused) => return refused,
        };
        let mut spool = Spool::default();
        let request = Request::of(token, Returns::Actions);
        let searched = run(&index, &request, &mut spool, line_0);
        self.respond(searched.and_then(|_| Ok(spool.into_body()?)))
    }

    fn search_1(&self, queries: &[String]) -> Response {
        let requests: Result<Vec<Request>, _> = queries.iter().map(|text| text.parse()).collect();
        let requests = match requests {
            Ok(requests) => requests,
            // The original takes these for things that are not there.
            Err(error) => return http::error(404, &error.to_string()),
        };
        if let Some(error) = requests.iter().find_map(|own| Query::parse(&own.text).err()) {
            let status = if error.is_request() { 404 } else { 400 };
            return http::error(status, &error.to_string());
        }
        let index = match self.index() {
            Ok(index) => index,
            Err(refused) => return refused,
        };
        let mut spool = Spool::default();
        let searched = spool.push(&format!("{FIRST_LINE}\n")).map_err(Failure::Spool);
        let searched = searched.and_then(|()| {
            requests.iter().enumerate().try_fold(0, |count, (number, request)| {
                let shown = |line: &Line| Some(format!("{}\n", line.shown(number)));
                Ok(count + run(&index, request, &mut spool, shown)?)
            })
        });
        match searched {
            Ok(0) if requests.len() == 1 => {
                let mut response = Response::new(204, "text/html;charset=utf-8", "");
                response.body = Body::Absent;
                response
            }
            searched => self.respond(searched.and_then(|_| Ok(spool.into_body()?))),
        }
    }

    fn respond(&self, body: Result<Body, Failure>) -> Response {
        match body {
            Ok(body) => {
                let mut response = Response::new(200, TEXT, "").cached(FOUR_HOURS);
                response.body = body;
                response
            }
            Err(Failure::Search(SearchError::Query(error))) => http::error(400, &error.to_string()),
            Err(error) => {
                self.service.log_error(&format!("search: {error}"));
                http::error(503, "Search temporarily unavailable.")
            }
        }
    }
}

/// Why an answer was not finished.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error("results: {0}")]
    Spool(#[from] std::io::Error),
}

/// Runs a query into the spool; how many lines there were.
fn run(
    index: &Index,
    request: &Request,
    spool: &mut Spool,
    shown: impl Fn(&Line) -> Option<String>,
) -> Result<usize, Failure> {
    let mut count = 0;
    let mut full = Ok(());
    index.search(request, &mut |line| {
        let Some(text) = shown(&line) else { return ControlFlow::Continue(()) };
        count += 1;
        full = spool.push(&text);
        if full.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    full?;
    Ok(count)
}

/// A line of search/0: what `pkg search` of old showed, and the package.
fn line_0(line: &Line) -> Option<String> {
    let (key, kind, value) = line.columns()?;
    Some(format!("{key} {} {} {value}\n", line.fmri().without_publisher(), kind.as_str()))
}
