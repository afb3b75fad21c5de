//! ba_config.rs - the boot archive as the root of a running system.
//!
//! ```text
//! MARKER             .livecd, .textinstall, .autoinstall: the argument of the step
//! .volsetid          the id of the volume set; the medium carries it too
//! .cdrom  mnt/misc  mnt/pkg     where a medium and its compressed parts are mounted
//! opt, every path of etc and var that is not here → /mnt/misc/PATH
//! etc/svc/repository.db          the services as they begin
//! ```
//!
//! What the original had kernel and chroot do: devices are made at the first boot (`reconfigure`),
//! the clock is GMT by etc/rtc_config, profiles are read from etc/svc/profile by the system itself.

use std::collections::BTreeSet;

use anyhow::Result;
use image_formats::iso;
use image_manifest::Image;

use super::{Work, profiles};
use image_rooted::{Owned, Rooted, services};

const SEED: &str = "lib/svc/seed/global.db";
const REPOSITORY: &str = "etc/svc/repository.db";

/// A process leaves its core where it works; nobody keeps those of all.
const CORE_DUMPS: &str = "COREADM_GLOB_PATTERN=/tmp/core\n\
    COREADM_GLOB_CONTENT=default\n\
    COREADM_INIT_PATTERN=core\n\
    COREADM_INIT_CONTENT=default\n\
    COREADM_GLOB_ENABLED=no\n\
    COREADM_PROC_ENABLED=yes\n\
    COREADM_GLOB_SETID_ENABLED=no\n\
    COREADM_PROC_SETID_ENABLED=no\n\
    COREADM_GLOB_LOG_ENABLED=no\n";

/// What shows in the archive, and is not in it yet.
pub(super) fn options(image: &Image) -> Result<String> {
    Ok(format!("{} {}", image.host_name, profiles::options(image)?))
}

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let root = work.root()?;
    let mut archive = work.archive()?;
    devices(&mut archive)?;
    identity(&mut archive, &work.image.host_name)?;
    put_profiles(work, &mut archive)?;
    services(work, &root, &mut archive)?;
    if root.is_directory("usr/bin") && archive.tree.get("bin").is_none() {
        archive.link("bin", "./usr/bin")?;
    }
    for path in ["mnt/misc", "mnt/pkg", ".cdrom"] {
        archive.directory(path, Owned::root(0o755))?;
    }
    let mut facts = work.facts()?;
    facts.volume_set = iso::volume_set_id(work.id);
    let text = format!("{}\n", facts.volume_set);
    archive.put(iso::VOLUME_SET_ID, text.as_bytes(), Owned::root(0o444))?;
    if let Some(marker) = work.step.arguments.first().map(|marker| marker.trim_matches('/')) {
        // The original touches it: a file that is there keeps what it holds.
        if archive.tree.get(marker).is_none() {
            archive.put(marker, b"", Owned::root(0o444))?;
        }
    }
    links(&root, &mut archive)?;
    archive.save()?;
    work.keep(&facts)
}

fn devices(archive: &mut Rooted) -> Result<()> {
    for path in ["dev", "devices"] {
        archive.directory(path, Owned::sys(0o755))?;
    }
    archive.put("etc/path_to_inst", b"#path_to_inst_bootstrap_1\n", Owned::root(0o444))?;
    archive.put("reconfigure", b"", Owned::root(0o644))?;
    Ok(())
}

/// Time zone, core dumps, names of the host.
fn identity(archive: &mut Rooted, host: &str) -> Result<()> {
    if let Some(text) = archive.text("etc/default/init")? {
        archive.put(
            "etc/default/init",
            set_line(&text, "TZ=", "GMT").as_bytes(),
            Owned::sys(0o644),
        )?;
    }
    archive.put("etc/coreadm.conf", CORE_DUMPS.as_bytes(), Owned::root(0o644))?;
    archive.put("etc/rtc_config", b"zone_info=GMT\nzone_lag=0\n", Owned::sys(0o644))?;
    archive.put("etc/nodename", format!("{host}\n").as_bytes(), Owned::root(0o644))?;
    if let Some(text) = archive.text("etc/inet/hosts")? {
        let named = with_alias(&text, host);
        archive.put("etc/inet/hosts", named.as_bytes(), Owned::sys(0o444))?;
    }
    Ok(())
}

