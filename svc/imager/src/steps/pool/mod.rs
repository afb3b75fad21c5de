//! A ZFS root pool, made without privilege: by zfs-fuse in a small Linux under QEMU.
//!
//! ```text
//! first disk    the pool to be, a file
//! second disk   the root as a cpio archive: owners, modes and devices are in it
//! init          makes the pool, unpacks, exports (`init`)
//! ```
//!
//! `workshop` is where the guest's programs come from.  A pool has identifiers of its own and the
//! times of its making: unlike everything else, it is another one each time.

mod workshop;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use image_boot::clean;
use image_formats::cpio::{self, Format};

use super::Work;
use super::gpt::{Root, Size};
use workshop::Workshop;

const INIT: &str = include_str!("init");
/// What the guest says when all is well, and before what is wrong.
const DONE: &str = "pool: exported";
const FAILED: &str = "pool: FAILED ";
/// How long the guest may take, in software on a busy host.
const TIME: Duration = Duration::from_secs(3600);
/// MiB that a pool has at least: its own labels and logs take some.
const LEAST_MB: u64 = 128;
/// Memory of the guest in MiB.
const GUEST_MB: &str = "768";

/// Whether all that is needed is in `tools`.
pub(super) fn check(tools: &Path) -> Result<()> {
    Workshop::find(tools).map(|_| ())
}

/// The dataset of a root, in its pool.
pub(super) fn dataset(name: &str) -> String {
    format!("ROOT/{name}")
}

/// Makes the pool in a file below the work area.
pub(super) fn make(work: &Work<'_>, root: &Root<'_>, size: Size, tools: &Path) -> Result<PathBuf> {
    let workshop = Workshop::find(tools)?;
    let tmp = &work.places.tmp;
    std::fs::create_dir_all(tmp).with_context(|| tmp.display().to_string())?;
    let [pool, content, initial] = ["pool", "pool.cpio", "pool.initrd"].map(|name| tmp.join(name));
    let init = INIT
        .replace("@TIME@", &format!("@{}", root.time()))
        .replace("@NAME@", &work.image.name)
        .replace("@UUID@", &root.id.derived("be").to_string());
    workshop.write(&init, &initial)?;
    let named = |path: &Path| path.display().to_string();
    let mut out = BufWriter::new(File::create(&content).with_context(|| named(&content))?);
    let open = |path: &str| root.content(path);
    let length =
        cpio::write(&root.tree, &open, Format::Newc, &mut out).context("the pool's root")?;
    out.flush().with_context(|| named(&content))?;
    // A disk has whole sectors.
    out.get_ref().set_len(length.next_multiple_of(512)).with_context(|| named(&content))?;
    let mb = match size {
        Size::Whole(mb) => mb,
        Size::Free(free) => LEAST_MB.max((length >> 20) * 5 / 4 + free),
    };
    let file = File::create(&pool).with_context(|| named(&pool))?;
    file.set_len(mb << 20).with_context(|| named(&pool))?;
    run(work, &workshop.arguments([&initial, &pool, &content]), root.tree.len())?;
    for path in [content, initial] {
        std::fs::remove_file(&path).with_context(|| named(&path))?;
    }
    Ok(pool)
}

/// Runs the guest and believes it only when it has unpacked everything.
fn run(work: &Work<'_>, arguments: &[String], paths: usize) -> Result<()> {
    let mut said = Vec::new();
    let mut hear = |bytes: &[u8]| {
        said.extend_from_slice(bytes);
        ControlFlow::Continue(())
    };
    let ended = work.world.emulator.run(arguments, TIME, &mut hear);
    let ended = ended.context("root zfs: the guest that makes the pool")?;
    let text = clean(&said);
    text.lines().for_each(|line| work.debug(line));
    verdict(&text, paths).with_context(|| format!("root zfs: the pool was not made (QEMU {ended})"))
}

fn verdict(text: &str, paths: usize) -> Result<()> {
    if let Some(failed) = text.lines().find_map(|line| line.strip_prefix(FAILED)) {
        let before = text.lines().take_while(|line| !line.starts_with(FAILED)).last();
        bail!("{failed}: {}", before.unwrap_or("it said nothing"));
    }
    let count = text.lines().find_map(|line| {
        line.strip_prefix("pool: ")?.strip_suffix(" paths")?.trim().parse::<usize>().ok()
    });
    if !text.lines().any(|line| line == DONE) {
        bail!("the guest ended early: {}", text.lines().last().unwrap_or("it said nothing"));
    }
    match count {
        Some(count) if count == paths => Ok(()),
        count => bail!("{} of {paths} paths are in it", count.unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_believed_when_all_is_there() {
        for (text, wanted) in [
            ("x\npool: 7 paths\npool: exported\n", None),
            ("pool: 6 paths\npool: exported\n", Some("6 of 7 paths are in it")),
            ("pool: exported\n", Some("0 of 7 paths are in it")),
            ("pool: 7 paths\ncpu stuck\n", Some("the guest ended early: cpu stuck")),
            ("", Some("the guest ended early: it said nothing")),
            (
                "no space left\npool: FAILED content\npool: exported\n",
                Some("content: no space left"),
            ),
        ] {
            let said = verdict(text, 7).err().map(|error| error.to_string());
            assert_eq!(said.as_deref(), wanted, "{text}");
        }
    }
}
