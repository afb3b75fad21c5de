//! packages.rs - the operations that know packages: catalog/0, manifest paths, info/0, p5i/0.
//!
//! They read the catalog's files at every request, so they show what catalog/1 serves.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use ips_model::version::DotSequence;
use ips_model::{Fmri, Kind, Manifest, Pattern};
use serde_json::Value;

use crate::http::{self, Response};
use crate::operations::{P5I, TEXT, typed};
use crate::service::Call;
use crate::view::{self, View};

const YEAR: i64 = 31_536_000;
const FOUR_HOURS: i64 = 14_400;
/// The most that is shown of a licence whose action says no size.
const LICENCE_LIMIT: u64 = 1 << 20;

/// Where the manifest of `NAME@VERSION` lies; `None`: no publisher to look at.
/// The error is the text of a 400.
pub fn manifest_path(
    view: &View,
    publisher: Option<&str>,
    argument: &str,
) -> Result<Option<PathBuf>, String> {
    let fmri = Fmri::parse(argument).map_err(|error| error.to_string())?;
    let named = fmri.publisher.as_deref().filter(|name| view.has(name));
    let Some(publisher) = publisher.or(named).or_else(|| view.chosen(None)) else {
        return Ok(None);
    };
    let fmri = fmri.with_publisher(publisher);
    let path =
        fmri.path().ok_or_else(|| format!("FMRI '{fmri}' is missing version information."))?;
    Ok(Some(view.directory(publisher).join("pkg").join(path)))
}

/// A publisher's packages, from its catalog: name and versions in the catalog's order.
fn packages(view: &View, publisher: &str) -> Vec<(String, Vec<String>)> {
    let path = view.directory(publisher).join("catalog/catalog.base.C");
    let text = fs::read_to_string(path).unwrap_or_default();
    let base: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let Some(stems) = base[publisher].as_object() else { return Vec::new() };
    let versions = |entries: &Value| -> Vec<String> {
        let entries = entries.as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["version"].as_str().map(str::to_string)).collect()
    };
    stems.iter().map(|(name, entries)| (name.clone(), versions(entries))).collect()
}

/// The catalog as clients of old read it.
pub fn catalog_0(view: &View, call: &Call<'_>) -> Response {
    let Some(publisher) = view.chosen(call.publisher.as_deref()) else {
        return http::error(400, "The repository has no default publisher.");
    };
    let status = view.publisher_status(publisher);
    let modified = iso(status["last-catalog-update"].as_str().unwrap_or(""));
    let packages = packages(view, publisher);
    let count: usize = packages.iter().map(|(_, versions)| versions.len()).sum();
    let mut text = format!("S Last-Modified: {modified}\nS prefix: CRSV\nS npkgs: {count}\n");
    for (name, versions) in packages {
        for version in versions {
            text.push_str(&format!("V pkg:/{name}@{version}\n"));
        }
    }
    let response = Response::new(200, TEXT, text).with("Last-Modified", modified);
    response.with("X-Catalog-Type", "full").cached(FOUR_HOURS)
}

/// `20261122T030350.079913Z` as `2026-11-22T03:03:50.079913+00:00`.
fn iso(stamp: &str) -> String {
    let Some(digits) = stamp.strip_suffix('Z').filter(|text| text.len() >= 15 && text.is_ascii())
    else {
        return stamp.to_string();
    };
    let (date, time) = (&digits[..8], &digits[9..]);
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    format!("{year}-{month}-{day}T{}:{}:{}+00:00", &time[..2], &time[2..4], &time[4..])
}

/// One package for a person to read, with its licences.
pub fn info(view: &View, call: &Call<'_>) -> Response {
    match info_text(view, call) {
        Ok(text) => Response::new(200, TEXT, text).cached(YEAR),
        Err(response) => typed(*response, "text/plain; charset=utf-8"),
    }
}

fn info_text(view: &View, call: &Call<'_>) -> Result<String, Box<Response>> {
    let absent = || Box::new(http::error(404, "Nothing matches the given URI"));
    let argument = call.argument.as_deref().map(http::decode).unwrap_or_default();
    let named = call.publisher.as_deref();
    let path = manifest_path(view, named, &argument)
        .map_err(|message| Box::new(http::error(400, &message)))?
        .ok_or_else(absent)?;
    let mut text = String::new();
    let read = view.open(&path).and_then(|(mut file, _)| file.read_to_string(&mut text));
    read.map_err(|_| absent())?;
    let manifest = Manifest::parse(&text).map_err(|_| absent())?;
    let fmri = manifest.fmri().map_err(|_| absent())?;
    let mut shown = summary(&manifest, &fmri);
    shown.push_str("\nLicense:\n");
    for action in manifest.of_kind(Kind::License) {
        let hash = action.payload_hash().unwrap_or_default();
        let paths = if hash.is_empty() { Vec::new() } else { view.payload_paths(named, hash) };
        let stored = paths.iter().find_map(|path| Some(view.open(path).ok()?.0));
        let mut licence = Vec::new();
        let read = stored.map(|file| {
            let limit = action.get("pkg.size").and_then(|size| size.parse().ok());
            let unpacked = flate2::read::GzDecoder::new(file);
            unpacked.take(limit.unwrap_or(LICENCE_LIMIT)).read_to_end(&mut licence)
        });
        if matches!(read, Some(Ok(_))) {
            shown.push_str(&String::from_utf8_lossy(&licence));
            shown.push('\n');
        }
    }
    Ok(shown)
}