/// The text with `NAME=VALUE` in place of the lines of that name, or at its end.
fn set_line(text: &str, name: &str, value: &str) -> String {
    let wanted = format!("{name}{value}");
    let set = |line| if str::starts_with(line, name) { wanted.as_str() } else { line };
    let mut lines: Vec<&str> = text.lines().map(set).collect();
    if !lines.contains(&wanted.as_str()) {
        lines.push(&wanted);
    }
    lines.join("\n") + "\n"
}

/// The host's name among those of the loopback addresses.
fn with_alias(text: &str, host: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let loopback = matches!(words.next(), Some("127.0.0.1" | "::1"));
        let named = words.any(|word| word == host);
        out.push_str(line);
        if loopback && !named {
            out.push_str(&format!(" {host}"));
        }
        out.push('\n');
    }
    out
}

/// The profiles of the build host come into the image; those of the image are there.
fn put_profiles(work: &Work<'_>, archive: &mut Rooted) -> Result<()> {
    for lent in profiles::lent(work.image)? {
        let path = format!("etc/svc/profile/{}", lent.name);
        archive.put(&path, &lent.bytes, Owned::sys(0o444))?;
    }
    Ok(())
}

/// The repository of services with the image's own bundles in it; without any, as the image's seed
/// has it.
fn services(work: &Work<'_>, root: &Rooted, archive: &mut Rooted) -> Result<()> {
    let made = services::seed(archive, &work.image.boot_archive.profiles)?;
    for warning in &made.warnings {
        work.say(&format!("WARNING: {warning}"));
    }
    work.debug(&format!("{REPOSITORY}: {} bundles and profiles", made.files));
    let repository = match made.repository {
        Some(repository) => Some(repository),
        None => root.read(SEED)?,
    };
    match repository {
        Some(bytes) => archive.put(REPOSITORY, &bytes, Owned::root(0o600))?,
        None => work.say("no bundle is in the image: it has no repository of services"),
    }
    Ok(())
}

/// What is not in the archive is found on the medium.
fn links(root: &Rooted, archive: &mut Rooted) -> Result<()> {
    archive.link("opt", "/mnt/misc/opt")?;
    let mut missing = BTreeSet::new();
    for above in ["etc", "var"] {
        for (path, _) in root.tree.below(above) {
            // Below a directory that is linked as a whole there is nothing to link.
            let linked = path.match_indices('/').any(|(end, _)| missing.contains(&path[..end]));
            if !linked && archive.tree.get(path).is_none() {
                missing.insert(path.to_string());
            }
        }
    }
    for path in missing {
        archive.link(&path, &format!("/mnt/misc/{path}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_set_and_names_added() {
        assert_eq!(set_line("#x\nTZ=PST\nLANG=C\n", "TZ=", "GMT"), "#x\nTZ=GMT\nLANG=C\n");
        assert_eq!(set_line("#x\n", "TZ=", "GMT"), "#x\nTZ=GMT\n");
        let hosts = "#\n127.0.0.1 localhost\n::1\tlocalhost live\n10.0.0.1 x\n";
        let named = "#\n127.0.0.1 localhost live\n::1\tlocalhost live\n10.0.0.1 x\n";
        assert_eq!(with_alias(hosts, "live"), named);
    }

    #[test]
    fn every_path_that_is_missing_has_one_link() {
        let scratch = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let dir = scratch.path().join(name);
            Rooted::create(&dir, &dir.with_extension("table"), 0).unwrap()
        };
        let (mut root, mut archive) = (make("root"), make("archive"));
        for path in ["etc/in", "etc/a/one", "etc/a/two", "etc/a.b", "var/x", "usr/bin/x"] {
            root.put(path, b"", Owned::root(0o644)).unwrap();
        }
        archive.copy_from(&root, "etc/in").unwrap();
        archive.directory("var", Owned::root(0o755)).unwrap();
        links(&root, &mut archive).unwrap();
        let links: Vec<(&str, &image_tree::Kind)> = archive
            .tree
            .iter()
            .filter(|(_, entry)| matches!(entry.kind, image_tree::Kind::Symlink { .. }))
            .map(|(path, entry)| (path, &entry.kind))
            .collect();
        let paths: Vec<&str> = links.iter().map(|(path, _)| *path).collect();
        assert_eq!(paths, ["etc/a", "etc/a.b", "opt", "var/x"]);
        let target = image_tree::Kind::Symlink { target: "/mnt/misc/etc/a".into() };
        assert_eq!(links[0].1, &target);
    }
}
