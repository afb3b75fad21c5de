//! info.rs - `pkg info`: all that is said of a package, or its licences.

use ips_client::image::{Image, Package, states};
use ips_cmd::Failure;
use ips_model::action::Kind;
use ips_model::{Action, Fmri, Manifest, Timestamp, Version};

use crate::call::Call;
use crate::packages::{Packages, Wanted, ranked};
use crate::wrap::{fill, size};

/// Attributes that are shown when a package has them: name and label.
const FURTHER: [(&str, &str); 9] = [
    ("info.keyword", "Additional Keywords"),
    ("info.upstream", "Project Contact"),
    ("info.maintainer", "Project Maintainer"),
    ("info.maintainer-url", "Project Maintainer URL"),
    ("pkg.detailed-url", "Project URL"),
    ("info.upstream-url", "Project URL"),
    ("info.repository-changeset", "Repository Changeset"),
    ("info.repository-url", "Source URL"),
    ("info.source-url", "Source URL"),
];

/// Shows it: status 1 where nothing was found, 3 where some patterns meant nothing.
pub fn info(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["l", "q", "r", "g=*", "license"])?;
    call.apart(&given, "l", "r")?;
    call.apart(&given, "l", "g")?;
    let remote = given.has("r") || given.has("g");
    if remote && given.operands.is_empty() {
        return Err(call.usage("must request remote info for specific packages"));
    }
    let mut wanted = Wanted::parse(&given.operands)?;
    let image = call.image()?;
    let packages = match (given.has("g"), remote) {
        (true, _) => Packages::of_repositories(&image, given.values("g"))?,
        (false, true) => Packages::known(&image)?,
        (false, false) => Packages::installed(&image)?,
    };
    let mut chosen = wanted.choose(packages.sorted());
    if remote {
        chosen = ranked(&image, chosen);
    }
    if chosen.is_empty() && given.operands.is_empty() {
        return Err(Failure::new("no packages installed"));
    }
    let mut unlicensed = Vec::new();
    let mut shown = 0;
    for (fmri, package) in &chosen {
        let manifest = packages.manifest(&image, fmri)?;
        let text = match given.has("license") {
            true => licences(&image, &packages, fmri, &manifest)?,
            false => Some(described(&image, fmri, package, &manifest)),
        };
        match text {
            None => unlicensed.push(fmri.to_string()),
            Some(_) if given.has("q") => {}
            Some(text) => {
                if shown > 0 {
                    println!();
                }
                shown += 1;
                print!("{text}");
            }
        }
    }
    Ok(tell(&given, &wanted.unmet(), remote, &unlicensed, chosen.len()))
}

fn tell(
    given: &crate::call::Given,
    unmet: &[&str],
    remote: bool,
    unlicensed: &[String],
    found: usize,
) -> u8 {
    let mut status = 0;
    let quiet = given.has("q");
    if !unmet.is_empty() {
        status = if found > 0 { 3 } else { 1 };
        if !quiet {
            if found > 0 {
                eprintln!();
            }
            match remote {
                true => eprintln!(
                    "pkg: info: no packages matching the following patterns you specified were\nfound in the catalog.  Try relaxing the patterns, refreshing, and/or\nexamining the catalogs:\n"
                ),
                false => eprintln!(
                    "pkg: info: no packages matching the following patterns you specified are\ninstalled on the system.  Try querying remotely instead:\n"
                ),
            }
            for pattern in unmet {
                eprintln!("        {pattern}");
            }
        }
    }
    if !unlicensed.is_empty() {
        status = if unlicensed.len() == found { 1 } else { 3 };
        if !quiet {
            eprintln!("pkg: no license information could be found for the following packages:");
            for fmri in unlicensed {
                eprintln!("\t{fmri}");
            }
        }
    }
    status
}

