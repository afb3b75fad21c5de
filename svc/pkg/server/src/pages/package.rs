//! package.rs - one package: what it is, how to install it, its versions, dependencies, files and
//! licences.
//!
//! Law: what a manifest says is text from anybody.  It becomes a link only where the link leads to
//! a page of this depot or is an http or https address.

mod contents;
mod facts;

use ips_model::quote::quote;
use ips_model::{Fmri, Kind, Manifest, Version};
use maud::{Markup, html};

use crate::pages::Refusal;
use crate::pages::catalog::state;
use crate::pages::figures::time;
use crate::pages::frame::frame;
use crate::pages::listing::{Listing, Package, State};
use crate::pages::place::{Page, Place};
use crate::service::Service;
use crate::view::View;

/// Older versions shown before the rest is folded away.
const VERSIONS: usize = 8;

/// What the parts of the page are made of.
struct Shown<'a> {
    place: &'a Place,
    view: &'a View,
    publisher: &'a str,
    listing: &'a Listing,
    package: &'a Package,
    version: &'a Version,
    manifest: &'a Manifest,
}

/// The page.
pub fn page(service: &Service, view: &View, place: &Place, base: &str) -> Result<Markup, Refusal> {
    let Some(publisher) = view.chosen(place.publisher.as_deref()) else {
        return Err(Refusal::Absent("Choose a publisher: there is no default one.".to_string()));
    };
    let listing = &service.listings.of(view, publisher)?.0;
    let name = place.parameter("name").unwrap_or("");
    let absent = |what: &str| Refusal::Absent(format!("{publisher} has no package “{what}”."));
    let package = listing.package(name).ok_or_else(|| absent(name))?;
    let version = match place.parameter("version") {
        None => package.newest(),
        Some(text) => package.version(text).ok_or_else(|| absent(&format!("{name}@{text}")))?,
    };
    let fmri = Fmri {
        publisher: Some(publisher.to_string()),
        name: package.name.clone(),
        version: Some(version.clone()),
    };
    let path = fmri.path().unwrap_or_default();
    let text = std::fs::read_to_string(view.directory(publisher).join("pkg").join(path))
        .map_err(|_| absent(&fmri.to_string()))?;
    // Of a manifest with a damaged line the others are shown; `pkgrepo verify` tells of it.
    let manifest = Manifest::parse(&text).unwrap_or_else(|_| facts::lines_that_parse(&text));
    let manifest = &manifest;
    let shown = Shown { place, view, publisher, listing, package, version, manifest };
    let content = html! {
        nav.trail aria-label="Where this is" {
            ol {
                li { a href=(place.to(Page::Index, None, &[])) { "Publishers" } }
                li { a href=(place.to(Page::Catalog, Some(publisher), &[])) { (publisher) } }
            }
        }
        h1.name { (package.name) (state(facts::state(manifest))) }
        @if let Some(summary) = manifest.property("pkg.summary") { p.lead { (summary) } }
        @if version != package.newest() {
            p.notice {
                "This is an older version. "
                a href=(place.package(publisher, &package.name, None)) {
                    "See the newest, " (package.newest().short())
                }
            }
        }
        nav.jump aria-label="On this page" {
            ul {
                @for (part, name) in [
                    ("install", "Install"),
                    ("versions", "Versions"),
                    ("dependencies", "Dependencies"),
                    ("files", "Files"),
                    ("licences", "Licences"),
                ] {
                    li { a href=(format!("#{part}")) { (name) } }
                }
            }
        }
        (facts::table(&shown, &fmri))
        (install(&shown, &fmri, base))
        (contents::description(manifest))
        (versions(&shown))
        (contents::dependencies(&shown))
        (contents::files(&shown))
        (contents::licences(&shown))
    };
    Ok(frame(place, &package.name, &content))
}

fn install(shown: &Shown<'_>, fmri: &Fmri, base: &str) -> Markup {
    let Shown { place, publisher, .. } = shown;
    let named = fmri.version.as_ref().map_or(String::new(), ToString::to_string);
    let named = format!("{}@{}", quote(&fmri.name), quote(&named));
    let raw = |operation: &str, file: &str| {
        place.link(&format!("{}/{operation}/0/{file}", quote(publisher)))
    };
    html! {
        section aria-labelledby="install" {
            h2 id="install" { "Install" }
            @if facts::state(shown.manifest) == State::Current {
                pre.command {
                    code { "pkg install -g " (base) "/ " (fmri.without_build()) }
                }
            }
            ul.links {
                li {
                    a href=(raw("p5i", &format!("{}.p5i", quote(&fmri.name)))) type="application/vnd.pkg5.info" {
                        "Install file (p5i)"
                    }
                }
                li { a href=(raw("manifest", &named)) { "Manifest" } }
                li { a href=(raw("info", &named)) { "Information as text" } }
            }
        }
    }
}

fn versions(shown: &Shown<'_>) -> Markup {
    let all = &shown.package.versions;
    let (first, rest) = all.split_at(all.len().min(VERSIONS));
    html! {
        section aria-labelledby="versions" {
            h2 id="versions" { "Versions" }
            (version_table(shown, first, "Versions"))
            @if !rest.is_empty() {
                details {
                    summary { (rest.len()) " older" }
                    (version_table(shown, rest, "Older versions"))
                }
            }
        }
    }
}

fn version_table(shown: &Shown<'_>, versions: &[Version], caption: &str) -> Markup {
    let Shown { place, publisher, package, .. } = shown;
    html! {
        table {
            caption.hidden { (caption) }
            thead { tr { th scope="col" { "Version" } th scope="col" { "Published" } } }
            tbody {
                @for version in versions {
                    @let text = version.to_string();
                    @let here = (version == shown.version).then_some("true");
                    tr {
                        th scope="row" {
                            a href=(place.package(publisher, &package.name, Some(&text)))
                                aria-current=[here] { (version.short()) }
                        }
                        td { (time(version.timestamp.as_deref().unwrap_or(""))) }
                    }
                }
            }
        }
    }
}

/// How many actions of a kind there are.
fn amount(manifest: &Manifest, kind: Kind) -> usize {
    manifest.of_kind(kind).count()
}
