//! publish.rs - ai-publish-pkg: what is left of the image's root, as a package.
//!
//! An installation server gets its image from a repository, `AREA/media/ai_image_repo`.  Its time is
//! the image's, so the same image is the same package.
//!
//! | argument | meaning |
//! |---|---|
//! | `pkg_name` | the package, `install-image/NAME@1.0` by itself |
//! | `publisher_prefix`, `prefix` | its publisher, by itself the one that the installed system prefers |
//!
//! The original's `pkg_repo`, a repository elsewhere, is refused: a build writes its own area.

use anyhow::{Context, Result, bail};
use image_manifest::{Image, Step};
use image_tree::{Entry, Kind};
use ips_model::{Fmri, Manifest, Timestamp};
use ips_repository::{Repository, Sources};

use super::Work;

const REPOSITORY: &str = "ai_image_repo";

/// The publisher, and the package's name and version.
fn asked(image: &Image, step: &Step) -> Result<(String, String)> {
    if super::value(step, "pkg_repo").is_some() {
        bail!(
            "pkg_repo: the package comes to {REPOSITORY} among the media; pkgrecv takes it elsewhere"
        );
    }
    let prefix = super::value(step, "publisher_prefix").or_else(|| super::value(step, "prefix"));
    let publisher = prefix.unwrap_or_else(|| image.publishers.installed.name.clone());
    let name = super::value(step, "pkg_name");
    let name = name.unwrap_or_else(|| format!("install-image/{}", image.name));
    let name = match name.strip_prefix("pkg://") {
        Some(rest) => rest.split_once('/').map_or("", |(_, name)| name),
        None => name.strip_prefix("pkg:/").unwrap_or(&name),
    };
    let name = if name.contains('@') { name.to_owned() } else { format!("{name}@1.0") };
    let fmri = format!("pkg://{publisher}/{name}");
    Fmri::parse(&fmri).with_context(|| format!("package {fmri}"))?;
    Ok((publisher, name))
}

/// Whether what is asked can be.
pub(super) fn check(image: &Image, step: &Step) -> Result<()> {
    asked(image, step).map(|_| ())
}

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let root = work.root()?;
    let repository = work.places.media.join(REPOSITORY);
    let named = || repository.display().to_string();
    image_rooted::removal::remove(&repository).with_context(named)?;
    let (publisher, name) = asked(work.image, work.step)?;
    let mut text = format!(
        "set name=pkg.fmri value=pkg://{publisher}/{name}\n\
         set name=pkg.summary value=\"Installation image {}\"\n",
        work.image.name
    );
    for (path, entry) in root.tree.iter().filter(|(path, _)| !path.is_empty()) {
        text.push_str(&action(path, entry));
    }
    let manifest = Manifest::parse(&text).context("the package of the image")?;
    let time = Timestamp::from_seconds(root.time());
    let made = Repository::create(&repository).with_context(named)?;
    made.add_publisher(&publisher, time).with_context(named)?;
    let batch = made.batch().with_context(named)?;
    let sources = Sources { folders: vec![root.dir().to_path_buf()], timestamps: Vec::new() };
    batch.publish(&manifest, &sources, time).with_context(named)?;
    batch.commit(time).with_context(named)?;
    work.say(&format!("Published {name} to {}", repository.display()));
    Ok(())
}

/// The line of a row; devices come at the first boot, from no package.
fn action(path: &str, entry: &Entry) -> String {
    let Entry { kind, mode, uid, gid, .. } = entry;
    let owned = || format!("owner={} group={} mode={mode:04o}", account(*uid), account(*gid));
    match kind {
        Kind::Directory => format!("dir path={} {}\n", quoted(path), owned()),
        Kind::File { .. } => {
            format!("file {} path={} {}\n", quoted(path), quoted(path), owned())
        }
        Kind::Symlink { target } => {
            format!("link path={} target={}\n", quoted(path), quoted(target))
        }
        Kind::HardLink { target } => {
            let up = "../".repeat(path.matches('/').count());
            format!("hardlink path={} target={}\n", quoted(path), quoted(&format!("{up}{target}")))
        }
        Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } | Kind::Fifo => String::new(),
    }
}

/// The accounts that every system has by these numbers; what a medium holds is theirs.
fn account(id: u32) -> &'static str {
    ["root", "daemon", "bin", "sys", "adm"].get(id as usize).copied().unwrap_or("root")
}

/// A value as manifests have it; a plain one stands for itself.
fn quoted(text: &str) -> String {
    if !text.is_empty() && !text.contains([' ', '"', '\'', '\\', '\t']) {
        return text.to_string();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_actions() {
        let row = |kind| Entry { kind, mode: 0o644, uid: 0, gid: 3, mtime: 0 };
        for (path, kind, wanted) in [
            ("a b", Kind::Directory, "dir path=\"a b\" owner=root group=sys mode=0644\n"),
            ("x/y", Kind::HardLink { target: "x/z".into() }, "hardlink path=x/y target=../x/z\n"),
            ("l", Kind::Symlink { target: "t".into() }, "link path=l target=t\n"),
            ("p", Kind::Fifo, ""),
        ] {
            let line = action(path, &row(kind));
            assert_eq!(line, wanted);
            Manifest::parse(&line).unwrap();
        }
    }
}
