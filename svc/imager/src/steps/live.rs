//! live.rs - what a live system has otherwise than an installed one.
//!
//! What is edited lies below `save` as it was: the installer puts it back.  Caches of the desktop
//! are made by programs of the image; a host that cannot run those leaves them to the first boot,
//! so what is stale is taken out.

use anyhow::Result;
use image_tree::Entry;

use super::Work;
use image_rooted::{Owned, Rooted};

/// Who is logged in on a live CD.
const USER: &str = "jack";

/// What a live CD starts without.
const NOT_STARTED: [&str; 4] = [
    "etc/xdg/autostart/updatemanagernotifier.desktop",
    "usr/share/dbus-1/services/gnome-power-manager.service",
    "usr/share/gnome/autostart/gnome-power-manager.desktop",
    "usr/share/gnome/autostart/vp-sysmon.desktop",
];

/// What the desktop makes anew when it is not there.
const CACHES: [&str; 6] = [
    "usr/share/applications/mimeinfo.cache",
    "etc/gtk-2.0/gtk.immodules",
    "etc/amd64/gtk-2.0/gtk.immodules",
    "etc/gtk-2.0/gdk-pixbuf.loaders",
    "etc/amd64/gtk-2.0/gdk-pixbuf.loaders",
    "usr/share/mime/mimeinfo.cache",
];

const PANEL: &str = "etc/gconf/schemas/panel-default-setup.entries";
const SYSTEM: &str = "etc/system";

/// Keeps a copy of a file, if it is there, for the installer.
fn save(root: &mut Rooted, path: &str, bytes: Option<Vec<u8>>, entry: Option<Entry>) -> Result<()> {
    if let (Some(bytes), Some(entry)) = (bytes, entry) {
        let owned = Owned { mode: entry.mode, uid: entry.uid, gid: entry.gid };
        root.put(&format!("save/{path}"), &bytes, owned)?;
    }
    Ok(())
}

/// The same of a file of the root itself.
fn save_own(root: &mut Rooted, path: &str) -> Result<()> {
    let (bytes, entry) = (root.read(path)?, root.tree.get(path).cloned());
    save(root, path, bytes, entry)
}

/// The same of a file of the boot archive.
fn save_from(archive: &Rooted, root: &mut Rooted, path: &str) -> Result<()> {
    save(root, path, archive.read(path)?, archive.tree.get(path).cloned())
}

/// slim-im-mod.
pub(super) fn slim_root(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    root.directory("save", Owned::root(0o755))?;
    for path in NOT_STARTED {
        save_own(&mut root, path)?;
        root.remove(path)?;
    }
    if let Some(text) = root.text(PANEL)? {
        save_own(&mut root, PANEL)?;
        root.put(PANEL, panel(&text).as_bytes(), Owned::root(0o644))?;
    }
    if let Some(text) = root.text(SYSTEM)? {
        save_own(&mut root, SYSTEM)?;
        // A live system has little memory to spare for the cache of ZFS.
        let lines = "set zfs:zfs_arc_max=0x4002000\nset zfs:zfs_vdev_cache_size=0\n";
        root.put(SYSTEM, format!("{text}{lines}").as_bytes(), Owned::sys(0o644))?;
    }
    forget_caches(work, &mut root)?;
    Ok(root.save()?)
}

/// tm-im-mod and ai-im-mod: an installer without desktop has no more than stale caches.
pub(super) fn installer_root(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    root.directory("save", Owned::root(0o755))?;
    forget_caches(work, &mut root)?;
    Ok(root.save()?)
}

fn forget_caches(work: &Work<'_>, root: &mut Rooted) -> Result<()> {
    let there: Vec<&str> = CACHES.into_iter().filter(|path| root.is_file(path)).collect();
    for path in there {
        work.debug(&format!("{path} is made at the first boot"));
        root.remove(path)?;
    }
    Ok(())
}

/// The panel without the network's applet, and with the theme's background.
fn panel(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut source = text.lines();
    while let Some(line) = source.next() {
        if line.contains("<string>netstatus_applet</string>") {
            // The element that closes the entry follows it.
            source.next();
            continue;
        }
        if line.contains("<string>image</string>") {
            lines.push(line.replacen("image", "gtk", 1));
        } else {
            lines.push(line.to_string());
        }
    }
    lines.join("\n") + "\n"
}

/// slim-ba-config.
pub(super) fn slim_archive(work: &Work<'_>) -> Result<()> {
    let mut root = work.root()?;
    let mut archive = work.archive()?;
    let gdm = "etc/gdm/custom.conf";
    if let Some(text) = archive.text(gdm)? {
        save_from(&archive, &mut root, gdm)?;
        archive.put(gdm, with_login(&text).as_bytes(), Owned::root(0o644))?;
    }
    if let Some(text) = archive.text("etc/user_attr")? {
        archive.put("etc/user_attr", user_attr(&text).as_bytes(), Owned::sys(0o644))?;
    }
    if let Some(text) = archive.text("etc/sudoers")? {
        save_from(&archive, &mut root, "etc/sudoers")?;
        let text = format!("{text}{USER} ALL=(ALL) NOPASSWD: ALL \n");
        archive.put("etc/sudoers", text.as_bytes(), Owned::root(0o440))?;
    }
    archive.remove("dev/zcons")?;
    archive.save()?;
    Ok(root.save()?)
}

/// gdm logs the user of the live CD in.
fn with_login(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        out.push_str(&format!("{line}\n"));
        if line.starts_with("[daemon]") {
            out.push_str(&format!(
                "AutomaticLoginEnable=true\nAutomaticLogin={USER}\nGdmXserverTimeout=30\n"
            ));
        }
    }
    out
}

/// root becomes a role of the user.
fn user_attr(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("root::::") {
        Some(rest) => format!("root::::type=role;{rest}\n"),
        None => format!("{line}\n"),
    };
    let lines: String = text.lines().map(line).collect();
    format!("{lines}{USER}::::profiles=System Administrator;roles=root\n")
}

/// ai-ba-config: an automated installer asks nobody for a name.
pub(super) fn auto_archive(work: &Work<'_>) -> Result<()> {
    let mut archive = work.archive()?;
    archive.remove("dev/zcons")?;
    Ok(archive.save()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_desktop_are_edited() {
        let panel_text =
            "<a>\n<string>netstatus_applet</string>\n</value>\n<string>image</string>\n</a>\n";
        assert_eq!(panel(panel_text), "<a>\n<string>gtk</string>\n</a>\n");
        assert_eq!(
            with_login("[daemon]\n[x]\n"),
            "[daemon]\nAutomaticLoginEnable=true\nAutomaticLogin=jack\nGdmXserverTimeout=30\n[x]\n"
        );
        assert_eq!(
            user_attr("adm::::profiles=Log\nroot::::auths=solaris.*\n"),
            "adm::::profiles=Log\nroot::::type=role;auths=solaris.*\n\
             jack::::profiles=System Administrator;roles=root\n"
        );
    }
}
