//! search.rs - a search and what it finds.
//!
//! A person wants to know which packages; so that is what is listed unless the actions are asked
//! for, and only newest versions count unless all are.  With several publishers each has its own
//! part of the page, and a page of its own for the rest.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use ips_model::query::{Line, Query, QueryError, Request, Returns};
use ips_model::{Fmri, Version};
use ips_repository::{Index, SearchError};
use maud::{Markup, html};

use crate::pages::Refusal;
use crate::pages::figures::count;
use crate::pages::frame::{frame, pager, pages};
use crate::pages::listing::Listing;
use crate::pages::place::{Page, Place};
use crate::service::Service;
use crate::view::View;

const PAGE: usize = 50;
/// Shown of each of several publishers.
const FEW: usize = 20;
/// More packages than this are not counted.
const MOST: usize = 20_000;

/// What is asked.
struct Asked<'a> {
    text: &'a str,
    actions: bool,
    case_sensitive: bool,
    all_versions: bool,
}

impl<'a> Asked<'a> {
    fn of(place: &'a Place) -> Asked<'a> {
        Asked {
            text: place.parameter("q").unwrap_or(""),
            actions: place.parameter("show") == Some("actions"),
            case_sensitive: place.parameter("case").is_some(),
            all_versions: place.parameter("all").is_some(),
        }
    }

    fn request(&self) -> Request {
        let returns = if self.actions { Returns::Actions } else { Returns::Packages };
        Request { case_sensitive: self.case_sensitive, ..Request::of(self.text, returns) }
    }

    fn link(&self, place: &Place, publisher: Option<&str>, page: usize) -> String {
        let page = page.to_string();
        let mut parameters = vec![("q", self.text)];
        for (on, parameter) in [
            (self.actions, ("show", "actions")),
            (self.case_sensitive, ("case", "on")),
            (self.all_versions, ("all", "on")),
            (page != "1", ("page", page.as_str())),
        ] {
            parameters.extend(on.then_some(parameter));
        }
        place.to(Page::Search, publisher, &parameters)
    }
}

/// The page.
pub fn page(service: &Arc<Service>, view: &View, place: &Place) -> Result<Markup, Refusal> {
    let asked = Asked::of(place);
    let publishers: Vec<&str> = match place.publisher.as_deref() {
        Some(publisher) => vec![publisher],
        None => view.publishers().collect(),
    };
    let mut found = html! {};
    if !asked.text.is_empty() {
        found = match Query::parse(asked.text) {
            Err(error) => refused(&error),
            Ok(_) => {
                let alone = publishers.len() == 1;
                let parts =
                    publishers.iter().map(|name| part(service, view, place, &asked, name, alone));
                let parts: Vec<Markup> = parts.collect::<Result<_, _>>()?;
                html! { @for part in parts { (part) } }
            }
        };
    }
    let help = place.page == Page::Advanced || asked.text.is_empty();
    let title = if asked.text.is_empty() {
        "Search".to_string()
    } else {
        format!("Search: {}", asked.text)
    };
    let content = html! {
        @if let Some(publisher) = place.publisher.as_deref() {
            nav.trail aria-label="Where this is" {
                ol {
                    li { a href=(place.to(Page::Index, None, &[])) { "Publishers" } }
                    li { a href=(place.to(Page::Catalog, Some(publisher), &[])) { (publisher) } }
                }
            }
        }
        h1 { "Search" @if let Some(publisher) = place.publisher.as_deref() { " " (publisher) } }
        (form(place, &asked))
        (found)
        (language(place, help))
    };
    Ok(frame(place, &title, &content))
}

fn form(place: &Place, asked: &Asked<'_>) -> Markup {
    let publisher = place.publisher.as_deref();
    html! {
        form.narrow role="search" method="get" action=(place.to(Page::Search, publisher, &[])) {
            label for="query" { "Words, names, paths or a query" }
            div.field {
                input id="query" type="search" name="q" value=(asked.text) autocomplete="off"
                    autofocus[asked.text.is_empty()];
                button type="submit" { "Search" }
            }
            fieldset.choices {
                legend.hidden { "Options" }
                label {
                    input type="radio" name="show" value="packages" checked[!asked.actions];
                    "Packages"
                }
                label {
                    input type="radio" name="show" value="actions" checked[asked.actions];
                    "What matched in them"
                }
                label {
                    input type="checkbox" name="all" value="on" checked[asked.all_versions];
                    "Older versions too"
                }
                label {
                    input type="checkbox" name="case" value="on" checked[asked.case_sensitive];
                    "Match case"
                }
            }
        }
    }
}

fn refused(error: &QueryError) -> Markup {
    let text = error.to_string();
    html! {
        div.notice role="alert" {
            p { "This query cannot be read:" }
            pre tabindex="0" { (text) }
        }
    }
}

/// What one publisher's packages have.
fn part(
    service: &Arc<Service>,
    view: &View,
    place: &Place,
    asked: &Asked<'_>,
    publisher: &str,
    alone: bool,
) -> Result<Markup, Refusal> {
    let listing = service.listings.of(view, publisher)?;
    let index = service.indexes.of(view, publisher);
    let number = if alone { place.number("page") } else { 1 };
    let size = if alone { PAGE } else { FEW };
    let shown = index.map_err(|error| error.to_string()).and_then(|index| {
        let shown = Results { asked, place, publisher, listing: &listing.0, index: &index };
        let shown = if asked.actions {
            shown.actions(number, size, alone)
        } else {
            shown.packages(number, size, alone)
        };
        shown.map_err(|error| error.to_string())
    });
    let id = format!("in-{publisher}");
    Ok(html! {
        section aria-labelledby=(id) {
            h2 id=(id) { @if alone { "Results" } @else { (publisher) } }
            @match shown {
                Ok(shown) => (shown),
                Err(why) => { p.notice role="alert" { (why) } }
            }
        }
    })
}

struct Results<'a> {
    asked: &'a Asked<'a>,
    place: &'a Place,
    publisher: &'a str,
    listing: &'a Listing,
    index: &'a Index,
}

