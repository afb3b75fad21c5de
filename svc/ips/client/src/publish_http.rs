//! publish_http.rs - packages published to a depot, operation by operation.
//!
//! ```text
//! GET  open/0/QFMRI          → Transaction-ID     POST add/0/ID/TYPE    payload, X-IPkg-SetAttrN
//! GET  append/0/QFMRI        → Transaction-ID     POST file/1/ID        stored payload, its name
//! GET  close/0/ID            → State, Package-FMRI   POST manifest/1/ID    all actions
//! GET  abandon/0/ID          → State
//! ```
//!
//! What may be done twice is tried again when it fails; what may not (open, add, close) only when
//! the depot says that it was not done.  A close whose answer is lost is looked up.
//!
//! Not here: which packages, and what is in them.

use std::collections::BTreeMap;

use ips_model::configuration::Compression;
use ips_model::quote::{quote, unquote};
use ips_model::{Action, Fmri, p5i};
use ips_repository::{Made, Stream};

use crate::source::SourceError;
use crate::transport::{Transport, tried};

/// Why a depot did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    /// It does not do this at all.
    #[error(
        "Publisher '{publisher}' has no repositories that support the '{operation}' operation."
    )]
    Unsupported {
        /// The depot's first publisher.
        publisher: String,
        /// The operation and its version.
        operation: String,
    },
    /// It refused, and said why.
    #[error("{0}")]
    Refused(String),
    /// It could not be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// A depot that packages are published to.
#[derive(Debug)]
pub struct Depot {
    base: String,
    agent: ureq::Agent,
    tries: u32,
    /// Operation → the versions it has.
    operations: BTreeMap<String, Vec<u32>>,
}

/// A payload as a depot has or will have it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The payload.
    pub made: Made,
    /// What is stored of it there.
    pub stream: Stream,
    /// Whether the depot has to be sent it.
    pub lacking: bool,
}

/// An answer: status, headers that matter, body.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What a request carries.
enum Body<'a> {
    Get,
    Head,
    Post(&'a [u8]),
}

impl Depot {
    /// Asks a depot what it does.  `base` is its URI.
    pub fn open(base: &str, transport: &Transport) -> Result<Depot, DepotError> {
        let base = if base.ends_with('/') { base.to_string() } else { format!("{base}/") };
        let (agent, tries) = (transport.agent(), transport.tries());
        let mut depot = Depot { base, agent, tries, operations: BTreeMap::new() };
        let said = depot.repeated("versions/0/", &[], &Body::Get)?;
        let text = String::from_utf8_lossy(&said.body);
        if said.status != 200 || !text.starts_with("pkg-server") {
            let uri = format!("{}versions/0/", depot.base);
            return Err(SourceError::Status { uri, status: said.status }.into());
        }
        for line in text.lines().skip(1) {
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            let versions = words.filter_map(|word| word.parse().ok()).collect();
            depot.operations.insert(name.to_string(), versions);
        }
        Ok(depot)
    }

    /// Whether it does an operation.
    pub fn supports(&self, operation: &str, version: u32) -> bool {
        self.operations.get(operation).is_some_and(|versions| versions.contains(&version))
    }

    fn need(&self, operation: &str, version: u32) -> Result<(), DepotError> {
        if self.supports(operation, version) {
            return Ok(());
        }
        let publisher = self.publishers()?.into_iter().next().unwrap_or_default();
        Err(DepotError::Unsupported { publisher, operation: format!("{operation}/{version}") })
    }

    /// The publishers it has, sorted.
    pub fn publishers(&self) -> Result<Vec<String>, DepotError> {
        let said = self.repeated("publisher/0/", &[], &Body::Get)?;
        let text = String::from_utf8_lossy(&said.body);
        let listed = p5i::parse(&text).unwrap_or_default();
        let mut names: Vec<String> = listed.into_iter().map(|publisher| publisher.name).collect();
        names.sort();
        Ok(names)
    }

    /// Opens a transaction for a new package; its id.
    pub fn begin(&self, fmri: &str) -> Result<String, DepotError> {
        self.transaction("open", fmri)
    }

    /// Opens a transaction that adds signatures to a package; its id.
    pub fn append(&self, fmri: &str) -> Result<String, DepotError> {
        self.transaction("append", fmri)
    }

    fn transaction(&self, operation: &str, fmri: &str) -> Result<String, DepotError> {
        self.need(operation, 0)?;
        let path = format!("{operation}/0/{}", quote(fmri));
        let said = self.careful(&path, &[("Client-Release", "5.11")], &Body::Get)?;
        let id = accepted(&said)?.headers.get("transaction-id").cloned();
        id.ok_or_else(|| DepotError::Refused("the depot named no transaction".to_string()))
    }

    /// The package that a transaction is for.
    pub fn fmri_of(id: &str) -> Option<Fmri> {
        let name = unquote(id.split_once('_')?.1)?;
        Fmri::parse(&name).ok()
    }

