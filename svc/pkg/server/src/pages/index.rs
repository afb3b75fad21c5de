//! index.rs - the first page: who publishes here, and how a system comes to use it.

use maud::{Markup, html};

use crate::pages::figures::{count, number, time};
use crate::pages::frame::frame;
use crate::pages::place::{Page, Place};
use crate::service::Service;
use crate::view::View;

/// The page.
pub fn page(service: &Service, view: &View, place: &Place, base: &str) -> Markup {
    let publishers: Vec<&str> = view
        .publishers()
        .filter(|name| place.publisher.as_deref().is_none_or(|own| own == *name))
        .collect();
    let listed = !service.versions("catalog").is_empty();
    let content = html! {
        h1 { "Package repository" }
        @if publishers.is_empty() {
            p { "Nobody has published here yet." }
        } @else {
            p.lead {
                (count(publishers.len(), "publisher", "publishers"))
                @if let Some(default) = view.chosen(None) {
                    "; the default is " strong { (default) } "."
                } @else { "." }
            }
            (table(view, place, &publishers, listed))
            section aria-labelledby="use" {
                h2 id="use" { "Use this repository" }
                p { "On a system with image packaging:" }
                @for publisher in &publishers {
                    pre.command {
                        code { "pkg set-publisher -g " (base) "/ " (publisher) }
                    }
                }
            }
        }
    };
    frame(place, "Publishers", &content)
}

/// The publishers with what they have.
pub fn table(view: &View, place: &Place, publishers: &[&str], listed: bool) -> Markup {
    html! {
        table {
            caption.hidden { "Publishers" }
            thead {
                tr {
                    th scope="col" { "Publisher" }
                    th.figure scope="col" { "Packages" }
                    th.figure scope="col" { "Versions" }
                }
            }
            tbody {
                @for publisher in publishers {
                    @let status = view.publisher_status(publisher);
                    tr {
                        th scope="row" {
                            @if listed {
                                a href=(place.to(Page::Catalog, Some(publisher), &[])) {
                                    (publisher)
                                }
                            } @else { (publisher) }
                            p.summary {
                                "changed " (time(status["last-catalog-update"].as_str().unwrap_or("")))
                            }
                        }
                        @for key in ["package-count", "package-version-count"] {
                            @let count = status[key].as_u64().unwrap_or(0);
                            td.figure { (number(usize::try_from(count).unwrap_or(usize::MAX))) }
                        }
                    }
                }
            }
        }
    }
}
