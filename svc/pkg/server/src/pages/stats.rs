//! stats.rs - the state of the repository: what status/0 and versions/0 say, for people.

use std::sync::atomic::Ordering;

use maud::{Markup, html};
use serde_json::Value;

use crate::pages::figures::number;
use crate::pages::frame::frame;
use crate::pages::index;
use crate::pages::place::Place;
use crate::service::{Service, operations};
use crate::view::View;

/// The page.
pub fn page(service: &Service, view: &View, place: &Place) -> Markup {
    let counters = &service.counters;
    let requests = [
        ("Catalog files", counters.catalog.load(Ordering::Relaxed)),
        ("Manifests", counters.manifests.load(Ordering::Relaxed)),
        ("Payloads", counters.file.load(Ordering::Relaxed)),
    ];
    let configuration = view.configuration();
    let publishers: Vec<&str> = view.publishers().collect();
    let listed = !service.versions("catalog").is_empty();
    let content = html! {
        h1 { "Status" }
        p.lead { span.mark.online { "online" } " The repository is being served." }
        section aria-labelledby="publishers" {
            h2 id="publishers" { "Publishers" }
            (index::table(view, place, &publishers, listed))
        }
        section aria-labelledby="requests" {
            h2 id="requests" { "Requests since the depot was started" }
            table.facts {
                caption.hidden { "Requests" }
                tbody {
                    @for (what, count) in requests {
                        @let count = number(usize::try_from(count).unwrap_or(usize::MAX));
                        tr { th scope="row" { (what) } td.figure { (count) } }
                    }
                }
            }
        }
        section aria-labelledby="operations" {
            h2 id="operations" { "Operations served" }
            ul.words {
                @for name in operations() {
                    @let versions = service.versions(name);
                    @if !versions.is_empty() {
                        li {
                            (name) " "
                            span.muted {
                                (versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
                            }
                        }
                    }
                }
            }
        }
        section aria-labelledby="configuration" {
            h2 id="configuration" { "Configuration" }
            table.facts {
                caption.hidden { "Configuration of the repository" }
                tbody { (properties(&configuration)) }
            }
        }
    };
    frame(place, "Status", &content)
}

fn properties(configuration: &Value) -> Markup {
    let sections = configuration.as_object().into_iter().flatten();
    let all = sections.flat_map(|(section, own)| {
        let own = own.as_object().into_iter().flatten();
        own.map(move |(name, value)| (format!("{section}/{name}"), value))
    });
    html! {
        @for (name, value) in all {
            tr { th scope="row" { (name) } td { (shown(value)) } }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "–".to_string(),
        Value::String(text) => text.clone(),
        Value::Array(members) if members.is_empty() => "–".to_string(),
        Value::Array(members) => members.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Bool(true) => "yes".to_string(),
        Value::Bool(false) => "no".to_string(),
        Value::Null => "–".to_string(),
        other => other.to_string(),
    }
}
