//! list.rs - `pkg list`: packages with version and state.

use std::collections::{BTreeMap, BTreeSet};

use ips_client::Conditions;
use ips_client::change::removable;
use ips_client::image::{Image, Package, states};
use ips_cmd::Failure;
use ips_model::catalog::Part;
use ips_model::{Action, Fmri, Version};

use crate::call::{Call, Given};
use crate::inventory::{Layout, show};
use crate::packages::{Packages, Wanted};
use crate::refresh::if_due;

const OPTIONS: [&str; 17] = [
    "H",
    "a",
    "f",
    "i",
    "m",
    "M",
    "n",
    "q",
    "r",
    "R",
    "s",
    "u",
    "v*",
    "g=*",
    "F|output-format=",
    "o|output-fields=",
    "no-refresh",
];

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
    let layout = Layout::of(call, &given)?;
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
    let optional = sift(&image, &given, &mut chosen)?;
    if !given.has("q") {
        show(&image, &packages, &chosen, &optional, &layout)?;
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

/// Options of which only one makes sense.
const APART: [(&str, &str); 17] = [
    ("a", "n"),
    ("a", "u"),
    ("n", "u"),
    ("s", "v"),
    ("q", "v"),
    ("u", "g"),
    ("m", "M"),
    ("i", "n"),
    ("i", "u"),
    ("i", "m"),
    ("i", "r"),
    ("i", "R"),
    ("r", "a"),
    ("r", "n"),
    ("R", "a"),
    ("R", "n"),
    ("r", "g"),
];

/// Leaves what `-i`, `-m`, `-M`, `-r` and `-R` ask for; the packages that others may do without.
fn sift(
    image: &Image,
    given: &Given,
    chosen: &mut Vec<(Fmri, &Package)>,
) -> Result<BTreeSet<String>, Failure> {
    if given.has("m") || given.has("M") {
        chosen.retain(|(_, package)| package.is(states::MANUAL) == given.has("m"));
    }
    if given.has("i") {
        let not = [states::INSTALLED, states::OBSOLETE, states::RENAMED];
        chosen.retain(|(_, package)| !not.iter().any(|state| package.is(*state)));
    }
    if !given.has("r") && !given.has("R") {
        return Ok(BTreeSet::new());
    }
    let mut free = removable(image).map_err(Failure::new)?;
    free.retain(|_, optional| given.has("R") || !*optional);
    chosen.retain(|(fmri, _)| free.contains_key(&fmri.name));
    Ok(free.into_iter().filter(|(_, optional)| *optional).map(|(name, _)| name).collect())
}

fn which(call: &Call, given: &Given) -> Result<Which, Failure> {
    if given.has("f") && !given.has("a") {
        return Err(call.usage("'-f' may only be used with '-a'."));
    }
    for (one, other) in APART {
        call.apart(given, one, other)?;
    }
    // Who names repositories wants to see what is in them.
    Ok(match (given.has("f"), given.has("a"), given.has("n"), given.has("u")) {
        (true, ..) => Which::All,
        (_, true, ..) => Which::Available,
        _ if given.has("i") => Which::Available,
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
