//! menu.rs - the boot menu: GRUB's of old (`menu.lst`), GRUB 2's (`grub.cfg`), the loader's.
//!
//! `menu.lst` is what tools of illumos read and change.  A medium whose image ships no boot loader
//! starts by the host's GRUB 2, which cannot read it, so the same entries are written for that one
//! too.

use anyhow::{Context, Result};
use image_formats::iso;
use image_manifest::{BootEntry, BootMenu};

use super::Work;
use super::im_pop::IMAGE_INFO;
use image_rooted::{Owned, Rooted};

const MENU_LST: &str = "boot/grub/menu.lst";
const LOADER_CONF: &str = "boot/loader.conf";
/// What the loader adds to its main menu, after its own five entries.
pub(super) const LOADER_MENU: &str = "boot/menu.rc.local";
pub(super) const LOADER_HARD_DISK: &str = "set mainmenu_caption[6]=\"Boot from [H]ard Disk\"\n\
    set mainmenu_command[6]=\"chain disk0:\"\n\
    set mainmenu_keycode[6]=104\n\
    set mainansi_caption[6]=\"Boot from ^[1mH^[mard Disk\"\n";

/// An entry of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    title: String,
    /// `menu.lst`'s own lines.
    lines: Vec<String>,
    /// The kernel's arguments; none: the entry is no kernel's.
    kernel: Option<String>,
    /// Whether the manifest has it start by itself.
    is_default: bool,
}

fn kernel(title: &str, suffix: &str, property: &str) -> Shown {
    let boot = if property.is_empty() { String::new() } else { format!(" -B {property}") };
    let lines = vec![
        format!("kernel$ /platform/i86pc/kernel/$ISADIR/unix{boot}"),
        "module$ /platform/i86pc/$ISADIR/boot_archive".to_string(),
    ];
    let kernel = Some(boot.trim_start().to_string());
    Shown { title: format!("{title}{suffix}"), lines, kernel, is_default: false }
}

/// The title of the entry that starts the first disk.
pub(super) const HARD_DISK: &str = "Boot from Hard Disk";

fn hard_disk() -> Shown {
    let lines = ["rootnoverify (hd0)", "chainloader +1"].map(str::to_string).to_vec();
    let title = HARD_DISK.to_string();
    Shown { title, lines, kernel: None, is_default: false }
}

/// The entries that the kind of image has by itself.
fn built_in(kind: &str, title: &str) -> Vec<Shown> {
    let properties: &[(&str, &str)] = match kind {
        "livecd" => {
            &[("", ""), (" VESA driver", "livemode=vesa"), (" text console", "livemode=text")]
        }
        "ai" => &[
            (" Automated Install custom", "install=true,aimanifest=prompt"),
            (" Automated Install", "install=true"),
            (" Automated Install custom ttya", "install=true,aimanifest=prompt,console=ttya"),
            (" Automated Install custom ttyb", "install=true,aimanifest=prompt,console=ttyb"),
            (" Automated Install ttya", "install=true,console=ttya"),
            (" Automated Install ttyb", "install=true,console=ttyb"),
        ],
        _ => &[("", "")],
    };
    let own = properties.iter().map(|(suffix, property)| kernel(title, suffix, property));
    own.chain([hard_disk()]).collect()
}

fn entries(kind: &str, title: &str, menu: &BootMenu) -> Vec<Shown> {
    let mut all = built_in(kind, title);
    for entry in &menu.entries {
        let BootEntry { title_suffix, position, lines, kernel_arguments, is_default } = entry;
        let suffix = format!(" {title_suffix}");
        let mut shown = if lines.is_empty() {
            kernel(title, &suffix, kernel_arguments.as_deref().unwrap_or(""))
        } else {
            let boot = lines.iter().find_map(|line| line.split_once(" -B "));
            let boot = boot.map_or(String::new(), |(_, rest)| format!("-B {rest}"));
            let title = format!("{title}{suffix}");
            Shown { title, lines: lines.clone(), kernel: Some(boot), is_default: false }
        };
        shown.is_default = *is_default;
        let at = position.unwrap_or(all.len()).min(all.len());
        all.insert(at, shown);
    }
    all
}