/// The labelled lines of info/0.
fn summary(manifest: &Manifest, fmri: &Fmri) -> String {
    let total = |name: &str| -> u64 {
        let sizes = manifest.actions.iter().filter_map(|action| action.get(name));
        sizes.filter_map(|size| size.parse::<u64>().ok()).sum()
    };
    let part = |text: Option<&DotSequence>| text.map_or("", DotSequence::as_str).to_string();
    let version = fmri.version.as_ref();
    let mut release = part(version.map(|version| &version.release));
    if let Some(human) = manifest.property("pkg.human-version") {
        release = format!("{release} ({human})");
    }
    let stamp = version.and_then(|version| version.timestamp.as_deref()).unwrap_or("");
    let rows = [
        ("Name", fmri.name.clone()),
        ("Summary", manifest.property("pkg.summary").unwrap_or("").to_string()),
        ("Publisher", fmri.publisher.clone().unwrap_or_default()),
        ("Version", release),
        ("Build Release", part(version.map(|version| &version.build))),
        ("Branch", part(version.and_then(|version| version.branch.as_ref()))),
        ("Packaging Date", date(stamp)),
        ("Size", size(total("pkg.size"))),
        ("Compressed Size", size(total("pkg.csize"))),
        ("FMRI", fmri.to_string()),
    ];
    rows.iter().map(|(label, value)| format!("{label:>15}: {value}\n")).collect()
}

fn date(stamp: &str) -> String {
    let moment = ips_model::Timestamp::parse(stamp).ok();
    let moment = moment.and_then(|time| jiff::Timestamp::from_second(time.seconds()).ok());
    moment.map_or_else(String::new, |time| time.strftime("%a %d %b %Y %I:%M:%S %p ").to_string())
}

/// A length as pkg prints it: `512 B`, `25.00 kB`.
fn size(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if amount < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{amount:.2} {unit}") };
        }
        amount /= 1024.0;
    }
    format!("{amount:.2} PB")
}

/// What a client installs by opening this answer: the packages a pattern means.
pub fn p5i(view: &View, call: &Call<'_>) -> Response {
    let argument = call.argument.as_deref().map(http::decode).unwrap_or_default();
    let name = argument.strip_suffix(".p5i").unwrap_or(&argument);
    let pattern = match Pattern::parse(name) {
        Ok(pattern) => pattern,
        Err(_) if name.is_empty() => {
            let message = "'Illegal FMRI '': Missing package name' is an illegal FMRI";
            return typed(http::error(400, message), P5I);
        }
        Err(error) => {
            return typed(http::error(400, &format!("'{error}' is an illegal FMRI")), P5I);
        }
    };
    let exact = name.contains('@');
    let named = call.publisher.as_deref();
    let mut found = Vec::new();
    for publisher in view.publishers().filter(|p| named.is_none_or(|named| named == *p)) {
        let mut meant: Vec<String> = Vec::new();
        for (stem, versions) in packages(view, publisher) {
            let full = |version: &String| Fmri::of(publisher, &stem, version).ok();
            for fmri in versions.iter().filter_map(full).filter(|fmri| pattern.matches(fmri)) {
                let version = fmri.version.as_ref().filter(|_| exact);
                meant.push(version.map_or_else(|| stem.clone(), |v| format!("{stem}@{v}")));
            }
        }
        meant.dedup();
        if !meant.is_empty() {
            let mut shown = view.publisher(publisher);
            shown["packages"] = meant.into();
            found.push(shown);
        }
    }
    if found.is_empty() {
        return typed(http::error(404, "No matching package found in repository."), P5I);
    }
    Response::new(200, P5I, view::p5i(&[], found)).cached(YEAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_as_pkg_prints_them() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (25_600, "25.00 kB"), (3 << 20, "3.00 MB")]
        {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(date("20240102T030405Z"), "Tue 02 Jan 2024 03:04:05 AM ");
        assert_eq!(iso("20261122T030350.079913Z"), "2026-11-22T03:03:50.079913+00:00");
        assert_eq!(iso("20261122T030350Z"), "2026-11-22T03:03:50+00:00");
        assert_eq!(iso(""), "");
    }
}
