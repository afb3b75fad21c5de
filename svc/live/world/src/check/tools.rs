//! tools.rs - compilers and the programs that a build calls.

use std::fs;
use std::path::Path;

use super::gates::{Presence, Source, sources};
use super::{About, Report};
use crate::host::is_program;

/// What every build calls.
const ALWAYS: [&str; 4] = ["gcc", "ld", "objcopy", "tar"];
/// What a gate calls that is laid out like illumos-gate, and is not it.
const LIKE: [&str; 1] = ["zic"];
/// What illumos-gate calls.
const REAL: [&str; 6] = ["dmake", "flex", "bison", "perl", "python3", "ctfconvert"];
/// Where illumos hosts have compilers that are not in PATH.
const COMPILERS: [&str; 2] = ["/usr/gcc", "/opt"];

/// All that is missing, in one problem: one command installs it.
pub fn check(about: &About<'_>, report: &mut Report) {
    let make = about.host.make(about.site);
    let mut wanted = vec![make.as_str()];
    wanted.extend(ALWAYS);
    let gate = Source::illumos(about);
    if let Some(Source { presence: Presence::There(gate), .. }) = &gate {
        wanted.extend(if gate.is_real { &REAL[..] } else { &LIKE[..] });
    }
    let ways =
        sources(about).into_iter().filter_map(|source| source.way(about.site).map(str::to_owned));
    if ways.into_iter().any(|way| way.contains("git") || way.contains("://")) {
        wanted.push("git");
    }
    let archives = ["ON_CLOSED_BINS_URL", "ON_CLOSED_BINS_ND_URL", "GET_OPENSOLARIS_MAN"];
    for archive in archives.iter().filter_map(|name| about.site.get(name)) {
        wanted.extend(crate::archive::unpacker(archive));
    }
    let is_missing = |tool: &&str| match *tool {
        "gcc" => !has_compiler(about),
        "dmake" => {
            about.host.find("dmake").is_none() && !is_program(Path::new("/opt/onbld/bin/dmake"))
        }
        "ctfconvert" => {
            let onbld = ["/opt/onbld/bin/i386/ctfconvert", "/opt/onbld/bin/ctfconvert"];
            about.host.find(tool).is_none() && !onbld.iter().any(|path| is_program(Path::new(path)))
        }
        _ => about.host.find(tool).is_none(),
    };
    let mut missing: Vec<&str> = wanted.iter().copied().filter(is_missing).collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        report.good(format!("tools: {}", wanted.join(" ")));
    } else {
        let mend = about.host.install(&missing, about.site);
        report.problem(format!("not in PATH: {}", missing.join(", ")), mend);
    }
    studio(about, report);
}

/// gcc in PATH, or where illumos has its own.
fn has_compiler(about: &About<'_>) -> bool {
    if about.host.find("gcc").is_some() {
        return true;
    }
    let below = |place: &str| fs::read_dir(place).into_iter().flatten().flatten();
    let places =
        COMPILERS.iter().filter(|_| about.host.is_illumos()).flat_map(|place| below(place));
    places.into_iter().any(|entry| is_program(&entry.path().join("bin/gcc")))
}

/// The Studio compilers, where the site says that its gate is of the time that needs them.
fn studio(about: &About<'_>, report: &mut Report) {
    let urls = [("SUNW_SPRO12u1_URL", "sunstudio12.1/prod"), ("SUNW_SPRO12_URL", "prod")];
    let named = about.site.get("SPRO_ROOT");
    if named.is_none() && urls.iter().all(|(name, _)| about.site.get(name).is_none()) {
        return;
    }
    let root = named.unwrap_or("/opt/SUNWspro");
    if urls.iter().any(|(_, below)| is_program(&Path::new(root).join(below).join("bin/cc")))
        || is_program(&Path::new(root).join("bin/cc"))
    {
        report.good(format!("Studio compilers: {root}"));
        return;
    }
    let set = urls.iter().find_map(|(name, _)| about.site.get(name));
    let mend = set.map_or_else(
        || "install them there, or unset SPRO_ROOT for a gate that gcc compiles".to_owned(),
        |url| format!("mkdir -p {root} && curl -fL '{url}' | tar -C {root} -xf -"),
    );
    report.problem(format!("{root}: no Studio compiler (no bin/cc)"), mend);
}