impl Results<'_> {
    fn counts(&self, fmri: &Fmri) -> bool {
        let newest = || self.listing.package(&fmri.name).map(|package| package.newest());
        self.asked.all_versions || newest() == fmri.version.as_ref()
    }

    fn packages(&self, number: usize, size: usize, alone: bool) -> Result<Markup, SearchError> {
        let mut found: BTreeMap<String, Version> = BTreeMap::new();
        self.index.search(&self.asked.request(), &mut |line| {
            let fmri = line.fmri();
            if let Some(version) = fmri.version.as_ref().filter(|_| self.counts(fmri)) {
                let newest = found.entry(fmri.name.clone()).or_insert_with(|| version.clone());
                if *newest < *version {
                    *newest = version.clone();
                }
            }
            if found.len() < MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let last = pages(found.len(), size);
        let number = number.min(last);
        let rows = found.iter().skip((number - 1) * size).take(size);
        let link = |number| self.asked.link(self.place, Some(self.publisher), number);
        Ok(html! {
            p.lead role="status" { (count(found.len(), "package", "packages")) }
            @if !found.is_empty() {
                table.packages {
                    caption.hidden { "Packages found" }
                    thead { tr { th scope="col" { "Package" } th scope="col" { "Version" } } }
                    tbody {
                        @for (name, version) in rows {
                            (self.package_row(name, version))
                        }
                    }
                }
            }
            @if alone { (pager("results", number, last, &link)) } @else if last > 1 {
                p { a href=(link(1)) { "All results of " (self.publisher) } }
            }
        })
    }

    fn package_row(&self, name: &str, version: &Version) -> Markup {
        let own = self.listing.package(name);
        let older = own.is_some_and(|own| own.newest() != version).then(|| version.to_string());
        html! {
            tr {
                th scope="row" {
                    a href=(self.place.package(self.publisher, name, older.as_deref())) { (name) }
                    @if let Some(own) = own.filter(|own| !own.summary.is_empty()) {
                        p.summary { (own.summary) }
                    }
                }
                td { (version.short()) }
            }
        }
    }

    fn actions(&self, number: usize, size: usize, alone: bool) -> Result<Markup, SearchError> {
        let first = (number - 1).saturating_mul(size);
        let (mut seen, mut rows, mut more) = (0, Vec::new(), false);
        self.index.search(&self.asked.request(), &mut |line| {
            if !self.counts(line.fmri()) {
                return ControlFlow::Continue(());
            }
            seen += 1;
            if seen > first && rows.len() == size {
                more = true;
                return ControlFlow::Break(());
            }
            if seen > first {
                rows.push(line);
            }
            ControlFlow::Continue(())
        })?;
        let link = |number| self.asked.link(self.place, Some(self.publisher), number);
        Ok(html! {
            @if rows.is_empty() { p.lead role="status" { "Nothing more was found." } } @else {
                p.lead role="status" {
                    "Results " (first + 1) " to " (first + rows.len())
                }
                table.hits {
                    caption.hidden { "What was found" }
                    thead {
                        tr { th scope="col" { "Found" } th scope="col" { "In" } }
                    }
                    tbody { @for line in &rows { (self.action_row(line)) } }
                }
            }
            @if alone && (more || number > 1) {
                nav.pager aria-label="Pages of results" {
                    @if number > 1 { a rel="prev" href=(link(number - 1)) { "Previous" } }
                    @if more { a rel="next" href=(link(number + 1)) { "Next" } }
                }
            } @else if more {
                p { a href=(link(1)) { "All results of " (self.publisher) } }
            }
        })
    }

    fn action_row(&self, line: &Line) -> Markup {
        let fmri = line.fmri();
        let version = fmri.version.as_ref();
        let full = version.map(ToString::to_string);
        html! {
            tr {
                th scope="row" {
                    @if let Some((key, kind, value)) = line.columns() {
                        span.value { (value) }
                        p.summary { (kind.as_str()) ", " (key) }
                    } @else { span.value { "the package" } }
                }
                td {
                    a href=(self.place.package(self.publisher, &fmri.name, full.as_deref())) {
                        (fmri.name)
                    }
                    p.summary { (version.map_or(String::new(), Version::short)) }
                }
            }
        }
    }
}

/// The language of queries, by examples that can be tried.
fn language(place: &Place, open: bool) -> Markup {
    let examples = [
        ("apache", "a word of a name, a summary, a file name …; case does not matter"),
        ("apache*", "words that begin so; ? stands for one character"),
        ("/usr/bin/vim", "the path of a file, directory or link"),
        ("'web server'", "words that follow each other"),
        ("web AND server", "both in one file, property …; OR gives either"),
        ("<web> AND <server>", "packages that have both anywhere"),
        ("file:basename:vim", "type of action : key : value; each may be left out"),
        ("depend:require:library/zlib", "what needs a package"),
        ("pkg.summary:editor", "a property of the package"),
    ];
    let publisher = place.publisher.as_deref();
    html! {
        details.help open[open] {
            summary { "How to search" }
            table {
                caption.hidden { "Examples of queries" }
                thead { tr { th scope="col" { "Query" } th scope="col" { "Finds" } } }
                tbody {
                    @for (query, meaning) in examples {
                        tr {
                            th scope="row" {
                                a href=(place.to(Page::Search, publisher, &[("q", query)])) {
                                    code { (query) }
                                }
                            }
                            td { (meaning) }
                        }
                    }
                }
            }
        }
    }
}
