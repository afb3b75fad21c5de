//! search.rs - a query run on an index.
//!
//! Results come in the order of the dictionary: by token, type, key, value, package, line; packages
//! come sorted.  They are told one after the other and nothing is held, so who has enough stops.
//!
//! Of `a AND b` the actions are those of `a` whose words `b` matches too; what is shown is what
//! `a` found.  Law: the results, and their order for a given index, are pkg5's.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use ips_model::Action;
use ips_model::query::{Fields, Glob, Line, Query, QueryError, Request, Returns, Term};
use ips_model::quote::unquote;
use ips_model::tokens::each_token;

use crate::error::{PathError, ReadError};
use crate::index::dictionary::{Entry, offsets, read_key, token_of};
use crate::index::index::Index;

/// Why a query was not run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The query is none.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The index or a manifest cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<PathError> for SearchError {
    fn from(error: PathError) -> SearchError {
        SearchError::Read(error.into())
    }
}

/// An action that was found.
#[derive(Debug, Clone)]
struct Hit {
    package: u32,
    action: String,
    key: String,
    value: String,
    /// Its line; empty where nobody asked for it.
    text: String,
}

type Flow = Result<ControlFlow<()>, SearchError>;
type Sink<'a> = &'a mut dyn FnMut(&Hit) -> Flow;

impl Index {
    /// Runs a query; everything found is told until `tell` has enough.
    pub fn search(
        &self,
        request: &Request,
        tell: &mut dyn FnMut(Line) -> ControlFlow<()>,
    ) -> Result<(), SearchError> {
        let mut query = Query::parse(&request.text)?;
        if request.returns == Returns::Packages {
            query = query.of_packages();
        }
        let start = request.start.unwrap_or(0).max(0);
        let end = request.count.map(|count| start.saturating_add(count));
        let mut seen = 0;
        let mut keep = |line: &mut dyn FnMut() -> Option<Line>| {
            if end.is_some_and(|end| seen >= end) {
                return ControlFlow::Break(());
            }
            seen += 1;
            match if seen > start { line() } else { None } {
                Some(line) => tell(line),
                None => ControlFlow::Continue(()),
            }
        };
        let run = Run { index: self, case_sensitive: request.case_sensitive };
        if query.returns() == Returns::Packages {
            for package in run.packages(&query)? {
                let fmri = || self.packages[package.1 as usize].fmri.clone().map(Line::Package);
                if keep(&mut { fmri }).is_break() {
                    break;
                }
            }
            return Ok(());
        }
        // Whoever has enough says so; either way all is told.
        let _ended = run.actions(&query, true, &mut |hit| {
            let line = || {
                let fmri = self.packages[hit.package as usize].fmri.clone()?;
                Some(Line::Action { fmri, value: hit.value.clone(), text: hit.text.clone() })
            };
            Ok(keep(&mut { line }))
        })?;
        Ok(())
    }
}

struct Run<'a> {
    index: &'a Index,
    case_sensitive: bool,
}

impl<'a> Run<'a> {
    fn glob(&self, pattern: &str) -> Glob {
        if self.case_sensitive { Glob::exact(pattern) } else { Glob::folded(pattern) }
    }

