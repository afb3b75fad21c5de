//! logs.rs - the logs of instances: their ends, what a run added, following them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::place::{Place, short};
use crate::smf::Smf;
use crate::watch::{LOOK_AGAIN, Watch};

/// Lines of a tail.
pub const TAIL: usize = 12;

/// The last lines of a text.
pub fn tail(text: &str, count: usize) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].to_vec()
}

/// The last lines of what the newest start method said, the restarter's words included.
pub fn last_run(text: &str, count: usize) -> Vec<&str> {
    let at = text.rfind("Executing start method").unwrap_or(0);
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    tail(&text[start..], count)
}

/// The last line that a method wrote itself: the restarter's begin with a bracket.
pub fn last_own(text: &str) -> Option<&str> {
    text.lines().rfind(|line| !line.starts_with("[ ") && !line.trim().is_empty())
}

/// A log, from its beginning; empty when there is none.
pub fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How long the logs of instances are now, to see later what was added.
pub struct Marks(Vec<(PathBuf, u64)>);

impl Marks {
    /// Takes the lengths.
    pub fn take(place: &Place, fmris: &[String]) -> Self {
        let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |about| about.len());
        let paths = fmris.iter().map(|fmri| place.log(fmri));
        Self(paths.map(|path| (path.clone(), length(&path))).collect())
    }

    /// Whether a stage said since that it made an output.
    pub fn any_finished(&self) -> bool {
        let built = |outcome: &Outcome| outcome.status == BUILT;
        self.0.iter().any(|(path, length)| outcomes(path, *length).iter().any(built))
    }

    /// What a stage with this log last said since of its output.
    pub fn outcome(&self, log: &Path) -> Option<Outcome> {
        let (path, length) = self.0.iter().find(|(path, _)| path == log)?;
        outcomes(path, *length).pop()
    }
}

/// An output was made.
pub const BUILT: &str = "built";
/// It was there.
pub const UP_TO_DATE: &str = "up to date";

/// What became of a stage's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// [`BUILT`] or [`UP_TO_DATE`].
    pub status: &'static str,
    /// The output.
    pub digest: String,
}

/// What a stage said of its outputs from a place on; the restarter's lines begin with a bracket.
fn outcomes(path: &Path, from: u64) -> Vec<Outcome> {
    let added = since(path, from).unwrap_or_default().0;
    let own = added.lines().filter(|line| !line.starts_with('['));
    let outcome = |line: &str| {
        if let Some((_, digest)) = line.split_once(": finished out/") {
            return Some(Outcome { status: BUILT, digest: digest.to_owned() });
        }
        let (_, digest) = line.split_once(": up to date (out/")?;
        Some(Outcome { status: UP_TO_DATE, digest: digest.trim_end_matches(')').to_owned() })
    };
    own.filter_map(outcome).collect()
}

/// What a log holds from a place on, and where it ends.
fn since(path: &Path, from: u64) -> std::io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    // A log that became shorter was rotated: all of it is new.
    let from = if file.metadata()?.len() < from { 0 } else { from };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), from + bytes.len() as u64))
}

/// The log of the instance that a user names.
fn named(smf: &Smf<'_>, operand: &str) -> Result<PathBuf> {
    let said = smf.must("svcs", &["-L", operand])?;
    let paths: Vec<&str> = said.out.lines().filter(|line| line.starts_with('/')).collect();
    match paths.as_slice() {
        [one] => Ok(PathBuf::from(one)),
        [] => bail!("{operand} has no log: it has never been started"),
        several => bail!("{operand} has {} logs: name one instance", several.len()),
    }
}

/// `logs [-f] [FMRI]`: a log, or the ends of the pipeline's.
pub fn print(smf: &Smf<'_>, operand: Option<&str>, follow: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut logs: Vec<(String, PathBuf, u64)> = Vec::new();
    match operand {
        Some(operand) => {
            let path = named(smf, operand)?;
            let (text, end) = since(&path, 0).with_context(|| path.display().to_string())?;
            out.write_all(text.as_bytes())?;
            logs.push((operand.to_owned(), path, end));
        }
        None => {
            for fmri in smf.pipeline()? {
                let path = smf.place.log(&fmri);
                let (text, end) = since(&path, 0).unwrap_or_default();
                if !text.is_empty() {
                    writeln!(out, "==> {} <==", short(&fmri))?;
                    tail(&text, TAIL).iter().try_for_each(|line| writeln!(out, "{line}"))?;
                }
                logs.push((short(&fmri).to_owned(), path, end));
            }
        }
    }
    out.flush()?;
    if follow { follow_all(&mut logs, &mut out) } else { Ok(()) }
}

