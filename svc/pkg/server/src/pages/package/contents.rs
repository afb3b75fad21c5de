//! contents.rs - what a package needs, delivers and is licensed under.

use std::fs::File;
use std::io::Read;

use flate2::read::GzDecoder;
use ips_model::{Action, Fmri, Kind, Manifest};
use maud::{Markup, html};

use crate::pages::figures::{count, size};
use crate::pages::frame::{pager, pages};
use crate::pages::package::Shown;
use crate::pages::place::Page;

/// Files a page shows.
const FILES: usize = 250;
/// The most that is shown of a licence.
const LICENCE: u64 = 256 << 10;

/// The long text, where it says more than the summary.
pub fn description(manifest: &Manifest) -> Markup {
    let summary = manifest.property("pkg.summary");
    let text = manifest.property("pkg.description").filter(|text| Some(*text) != summary);
    html! {
        @if let Some(text) = text {
            section aria-labelledby="description" {
                h2 id="description" { "Description" }
                p.text { (text) }
            }
        }
    }
}

/// The dependencies.
pub fn dependencies(shown: &Shown<'_>) -> Markup {
    let all: Vec<&Action> = shown.manifest.of_kind(Kind::Depend).collect();
    html! {
        section aria-labelledby="dependencies" {
            h2 id="dependencies" { "Dependencies" }
            @if all.is_empty() { p { "None." } } @else {
                table {
                    caption.hidden { "Dependencies" }
                    thead { tr { th scope="col" { "Package" } th scope="col" { "Type" } } }
                    tbody {
                        @for depend in all {
                            tr {
                                th scope="row" {
                                    @for (at, fmri) in depend.values("fmri").iter().enumerate() {
                                        @if at > 0 { span.muted { " or " } }
                                        (linked(shown, fmri))
                                    }
                                    @if let Some(predicate) = depend.get("predicate") {
                                        p.summary { "if " (linked(shown, predicate)) " is installed" }
                                    }
                                    (conditions(depend))
                                }
                                td { (depend.get("type").unwrap_or("")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A package that is named, linked if it is here.
fn linked(shown: &Shown<'_>, text: &str) -> Markup {
    let plain = text.strip_prefix("pkg:/").unwrap_or(text);
    let plain = plain.strip_prefix('/').map_or(plain, |_| text);
    let Ok(fmri) = Fmri::parse(text) else { return html! { (plain) } };
    let ours = fmri.publisher.as_deref().is_none_or(|name| name == shown.publisher);
    let known = ours.then(|| shown.listing.package(&fmri.name)).flatten();
    html! {
        @if let Some(package) = known {
            a href=(shown.place.package(shown.publisher, &package.name, None)) { (package.name) }
            @if let Some(version) = &fmri.version { " " span.muted { (version.short()) } }
        } @else { (plain) }
    }
}

/// Variants and facets that an action is for.
fn conditions(action: &Action) -> Markup {
    let tags = action
        .attributes
        .iter()
        .filter(|(name, _)| name.starts_with("variant.") || name.starts_with("facet."));
    let texts: Vec<String> =
        tags.map(|(name, values)| format!("{name}={}", values.join(","))).collect();
    html! { @if !texts.is_empty() { p.summary { "only with " (texts.join(", ")) } } }
}

/// What is put into the file system, by path.
pub fn files(shown: &Shown<'_>) -> Markup {
    let mut all: Vec<&Action> = shown
        .manifest
        .actions
        .iter()
        .filter(|action| {
            matches!(action.kind, Kind::File | Kind::Dir | Kind::Link | Kind::Hardlink)
        })
        .collect();
    all.sort_by_key(|action| action.get("path").unwrap_or(""));
    let last = pages(all.len(), FILES);
    let number = shown.place.number("files").min(last);
    let version = shown.version.to_string();
    let link = |number: usize| {
        let number = number.to_string();
        let parameters =
            [("name", &*shown.package.name), ("version", &*version), ("files", &*number)];
        shown.place.to(Page::Package, Some(shown.publisher), &parameters) + "#files"
    };
    html! {
        section aria-labelledby="files" {
            h2 id="files" { "Files" }
            @if all.is_empty() { p { "None." } } @else {
                p.muted {
                    (count(all.len(), "entry", "entries"))
                    @if last > 1 { ", page " (number) " of " (last) }
                }
                table.files {
                    caption.hidden { "Files, directories and links" }
                    thead {
                        tr { th scope="col" { "Path" } th.figure scope="col" { "Size" } }
                    }
                    tbody {
                        @for action in all.iter().skip((number - 1) * FILES).take(FILES) {
                            (file(action))
                        }
                    }
                }
                (pager("files", number, last, &link))
            }
        }
    }
}

fn file(action: &Action) -> Markup {
    let path = action.get("path").unwrap_or("");
    let bytes = action.get("pkg.size").and_then(|size| size.parse().ok());
    let owner = |name: &str| action.get(name).unwrap_or("–").to_string();
    html! {
        tr {
            th scope="row" {
                code { "/" (path) @if action.kind == Kind::Dir { "/" } }
                p.summary {
                    @match action.kind {
                        Kind::Link => { "link to " code { (action.get("target").unwrap_or("")) } }
                        Kind::Hardlink => {
                            "hard link to " code { (action.get("target").unwrap_or("")) }
                        }
                        _ => { (owner("mode")) " " (owner("owner")) ":" (owner("group")) }
                    }
                }
                (conditions(action))
            }
            td.figure {
                @match (action.kind, bytes) {
                    (Kind::File, Some(bytes)) => { (size(bytes)) }
                    (Kind::Dir, _) => { span.muted { "directory" } }
                    _ => { span.muted { "link" } }
                }
            }
        }
    }
}

/// The licences, folded away.
pub fn licences(shown: &Shown<'_>) -> Markup {
    let all: Vec<&Action> = shown.manifest.of_kind(Kind::License).collect();
    html! {
        section aria-labelledby="licences" {
            h2 id="licences" { "Licences" }
            @if all.is_empty() { p { "None is named." } }
            @for action in all {
                details {
                    summary {
                        (action.get("license").unwrap_or("unnamed"))
                        @if action.get("must-accept") == Some("true") { " (has to be accepted)" }
                    }
                    @match text(shown, action) {
                        Some(text) => { pre.licence tabindex="0" { (text) } }
                        None => { p { "Its text is not here." } }
                    }
                }
            }
        }
    }
}

/// The text of a licence, cut where it is too long to be one.
fn text(shown: &Shown<'_>, action: &Action) -> Option<String> {
    let hash = action.payload_hash()?;
    let paths = shown.view.payload_paths(Some(shown.publisher), hash);
    let file = paths.iter().find_map(|path| File::open(path).ok())?;
    let mut bytes = Vec::new();
    GzDecoder::new(file).take(LICENCE).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
