//! search.rs - asking an origin, or what is installed, for what a query means.
//!
//! A depot answers itself (search/1).  Of a repository on disk its index is asked where it has one;
//! else, and of an archive and of an image, one is made of the manifests, and kept nowhere.

use std::ops::ControlFlow;

use ips_model::Fmri;
use ips_model::query::{FIRST_LINE, Line, Query, QueryError, Request};
use ips_model::quote::quote;
use ips_repository::{Index, OpenError, ReadError, Repository, SearchError};
use rayon::prelude::*;

use crate::image::{Image, ImageError, ManifestError};
use crate::origin::Place;
use crate::source::{Source, SourceError};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The query is none.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The origin did not answer.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its index or a manifest cannot be read.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The repository cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The same.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The image is damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A manifest is not to be had.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The depot cannot search.
    #[error("{uri}: the repository has no search index")]
    Unavailable {
        /// The origin.
        uri: String,
    },
    /// The answer is none.
    #[error("{uri}: the answer is not that of a search: {line:?}")]
    Malformed {
        /// The origin.
        uri: String,
        /// What makes no sense.
        line: String,
    },
}

/// Something found, with the publisher it was asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The publisher.
    pub publisher: String,
    /// What was found.
    pub line: Line,
}

impl Source {
    /// What a query finds among a publisher's packages.
    pub fn search(&self, publisher: &str, request: &Request) -> Result<Vec<Line>, AskError> {
        // A query that is none is told of without asking anybody.
        Query::parse(&request.text)?;
        match &self.origin().place {
            Place::Depot(base) => {
                let uri = format!("{base}{publisher}/search/1/{}", quote(&request.to_string()));
                self.ask(&uri)
            }
            Place::Directory(path) => {
                let repository = Repository::open(path)?;
                match repository.index(publisher)? {
                    Some(index) => run(&index, request),
                    None => run(&Index::of(self.texts(publisher)?), request),
                }
            }
            Place::Archive(_) => run(&Index::of(self.texts(publisher)?), request),
        }
    }

    fn ask(&self, uri: &str) -> Result<Vec<Line>, AskError> {
        let text = match self.get(uri, true) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(SourceError::Status { status: 204, .. }) => return Ok(Vec::new()),
            Err(SourceError::Status { status: 404 | 503, .. }) => {
                return Err(AskError::Unavailable { uri: self.origin().uri().to_string() });
            }
            Err(error) => return Err(error.into()),
        };
        let malformed = |line: &str| AskError::Malformed {
            uri: self.origin().uri().to_string(),
            line: line.chars().take(100).collect(),
        };
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        if first != FIRST_LINE {
            return Err(malformed(first));
        }
        let read = |line: &str| {
            let (_, line) = Line::parse(line).ok_or_else(|| malformed(line))?;
            Ok(line)
        };
        lines.filter(|line| !line.is_empty()).map(read).collect()
    }

    /// Every manifest of a publisher, checked.
    fn texts(&self, publisher: &str) -> Result<Vec<(Fmri, String)>, AskError> {
        let all: Vec<Fmri> = self
            .packages()
            .into_iter()
            .filter(|fmri| fmri.publisher.as_deref() == Some(publisher))
            .collect();
        let text = |fmri: Fmri| Ok((fmri.clone(), self.manifest(&fmri)?.0));
        all.into_par_iter().map(text).collect()
    }
}

impl Image {
    /// What a query finds among installed packages.
    pub fn search(&self, request: &Request) -> Result<Vec<Line>, AskError> {
        Query::parse(&request.text)?;
        let all: Vec<Fmri> = self.installed()?.packages().map(|(fmri, _)| fmri).collect();
        let text = |fmri: Fmri| Ok((fmri.clone(), self.manifest_text(&fmri)?.0));
        let texts: Result<Vec<(Fmri, String)>, ManifestError> =
            all.into_par_iter().map(text).collect();
        run(&Index::of(texts?), request)
    }
}

fn run(index: &Index, request: &Request) -> Result<Vec<Line>, AskError> {
    let mut lines = Vec::new();
    index.search(request, &mut |line| {
        lines.push(line);
        ControlFlow::Continue(())
    })?;
    Ok(lines)
}