fn menu_lst(kind: &str, menu: &BootMenu, entries: &[Shown]) -> String {
    let timeout = menu.timeout.unwrap_or(30);
    let mut text = format!("default={}\ntimeout={timeout}\n", default(menu, entries));
    if let Some(memory) = menu.min_mem64 {
        text.push_str(&format!("min_mem64={memory}\n"));
    }
    match kind {
        "livecd" => text.push_str(
            "splashimage=/boot/grub/splash.xpm.gz\nforeground=343434\nbackground=F7FBFF\n",
        ),
        "text-install" => text.push_str("hiddenmenu\n"),
        _ => {}
    }
    for Shown { title, lines, .. } in entries {
        text.push_str(&format!("\ntitle {title}\n"));
        lines.iter().for_each(|line| text.push_str(&format!("\t{line}\n")));
    }
    text
}

/// The title: the manifest's, or the image's release.
fn title(work: &Work<'_>, root: &Rooted) -> Result<String> {
    if let Some(title) = &work.image.boot_menu.title {
        return Ok(title.clone());
    }
    let release = root.text("etc/release")?;
    let release =
        release.context("etc/release is not in the image, and the manifest has no title")?;
    let line = release.lines().map(str::trim).find(|line| !line.is_empty());
    Ok(line.unwrap_or(&work.image.name).to_string())
}

/// Adds a line to what the installer reads about the image.
fn tell(root: &mut Rooted, lines: &str) -> Result<()> {
    let info = root.text(IMAGE_INFO)?.unwrap_or_default();
    root.put(IMAGE_INFO, format!("{info}{lines}").as_bytes(), Owned::root(0o644))?;
    Ok(())
}

pub(super) fn grub(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    let menu = &work.image.boot_menu;
    let kind = work.step.arguments.first().map_or("livecd", String::as_str);
    let title = title(work, &root)?;
    let entries = entries(kind, &title, menu);
    let text = menu_lst(kind, menu, &entries);
    root.put(MENU_LST, text.as_bytes(), Owned::root(0o644))?;
    if kind == "ai" {
        let memory = menu.min_mem64.unwrap_or(0);
        tell(&mut root, &format!("GRUB_MIN_MEM64={memory}\nGRUB_DO_SAFE_DEFAULT=true\n"))?;
    }
    tell(&mut root, &format!("GRUB_TITLE={title}\n"))?;
    grub_2(work, &mut root, &entries, &title)
}

/// What starts by itself, from 0.
fn default(menu: &BootMenu, entries: &[Shown]) -> usize {
    let own = entries.iter().position(|entry| entry.is_default);
    own.unwrap_or(menu.default_entry as usize)
}

/// The same for GRUB 2, the first disk last: a disk's menu is without it.  Where no time is said, it
/// waits for nobody.
fn grub_cfg(menu: &BootMenu, entries: &[Shown]) -> String {
    let default = default(menu, entries);
    let default = match entries.get(default).map(|entry| entry.kernel.is_some()) {
        Some(true) => &entries[..default],
        Some(false) => entries,
        None => &[],
    };
    let default = default.iter().filter(|entry| entry.kernel.is_some()).count();
    let mut text = iso::menu_head(default, menu.timeout.unwrap_or(0));
    for (title, boot) in entries.iter().filter_map(|one| Some((&one.title, one.kernel.as_ref()?))) {
        let boot = if boot.contains("console=") {
            boot.clone()
        } else if boot.is_empty() {
            "-B console=ttya".to_string()
        } else {
            format!("{boot},console=ttya")
        };
        text.push_str(&iso::menu_entry(title, &boot));
    }
    text + &iso::menu_of_disk(HARD_DISK)
}

/// The same entries for the host's GRUB 2, and the title for the loaders that are made later.
fn grub_2(work: &Work<'_>, root: &mut Rooted, entries: &[Shown], title: &str) -> Result<()> {
    let text = grub_cfg(&work.image.boot_menu, entries);
    root.put(iso::MENU, text.as_bytes(), Owned::root(0o644))?;
    let mut facts = work.facts()?;
    facts.title = title.to_string();
    root.save()?;
    work.keep(&facts)
}

