//! place.rs - where things are: the root of the state, the prefix of the programs.
//!
//! ```text
//! $SMF_ROOT/etc/svc/volatile/{repository_door,svc.startd.pid,boot}
//! $SMF_ROOT/var/svc/log/application-builder:illumos.log
//! $SMF_ROOT/var/lamplighter/builder/illumos/{current,progress,...}
//! $SMF_ROOT/var/lamplighter/release/default/{repo,media}
//! PREFIX/bin, PREFIX/lib/svc/{bin,manifest,profile}, PREFIX/share/lamplighter
//! ```
//!
//! Here paths are composed; nothing is read or written.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root and the prefix.
#[derive(Debug, Clone)]
pub struct Place {
    /// `$SMF_ROOT`.
    pub root: PathBuf,
    /// Where Lamplighter is installed.
    pub prefix: PathBuf,
}

/// `$SMF_ROOT`, else `/` for root, else the user's state directory: as svcs has it.
fn root() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(root) = set("SMF_ROOT") {
        return root.into();
    }
    if nix::unistd::geteuid().is_root() {
        return "/".into();
    }
    let state = set("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    state.unwrap_or_else(|| "/".into()).join("lamplighter")
}

impl Place {
    /// Of this process: the environment's root, the prefix this program lies in.
    pub fn here() -> Result<Self> {
        let program = std::env::current_exe().context("the path of this program")?;
        let prefix = program.parent().and_then(Path::parent).context("this program lies in /")?;
        Ok(Self { root: std::path::absolute(root())?, prefix: prefix.to_owned() })
    }

    /// A command of SMF: ours where the prefix has it, else the system's.
    pub fn command(&self, name: &str) -> PathBuf {
        let ours = self.prefix.join("bin").join(name);
        if ours.exists() { ours } else { PathBuf::from(name) }
    }

    /// The restarter; on a host with an SMF of its own there is none of ours.
    pub fn engine(&self) -> PathBuf {
        self.prefix.join("lib/svc/bin/svc.startd")
    }

    /// The bundles.
    pub fn bundles(&self) -> PathBuf {
        self.prefix.join("lib/svc/manifest")
    }

    /// The script that makes the depots.
    pub fn depots(&self) -> PathBuf {
        self.prefix.join("lib/svc/profile/depots")
    }

    /// The sample gates, or the tiny ones.
    pub fn gates(&self, tiny: bool) -> PathBuf {
        let all = self.prefix.join("share/lamplighter/gates");
        if tiny { all.join("tiny") } else { all }
    }

    /// The image manifest of the sample gates, or of the tiny ones.
    pub fn image(&self, tiny: bool) -> PathBuf {
        let name = if tiny { "tiny.xml" } else { "slim_cd_x86.xml" };
        self.prefix.join("share/lamplighter/images").join(name)
    }

    /// The live manifest of the sample gates, or of the tiny ones.
    pub fn platform(&self, tiny: bool) -> PathBuf {
        let name = if tiny { "live_tiny.manifest" } else { "live.manifest" };
        self.prefix.join("share/lamplighter/images").join(name)
    }

    /// A file that ends with the boot.
    pub fn volatile(&self, name: &str) -> PathBuf {
        self.root.join("etc/svc/volatile").join(name)
    }

    /// The log of an instance.
    pub fn log(&self, fmri: &str) -> PathBuf {
        let name = fmri.trim_start_matches("svc:/").replace('/', "-");
        self.root.join("var/svc/log").join(format!("{name}.log"))
    }

    /// Where the stages have their directories, by kind and instance.
    pub fn stages(&self) -> PathBuf {
        self.root.join("var/lamplighter")
    }

    /// Where a stage works and keeps its outputs.
    pub fn stage(&self, fmri: &str) -> PathBuf {
        let name = fmri.trim_start_matches("svc:/application/").replace(':', "/");
        // The release is a place of its own, not one of the builders'.
        self.stages().join(
            name.strip_prefix("builder/").filter(|n| n.starts_with("release/")).unwrap_or(&name),
        )
    }

    /// Where releases are kept.
    pub fn release(&self, distribution: &str) -> PathBuf {
        self.stages().join("release").join(distribution)
    }
}

/// An instance as people call it: `builder:illumos`, `merger`, `builder/release`.
pub fn short(fmri: &str) -> &str {
    let name = fmri.strip_prefix("svc:/").unwrap_or(fmri);
    let name = name.strip_prefix("application/").unwrap_or(name);
    name.strip_suffix(":default").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places() {
        let place = Place { root: "/r".into(), prefix: "/p".into() };
        for (fmri, name, stage, log) in [
            (
                "svc:/application/builder:illumos",
                "builder:illumos",
                "builder/illumos",
                "application-builder:illumos",
            ),
            (
                "svc:/application/merger:default",
                "merger",
                "merger/default",
                "application-merger:default",
            ),
            (
                "svc:/application/builder/release:default",
                "builder/release",
                "release/default",
                "application-builder-release:default",
            ),
        ] {
            assert_eq!(short(fmri), name);
            assert_eq!(place.stage(fmri), Path::new("/r/var/lamplighter").join(stage));
            assert_eq!(place.log(fmri), PathBuf::from(format!("/r/var/svc/log/{log}.log")));
        }
    }
}
