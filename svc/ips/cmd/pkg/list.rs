//! list.rs - `pkg list`: packages with version and state.

use std::collections::{BTreeMap, BTreeSet};

use ips_client::Conditions;
use ips_client::image::{Image, Package, states};
use ips_cmd::Failure;
use ips_model::catalog::Part;
use ips_model::{Action, Fmri, Version};

use crate::call::{Call, Given};
use crate::packages::{Packages, Wanted};
use crate::refresh::if_due;

const OPTIONS: [&str; 11] = ["H", "a", "f", "m", "n", "q", "s", "u", "v*", "g=*", "no-refresh"];

/// Which packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those installed.
    Installed,
    /// `-u`: those installed that have newer versions.
    Upgradable,
    /// `-a`: those installed, and the newest of those that could be.
    Available,
    /// `-n`: the newest version of each.
    Newest,
    /// `-af`: every version.
    All,
}

/// Lists them: status 1 where nothing was found, 3 where some patterns meant nothing.
pub fn list(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&OPTIONS)?;
    let which = which(call, &given)?;
    let mut wanted = Wanted::parse(&given.operands).map_err(|failure| failure.of("list"))?;
    let mut image = call.image()?;
    let remote = given.has("g");
    let listed = matches!(which, Which::Installed | Which::Upgradable);
    if !remote && which != Which::Installed && !given.has("no-refresh") {
        image = if_due(call, image)?;
    }
    let packages = match (remote, listed) {
        (true, _) => Packages::of_repositories(&image, given.values("g"))?,
        (false, true) => Packages::installed(&image)?,
        (false, false) => Packages::known(&image)?,
    };
    let all = wanted.choose(packages.sorted());
    let mut chosen = narrow(&image, &packages, all, which)?;
    if given.has("m") {
        chosen.retain(|(_, package)| package.is(states::MANUAL));
    }
    if !given.has("q") {
        show(&image, &packages, &chosen, &given)?;
    }
    let unmet = wanted.unmet();
    if unmet.is_empty() && !chosen.is_empty() {
        return Ok(0);
    }
    let unmet: Vec<&str> = match chosen.is_empty() {
        true => given.operands.iter().map(String::as_str).collect(),
        false => unmet,
    };
    if !given.has("q") {
        tell(&image, which, &unmet)?;
    }
    Ok(if chosen.is_empty() { 1 } else { 3 })
}

fn which(call: &Call, given: &Given) -> Result<Which, Failure> {
    if given.has("f") && !given.has("a") {
        return Err(call.usage("'-f' may only be used with '-a'."));
    }
    for (one, other) in [("a", "n"), ("a", "u"), ("n", "u"), ("s", "v"), ("u", "g")] {
        call.apart(given, one, other)?;
    }
    // Who names repositories wants to see what is in them.
    Ok(match (given.has("f"), given.has("a"), given.has("n"), given.has("u")) {
        (true, ..) => Which::All,
        (_, true, ..) => Which::Available,
        (_, _, true, _) => Which::Newest,
        (_, _, _, true) => Which::Upgradable,
        _ if given.has("g") => Which::Newest,
        _ => Which::Installed,
    })
}

fn narrow<'a>(
    image: &Image,
    packages: &Packages,
    all: Vec<(Fmri, &'a Package)>,
    which: Which,
) -> Result<Vec<(Fmri, &'a Package)>, Failure> {
    match which {
        Which::Installed | Which::All => Ok(all),
        Which::Upgradable => {
            Ok(all.into_iter().filter(|(_, package)| package.is(states::UPGRADABLE)).collect())
        }
        Which::Newest => {
            let mut seen: BTreeSet<(Option<String>, String)> = BTreeSet::new();
            // The newest comes first.
            let newest = |(fmri, _): &(Fmri, &Package)| {
                seen.insert((fmri.publisher.clone(), fmri.name.clone()))
            };
            Ok(all.into_iter().filter(newest).collect())
        }
        Which::Available => available(image, packages, all),
    }
}