pub(super) fn loader(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    let menu = &work.image.boot_menu;
    let kind = work.step.arguments.first().map_or("livecd", String::as_str);
    let title = title(work, &root)?;
    let timeout = menu.loader_timeout.or(menu.timeout);
    let mut conf = root.text(LOADER_CONF)?.unwrap_or_default();
    if let Some(seconds) = timeout.filter(|seconds| *seconds != 10) {
        conf.push_str(&format!("autoboot_delay={seconds}\n"));
    }
    conf.push_str(&format!("loader_menu_title=\"{}\"\n", title.replace('"', "")));
    root.put(LOADER_CONF, conf.as_bytes(), Owned::root(0o644))?;
    // An installer starts without a word; an image's own menu is its own.
    if kind != "text-install" && !root.is_file(LOADER_MENU) {
        root.put(LOADER_MENU, LOADER_HARD_DISK.as_bytes(), Owned::root(0o444))?;
    }
    let entries = entries(kind, &title, menu);
    grub_2(work, &mut root, &entries, &title)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(entries: Vec<BootEntry>) -> BootMenu {
        BootMenu {
            title: None,
            default_entry: 0,
            timeout: None,
            loader_timeout: None,
            min_mem64: Some(1000),
            entries,
        }
    }

    #[test]
    fn a_live_cd_offers_three_ways_and_the_disk() {
        let ssh = BootEntry {
            title_suffix: "Enable SSH".into(),
            position: Some(1),
            lines: vec!["kernel$ /platform/i86pc/kernel/$ISADIR/unix -B livessh=enable".into()],
            kernel_arguments: None,
            is_default: false,
        };
        let menu = menu(vec![ssh]);
        let text = menu_lst("livecd", &menu, &entries("livecd", "T", &menu));
        let head = "default=0\ntimeout=30\nmin_mem64=1000\nsplashimage=/boot/grub/splash.xpm.gz\n\
                    foreground=343434\nbackground=F7FBFF\n\ntitle T\n\
                    \tkernel$ /platform/i86pc/kernel/$ISADIR/unix\n\
                    \tmodule$ /platform/i86pc/$ISADIR/boot_archive\n\ntitle T Enable SSH\n";
        assert!(text.starts_with(head), "{text}");
        let end = "\ntitle Boot from Hard Disk\n\trootnoverify (hd0)\n\tchainloader +1\n";
        assert!(text.ends_with(end), "{text}");
        let titles: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("title ")).collect();
        assert_eq!(
            titles,
            ["T", "T Enable SSH", "T VESA driver", "T text console", "Boot from Hard Disk"]
        );
    }

    #[test]
    fn what_starts_by_itself_and_when() {
        let plain = |position, is_default| BootEntry {
            title_suffix: "x".into(),
            position,
            lines: Vec::new(),
            kernel_arguments: Some("a=b".into()),
            is_default,
        };
        for (own, default_entry, timeout, heads) in [
            (
                plain(None, false),
                0,
                None,
                [("default=0", "timeout=30"), ("default=0", "timeout=0")],
            ),
            (plain(Some(0), false), 1, Some(7), [("default=1", "timeout=7"); 2]),
            // After the disk, which GRUB 2 does not have.
            (
                plain(None, true),
                0,
                Some(7),
                [("default=2", "timeout=7"), ("default=1", "timeout=7")],
            ),
            // The disk itself; nothing at all.
            (
                plain(None, false),
                1,
                Some(7),
                [("default=1", "timeout=7"), ("default=2", "timeout=7")],
            ),
            (
                plain(None, false),
                9,
                Some(7),
                [("default=9", "timeout=7"), ("default=0", "timeout=7")],
            ),
        ] {
            let menu = BootMenu { default_entry, timeout, ..menu(vec![own]) };
            let all = entries("text-install", "T", &menu);
            let texts = [menu_lst("text-install", &menu, &all), grub_cfg(&menu, &all)];
            for (text, (default, timeout)) in texts.iter().zip(heads) {
                let lines: Vec<&str> =
                    text.lines().map(|line| line.trim_start_matches("set ")).collect();
                assert!(lines.contains(&default) && lines.contains(&timeout), "{text}");
            }
            assert_eq!(texts[1].matches("menuentry ").count(), 3);
            let (_, last) = texts[1].rsplit_once("menuentry ").unwrap();
            assert!(last.starts_with("'Boot from Hard Disk' {\n") && last.ends_with("\tfi\n}\n"));
        }
    }

    #[test]
    fn an_entry_without_place_comes_after_the_disk() {
        let plain = BootEntry {
            title_suffix: "x".into(),
            position: None,
            lines: Vec::new(),
            kernel_arguments: Some("a=b".into()),
            is_default: false,
        };
        let all = entries("text-install", "T", &menu(vec![plain]));
        let titles: Vec<&str> = all.iter().map(|one| one.title.as_str()).collect();
        assert_eq!(titles, ["T", "Boot from Hard Disk", "T x"]);
        assert!(all[2].lines[0].ends_with("unix -B a=b"), "{all:?}");
        assert_eq!(built_in("ai", "T").len(), 7);
    }
}
