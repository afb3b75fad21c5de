//! contents.rs - gen-cd-cont: the list of the medium's files, by which the installer copies.

use anyhow::Result;

use super::Work;
use super::im_pop::IMAGE_INFO;
use image_rooted::Owned;

const LIST: &str = ".livecd-cdrom-content";

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    let mut text = String::new();
    let listed = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or("");
        let ours = [IMAGE_INFO, LIST, "boot_archive", ""].contains(&name);
        !ours && !name.ends_with(".zlib")
    };
    text.push_str(".\n");
    for (path, _) in root.tree.iter().filter(|(path, _)| listed(path)) {
        text.push_str(&format!("./{path}\n"));
    }
    root.put(LIST, text.as_bytes(), Owned::root(0o644))?;
    Ok(root.save()?)
}