    /// Adds an action, and its payload as it is, which the depot then describes.
    pub fn add(&self, id: &str, action: &Action, payload: &[u8]) -> Result<(), DepotError> {
        self.need("add", 0)?;
        let mut headers = Vec::new();
        for (number, (name, values)) in action.attributes.iter().enumerate() {
            headers
                .push((format!("X-IPkg-SetAttr{number}"), format!("{name}={}", literal(values))));
        }
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let path = format!("add/0/{id}/{}", action.kind.as_str());
        accepted(&self.careful(&path, &headers, &Body::Post(payload))?)?;
        Ok(())
    }

    /// Sends a payload in its stored form.
    pub fn add_file(&self, id: &str, hash: &str, stored: &[u8]) -> Result<(), DepotError> {
        self.need("file", 1)?;
        let name = format!("basename={hash}");
        let headers = [("X-IPkg-SetAttr0", name.as_str())];
        let path = format!("file/1/{id}");
        accepted(&self.repeated(&path, &headers, &Body::Post(stored))?)?;
        Ok(())
    }

    /// Sends a whole manifest.
    pub fn add_manifest(&self, id: &str, text: &str) -> Result<(), DepotError> {
        self.need("manifest", 1)?;
        let path = format!("manifest/1/{id}");
        accepted(&self.repeated(&path, &[], &Body::Post(text.as_bytes()))?)?;
        Ok(())
    }

    /// Publishes what a transaction has; the package's name.  The catalog may be left for a refresh.
    pub fn close(&self, id: &str, catalogued: bool) -> Result<String, DepotError> {
        self.need("close", 0)?;
        let add = if catalogued { "1" } else { "0" };
        let headers = [("X-IPkg-Add-To-Catalog", add), ("X-IPkg-Refresh-Index", add)];
        let said = match self.careful(&format!("close/0/{id}"), &headers, &Body::Get) {
            Err(DepotError::Source(SourceError::Transport { uri, reason })) => {
                // The answer is lost: it was published, or it was not.
                let fmri = Depot::fmri_of(id).filter(|fmri| self.has(fmri));
                let lost = SourceError::Transport { uri, reason };
                return fmri.map(|fmri| fmri.to_string()).ok_or(lost.into());
            }
            said => said?,
        };
        let name = accepted(&said)?.headers.get("package-fmri").cloned();
        Ok(name.or_else(|| Depot::fmri_of(id).map(|fmri| fmri.to_string())).unwrap_or_default())
    }

    /// Forgets a transaction.
    pub fn abandon(&self, id: &str) -> Result<(), DepotError> {
        self.need("abandon", 0)?;
        accepted(&self.careful(&format!("abandon/0/{id}"), &[], &Body::Get)?)?;
        Ok(())
    }

    /// Adds to the catalogs what was closed without them.
    pub fn refresh(&self) -> Result<(), DepotError> {
        self.need("admin", 0)?;
        accepted(&self.repeated("admin/0?cmd=refresh-packages", &[], &Body::Get)?)?;
        Ok(())
    }

    /// Orders the upkeep of a publisher (`rebuild`, `refresh`, or these with `-packages` or `-indexes`);
    /// the depot does it in its own time.
    pub fn administer(&self, publisher: &str, task: &str) -> Result<(), DepotError> {
        self.need("admin", 0)?;
        let path = format!("{publisher}/admin/0?cmd={task}");
        accepted(&self.repeated(&path, &[], &Body::Get)?)?;
        Ok(())
    }

    /// Orders the search indexes brought up to their catalogs; the depot does it in its own time.
    pub fn refresh_index(&self) -> Result<(), DepotError> {
        self.need("index", 0)?;
        accepted(&self.repeated("index/0/refresh", &[], &Body::Get)?)?;
        Ok(())
    }

    /// Whether the depot has a package.
    pub fn has(&self, fmri: &Fmri) -> bool {
        let (Some(publisher), Some(url)) = (&fmri.publisher, fmri.url()) else { return false };
        let path = format!("{publisher}/manifest/0/{url}");
        self.repeated(&path, &[], &Body::Head).is_ok_and(|said| said.status == 200)
    }

    /// What the depot stores of a payload of a publisher; none where it has it not.
    pub fn held(&self, publisher: &str, hash: &str) -> Result<Option<Stream>, DepotError> {
        if self.supports("file", 2) {
            let said = self.repeated(&format!("{publisher}/file/2/{hash}"), &[], &Body::Head)?;
            if said.status != 200 {
                return Ok(None);
            }
            if let Some(stream) = told(&said) {
                return Ok(Some(stream));
            }
        }
        let said = self.repeated(&format!("{publisher}/file/0/{hash}"), &[], &Body::Get)?;
        Ok((said.status == 200).then(|| Stream::of(&said.body)))
    }

