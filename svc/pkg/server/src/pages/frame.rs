//! frame.rs - what every page has: head, navigation, search, footer; and the pages of refusals.

use std::fmt::Display;

use ips_model::quote::quote;
use maud::{DOCTYPE, Markup, html};

use crate::pages::place::{Page, Place};

/// A whole page.  The title is also its heading.
pub fn frame(place: &Place, title: &str, content: &Markup) -> Markup {
    let publisher = place.publisher.as_deref();
    let packages = match publisher {
        Some(publisher) => place.to(Page::Catalog, Some(publisher), &[]),
        None => place.to(Page::Index, None, &[]),
    };
    let searching = matches!(place.page, Page::Search | Page::Advanced);
    let here = |page: bool| page.then_some("page");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " – Package repository" }
                link rel="stylesheet" href=(place.link("_themes/style.css"));
                @if let Some(publisher) = publisher {
                    link rel="alternate" type="application/atom+xml" title="Changes"
                        href=(place.link(&format!("{}/feed", quote(publisher))));
                }
                link rel="icon" type="image/svg+xml" href=(place.link("_themes/icon.svg"));
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.top {
                    div.bar {
                        a.brand href=(place.to(Page::Index, None, &[])) { "Package repository" }
                        nav aria-label="Main" {
                            ul {
                                li {
                                    a href=(packages) aria-current=[here(matches!(
                                        place.page, Page::Index | Page::Catalog
                                    ))] { "Packages" }
                                }
                                li {
                                    a href=(place.to(Page::Search, publisher, &[]))
                                        aria-current=[here(searching)] { "Search" }
                                }
                                li {
                                    a href=(place.to(Page::Stats, None, &[]))
                                        aria-current=[here(place.page == Page::Stats)] { "Status" }
                                }
                            }
                        }
                        @if !searching {
                            form.find role="search" method="get"
                                action=(place.to(Page::Search, publisher, &[])) {
                                label.hidden for="find" { "Search packages and files" }
                                input id="find" type="search" name="q"
                                    placeholder="Name, file, word …" autocomplete="off";
                                button type="submit" { "Search" }
                            }
                        }
                    }
                }
                main id="content" tabindex="-1" { (content) }
                footer.bottom {
                    p {
                        "Served by pkg.depotd, Lamplighter " (env!("CARGO_PKG_VERSION")) ". "
                        a href=(place.link("status/0")) { "Status as JSON" }
                        " · "
                        a href=(place.link("publisher/0")) { "Publishers as p5i" }
                    }
                }
            }
        }
    }
}

/// The page that tells why there is none.
pub fn refused(place: &Place, status: u16, why: &dyn Display) -> Markup {
    let title = if status == 404 { "Not found" } else { "Not available now" };
    frame(
        place,
        title,
        &html! {
            h1 { (title) }
            p { (why) }
            p { a href=(place.to(Page::Index, None, &[])) { "All publishers of this repository" } }
        },
    )
}

/// A row of links to the parts of a long list; nothing where one part is all.
pub fn pager(what: &str, page: usize, pages: usize, link: &dyn Fn(usize) -> String) -> Markup {
    let mut shown: Vec<usize> = [1, page.saturating_sub(1), page, page + 1, pages]
        .into_iter()
        .filter(|number| (1..=pages).contains(number))
        .collect();
    shown.sort_unstable();
    shown.dedup();
    html! {
        @if pages > 1 {
            nav.pager aria-label=(format!("Pages of {what}")) {
                @if page > 1 { a rel="prev" href=(link(page - 1)) { "Previous" } }
                ol {
                    @for (at, number) in shown.iter().enumerate() {
                        @if at > 0 && shown[at - 1] + 1 < *number {
                            li.gap aria-hidden="true" { "…" }
                        }
                        li {
                            @if *number == page {
                                span aria-current="page" {
                                    span.hidden { "Page " } (number)
                                }
                            } @else {
                                a href=(link(*number)) { span.hidden { "Page " } (number) }
                            }
                        }
                    }
                }
                @if page < pages { a rel="next" href=(link(page + 1)) { "Next" } }
            }
        }
    }
}

/// How many parts of `size` a list of `count` has; at least one.
pub fn pages(count: usize, size: usize) -> usize {
    count.div_ceil(size).max(1)
}