    /// Packages by name, with their number.
    fn packages(&self, query: &Query) -> Result<BTreeSet<(&'a str, u32)>, SearchError> {
        let inner = match query {
            Query::And(left, right) => {
                let (left, right) = (self.packages(left)?, self.packages(right)?);
                return Ok(left.intersection(&right).copied().collect());
            }
            Query::Or(left, right) => {
                let (left, right) = (self.packages(left)?, self.packages(right)?);
                return Ok(left.union(&right).copied().collect());
            }
            Query::Packages(inner) if inner.returns() == Returns::Packages => {
                return self.packages(inner);
            }
            Query::Packages(inner) => inner,
            Query::Term(_) | Query::Phrase { .. } => query,
        };
        let mut found = BTreeSet::new();
        let text = !matches!(inner, Query::Term(_));
        let _ended = self.actions(inner, text, &mut |hit| {
            found.insert((self.index.packages[hit.package as usize].name.as_str(), hit.package));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Actions; with their lines where `text` is wanted.
    fn actions(&self, query: &Query, text: bool, sink: Sink<'_>) -> Flow {
        match query {
            Query::Term(term) => self.term(term, text, sink),
            Query::Phrase { first, text } => {
                self.term(first, true, &mut |hit| match self.phrase(text, hit) {
                    Some(hit) => sink(&hit),
                    None => Ok(ControlFlow::Continue(())),
                })
            }
            Query::And(left, right) => {
                let right = self.filter(right);
                self.actions(left, true, &mut |hit| right.pass(self, hit, sink))
            }
            Query::Or(left, right) => {
                if self.actions(left, text, sink)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                self.actions(right, text, sink)
            }
            // The parser lets nothing that gives packages stand where actions are asked for.
            Query::Packages(_) => Ok(ControlFlow::Continue(())),
        }
    }

    /// The lines of the dictionary a term may be in, ascending.
    fn lines(&self, term: &Term, glob: &Glob) -> Vec<u32> {
        let index = self.index;
        let mut lists: Vec<Vec<u32>> = Vec::new();
        if let Some(action) = &term.fields.action {
            lists.push(Index::lines_of(&index.actions, action));
        }
        if let Some(key) = &term.fields.key {
            lists.push(Index::lines_of(&index.keys, key));
        }
        if let Some(package) = &term.fields.package {
            lists.push(index.lines_of_packages(&Glob::folded(package)));
        }
        if !glob.is_anything() {
            lists.push(index.words.matching(glob));
        }
        lists.sort_by_key(Vec::len);
        let mut lists = lists.into_iter();
        let Some(mut lines) = lists.next() else { return (0..index.words.count()).collect() };
        for list in lists {
            lines.retain(|line| list.binary_search(line).is_ok());
        }
        lines
    }

    fn term(&self, term: &Term, text: bool, sink: Sink<'_>) -> Flow {
        let glob = self.glob(&term.pattern);
        let fields = Restriction::of(&term.fields);
        for number in self.lines(term, &glob) {
            let line = self.index.line(number)?;
            let (token, rest) = token_of(&line);
            let token = unquote(token).ok_or_else(|| self.index.damaged())?;
            if self.case_sensitive && !glob.is_anything() && !glob.matches(&token) {
                continue;
            }
            let entry = Entry::parse(rest).ok_or_else(|| self.index.damaged())?;
            if self.entry(&entry, &fields, text, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn entry(
        &self,
        entry: &Entry<'_>,
        fields: &Restriction<'_>,
        text: bool,
        sink: Sink<'_>,
    ) -> Flow {
        for (action, key, value, package, at) in entry.places() {
            let Some(own) = self.index.packages.get(package as usize) else { continue };
            let Some(fmri) = &own.fmri else { continue };
            let key = read_key(key);
            if !fields.allows(&own.name, action, &key) {
                continue;
            }
            let value = unquote(value).unwrap_or_else(|| value.to_string());
            let mut hit =
                Hit { package, action: action.to_string(), key, value, text: String::new() };
            if !text {
                if sink(&hit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                continue;
            }
            let mut places = offsets(at).ok_or_else(|| self.index.damaged())?;
            places.sort_unstable();
            for line in self.index.manifests.lines(package, fmri, &places)? {
                hit.text = line;
                if sink(&hit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The hit, if its line holds the phrase.
    fn phrase(&self, phrase: &str, hit: &Hit) -> Option<Hit> {
        let folded = |text: &str| {
            if self.case_sensitive { text.to_string() } else { text.to_lowercase() }
        };
        let phrase = folded(phrase);
        if !folded(&hit.text).contains(&phrase) {
            return None;
        }
        let mut hit = hit.clone();
        // Found in another attribute than the one the first word is in: then the phrase is shown.
        if hit.action == "set" && !folded(&hit.value).contains(&phrase) {
            hit.value = phrase;
        }
        Some(hit)
    }

    /// The right side of AND: what passes of the hits of the left.
    fn filter<'q>(&self, query: &'q Query) -> Filter<'q> {
        match query {
            Query::Term(term) => Filter::Term(self.term_filter(term)),
            Query::Phrase { first, text } => Filter::Phrase(self.term_filter(first), text),
            Query::And(left, right) => {
                Filter::And(Box::new(self.filter(left)), Box::new(self.filter(right)))
            }
            Query::Or(left, right) => {
                Filter::Or(Box::new(self.filter(left)), Box::new(self.filter(right)))
            }
            Query::Packages(inner) => self.filter(inner),
        }
    }

    fn term_filter<'q>(&self, term: &'q Term) -> TermFilter<'q> {
        TermFilter { glob: self.glob(&term.pattern), fields: Restriction::of(&term.fields) }
    }
}

struct TermFilter<'q> {
    glob: Glob,
    fields: Restriction<'q>,
}

enum Filter<'q> {
    Term(TermFilter<'q>),
    Phrase(TermFilter<'q>, &'q str),
    And(Box<Filter<'q>>, Box<Filter<'q>>),
    Or(Box<Filter<'q>>, Box<Filter<'q>>),
}

impl Filter<'_> {
    /// Hands on a hit that passes; twice, if both sides of an OR let it pass.
    fn pass(&self, run: &Run<'_>, hit: &Hit, sink: Sink<'_>) -> Flow {
        match self {
            Filter::Term(term) if term.matches(run, hit) => sink(hit),
            Filter::Phrase(term, phrase) if term.matches(run, hit) => {
                run.phrase(phrase, hit).map_or(Ok(ControlFlow::Continue(())), |hit| sink(&hit))
            }
            Filter::Term(_) | Filter::Phrase(..) => Ok(ControlFlow::Continue(())),
            Filter::And(left, right) => left.pass(run, hit, &mut |hit| right.pass(run, hit, sink)),
            Filter::Or(left, right) => {
                if left.pass(run, hit, sink)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                right.pass(run, hit, sink)
            }
        }
    }
}

impl TermFilter<'_> {
    fn matches(&self, run: &Run<'_>, hit: &Hit) -> bool {
        let name = &run.index.packages[hit.package as usize].name;
        if !self.fields.allows(name, &hit.action, &hit.key) {
            return false;
        }
        let Ok(action) = Action::parse(&hit.text) else { return false };
        let mut found = false;
        each_token(&action, &mut |_, token, _| found = found || self.glob.matches(token));
        found
    }
}

/// The fields of a term, ready to be asked.
struct Restriction<'q> {
    package: Option<Glob>,
    action: Option<&'q str>,
    key: Option<&'q str>,
}

impl<'q> Restriction<'q> {
    fn of(fields: &'q Fields) -> Restriction<'q> {
        Restriction {
            package: fields.package.as_deref().map(Glob::folded),
            action: fields.action.as_deref(),
            key: fields.key.as_deref(),
        }
    }

    fn allows(&self, package: &str, action: &str, key: &str) -> bool {
        self.action.is_none_or(|own| own == action)
            && self.key.is_none_or(|own| own == key)
            && self.package.as_ref().is_none_or(|own| own.matches(package))
    }
}
