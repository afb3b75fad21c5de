//! freeze.rs - `pkg freeze` and `unfreeze`: packages that stay at their version.

use std::collections::BTreeMap;

use ips_client::image::{Change, Frozen, Image, Outcome};
use ips_cmd::{Failure, patterns};
use ips_model::{Fmri, Pattern, Version};

use crate::avoid::matching;
use crate::call::{Call, refused};
use crate::session::Session;

/// Freezes packages at the version given, or the one installed; or shows what is frozen.
pub fn freeze(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H*", "c=*", "n*"])?;
    if given.has("c") && given.operands.is_empty() {
        return Err(call.usage("At least one package to freeze must be given when -c is used."));
    }
    if given.has("H") && !given.operands.is_empty() {
        return Err(
            call.usage("-H may only be specified when listing the currently frozen packages.")
        );
    }
    if given.operands.is_empty() {
        return show(&call.image()?, given.has("H"));
    }
    let mut session = Session::begin(call, "freeze")?;
    let chosen = match chosen(call, &session.image, &given.operands) {
        Ok(chosen) => chosen,
        Err(failure) => return Err(session.fail(Outcome::BAD_REQUEST, failure)),
    };
    let reason = given.value("c").map(str::to_string);
    let mut frozen = session.image.frozen().map_err(Failure::new)?;
    let time = session.start.micros() as f64 / 1e6;
    for (stem, fmri) in &chosen {
        let one = Frozen { fmri: fmri.clone(), reason: reason.clone(), time };
        frozen.stems.insert(stem.clone(), one);
    }
    if !given.has("n") {
        let mut change = Change::at(session.start);
        change.frozen = Some(frozen);
        session.record(&change)?;
        // Which packages are frozen is one of their states.
        session.image.rebuild(&session.lock, session.start).map_err(refused)?;
    }
    for (stem, fmri) in &chosen {
        println!("{stem} was frozen at {}", version_text(fmri));
    }
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}

/// Lets packages go; status 4 where none was frozen.
pub fn unfreeze(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H*", "n*"])?;
    if given.operands.is_empty() {
        return show(&call.image()?, given.has("H"));
    }
    let names: Vec<String> = given
        .operands
        .iter()
        .map(|text| text.split('@').next().unwrap_or(text).to_string())
        .collect();
    // What is no pattern is refused; one that means nothing frozen is nothing to do.
    patterns::parse(&names)?;
    let mut session = Session::begin(call, "unfreeze")?;
    let mut frozen = session.image.frozen().map_err(Failure::new)?;
    let stems = frozen.stems.keys().cloned().collect();
    let chosen = matching(call, &names, &stems, "did not match any frozen packages");
    let chosen = chosen.unwrap_or_default();
    if chosen.is_empty() {
        session.end(Outcome::NOTHING)?;
        return Ok(4);
    }
    frozen.stems.retain(|stem, _| !chosen.contains(stem));
    if !given.has("n") {
        let mut change = Change::at(session.start);
        change.frozen = Some(frozen);
        session.record(&change)?;
        session.image.rebuild(&session.lock, session.start).map_err(refused)?;
    }
    for stem in &chosen {
        println!("{stem} was unfrozen.");
    }
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}

/// What is to be frozen, and where: at the version of the pattern, else at the installed one.
fn chosen(call: &Call, image: &Image, texts: &[String]) -> Result<BTreeMap<String, Fmri>, Failure> {
    let mut chosen: BTreeMap<String, BTreeMap<String, Fmri>> = BTreeMap::new();
    let mut refused = Refused::default();
    let installed: Vec<Fmri> =
        image.installed().map_err(Failure::new)?.packages().map(|(fmri, _)| fmri).collect();
    for text in texts {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) if !version.is_empty() => (name, Some(version)),
            _ => (text.as_str(), None),
        };
        let version =
            version.map(Version::parse).transpose().map_err(|error| call.failed(error))?;
        let pattern = patterns::parse(&[name.to_string()])?;
        let meant: Vec<&Fmri> =
            installed.iter().filter(|fmri| pattern.iter().any(|one| one.matches(fmri))).collect();
        let mut hold = |fmri: Fmri| {
            chosen.entry(fmri.name.clone()).or_default().insert(fmri.to_string(), fmri);
        };
        if meant.is_empty() {
            match version {
                _ if name.contains(['*', '?']) => refused.wild.push(text.clone()),
                None => refused.absent.push(text.clone()),
                // What is not installed yet will be held where it says.
                Some(version) => {
                    let stem = known_stem(image, &pattern)?.unwrap_or_else(|| bare(name));
                    hold(Fmri { publisher: None, name: stem, version: Some(version) });
                }
            }
            continue;
        }
        let Some(version) = version else {
            meant.into_iter().for_each(|fmri| hold(Fmri { publisher: None, ..fmri.clone() }));
            continue;
        };
        let fits = |fmri: &&Fmri| fmri.version.as_ref().is_some_and(|own| own.matches(&version));
        let (held, other): (Vec<&Fmri>, Vec<&Fmri>) = meant.into_iter().partition(fits);
        for fmri in held {
            let (name, version) = (fmri.name.clone(), Some(version.clone()));
            hold(Fmri { publisher: None, name, version });
        }
        if !other.is_empty() {
            let stems = other.into_iter().map(|fmri| fmri.name.clone()).collect();
            refused.other.insert(text.clone(), stems);
        }
    }
    refused.twice.extend(chosen.iter().filter(|(_, versions)| versions.len() > 1).map(
        |(stem, versions)| {
            let versions: Vec<String> = versions.values().map(version_text).collect();
            format!("{stem}\t{}", versions.join(" "))
        },
    ));
    refused.check(call)?;
    let only = chosen.into_values().flat_map(BTreeMap::into_values);
    Ok(only.map(|fmri| (fmri.name.clone(), fmri)).collect())
}

