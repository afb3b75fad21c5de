//! facts.rs - the table of what a package says of itself.

use ips_model::{Action, Fmri, Kind, Manifest};
use maud::{Markup, html};

use crate::pages::figures::{number, size, time};
use crate::pages::listing::State;
use crate::pages::package::{Shown, amount};

/// What a manifest says became of the package.
pub fn state(manifest: &Manifest) -> State {
    if manifest.is_renamed() {
        State::Renamed
    } else if manifest.is_obsolete() {
        State::Obsolete
    } else {
        State::Current
    }
}

/// The actions of a damaged manifest that can be read.
pub fn lines_that_parse(text: &str) -> Manifest {
    Manifest { actions: text.lines().filter_map(|line| Action::parse(line).ok()).collect() }
}

/// The table.
pub fn table(shown: &Shown<'_>, fmri: &Fmri) -> Markup {
    let (manifest, version) = (shown.manifest, shown.version);
    let total = |name: &str| {
        let sizes = manifest.actions.iter().filter_map(|action| action.get(name)?.parse().ok());
        sizes.fold(0u64, u64::saturating_add)
    };
    let values = |name: &str| -> Vec<&str> {
        let named = manifest.of_kind(Kind::Set).filter(|set| set.get("name") == Some(name));
        named.flat_map(|set| set.values("value")).map(String::as_str).collect()
    };
    let categories: Vec<&str> = values("info.classification")
        .into_iter()
        .map(|text| text.split_once(':').map_or(text, |(_, levels)| levels))
        .collect();
    let variants = manifest.of_kind(Kind::Set).filter_map(|set| {
        let name = set.get("name")?.strip_prefix("variant.")?;
        Some((name, set.values("value").join(", ")))
    });
    let human =
        manifest.property("pkg.human-version").filter(|text| *text != version.release.as_str());
    html! {
        table.facts {
            caption.hidden { "Facts" }
            tbody {
                tr {
                    th scope="row" { "Version" }
                    td { (version.short()) @if let Some(human) = human { " (" (human) ")" } }
                }
                tr {
                    th scope="row" { "Published" }
                    td { (time(version.timestamp.as_deref().unwrap_or(""))) }
                }
                tr {
                    th scope="row" { "Size" }
                    td {
                        (size(total("pkg.size")))
                        span.muted { ", " (size(total("pkg.csize"))) " to download" }
                    }
                }
                tr {
                    th scope="row" { "Contents" }
                    td {
                        (number(amount(manifest, Kind::File))) " files, "
                        (number(amount(manifest, Kind::Dir))) " directories, "
                        (number(amount(manifest, Kind::Link) + amount(manifest, Kind::Hardlink)))
                        " links"
                    }
                }
                @if !categories.is_empty() {
                    tr { th scope="row" { "Category" } td { (categories.join(", ")) } }
                }
                @for (name, values) in variants {
                    tr { th scope="row" { "Variant " (name) } td { (values) } }
                }
                @for (name, heading) in [
                    ("info.upstream-url", "Upstream"),
                    ("info.source-url", "Source"),
                    ("info.maintainer", "Maintainer"),
                ] {
                    @for value in values(name) {
                        tr { th scope="row" { (heading) } td { (address(value)) } }
                    }
                }
                @if amount(manifest, Kind::Signature) > 0 {
                    tr { th scope="row" { "Signed" } td { "yes" } }
                }
                tr { th scope="row" { "FMRI" } td { code { (fmri) } } }
            }
        }
    }
}

/// A link, if it is an address of the web; else the text alone.
fn address(text: &str) -> Markup {
    let web = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
    html! {
        @if web { a href=(text) rel="noopener nofollow" { (text) } } @else { (text) }
    }
}
