//! disk.rs - the disk image: what a cloud or a virtual machine starts from.
//!
//! | argument | meaning |
//! |---|---|
//! | `format` | `raw`, `qcow2`, `vmdk`, or several with commas; raw by itself |
//! | `root` | `ufs` by itself, or `zfs` |
//! | `tools` | of zfs: the folder below which its tools are, `/` by itself (`pool/workshop.rs`) |
//! | `size_mb` | MiB of the root; by itself what it holds and a fifth more |
//! | `console` | the console of kernel and loader, `ttya` by itself: such a machine has no screen |
//!
//! In UFS the root runs as the medium does, from its boot archive, and finds its own /usr: the step
//! comes after post-mod.  In ZFS it runs as an installed system does, from the dataset
//! `rpool/ROOT/NAME`: the step comes before post-mod packs /usr.
//!
//! All forms are of one disk, and appear when they are whole.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_formats::{disk, iso};
use image_manifest::{Image, Native, Step};

use super::gpt::{self, Root, Size};
use super::{Work, World, iso as medium, pool};

/// The forms that a disk can have; a file's name ends in its form.
const FORMATS: [&str; 3] = ["raw", "qcow2", "vmdk"];
/// What the loader reads after its own defaults.
const CONSOLE_CONF: &str = "boot/conf.d/console";
/// Consoles that illumos knows.
const CONSOLES: [&str; 6] = ["ttya", "ttyb", "ttyc", "ttyd", "text", "graphics"];

/// What is asked of the step.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    formats: Vec<String>,
    size: Option<u64>,
    /// Of ZFS: where its tools are.
    zfs: Option<PathBuf>,
    console: String,
}

impl Asked {
    fn of(step: &Step) -> Result<Self> {
        let mut formats = super::values(step, "format");
        if formats.is_empty() {
            formats.push("raw".to_owned());
        }
        for (at, format) in formats.iter().enumerate() {
            if !FORMATS.contains(&format.as_str()) {
                bail!("format {format} is not known: {}", FORMATS.join(", "));
            }
            if formats[..at].contains(format) {
                bail!("format {format} is named twice");
            }
        }
        let tools = super::value(step, "tools").unwrap_or_else(|| "/".to_owned());
        let zfs = match super::value(step, "root").as_deref() {
            None | Some("ufs") => None,
            Some("zfs") => Some(PathBuf::from(tools)),
            Some(root) => bail!("root {root} is not known: ufs, zfs"),
        };
        let size = super::value(step, "size_mb").map(|text| {
            let size = text.parse::<u64>().ok().filter(|mb| (1..=1 << 30).contains(mb));
            size.with_context(|| format!("size_mb {text} is no size in MiB"))
        });
        let console = super::value(step, "console").unwrap_or_else(|| "ttya".to_owned());
        if !CONSOLES.contains(&console.as_str()) {
            bail!("console {console} is not known: {}", CONSOLES.join(", "));
        }
        Ok(Self { formats, size: size.transpose()?, zfs, console })
    }
}

/// Whether what is asked can be.
pub(super) fn check(step: &Step) -> Result<()> {
    match Asked::of(step)?.zfs {
        Some(tools) => pool::check(&tools),
        None => Ok(()),
    }
}

pub(super) fn options(image: &Image, step: &Step, world: &World<'_>) -> Result<String> {
    let mut asked = Asked::of(step)?;
    // Where the tools are is no part of what they make.
    let zfs = asked.zfs.take().is_some();
    Ok(format!("{} {asked:?} {zfs}", gpt::options(image, world)?))
}

/// The file that a boot of the disk is tried with, among the media.
pub(super) fn tried(image: &Image) -> Option<String> {
    let step = image.steps.iter().find(|step| step.native == Some(Native::Disk))?;
    let asked = Asked::of(step).ok()?;
    Some(format!("{}.{}", image.name, asked.formats.first()?))
}

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let asked = Asked::of(work.step)?;
    let (media, name) = (&work.places.media, &work.image.name);
    let mut root = work.root()?;
    let volume_set = medium::volume_set(work, &mut root)?;
    root.save()?;
    let mut disk = Root::of(&root, &volume_set, "disk")?;
    medium::check_starts(&root, if disk.has_loader() { None } else { Some(iso::MENU) })?;
    put_console(&mut disk, &root, &asked.console)?;
    let size = asked.size.map_or(Size::Free((root.bytes() / 5) >> 20), Size::Whole);
    let raw = media.join(format!(".{name}.raw.new"));
    let length = match &asked.zfs {
        None => gpt::write(work, &disk, size, &raw)?,
        Some(tools) => {
            if root.is_file("solaris.zlib") {
                bail!("root zfs: /usr is packed already: the step comes before post-mod");
            }
            in_pool(work, disk, size, tools, &raw)?
        }
    };
    in_forms(work, &raw, length, &asked.formats)
}

