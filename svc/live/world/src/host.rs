//! host.rs - what is known of the host: system, zone, tools in PATH, and which command installs
//! what is missing.
//!
//! The facts are taken once; everything that judges them takes them as they are.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Limits, Program};

use crate::site::Site;

/// How long zonename may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where programs are that an ordinary user's PATH leaves out: they are looked for last, and by builds
/// as well.
pub const ASIDE: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Tools, and the packages that bring them: Debian's, pkg(7)'s, pkgsrc's.
const PACKAGES: [(&str, [&str; 3]); 17] = [
    ("gmake", ["make", "developer/build/gnu-make", "gmake"]),
    ("make", ["make", "developer/build/gnu-make", "gmake"]),
    ("gcc", ["gcc", "developer/gcc-14", "gcc14"]),
    ("ld", ["binutils", "developer/linker", "binutils"]),
    ("objcopy", ["binutils", "developer/gnu-binutils", "binutils"]),
    ("git", ["git", "developer/versioning/git", "git-base"]),
    ("zic", ["libc-bin", "system/core-os", "tzdata"]),
    ("perl", ["perl", "runtime/perl", "perl"]),
    ("flex", ["flex", "developer/lexer/flex", "flex"]),
    ("bison", ["bison", "developer/parser/bison", "bison"]),
    ("python3", ["python3", "runtime/python-313", "python313"]),
    ("dmake", ["", "developer/build/make", ""]),
    ("ctfconvert", ["", "developer/build/onbld", ""]),
    ("tar", ["tar", "archiver/gnu-tar", "gtar-base"]),
    ("gzip", ["gzip", "compress/gzip", "gzip"]),
    ("bzip2", ["bzip2", "compress/bzip2", "bzip2"]),
    ("xz", ["xz-utils", "compress/xz", "xz"]),
];

/// The host, as it was when somebody looked.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// `SunOS`, `Linux`.
    pub system: String,
    /// `x86_64`, `i86pc`.
    pub machine: String,
    /// The zone, where there are zones.
    pub zone: Option<String>,
    /// Where programs are looked for.
    pub path: Vec<PathBuf>,
    /// Whether the caller is root.
    pub is_root: bool,
    /// Processors.
    pub processors: usize,
}

impl Host {
    /// This host; `path` is the caller's PATH.
    #[must_use]
    pub fn here(path: &str) -> Host {
        let about = rustix::system::uname();
        let system = about.sysname().to_string_lossy().into_owned();
        let zone = (system == "SunOS").then(|| {
            let said = Program::new("/usr/bin/zonename").output(&Limits::of(PATIENCE));
            said.map_or_else(|_| "global".to_owned(), |said| said.text().trim().to_owned())
        });
        Host {
            machine: about.machine().to_string_lossy().into_owned(),
            zone,
            path: path.split(':').filter(|part| !part.is_empty()).map(PathBuf::from).collect(),
            is_root: nix::unistd::geteuid().is_root(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            system,
        }
    }

    /// illumos, or what calls itself so.
    #[must_use]
    pub fn is_illumos(&self) -> bool {
        self.system == "SunOS"
    }

    /// Where a program is.
    #[must_use]
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        let aside = ASIDE.map(PathBuf::from);
        let places = self.path.iter().chain(&aside);
        places.map(|place| place.join(program)).find(|path| is_program(path))
    }

    /// GNU make's name here.
    #[must_use]
    pub fn make(&self, site: &Site) -> String {
        let named = site.get("MAKE").map(str::to_owned);
        let gnu = || self.find("gmake").map(|_| "gmake".to_owned());
        named.or_else(gnu).unwrap_or_else(|| {
            if self.is_illumos() { "gmake".to_owned() } else { "make".to_owned() }
        })
    }

    /// The command that installs these tools.
    #[must_use]
    pub fn install(&self, tools: &[&str], site: &Site) -> String {
        let (column, command) = match (self.is_illumos(), site.get("HAVE_PKG")) {
            (false, _) => (0, "apt-get install -y"),
            (true, Some("false")) => (2, "pkgin -y install"),
            (true, _) if self.find("pkg").is_some() => (1, "pkg install"),
            (true, _) => (2, "pkgin -y install"),
        };
        let mut names: Vec<&str> = Vec::new();
        for tool in tools {
            let known = PACKAGES.iter().find(|(name, _)| name == tool);
            let name = known.map_or(*tool, |(_, names)| names[column]);
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return format!("install {}", tools.join(", "));
        }
        let root = match (self.is_root, site.get("ROOTCMD"), self.is_illumos()) {
            (true, _, _) => "",
            (false, Some(command), _) => command,
            (false, None, true) => "pfexec",
            (false, None, false) => "sudo",
        };
        let words = [root, command, &names.join(" ")];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// Whether a file can be executed by somebody.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_its_words() {
        let linux = Host { system: "Linux".into(), is_root: true, ..Host::default() };
        let user = Host { is_root: false, ..linux.clone() };
        let illumos = Host { system: "SunOS".into(), ..Host::default() };
        let tools = ["gmake", "ld", "objcopy"];
        for (host, site, want) in [
            (&linux, Site::default(), "apt-get install -y make binutils"),
            (&user, Site::default(), "sudo apt-get install -y make binutils"),
            (&illumos, Site::default(), "pfexec pkgin -y install gmake binutils"),
            (&illumos, Site::of(&[("ROOTCMD", "sudo")]), "sudo pkgin -y install gmake binutils"),
        ] {
            assert_eq!(host.install(&tools, &site), want);
        }
        assert_eq!(linux.install(&["dmake"], &Site::default()), "install dmake");
        assert_eq!(illumos.make(&Site::default()), "gmake");
        assert_eq!(linux.make(&Site::of(&[("MAKE", "gnumake")])), "gnumake");
    }

    #[test]
    fn this_host_has_a_shell() {
        let host = Host::here("/usr/bin:/bin");
        assert!(host.find("sh").is_some() && host.find("no-such-program").is_none());
        assert!(!host.system.is_empty() && host.processors > 0);
    }
}