/// What is installed, and of everything else the newest version that installed incorporations and
/// the image's variants allow; none of what is obsolete or renamed.
fn available<'a>(
    image: &Image,
    packages: &Packages,
    all: Vec<(Fmri, &'a Package)>,
) -> Result<Vec<(Fmri, &'a Package)>, Failure> {
    let conditions = image.configuration().conditions();
    let installed = image.installed().map_err(Failure::new)?;
    let stems: BTreeSet<&str> = installed.iter().map(|(_, stem, _)| stem).collect();
    let locks = incorporated(image, &conditions)?;
    let mut seen: BTreeSet<(Option<String>, String)> = BTreeSet::new();
    let mut chosen = Vec::new();
    for (fmri, package) in all {
        if package.is(states::INSTALLED) {
            chosen.push((fmri, package));
            continue;
        }
        let key = (fmri.publisher.clone(), fmri.name.clone());
        let held = locks.get(&fmri.name).is_some_and(|locks| {
            !locks.iter().all(|lock| fmri.version.as_ref().is_some_and(|own| own.matches(lock)))
        });
        if stems.contains(fmri.name.as_str()) || held || seen.contains(&key) {
            continue;
        }
        if !fits(&packages.dependency, &fmri, &conditions) {
            continue;
        }
        seen.insert(key);
        if !package.is(states::OBSOLETE) && !package.is(states::RENAMED) {
            chosen.push((fmri, package));
        }
    }
    Ok(chosen)
}

/// Stem → versions that installed incorporations hold it at.
fn incorporated(
    image: &Image,
    conditions: &Conditions,
) -> Result<BTreeMap<String, Vec<Version>>, Failure> {
    let mut locks: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for (_, entry) in image.installed_dependencies().map_err(Failure::new)?.entries() {
        let actions = entry.actions.iter().filter_map(|text| Action::parse(text).ok());
        for action in actions.filter(|action| action.get("type") == Some("incorporate")) {
            let target = action.get("fmri").and_then(|text| Fmri::parse(text).ok());
            if let Some(Fmri { name, version: Some(version), .. }) = target {
                if conditions.allow(&action) {
                    locks.entry(name).or_default().push(version);
                }
            }
        }
    }
    Ok(locks)
}

fn fits(dependency: &Part, fmri: &Fmri, conditions: &Conditions) -> bool {
    let Some(entry) = dependency.get(fmri) else { return true };
    let texts = entry.actions.iter().filter(|text| text.contains("variant."));
    let actions: Vec<Action> = texts.filter_map(|text| Action::parse(text).ok()).collect();
    conditions.unsupported(&actions).is_none()
}

fn show(
    image: &Image,
    packages: &Packages,
    chosen: &[(Fmri, &Package)],
    given: &Given,
) -> Result<(), Failure> {
    if chosen.is_empty() {
        return Ok(());
    }
    let first = image.configuration().publishers().iter().find(|one| !one.disabled);
    let first = first.map(|one| one.prefix.clone());
    let summaries = if given.has("s") { Some(summaries(image, packages)?) } else { None };
    let mut out = String::new();
    if !given.has("H") {
        out.push_str(&match (given.has("v"), given.has("s")) {
            (true, _) => format!("{:76} IFO\n", "FMRI"),
            (_, true) => format!("{:55} SUMMARY\n", "NAME (PUBLISHER)"),
            _ => format!("{:49} {:26} IFO\n", "NAME (PUBLISHER)", "VERSION"),
        });
    }
    for (fmri, package) in chosen {
        let state = ifo(package);
        let name = match &fmri.publisher {
            Some(publisher) if fmri.publisher != first => format!("{} ({publisher})", fmri.name),
            Some(_) | None => fmri.name.clone(),
        };
        out.push_str(&match (given.has("v"), &summaries) {
            (true, _) => format!("{:76} {state}\n", fmri.without_build()),
            (_, Some(summaries)) => {
                let summary = summary(summaries, image, packages, fmri)?;
                format!("{name:55} {summary}\n")
            }
            _ => {
                let version = fmri.version.as_ref().map(Version::short).unwrap_or_default();
                format!("{name:49} {version:26} {state}\n")
            }
        });
    }
    print!("{out}");
    Ok(())
}