/// Writes the disk with a root in ZFS.
fn in_pool(
    work: &Work<'_>,
    mut disk: Root<'_>,
    size: Size,
    tools: &Path,
    raw: &Path,
) -> Result<u64> {
    let dataset = pool::dataset(&work.image.name);
    if !disk.has_loader() {
        let menu = std::io::read_to_string(disk.content(iso::MENU)?)?;
        disk.put(iso::MENU, gpt::menu_of_dataset(&menu, &dataset).into_bytes())?;
    }
    let pool = pool::make(work, &disk, size, tools)?;
    let length = gpt::write_pool(work, &disk, (&pool, &dataset), raw)?;
    std::fs::remove_file(&pool).with_context(|| pool.display().to_string())?;
    Ok(length)
}

/// Says kernel and loader where the console is.
fn put_console(disk: &mut Root<'_>, root: &image_rooted::Rooted, console: &str) -> Result<()> {
    if disk.has_loader() {
        // The loader speaks on both; the system's console is one.
        let conf = format!("console=\"{console},text\"\nos_console=\"{console}\"\n");
        return disk.put(CONSOLE_CONF, conf.into_bytes());
    }
    if !root.is_file(iso::MENU) {
        return Ok(());
    }
    let menu = std::io::read_to_string(disk.content(iso::MENU)?)?;
    disk.put(iso::MENU, menu.replace("console=ttya", &format!("console={console}")).into_bytes())
}

/// The raw disk in the forms that are asked for; it goes if raw is none of them.
fn in_forms(work: &Work<'_>, raw: &Path, length: u64, formats: &[String]) -> Result<()> {
    let media = &work.places.media;
    let place = |format: &str| media.join(format!("{}.{format}", work.image.name));
    for (number, format) in (1..).zip(formats) {
        if format != "raw" {
            convert(raw, length, format, &place(format))?;
        }
        work.progress(number, formats.len() as u64, "forms");
    }
    if formats.iter().any(|format| format == "raw") {
        let to = place("raw");
        std::fs::rename(raw, &to).with_context(|| to.display().to_string())
    } else {
        std::fs::remove_file(raw).with_context(|| raw.display().to_string())
    }
}

fn convert(raw: &Path, length: u64, format: &str, to: &Path) -> Result<()> {
    let named = || to.display().to_string();
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside: PathBuf = to.with_file_name(format!(".{name}.new"));
    let mut from = File::open(raw).with_context(|| raw.display().to_string())?;
    from.rewind()?;
    let mut out = BufWriter::new(File::create(&beside).with_context(named)?);
    let made = match format {
        "qcow2" => disk::qcow2(&mut from, length, &mut out),
        _ => disk::vmdk(&mut from, length, &name, &mut out),
    };
    made.with_context(named)?;
    out.flush().with_context(named)?;
    out.get_ref().sync_all().with_context(named)?;
    std::fs::rename(&beside, to).with_context(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Result<Asked, String> {
        let step = Step {
            name: "disk".to_owned(),
            message: String::new(),
            native: Some(Native::Disk),
            script: String::new(),
            arguments: words.iter().map(|word| (*word).to_owned()).collect(),
            named: Vec::new(),
            built_in: false,
        };
        Asked::of(&step).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_asked() {
        let formats = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let plain =
            Asked { formats: formats(&["raw"]), size: None, zfs: None, console: "ttya".to_owned() };
        for (words, wanted) in [
            (&[][..], Ok(plain.clone())),
            (
                &["root=zfs", "tools=/t"],
                Ok(Asked { zfs: Some(PathBuf::from("/t")), ..plain.clone() }),
            ),
            (&["root=ufs", "size_mb=300"], Ok(Asked { size: Some(300), ..plain.clone() })),
            (
                &["format=vmdk,qcow2", "console=text"],
                Ok(Asked {
                    formats: formats(&["vmdk", "qcow2"]),
                    console: "text".to_owned(),
                    ..plain.clone()
                }),
            ),
            (&["format=vhd"], Err("format vhd is not known: raw, qcow2, vmdk")),
            (&["format=raw,raw"], Err("format raw is named twice")),
            (&["root=ext4"], Err("root ext4 is not known: ufs, zfs")),
            (&["size_mb=-1"], Err("size_mb -1 is no size in MiB")),
            (&["size_mb=99999999999"], Err("size_mb 99999999999 is no size in MiB")),
            (
                &["console=a b"],
                Err("console a b is not known: ttya, ttyb, ttyc, ttyd, text, graphics"),
            ),
        ] {
            assert_eq!(asked(words), wanted.map_err(str::to_owned), "{words:?}");
        }
    }
}