/// Labels with their values, in the order in which they are shown.
#[derive(Default)]
struct Fields(Vec<(&'static str, Vec<String>)>);

impl Fields {
    /// Adds values; those of a label that is there already come after its own.
    fn add(&mut self, label: &'static str, values: Vec<String>) {
        match self.0.iter_mut().find(|(other, _)| *other == label) {
            Some((_, before)) => before.extend(values),
            None => self.0.push((label, values)),
        }
    }

    fn one(&mut self, label: &'static str, value: String) {
        self.add(label, vec![value]);
    }

    fn print(self) -> String {
        let width = self.0.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (label, values) in self.0 {
            let value = values.join("\n");
            if !value.is_empty() {
                text.push_str(&fill(&format!("{label:>width$}: "), &value));
                text.push('\n');
            }
        }
        text
    }
}

/// The block of a package.
fn described(image: &Image, fmri: &Fmri, package: &Package, manifest: &Manifest) -> String {
    let conditions = image.configuration().conditions();
    let fitting: Vec<&Action> =
        manifest.actions.iter().filter(|action| conditions.allow(action)).collect();
    let sets = |name: &str| -> Vec<String> {
        let sets = fitting.iter().filter(|one| one.kind == Kind::Set && one.key() == Some(name));
        sets.flat_map(|action| action.values("value").iter().cloned()).collect()
    };
    let first = |name: &str| sets(name).into_iter().next();
    let mut fields = Fields::default();
    fields.one("Name", fmri.name.clone());
    fields.one("Summary", first("pkg.summary").or(first("description")).unwrap_or_default());
    fields.one("Description", first("pkg.description").unwrap_or_default());
    fields.add("Category", categories(&sets("info.classification")));
    fields.one("State", state(package));
    if package.is(states::RENAMED) {
        let depends = fitting.iter().filter(|one| one.kind == Kind::Depend);
        let targets = depends.flat_map(|one| one.values("fmri").iter().cloned());
        fields.add("Renamed to", targets.collect());
    }
    fields.one("Publisher", fmri.publisher.clone().unwrap_or_default());
    if let Some(version) = &fmri.version {
        versions(&mut fields, version, first("pkg.human-version"));
    }
    for (label, time) in
        [("Last Install Time", package.last_install), ("Last Update Time", package.last_update)]
    {
        fields.one(label, time.map(date).unwrap_or_default());
    }
    let sizes = fitting.iter().filter_map(|one| one.get("pkg.size")?.parse::<u64>().ok());
    fields.one("Size", size(sizes.sum()));
    fields.one("FMRI", fmri.without_build());
    for (name, label) in FURTHER {
        fields.add(label, sets(name));
    }
    fields.0.retain(|(_, values)| values.iter().any(|value| !value.is_empty()));
    fields.print()
}

fn versions(fields: &mut Fields, version: &Version, human: Option<String>) {
    let release = version.release.to_string();
    let text = match human.filter(|human| *human != release) {
        Some(human) => format!("{release} ({human})"),
        None => release,
    };
    fields.one("Version", text);
    let branch = version.branch.as_ref().map(ToString::to_string);
    fields.one("Branch", branch.unwrap_or_else(|| "None".to_string()));
    let packaged = version.timestamp.as_deref().and_then(|text| Timestamp::parse(text).ok());
    fields.one("Packaging Date", packaged.map(date).unwrap_or_default());
}

/// `SCHEME:Group/Sub`: the scheme is told where there are several.
fn categories(values: &[String]) -> Vec<String> {
    let split = |value: &String| match value.split_once(':') {
        Some((scheme, category)) if values.len() > 1 => format!("{category} ({scheme})"),
        Some((_, category)) => category.to_string(),
        None => value.clone(),
    };
    values.iter().map(split).collect()
}

fn state(package: &Package) -> String {
    let head = match (package.is(states::INSTALLED), package.is(states::UNSUPPORTED)) {
        (true, _) => "Installed",
        (false, true) => "Unsupported",
        (false, false) => "Not installed",
    };
    let first =
        [(states::OBSOLETE, "Obsolete"), (states::RENAMED, "Renamed"), (states::LEGACY, "Legacy")];
    let mut more: Vec<&str> = first
        .iter()
        .find(|(state, _)| package.is(*state))
        .map(|(_, text)| *text)
        .into_iter()
        .collect();
    more.extend(package.is(states::FROZEN).then_some("Frozen"));
    more.extend(package.is(states::MANUAL).then_some("Manually installed"));
    if more.is_empty() { head.to_string() } else { format!("{head} ({})", more.join(", ")) }
}

/// A time, in UTC.
pub fn date(time: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(time.seconds()).unwrap_or_default();
    at.strftime("%a %d %b %Y %I:%M:%S %p").to_string()
}

/// The texts of a package's licences; `None` where it has none.
fn licences(
    image: &Image,
    packages: &Packages,
    fmri: &Fmri,
    manifest: &Manifest,
) -> Result<Option<String>, Failure> {
    let mut texts = String::new();
    let mut any = false;
    for action in manifest.of_kind(Kind::License) {
        let name = action.get("license").unwrap_or_default();
        let kept = image.license_path(fmri, name);
        let bytes = match std::fs::read(&kept) {
            Ok(bytes) if packages.sources.is_empty() => bytes,
            Ok(_) | Err(_) => fetched(image, packages, fmri, action)?,
        };
        any = true;
        texts.push_str(&String::from_utf8_lossy(&bytes));
        texts.push('\n');
    }
    Ok(any.then_some(texts))
}

fn fetched(
    image: &Image,
    packages: &Packages,
    fmri: &Fmri,
    action: &Action,
) -> Result<Vec<u8>, Failure> {
    let mut last = Failure::new(format!("{fmri}: no repository has its licences"));
    let own: Vec<&ips_client::Source> = match packages.sources.is_empty() {
        true => image.sources_of(fmri).map_err(Failure::new)?.collect(),
        false => packages.sources.iter().filter(|source| source.has(fmri)).collect(),
    };
    for source in own {
        match source.contents(fmri, action) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => last = Failure::new(error),
        }
    }
    Err(last)
}

/// The version of a package without build and time, for `pkg.shortfmri`.
pub fn short(fmri: &Fmri) -> String {
    let version = fmri.version.as_ref().map(Version::short).unwrap_or_default();
    format!("pkg:/{}@{version}", fmri.name)
}
