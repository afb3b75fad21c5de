//! configure.rs - a workspace is made ready: everything is looked at, then what is missing is
//! brought, then the files are written.
//!
//! Law: while anything is wrong nothing is brought, and while anything is missing nothing is written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use process::Cancel;
use stage::output::write_beside;

use crate::check::{self, About, Gate, Presence, Report, Source, branches, buildver, sources};
use crate::environment::{self, Assigned};
use crate::fetch::{FetchError, Fetcher};

/// What nightly does for a live image: n no bringover, i keep what is there, and no packages.
const NIGHTLY_OPTIONS: &str = "-CimNnt";

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Look, and tell.
    Check,
    /// Bring and write as well.
    Whole,
}

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct ConfigureError {
    path: PathBuf,
    source: io::Error,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ConfigureError + '_ {
    |source| ConfigureError { path: path.to_owned(), source }
}

/// Configures; what was found.  `say` hears what takes its time.
///
/// # Errors
/// A file cannot be written.
pub fn configure(
    about: &About<'_>,
    prefix: &Path,
    depth: Depth,
    cancel: &Cancel,
    say: &mut dyn FnMut(&str),
) -> Result<Report, ConfigureError> {
    let mut report = look(about, prefix);
    if depth == Depth::Check || !report.problems.is_empty() {
        return Ok(report);
    }
    let lock = about.workspace.path("log/lock");
    let Some(_held) = about.workspace.try_lock().map_err(at(&lock))? else {
        report.problem("another configure or world works here", "wait for it, or end it");
        return Ok(report);
    };
    let fetcher = Fetcher { workspace: about.workspace, prefix, cancel };
    bring(about, &fetcher, &mut report, say);
    if report.problems.is_empty() {
        // What was brought is looked at as what was there.
        report = look(about, prefix);
    }
    if report.problems.is_empty() {
        write(about, prefix)?;
        report.good("written: build.env");
    }
    Ok(report)
}

/// Everything that comes of elsewhere.
fn bring(about: &About<'_>, fetcher: &Fetcher<'_>, report: &mut Report, say: &mut dyn FnMut(&str)) {
    let switches = branches(about.workspace).unwrap_or_default();
    let branch_of = |name: &str| switches.iter().find(|one| one.project == name);
    let mut tell = |name: &str, done: Result<bool, FetchError>, mend: &str| match done {
        Ok(true) => report.good(format!("{name}: done")),
        Ok(false) => {}
        Err(error) => report.problem(format!("{name}: {error}"), mend),
    };
    for source in sources(about) {
        let Some(way) = source.way(about.site) else { continue };
        if source.presence != Presence::Absent {
            continue;
        }
        say(&format!("bringing projects/{}", source.name));
        let digest = about.site.get("GET_OPENSOLARIS_MAN_SHA256").filter(|_| source.is_optional);
        let branch = branch_of(source.name).map(|one| one.branch.as_str());
        let done = fetcher.project(source.name, way, digest, branch).map(|()| true);
        let mend = format!("mend {}, or bring projects/{} by hand", source.variable, source.name);
        tell(source.name, done, &mend);
    }
    let closed = about.workspace.illumos().join("closed");
    for (url, digest, below) in [
        ("ON_CLOSED_BINS_URL", "ON_CLOSED_BINS_SHA256", "root_i386"),
        ("ON_CLOSED_BINS_ND_URL", "ON_CLOSED_BINS_ND_SHA256", "root_i386-nd"),
    ] {
        let Some(location) = about.site.get(url) else { continue };
        if !closed.join(below).exists() {
            say(&format!("bringing projects/illumos/closed/{below}"));
            let done = fetcher.closed(location, about.site.get(digest)).map(|()| true);
            tell("closed binaries", done, &format!("mend {url}"));
        }
    }
    for one in &switches {
        let path = about.workspace.path("projects").join(&one.project);
        let name = format!("projects/{}", one.project);
        match (&one.url, path.exists() || one.project == ".") {
            (Some(url), false) => {
                say(&format!("bringing {name}"));
                let done = fetcher.project(&one.project, url, None, Some(&one.branch));
                tell(&name, done.map(|()| true), "mend configure-projects");
            }
            (_, true) => {
                let mend = format!("commit what {name} holds, then: git checkout {}", one.branch);
                tell(&name, fetcher.switch(one), &mend);
            }
            (None, false) => {}
        }
    }
}

