//! gates.rs - the sources: which there must be, which are there, and how those that are not come.
//!
//! | place below projects | known by | comes by |
//! |---|---|---|
//! | illumos | usr/src/tools/env/illumos.sh | GET_ILLUMOS |
//! | illumos-extra, illumos-extras | Makefile | GET_ILLUMOS_EXTRA, GET_ILLUMOS_EXTRAS |
//! | opensolaris-man | man pages: it may be absent | GET_OPENSOLARIS_MAN |
//! | illumos/closed | root_i386, where the gate's environment names closed binaries | ON_CLOSED_BINS_URL |
//!
//! A gate with the linker's sources is the real one, which is compiled on illumos only.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::{About, Report};
use crate::environment;
use crate::site::Site;

/// A gate that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// illumos-gate itself, not a gate laid out like it.
    pub is_real: bool,
}

/// Whether a source is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    There(Gate),
    /// There is nothing.
    Absent,
    /// A link that leads nowhere.
    Dangling(PathBuf),
    /// Something else is there.
    Lacks(&'static str),
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name below projects.
    pub name: &'static str,
    /// The file it is known by.
    pub probe: &'static str,
    /// The variable that says how it comes.
    pub variable: &'static str,
    /// Whether there may be none.
    pub is_optional: bool,
    /// Whether it is there.
    pub presence: Presence,
}

impl Source {
    /// The gate; none where a proto area is taken instead.
    #[must_use]
    pub fn illumos(about: &About<'_>) -> Option<Source> {
        sources(about).into_iter().find(|source| source.name == "illumos")
    }

    /// What the site says about how it comes.
    #[must_use]
    pub fn way<'a>(&self, site: &'a Site) -> Option<&'a str> {
        site.get(self.variable)
    }
}

fn presence(path: &Path, probe: &'static str) -> Presence {
    match (path.symlink_metadata(), path.metadata()) {
        (Err(_), _) => Presence::Absent,
        (Ok(_), Err(_)) => Presence::Dangling(fs::read_link(path).unwrap_or_default()),
        (Ok(_), Ok(_)) if !path.join(probe).exists() => Presence::Lacks(probe),
        (Ok(_), Ok(_)) => Presence::There(Gate { is_real: path.join("usr/src/cmd/sgs").is_dir() }),
    }
}

/// All sources of a workspace.
#[must_use]
pub fn sources(about: &About<'_>) -> Vec<Source> {
    let extra = about.workspace.extra_name();
    let older = about.site.get("GET_ILLUMOS_EXTRAS").is_some();
    let there = about.workspace.path("projects").join(extra).exists();
    let (extra, variable) = match extra {
        "illumos-extra" if !there && older => ("illumos-extras", "GET_ILLUMOS_EXTRAS"),
        "illumos-extra" => (extra, "GET_ILLUMOS_EXTRA"),
        _ => (extra, "GET_ILLUMOS_EXTRAS"),
    };
    let mut all = Vec::new();
    if about.site.get("ILLUMOS_PROTO").is_none() {
        all.push(("illumos", "usr/src/tools/env/illumos.sh", "GET_ILLUMOS", false));
    }
    all.push((extra, "Makefile", variable, false));
    all.push(("opensolaris-man", "", "GET_OPENSOLARIS_MAN", true));
    let source = |(name, probe, variable, is_optional)| {
        let path = about.workspace.path("projects").join(name);
        Source { name, probe, variable, is_optional, presence: presence(&path, probe) }
    };
    all.into_iter().map(source).collect()
}

