//! lay.rs - putting what a plan delivers below a root, in parallel.
//!
//! Order: directories (parents come before children), then files and symbolic links side by side,
//! then hard links, whose targets are there by then.  Every payload is verified on its way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use image_tree::check_path;
use ips_model::Timestamp;
use ips_model::action::Kind;
use rayon::prelude::*;

use crate::control::{Control, Phase};
use crate::plan::{Item, Plan, mode};
use crate::populate::PopulateError;
use crate::root::Root;
use crate::source::Source;

/// What was laid down, as far as the plan does not say it.
#[derive(Debug, Default)]
pub struct Laid {
    /// Length of every file by path.
    pub sizes: BTreeMap<String, u64>,
}

/// When a package was published, seconds since the epoch.
pub fn published(item: &Item<'_>) -> i64 {
    let version = item.package.fmri.version.as_ref();
    let stamp = version.and_then(|version| version.timestamp.as_deref());
    stamp.and_then(|stamp| Timestamp::parse(stamp).ok()).map_or(0, Timestamp::seconds)
}

/// The time of what an action delivers.
pub fn time_of(item: &Item<'_>) -> i64 {
    let own = item.action.get("timestamp").and_then(|text| Timestamp::parse(text).ok());
    own.map_or_else(|| published(item), Timestamp::seconds)
}

/// Where a licence goes: below the package's folder, named as pkg names it.
pub fn license_path(item: &Item<'_>) -> String {
    let quote = ips_model::quote::quote;
    let name = item.action.key().unwrap_or("license");
    format!("var/pkg/license/{}/license.{}", quote(&item.package.fmri.name), quote(name))
}

/// The path a hard link's target has in the image; `None`: it leaves the image.
pub fn hard_link_target(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    if !target.starts_with('/') {
        parts.extend(path.split('/'));
        parts.pop();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            plain => parts.push(plain),
        }
    }
    let joined = parts.join("/");
    (!joined.is_empty() && check_path(&joined).is_ok()).then_some(joined)
}

/// Lays everything down.
pub fn lay(
    source: &Source,
    plan: &Plan<'_>,
    root: &Root,
    control: &Control<'_>,
) -> Result<Laid, PopulateError> {
    let of_kind = |kinds: &[Kind]| -> Vec<(&str, &Item<'_>)> {
        let paths = plan.paths.iter().map(|(path, item)| (*path, item));
        paths.filter(|(_, item)| kinds.contains(&item.action.kind)).collect()
    };
    for (path, _) in of_kind(&[Kind::Dir]) {
        root.directory(path)?;
    }
    let content = of_kind(&[Kind::File, Kind::Link]);
    let total = (plan.paths.len() + plan.licenses.len()) as u64;
    let done = AtomicU64::new((plan.paths.len() - content.len()) as u64);
    let lay_one = |(path, item): &(&str, &Item<'_>)| -> Result<_, PopulateError> {
        let size = lay_path(source, root, path, item)?;
        control.count(Phase::Actions, &done, total, path);
        Ok(size.map(|size| (path.to_string(), size)))
    };
    let going = |_: &_| !control.is_cancelled();
    let laid: Result<Vec<Option<(String, u64)>>, PopulateError> =
        content.par_iter().take_any_while(going).map(lay_one).collect();
    let mut sizes: BTreeMap<String, u64> = laid?.into_iter().flatten().collect();
    if control.is_cancelled() {
        return Err(PopulateError::Cancelled);
    }
    for item in &plan.licenses {
        let path = license_path(item);
        let contents = source.contents(&item.package.fmri, item.action)?;
        let (directory, name) = root.parent(&path)?;
        directory.replace(name, &contents, 0o444, published(item))?;
        control.count(Phase::Actions, &done, total, &path);
        sizes.insert(path, contents.len() as u64);
    }
    for (path, item) in of_kind(&[Kind::Hardlink]) {
        let target = item.action.get("target").unwrap_or("");
        let failed = || PopulateError::HardLink {
            fmri: item.package.fmri.to_string(),
            path: path.to_string(),
            target: target.to_string(),
        };
        let target = first_name(plan, path, target).ok_or_else(failed)?;
        root.hard_link(&target, path)?;
    }
    done.store(total, Ordering::Relaxed);
    control.say(Phase::Actions, total, total, "");
    Ok(Laid { sizes })
}

/// The file that a hard link, perhaps through others, stands for.
pub fn first_name(plan: &Plan<'_>, path: &str, target: &str) -> Option<String> {
    let mut found = hard_link_target(path, target)?;
    // As many steps as there are paths: a circle ends too.
    for _ in 0..plan.paths.len() {
        let item = plan.paths.get(found.as_str())?;
        match item.action.kind {
            Kind::File => return Some(found),
            Kind::Hardlink => found = hard_link_target(&found, item.action.get("target")?)?,
            _ => return None,
        }
    }
    None
}

/// Lays a file or symbolic link; the size of a file.
fn lay_path(
    source: &Source,
    root: &Root,
    path: &str,
    item: &Item<'_>,
) -> Result<Option<u64>, PopulateError> {
    let (directory, name) = root.parent(path)?;
    if item.action.kind == Kind::Link {
        let target = item.action.get("target").unwrap_or("");
        directory.symlink(name, target, published(item))?;
        return Ok(None);
    }
    let contents = source.contents(&item.package.fmri, item.action)?;
    directory.create(name, &contents, mode(item.action).unwrap_or(0o644), time_of(item))?;
    Ok(Some(contents.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_links_stay_inside() {
        for (path, target, expected) in [
            ("usr/bin/b", "a", Some("usr/bin/a")),
            ("usr/bin/b", "../lib/./a", Some("usr/lib/a")),
            ("usr/bin/b", "/etc/a", Some("etc/a")),
            ("usr/bin/b", "../../../etc/a", None),
            ("b", "/..", None),
            ("b", "/", None),
        ] {
            assert_eq!(hard_link_target(path, target).as_deref(), expected, "{path} {target}");
        }
    }
}