/// What a log got since it ended there; the rest of what was rotated away comes first.
fn added(path: &Path, end: &mut u64) -> std::io::Result<String> {
    let mut text = String::new();
    if std::fs::metadata(path)?.len() < *end {
        let mut old = path.as_os_str().to_owned();
        old.push(".0");
        text = since(Path::new(&old), *end).unwrap_or_default().0;
        *end = 0;
    }
    let (more, now) = since(path, *end)?;
    *end = now;
    Ok(text + &more)
}

/// Prints what is added, for ever.
fn follow_all(logs: &mut [(String, PathBuf, u64)], out: &mut dyn Write) -> Result<()> {
    let watch = Watch::new()?;
    for (_, path, _) in logs.iter() {
        watch.add(path.parent().unwrap_or(path))?;
    }
    let several = logs.len() > 1;
    let mut shown = String::new();
    loop {
        for (name, path, end) in logs.iter_mut() {
            let Ok(text) = added(path, end) else { continue };
            if text.is_empty() {
                continue;
            }
            if several && shown != *name {
                writeln!(out, "==> {name} <==")?;
                shown.clone_from(name);
            }
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
        watch.wait(LOOK_AGAIN)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[ Nov 24 09:56:06 Enabled. ]
[ Nov 24 09:56:06 Executing start method (\"/p/lib/svc/method/builder start\"). ]
builder:illumos: copy
true.c:3:2: error: unknown type name 'retrun'
[ Nov 24 09:56:07 Method \"start\" exited with status 95. ]
";

    #[test]
    fn ends_of_logs() {
        assert_eq!(last_own(LOG), Some("true.c:3:2: error: unknown type name 'retrun'"));
        assert_eq!(last_own("[ a ]\n\n"), None);
        assert_eq!(tail(LOG, 2).len(), 2);
        assert_eq!(tail("", 2), Vec::<&str>::new());
        let run = last_run(LOG, 10);
        assert_eq!((run.len(), run[1]), (4, "builder:illumos: copy"));
        assert_eq!(last_run("a\nb", 1), ["b"]);
    }

    #[test]
    fn what_was_made_since_a_mark() {
        let root = tempfile::tempdir().unwrap();
        let place = Place { root: root.path().into(), prefix: "/p".into() };
        let fmri = ["svc:/application/merger:default".to_owned()];
        let log = place.log(&fmri[0]);
        std::fs::create_dir_all(log.parent().unwrap()).unwrap();
        std::fs::write(&log, "merger: finished out/aa\n").unwrap();
        let marks = Marks::take(&place, &fmri);
        let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        writeln!(file, "merger: up to date (out/aa)").unwrap();
        assert!(!marks.any_finished());
        let outcome = |status, digest: &str| Some(Outcome { status, digest: digest.to_owned() });
        assert_eq!(marks.outcome(&log), outcome(UP_TO_DATE, "aa"));
        writeln!(file, "merger: finished out/bb").unwrap();
        assert!(marks.any_finished());
        assert_eq!(marks.outcome(&log), outcome(BUILT, "bb"));
        assert_eq!(marks.outcome(Path::new("/x")), None);
    }

    #[test]
    fn a_rotated_log_is_followed_on() {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("x.log");
        std::fs::write(&log, "one\n").unwrap();
        let mut end = 0;
        assert_eq!(added(&log, &mut end).unwrap(), "one\n");
        std::fs::write(place.path().join("x.log.0"), "one\nlast\n").unwrap();
        std::fs::write(&log, "2\n").unwrap();
        assert_eq!(added(&log, &mut end).unwrap(), "last\n2\n");
        assert_eq!(added(&log, &mut end).unwrap(), "");
    }
}