/// What is wrong with the sources.  One that is absent, and can be brought, is nothing wrong.
pub fn check(about: &About<'_>, report: &mut Report) {
    proto(about, report);
    for source in sources(about) {
        let place = about.workspace.path("projects").join(source.name);
        let place = place.display();
        match &source.presence {
            Presence::There(gate) if gate.is_real && !about.host.is_illumos() => report.problem(
                format!("{place}: illumos-gate is compiled on illumos only"),
                "set ILLUMOS_PROTO, in configure.site, to a proto area of it built there",
            ),
            // Sources are built in place.
            Presence::There(_) if !source.is_optional && !is_writable(about, source.name) => report
                .problem(
                    format!("{place}: may not be written, and is built in place"),
                    format!("cp -R {place}/. {place}.own && rm {place} && mv {place}.own {place}"),
                ),
            Presence::There(_) => report.good(format!("projects/{}", source.name)),
            Presence::Dangling(to) => report.problem(
                format!("{place}: a link to {}, which is not there", to.display()),
                format!("rm {place}, or make what it names"),
            ),
            Presence::Lacks(probe) => report.problem(
                format!("{place}: has no {probe}"),
                format!("mv {place} {place}.old, and configure again"),
            ),
            Presence::Absent if source.way(about.site).is_some() => {
                report.notice(format!("projects/{}: to be brought", source.name));
            }
            Presence::Absent if source.is_optional => report.notice(format!(
                "projects/{}: none; manual pages are those of overlay and proto",
                source.name
            )),
            Presence::Absent => report.problem(
                format!("{place}: is not there, and {} is not set", source.variable),
                format!("ln -s YOUR-SOURCES {place}, or set {} in configure.site", source.variable),
            ),
        }
    }
    closed_bins(about, report);
}

fn is_writable(about: &About<'_>, name: &str) -> bool {
    let path = about.workspace.path("projects").join(name);
    rustix::fs::access(&path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// A proto area that is taken instead of building.
fn proto(about: &About<'_>, report: &mut Report) {
    let Some(path) = about.site.get("ILLUMOS_PROTO") else { return };
    let is_there = about.workspace.path(path).join("usr/bin").is_dir();
    if is_there && environment::is_plain(path) {
        report.good(format!("proto area of illumos: {path}"));
    } else {
        report.problem(
            format!("ILLUMOS_PROTO: {path}: is no proto area (it has no usr/bin)"),
            "name the proto area of a gate that is built: .../proto/root_i386",
        );
    }
}

/// Whether an environment file asks for closed binaries.
fn wants_closed_bins(environment: &str) -> bool {
    let assigns = |line: &str| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        line.starts_with("ON_CLOSED_BINS=")
    };
    environment.lines().any(assigns)
}

fn closed_bins(about: &About<'_>, report: &mut Report) {
    let gate = about.workspace.illumos();
    let environment = fs::read_to_string(gate.join("usr/src/tools/env/illumos.sh"));
    let wanted = environment.is_ok_and(|text| wants_closed_bins(&text));
    let is_set = about.site.get("ON_CLOSED_BINS_URL").is_some();
    match gate.join("closed").is_dir() {
        true => report.good("projects/illumos/closed"),
        false if is_set => report.notice("projects/illumos/closed: to be brought"),
        false if wanted => report.problem(
            format!("{}: has no closed binaries, and its environment names them", gate.display()),
            "set ON_CLOSED_BINS_URL in configure.site to their archive",
        ),
        false => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::create_dir_all(path("real/usr/src/cmd/sgs")).unwrap();
        fs::create_dir_all(path("like")).unwrap();
        fs::write(path("real/Makefile"), "").unwrap();
        fs::write(path("like/Makefile"), "").unwrap();
        std::os::unix::fs::symlink("like", path("link")).unwrap();
        std::os::unix::fs::symlink("gone", path("dangling")).unwrap();
        fs::write(path("file"), "").unwrap();
        for (name, want) in [
            ("real", Presence::There(Gate { is_real: true })),
            ("like", Presence::There(Gate { is_real: false })),
            ("link", Presence::There(Gate { is_real: false })),
            ("dangling", Presence::Dangling("gone".into())),
            ("file", Presence::Lacks("Makefile")),
            ("nothing", Presence::Absent),
        ] {
            assert_eq!(presence(&path(name), "Makefile"), want, "{name}");
        }
    }

    #[test]
    fn closed_binaries_are_wanted_by_an_assignment() {
        for (text, want) in [
            ("export ON_CLOSED_BINS=\"$CODEMGR_WS/closed\"\n", true),
            ("ON_CLOSED_BINS=x; export ON_CLOSED_BINS\n", true),
            ("# export ON_CLOSED_BINS=x\n", false),
            ("", false),
        ] {
            assert_eq!(wants_closed_bins(text), want, "{text}");
        }
    }
}
