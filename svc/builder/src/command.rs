//! command.rs - runs a gate's build command, contained, with the environment gates count on.
//!
//! | variable | value |
//! |---|---|
//! | CODEMGR_WS, the working directory | the workspace that is built |
//! | GATE | the instance: `illumos` |
//! | SOURCE_DATE_EPOCH | the time of the sources |
//! | PROTO_ILLUMOS, ... | proto areas of earlier gates, read only by agreement |
//! | LAMPLIGHTER_PREFIX; PATH | where Lamplighter is; its commands first |
//! | MAX_JOBS, DMAKE_MAX_JOBS | processors |
//! | HOME, TMPDIR | the stage's scratch directory |
//! | LC_ALL, TZ | C, UTC |
//!
//! `build/environment` is added last and may change any of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use process::{Account, Complaint, Ended, Limits, Program};
use stage::{Failure, Stage};

/// What a build is given.
#[derive(Debug)]
pub struct Build<'a> {
    /// The shell command.
    pub command: &'a str,
    /// Where it runs.
    pub workspace: &'a Path,
    /// The time of the sources.
    pub source_date: i64,
    /// Proto areas of earlier gates, by variable.
    pub protos: BTreeMap<String, PathBuf>,
    /// How many lines it wrote last time; 0 when nobody knows.
    pub lines: u64,
    /// Whom it runs as; none: as the stage.
    pub account: Option<Account>,
}

/// Runs it; how many lines it wrote.
pub fn run(stage: &Stage, build: &Build<'_>) -> Result<u64, Failure> {
    let mut program =
        Program::new("/bin/sh").args(["-c", build.command]).directory(build.workspace);
    if let Some(account) = &build.account {
        program = program.account(account.clone());
    }
    for (name, value) in environment(stage, build)? {
        program = program.env(name, value);
    }
    let mut complaint = Complaint::default();
    let mut lines = 0;
    stage.log(&format!("building: {}", build.command));
    let ended = program.run_lines(&Limits::until(stage.cancel()), &mut |line| {
        lines += 1;
        // The log is the build's; a line of it is not ours to change.
        let _unsaid = writeln!(std::io::stderr().lock(), "{line}");
        complaint.hear(line);
        stage.progress("build", lines, build.lines.max(lines), line);
    })?;
    match ended {
        Ended::Exited(0) => Ok(lines),
        Ended::Exited(_) | Ended::Signalled(_) => {
            stage.log(&format!("the build command {ended}"));
            let text = complaint.text().map(str::to_owned);
            Err(Failure::fatal(text.unwrap_or_else(|| format!("the build command {ended}"))))
        }
        Ended::Stopped | Ended::TimedOut | Ended::Cancelled => {
            Err(Failure::fatal(format!("the build command {ended}")))
        }
    }
}

fn environment(stage: &Stage, build: &Build<'_>) -> Result<Vec<(String, String)>, Failure> {
    let prefix = stage.prefix()?;
    let path = std::env::var("PATH").unwrap_or_default();
    let jobs = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let scratch = stage.scratch().display().to_string();
    let mut found: Vec<(String, String)> = [
        ("PATH", commands_first(&prefix, &path)),
        ("CODEMGR_WS", build.workspace.display().to_string()),
        ("GATE", stage.smf().instance.clone()),
        ("SOURCE_DATE_EPOCH", build.source_date.to_string()),
        ("LAMPLIGHTER_PREFIX", prefix.display().to_string()),
        ("MAX_JOBS", jobs.clone()),
        ("DMAKE_MAX_JOBS", jobs),
        ("HOME", scratch.clone()),
        ("TMPDIR", scratch),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    found
        .extend(build.protos.iter().map(|(name, path)| (name.clone(), path.display().to_string())));
    for value in stage.properties().list("build/environment") {
        let pair = value.split_once('=').filter(|(name, _)| !name.is_empty());
        let bad =
            || Failure::configuration(format!("build/environment: \"{value}\": not NAME=value"));
        let (name, value) = pair.ok_or_else(bad)?;
        found.push((name.to_owned(), value.to_owned()));
    }
    Ok(found)
}

/// The prefix's commands before all others.
fn commands_first(prefix: &Path, path: &str) -> String {
    let bin = prefix.join("bin").display().to_string();
    let others = path.split(':').filter(|part| !part.is_empty() && *part != bin);
    [bin.as_str()].into_iter().chain(others).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_commands_come_first_and_once() {
        for (path, want) in [
            ("/usr/bin:/bin", "/p/bin:/usr/bin:/bin"),
            ("/usr/bin:/p/bin:/bin", "/p/bin:/usr/bin:/bin"),
            ("", "/p/bin"),
        ] {
            assert_eq!(commands_first(Path::new("/p"), path), want);
        }
    }
}
