//! catalog.rs - the packages of a publisher, a hundred a page, narrowed by a part of the name.

use maud::{Markup, html};

use crate::pages::Refusal;
use crate::pages::figures::{count, time};
use crate::pages::frame::{frame, pager, pages};
use crate::pages::listing::{Package, State};
use crate::pages::place::{Page, Place};
use crate::service::Service;
use crate::view::View;

const PAGE: usize = 100;

/// The page.
pub fn page(service: &Service, view: &View, place: &Place) -> Result<Markup, Refusal> {
    let Some(publisher) = view.chosen(place.publisher.as_deref()) else {
        return Err(Refusal::Absent("Choose a publisher: there is no default one.".to_string()));
    };
    let listing = service.listings.of(view, publisher)?;
    let narrowed = place.parameter("q").unwrap_or("");
    let folded = narrowed.to_lowercase();
    let fits = |package: &&Package| {
        folded.is_empty()
            || package.name.to_lowercase().contains(&folded)
            || package.summary.to_lowercase().contains(&folded)
    };
    let packages: Vec<&Package> = listing.0.packages.iter().filter(fits).collect();
    let last = pages(packages.len(), PAGE);
    let number = place.number("page").min(last);
    let link = |number: usize| {
        let number = number.to_string();
        let mut parameters = vec![("page", number.as_str())];
        if !narrowed.is_empty() {
            parameters.insert(0, ("q", narrowed));
        }
        place.to(Page::Catalog, Some(publisher), &parameters)
    };
    let shown = packages.iter().skip((number - 1) * PAGE).take(PAGE);
    let content = html! {
        nav.trail aria-label="Where this is" {
            ol { li { a href=(place.to(Page::Index, None, &[])) { "Publishers" } } }
        }
        h1 { (publisher) }
        form.narrow method="get" action=(place.to(Page::Catalog, Some(publisher), &[])) {
            label for="narrow" { "Name or summary contains" }
            div.field {
                input id="narrow" type="search" name="q" value=(narrowed) autocomplete="off";
                button type="submit" { "Filter" }
                @if !narrowed.is_empty() {
                    a href=(place.to(Page::Catalog, Some(publisher), &[])) { "Show all" }
                }
            }
        }
        p.lead role="status" {
            (count(packages.len(), "package", "packages"))
            @if !narrowed.is_empty() { " of " (listing.0.packages.len()) }
            @if last > 1 { ", page " (number) " of " (last) }
        }
        @if !packages.is_empty() {
            table.packages {
                caption.hidden { "Packages of " (publisher) }
                thead {
                    tr {
                        th scope="col" { "Package" }
                        th scope="col" { "Version" }
                        th.wide scope="col" { "Published" }
                    }
                }
                tbody { @for package in shown { (row(place, publisher, package)) } }
            }
        }
        (pager("packages", number, last, &link))
    };
    Ok(frame(place, publisher, &content))
}

fn row(place: &Place, publisher: &str, package: &Package) -> Markup {
    let newest = package.newest();
    html! {
        tr {
            th scope="row" {
                a href=(place.package(publisher, &package.name, None)) { (package.name) }
                (state(package.state))
                @if !package.summary.is_empty() { p.summary { (package.summary) } }
            }
            td {
                (newest.short())
                @if package.versions.len() > 1 {
                    p.summary { "+ " (package.versions.len() - 1) " older" }
                }
            }
            td.wide { (time(newest.timestamp.as_deref().unwrap_or(""))) }
        }
    }
}

/// The mark of a package that is no longer what it was.
pub fn state(state: State) -> Markup {
    html! {
        @match state {
            State::Current => {}
            State::Obsolete => { " " span.mark.obsolete { "obsolete" } }
            State::Renamed => { " " span.mark.renamed { "renamed" } }
        }
    }
}