/// All checks, and the installation's.
fn look(about: &About<'_>, prefix: &Path) -> Report {
    let mut report = check::all(about);
    installed(prefix, &mut report);
    report
}

/// What the rest of the workspace calls.
fn installed(prefix: &Path, report: &mut Report) {
    let program = prefix.join("lib/lamplighter/live-world");
    let text = prefix.display().to_string();
    if program.exists() && environment::is_plain(&text) {
        report.good(format!("Lamplighter: {text}"));
    } else {
        let what = format!("{text}: Lamplighter is not installed there");
        report.problem(what, "set LAMPLIGHTER_PREFIX to where it is");
    }
}

/// Writes the gate's environment file and build.env.
fn write(about: &About<'_>, prefix: &Path) -> Result<(), ConfigureError> {
    let (workspace, site) = (about.workspace, about.site);
    let proto = workspace.proto();
    let taken = site.get("ILLUMOS_PROTO").map(|path| workspace.path(path).display().to_string());
    let mut values: Vec<Assigned> = vec![
        ("LAMPLIGHTER_PREFIX", prefix.display().to_string()),
        ("PROTO", proto.display().to_string()),
        ("GNUMAKE", about.host.make(site)),
        ("BUILDVER", buildver(workspace).ok().flatten().unwrap_or_default()),
        ("ILLUMOS_PROTO", taken.unwrap_or_default()),
    ];
    if let Some(Source { presence: Presence::There(gate), .. }) = Source::illumos(about) {
        let path = workspace.illumos();
        let path = path.canonicalize().map_err(at(&path))?;
        let from = path.join("usr/src/tools/env/illumos.sh");
        let original = fs::read_to_string(&from).map_err(at(&from))?;
        let text = environment::of_gate(&original, &gate_values(about, &path, gate));
        let to = path.join("illumos.sh");
        write_beside(&to, text.as_bytes()).map_err(at(&to))?;
        values.push(("CODEMGR_WS", path.display().to_string()));
        if gate.is_real {
            values.push(("GATE_IS_REAL", "1".to_owned()));
        }
    }
    let file = workspace.path("build.env");
    write_beside(&file, environment::build(&values).as_bytes()).map_err(at(&file))
}

/// What a live image needs to be otherwise than the gate has it.
fn gate_values(about: &About<'_>, path: &Path, gate: Gate) -> Vec<Assigned> {
    let (site, proto) = (about.site, about.workspace.proto().display().to_string());
    let log = path.join("log");
    let options = site.get("NIGHTLY_OPTIONS").unwrap_or(NIGHTLY_OPTIONS);
    let mut values: Vec<Assigned> = vec![
        ("NIGHTLY_OPTIONS", options.to_owned()),
        ("CODEMGR_WS", path.display().to_string()),
        ("ROOT", proto.clone()),
        ("PARENT_ROOT", proto),
        ("MULTI_PROTO", "no".to_owned()),
        ("ATLOG", log.display().to_string()),
        ("LOGFILE", log.join("nightly.log").display().to_string()),
    ];
    for (name, variable) in
        [("GATE", "RELEASE_VER"), ("PKGPUBLISHER_REDIST", "PUBLISHER"), ("SPRO_ROOT", "SPRO_ROOT")]
    {
        values.extend(site.get(variable).map(|value| (name, value.to_owned())));
    }
    if path.join("closed").is_dir() {
        values.push(("ON_CLOSED_BINS", path.join("closed").display().to_string()));
    }
    if gate.is_real {
        values.push(("DMAKE_MAX_JOBS", (about.host.processors + 2).to_string()));
        values.push(("MAKEFLAGS", "k".to_owned()));
        values.push(("CW_NO_SHADOW", "1".to_owned()));
    }
    values
}