/// Installed; frozen or named by the user; obsolete, renamed or legacy.
fn ifo(package: &Package) -> String {
    let installed = package.is(states::INSTALLED);
    let first = |flags: &[(u8, char)]| {
        flags.iter().find(|(state, _)| package.is(*state)).map_or('-', |(_, letter)| *letter)
    };
    let held = first(&[(states::FROZEN, 'f'), (states::MANUAL, 'm')]);
    let gone = first(&[(states::OBSOLETE, 'o'), (states::RENAMED, 'r'), (states::LEGACY, 'l')]);
    [if installed { 'i' } else { '-' }, held, gone].iter().collect()
}

fn summaries(image: &Image, packages: &Packages) -> Result<Part, Failure> {
    if !packages.sources.is_empty() {
        return Ok(Part::default());
    }
    image.known_summaries().map_err(Failure::new)
}

fn summary(
    part: &Part,
    image: &Image,
    packages: &Packages,
    fmri: &Fmri,
) -> Result<String, Failure> {
    let of = |actions: &mut dyn Iterator<Item = Action>| {
        let (mut summary, mut older) = (None, None);
        for action in actions {
            let value = || action.get("value").map(str::to_string);
            match action.key() {
                Some("pkg.summary") => summary = value(),
                Some("description") => older = value(),
                Some(_) | None => {}
            }
        }
        summary.or(older).unwrap_or_default()
    };
    match part.get(fmri) {
        Some(entry) => {
            Ok(of(&mut entry.actions.iter().filter_map(|text| Action::parse(text).ok())))
        }
        None if packages.sources.is_empty() => Ok(String::new()),
        // Repositories named on the command line are asked for the manifest.
        None => Ok(of(&mut packages.manifest(image, fmri)?.actions.into_iter())),
    }
}

/// What is said of patterns that meant nothing, and of lists that are empty.
fn tell(image: &Image, which: Which, unmet: &[&str]) -> Result<(), Failure> {
    if unmet.is_empty() {
        let installed = image.installed().map_err(Failure::new)?.counts().0 > 0;
        let text = match which {
            Which::Installed => "no packages installed",
            Which::Available => "no packages installed or available for installation",
            Which::Upgradable if installed => "no packages have newer versions available",
            Which::Upgradable => "no packages are installed",
            Which::Newest | Which::All => return Ok(()),
        };
        eprintln!("{text}");
        return Ok(());
    }
    let list = unmet.join("\n  ");
    let (text, hint) = match which {
        Which::All | Which::Newest => (format!("no known packages matching:\n  {list}"), false),
        Which::Available => (
            format!(
                "no packages matching the following patterns are allowed by installed incorporations, or image variants that are known or installed\n  {list}"
            ),
            true,
        ),
        Which::Upgradable => (upgrades(image, unmet)?, false),
        Which::Installed => {
            (format!("no packages matching the following patterns are installed:\n  {list}"), false)
        }
    };
    eprintln!(" \npkg list: {text}");
    if hint {
        eprintln!("Use -af to allow all versions.");
    }
    Ok(())
}

fn upgrades(image: &Image, unmet: &[&str]) -> Result<String, Failure> {
    let (mut absent, mut newest) = (Vec::new(), Vec::new());
    let installed = Packages::installed(image)?;
    for text in unmet {
        let mut wanted = Wanted::parse(&[text.to_string()])?;
        let found = wanted.choose(installed.sorted());
        match found.is_empty() {
            true => absent.push(*text),
            false => newest.extend(found.into_iter().map(|(fmri, _)| fmri.name)),
        }
    }
    let mut text = String::new();
    if !absent.is_empty() {
        let list = absent.join("\n  ");
        text.push_str(&format!(
            "no packages matching the following patterns are installed:\n  {list}"
        ));
    }
    if !newest.is_empty() {
        let list = newest.join("\n  ");
        text.push_str(&format!("no updates are available for the following packages:\n  {list}"));
    }
    Ok(text)
}
