//! publish.rs - ai-publish-pkg: what is left of the image's root, as a package.
//!
//! An installation server gets its image from a repository: `AREA/media/ai_image_repo` holds the
//! package `install-image/NAME` of the publisher that the installed system prefers.  Its time is
//! the image's, so the same image is the same package.

use anyhow::{Context, Result};
use image_tree::{Entry, Kind};
use ips_model::{Manifest, Timestamp};
use ips_repository::{Repository, Sources};

use super::Work;

const REPOSITORY: &str = "ai_image_repo";

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let root = work.root()?;
    let repository = work.places.media.join(REPOSITORY);
    let named = || repository.display().to_string();
    match std::fs::remove_dir_all(&repository) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(named);
        }
        Ok(()) | Err(_) => {}
    }
    let publisher = &work.image.publishers.installed.name;
    let name = &work.image.name;
    let mut text = format!(
        "set name=pkg.fmri value=pkg://{publisher}/install-image/{name}@1.0\n\
         set name=pkg.summary value=\"Installation image {name}\"\n"
    );
    for (path, entry) in root.tree.iter().filter(|(path, _)| !path.is_empty()) {
        text.push_str(&action(path, entry));
    }
    let manifest = Manifest::parse(&text).context("the package of the image")?;
    let time = Timestamp::from_seconds(root.time());
    let made = Repository::create(&repository).with_context(named)?;
    made.add_publisher(publisher, time).with_context(named)?;
    let batch = made.batch().with_context(named)?;
    let sources = Sources { folders: vec![root.dir().to_path_buf()], timestamps: Vec::new() };
    batch.publish(&manifest, &sources, time).with_context(named)?;
    batch.commit(time).with_context(named)?;
    work.say(&format!("Published install-image/{name} to {}", repository.display()));
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