    /// Makes content ready for the depot: described as it is stored there, where it is.
    pub fn prepare(
        &self,
        publisher: &str,
        content: &[u8],
        with: Compression,
    ) -> Result<Prepared, DepotError> {
        let made = Made::of(content, with);
        Ok(match self.held(publisher, made.hash())? {
            Some(stream) => Prepared { made, stream, lacking: false },
            None => Prepared { stream: made.stream.clone(), made, lacking: true },
        })
    }

    /// What may be asked twice.
    fn repeated(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Body<'_>,
    ) -> Result<Answer, DepotError> {
        let once = || self.ask(path, headers, body).and_then(passed);
        Ok(tried(self.tries, SourceError::is_passing, once)?)
    }

    /// What may not: only where the depot says that it was not done it is asked again.
    fn careful(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Body<'_>,
    ) -> Result<Answer, DepotError> {
        let mut left = self.tries;
        loop {
            let said = self.ask(path, headers, body)?;
            left -= 1;
            if !matches!(said.status, 408 | 503) || left == 0 {
                return Ok(passed(said)?);
            }
        }
    }

    fn ask(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Body<'_>,
    ) -> Result<Answer, SourceError> {
        let uri = format!("{}{path}", self.base);
        let failed = |error: ureq::Error| SourceError::Transport {
            uri: uri.clone(),
            reason: error.to_string(),
        };
        let answer = match body {
            Body::Get => with(self.agent.get(&uri), headers).call(),
            Body::Head => with(self.agent.head(&uri), headers).call(),
            Body::Post(bytes) => with(self.agent.post(&uri), headers).send(*bytes),
        };
        let mut answer = answer.map_err(failed)?;
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), text(value.as_bytes())));
        let headers = headers.collect();
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(u64::MAX).read_to_vec().map_err(failed)?;
        Ok(Answer { status, headers, body })
    }
}

fn with<B>(
    mut request: ureq::RequestBuilder<B>,
    headers: &[(&str, &str)],
) -> ureq::RequestBuilder<B> {
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
}

/// An answer that says to ask again is an error.
fn passed(answer: Answer) -> Result<Answer, SourceError> {
    let status = answer.status;
    if crate::transport::is_passing(status) {
        let uri = message(&answer);
        return Err(SourceError::Status { uri, status });
    }
    Ok(answer)
}

/// Anything but 200 is a refusal, in the depot's own words.
fn accepted(answer: &Answer) -> Result<&Answer, DepotError> {
    if answer.status == 200 {
        return Ok(answer);
    }
    Err(DepotError::Refused(message(answer)))
}

/// The text of an error page: what is in its first paragraph.
fn message(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    let text = body.split_once("<p>").and_then(|(_, rest)| rest.split_once("</p>"));
    let text = text.map(|(text, _)| text.trim()).filter(|text| !text.is_empty());
    let Some(text) = text else { return format!("status {}", answer.status) };
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_string(), |text, (escape, plain)| text.replace(escape, plain))
}

/// What `file/2` says of a payload.
fn told(answer: &Answer) -> Option<Stream> {
    let says = |name: &str| {
        let mut headers = answer.headers.iter();
        headers.find_map(|(header, value)| {
            header.starts_with("x-ipkg-attr").then(|| value.strip_prefix(name))?
        })
    };
    Some(Stream {
        sha1: says("chash=")?.to_string(),
        sha512_256: says("pkg.content-hash=gzip:sha512t_256:")?.to_string(),
        size: answer.headers.get("content-length")?.parse().ok()?,
    })
}

/// A value as pkg5 writes it into a header: a list as Python does.
fn literal(values: &[String]) -> String {
    match values {
        [value] if !value.starts_with(['[', '(']) => value.clone(),
        values => {
            let all: Vec<String> = values.iter().map(|value| python(value)).collect();
            format!("[{}]", all.join(", "))
        }
    }
}

fn python(value: &str) -> String {
    let quote = if value.contains('\'') && !value.contains('"') { '"' } else { '\'' };
    let mut text = String::from(quote);
    for next in value.chars() {
        if next == '\\' || next == quote {
            text.push('\\');
        }
        text.push(next);
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_headers() {
        let list = |values: &[&str]| values.iter().map(|value| (*value).to_string()).collect();
        for (values, text) in [
            (list(&["a b"]), "a b"),
            (list(&["a", "it's"]), r#"['a', "it's"]"#),
            (list(&["[x"]), "['[x']"),
            (list(&["a\\", "'\""]), r#"['a\\', '\'"']"#),
        ] {
            let values: Vec<String> = values;
            assert_eq!(literal(&values), text);
        }
    }

    #[test]
    fn what_a_page_says() {
        let page = |body: &str| Answer {
            status: 400,
            headers: BTreeMap::new(),
            body: body.as_bytes().to_vec(),
        };
        assert_eq!(message(&page("<h2>400</h2>\n<p>&#x27;a&#x27; &lt;&amp;lt;</p>")), "'a' <&lt;");
        assert_eq!(message(&page("nothing")), "status 400");
    }
}
