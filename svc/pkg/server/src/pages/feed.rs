//! feed.rs - an Atom feed of what changed: the update logs of the last hours before the last change.
//!
//! A catalog that was made anew has no logs, hence no history to tell.

use std::fs;

use ips_model::Timestamp;
use ips_model::catalog::{Log, Operation};
use ips_model::quote::quote;
use ips_repository::{ReadError, Repository};
use maud::{Markup, PreEscaped, html};

use crate::service::Service;
use crate::view::View;

/// The most changes it tells.
const ENTRIES: usize = 1_000;

struct Change {
    time: Timestamp,
    name: String,
    version: String,
    short: String,
    added: bool,
}

/// The feed of a publisher; nothing where there is no history.
pub fn feed(
    service: &Service,
    view: &View,
    publisher: &str,
    base: &str,
) -> Result<Option<Markup>, ReadError> {
    let directory = view.directory(publisher);
    let root = directory.ancestors().nth(2).unwrap_or(&directory);
    let absent = |_| ReadError::NoPublisher(publisher.to_string());
    let repository = Repository::open(root).map_err(absent)?;
    let Some(attributes) = repository.attributes(publisher)? else { return Ok(None) };
    let until = attributes.last_modified;
    let told = service.feed();
    let window = i64::try_from(told.hours * 3600).unwrap_or(i64::MAX);
    let mut changes: Vec<Change> = Vec::new();
    for name in attributes.updates.keys().filter(|name| name.ends_with(".C")) {
        let Some(path) = repository.catalog_file(publisher, name)? else { continue };
        let log = fs::read_to_string(&path).ok().and_then(|text| Log::parse(&text).ok());
        let stems = log.and_then(|mut log| log.publishers.remove(publisher)).unwrap_or_default();
        for (name, entries) in stems {
            let recent = entries
                .into_iter()
                .filter(|entry| until.seconds().saturating_sub(entry.time.seconds()) <= window);
            changes.extend(recent.map(|entry| Change {
                time: entry.time,
                name: name.clone(),
                version: entry.version.to_string(),
                short: entry.version.short(),
                added: entry.operation == Operation::Add,
            }));
        }
    }
    if changes.is_empty() {
        return Ok(None);
    }
    changes.sort_by_key(|change| std::cmp::Reverse(change.time));
    changes.truncate(ENTRIES);
    // Pictures are the site's; without them there is the depot's own small one.
    let [icon, logo] = told.pictures.each_ref().map(|path| {
        let path = format!("/{}", path.strip_prefix("web/").unwrap_or(path));
        service.content.has(&path).then(|| format!("{base}{path}"))
    });
    let icon = icon.unwrap_or_else(|| format!("{base}/_themes/icon.svg"));
    let base = format!("{base}/{}", quote(publisher));
    let page = |change: &Change| {
        let (name, version) = (quote(&change.name), quote(&change.version));
        format!("{base}/en/package.shtml?name={name}&version={version}")
    };
    Ok(Some(html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"))
        feed xmlns="http://www.w3.org/2005/Atom" {
            title { (told.name) }
            @if !told.description.is_empty() {
                subtitle { (told.description) }
            }
            id { (base) "/feed" }
            link rel="self" href=(format!("{base}/feed")) {}
            link rel="alternate" type="text/html" href=(format!("{base}/en/catalog.shtml")) {}
            updated { (moment(until)) }
            author { name { (publisher) } }
            icon { (icon) }
            @if let Some(logo) = logo {
                logo { (logo) }
            }
            @for change in &changes {
                entry {
                    title {
                        (change.name) " " (change.short)
                        @if !change.added { " was removed" }
                    }
                    id { (page(change)) "#" (change.time) }
                    link href=(page(change)) {}
                    updated { (moment(change.time)) }
                }
            }
        }
    }))
}

/// A time as Atom has it, to the second.
fn moment(time: Timestamp) -> String {
    let stamp = time.package();
    let part = |range: std::ops::Range<usize>| stamp.get(range).unwrap_or("");
    let date = format!("{}-{}-{}", part(0..4), part(4..6), part(6..8));
    format!("{date}T{}:{}:{}Z", part(9..11), part(11..13), part(13..15))
}
