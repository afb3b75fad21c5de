//! strip.rs - what a medium does not need, taken out after the boot archive is made.
//!
//! Of `platform` a medium needs the kernel, the archive and the archive's hash.

use anyhow::Result;

use super::Work;
use image_rooted::Rooted;

/// What stays below `platform`.
const KEPT: [&str; 3] = ["unix", "boot_archive", "boot_archive.hash"];

fn platform_only(root: &mut Rooted) -> Result<()> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or("").to_string();
    let kept = |path: &str| !path.starts_with("platform/") || KEPT.contains(&name(path).as_str());
    Ok(root.retain(kept)?)
}

/// A live CD: platform, and caches that are made again.
pub(super) fn slim(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    root.retain(|path| !path.ends_with("/icon-theme.cache"))?;
    platform_only(&mut root)?;
    Ok(root.save()?)
}

/// An installer: platform; and its copy below `boot`, for GRUB follows no symbolic link.
pub(super) fn custom(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    platform_only(&mut root)?;
    let paths: Vec<String> = root.tree.below("platform").map(|(path, _)| path.into()).collect();
    for path in &paths {
        let (Some(entry), Some(bytes)) = (root.tree.get(path).cloned(), root.read(path)?) else {
            continue;
        };
        let owned = image_rooted::Owned { mode: entry.mode, uid: entry.uid, gid: entry.gid };
        root.put(&format!("boot/{path}"), &bytes, owned)?;
    }
    Ok(root.save()?)
}

/// Platforms that share another's files find them there.
pub(super) fn platform(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    let (own, shared) = ("platform/sun4v", "platform/sun4u");
    if root.is_directory(shared) && root.tree.get(own).is_none() {
        root.link(own, "sun4u")?;
    }
    Ok(root.save()?)
}