/// What cannot be frozen.
#[derive(Debug, Default)]
struct Refused {
    /// Stems at more than one version, with these.
    twice: Vec<String>,
    /// Patterns with wildcards that mean nothing.
    wild: Vec<String>,
    /// Patterns with a version that is not the installed one, and the stems they mean.
    other: BTreeMap<String, Vec<String>>,
    /// Patterns without a version that mean nothing installed.
    absent: Vec<String>,
}

impl Refused {
    fn check(mut self, call: &Call) -> Result<(), Failure> {
        let mut lines: Vec<String> = Vec::new();
        for (what, list) in [(TWICE, &mut self.twice), (WILD, &mut self.wild)] {
            if !list.is_empty() {
                list.sort();
                lines.push(what.to_string());
                lines.extend(list.iter().map(|one| format!("\t{one}")));
            }
        }
        if !self.other.is_empty() {
            lines.push(OTHER.to_string());
        }
        for (pattern, stems) in self.other {
            lines.push(format!("\t{pattern}"));
            if stems.len() > 1 {
                lines.extend(stems.iter().map(|stem| format!("\t\t{stem}")));
            }
        }
        if !self.absent.is_empty() {
            self.absent.sort();
            lines.push(ABSENT.to_string());
            lines.extend(self.absent.iter().map(|one| format!("\t{one}")));
        }
        match lines.is_empty() {
            true => Ok(()),
            false => Err(call.failed(format!("\n{}", lines.join("\n")))),
        }
    }
}

const TWICE: &str = "The following packages were frozen at two different versions by
the patterns provided.  The package stem and the versions it was frozen at are
provided:";

const WILD: &str = "The following patterns contained wildcards but matched no
installed packages.";

const OTHER: &str = "The following patterns attempted to freeze the listed packages
at a version different from the version at which the packages are installed.";

const ABSENT: &str = "The following patterns don't match installed packages and
contain no version information.  Uninstalled packages can only be frozen by
providing a version at which to freeze them.";

/// The one known stem that a pattern means.
fn known_stem(image: &Image, pattern: &[Pattern]) -> Result<Option<String>, Failure> {
    let mut found: Option<String> = None;
    for (fmri, _) in image.known().map_err(Failure::new)?.packages() {
        if pattern.iter().any(|one| one.matches(&fmri)) {
            if found.as_ref().is_some_and(|other| *other != fmri.name) {
                return Ok(None);
            }
            found = Some(fmri.name);
        }
    }
    Ok(found)
}

/// A name without what may stand before it.
fn bare(name: &str) -> String {
    let name = name.strip_prefix("pkg:").unwrap_or(name);
    match name.strip_prefix("//") {
        Some(rest) => rest.split_once('/').map_or(rest, |(_, name)| name).to_string(),
        None => name.trim_start_matches('/').to_string(),
    }
}

fn version_text(fmri: &Fmri) -> String {
    let Some(version) = &fmri.version else { return String::new() };
    match &version.timestamp {
        Some(time) => format!("{}:{time}", version.short()),
        None => version.short(),
    }
}

fn show(image: &Image, bare: bool) -> Result<u8, Failure> {
    let frozen = image.frozen().map_err(Failure::new)?;
    if frozen.stems.is_empty() {
        return Ok(0);
    }
    let line = |name: &str, version: &str, time: &str, comment: &str| {
        println!("{name:18} {version:27} {time:24} {comment}");
    };
    if !bare {
        line("NAME", "VERSION", "DATE", "COMMENT");
    }
    for (stem, one) in &frozen.stems {
        let time = jiff::Timestamp::from_second(one.time as i64).ok();
        let zone = jiff::tz::TimeZone::system();
        let time =
            time.map(|time| time.to_zoned(zone).strftime("%d %b %Y %H:%M:%S %Z").to_string());
        let comment = one.reason.as_deref().filter(|text| !text.is_empty()).unwrap_or("None");
        line(stem, &version_text(&one.fmri), &time.unwrap_or_default(), comment);
    }
    Ok(0)
}
