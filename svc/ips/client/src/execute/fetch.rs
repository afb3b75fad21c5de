//! fetch.rs - payloads into the stage, before anything of the root changes.
//!
//! ```text
//! cache/stage/HASH.N     the N-th file that is to have this content; complete or of no use
//! ```
//!
//! Every payload is verified on its way.  What a stopped program has left there is verified again and
//! not fetched again.  Of several origins and mirrors the one that has delivered fastest is asked
//! first; one that fails stands back.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ips_model::Fmri;
use ips_model::action::Action;
use rayon::prelude::*;

use super::ExecuteError;
use crate::control::{Control, Phase};
use crate::digest::check_contents;
use crate::donor::Donor;
use crate::root::Directory;
use crate::source::{Source, SourceError, side_by_side};
use crate::transport::in_turn;

/// A payload that is wanted in the stage.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Whose it is.
    pub fmri: &'a Fmri,
    /// Which.
    pub action: &'a Action,
    /// Its name in the stage.
    pub staged: String,
    /// The permission bits of the file.
    pub mode: u32,
}

impl Wanted<'_> {
    /// How long it is, as its action says.
    fn size(&self) -> usize {
        self.action.get("pkg.size").and_then(|size| size.parse().ok()).unwrap_or(0)
    }
}

/// A place payloads come from, with what it has delivered.
pub struct Place<'a> {
    source: &'a Source,
    /// Whose packages it has; `None`: it is asked for anybody's.
    publisher: Option<&'a str>,
    bytes: AtomicU64,
    micros: AtomicU64,
    failures: AtomicU64,
}

impl<'a> Place<'a> {
    /// A source of a publisher's payloads.
    pub fn new(source: &'a Source, publisher: Option<&'a str>) -> Self {
        let zero = || AtomicU64::new(0);
        Self { source, publisher, bytes: zero(), micros: zero(), failures: zero() }
    }

    /// Less is asked first: failures count most, then time a byte; who was not asked yet is tried.
    fn rank(&self) -> (u64, u64) {
        let micros = self.micros.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed).max(1);
        (self.failures.load(Ordering::Relaxed), micros.saturating_mul(1 << 10) / bytes)
    }

    /// Hands what payloads hold to `put`, in order.
    fn contents(
        &self,
        wanted: &[&Wanted<'_>],
        put: impl FnOnce(&[&[u8]]) -> Result<(), ExecuteError>,
    ) -> Result<Result<(), ExecuteError>, SourceError> {
        let began = Instant::now();
        let pairs: Vec<(&Fmri, &Action)> =
            wanted.iter().map(|one| (one.fmri, one.action)).collect();
        let got = self.source.contents_all(&pairs, |contents| {
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.micros.fetch_add(micros, Ordering::Relaxed);
            let bytes: usize = contents.iter().map(|one| one.len()).sum();
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            put(contents)
        });
        if got.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        got
    }
}

/// Gets everything; how many bytes had to come.
pub fn fetch(
    wanted: &[Wanted<'_>],
    places: &[Place<'_>],
    donor: Option<&Donor>,
    stage: &Directory,
    control: &Control<'_>,
) -> Result<u64, ExecuteError> {
    let (done, total) = (AtomicU64::new(0), wanted.len() as u64);
    let fetched = AtomicU64::new(0);
    let going = || if control.is_cancelled() { Err(ExecuteError::Cancelled) } else { Ok(()) };
    let count = |one: &Wanted<'_>| {
        control.count(Phase::Download, &done, total, one.action.key().unwrap_or(""));
    };
    let put = |wanted: &[&Wanted<'_>], contents: &[&[u8]]| -> Result<(), ExecuteError> {
        for (one, contents) in wanted.iter().zip(contents) {
            going()?;
            stage.create_now(&one.staged, contents, one.mode)?;
            fetched.fetch_add(contents.len() as u64, Ordering::Relaxed);
            count(one);
        }
        Ok(())
    };
    // What an earlier try has left there.
    let left: HashSet<String> = stage.names()?.into_iter().collect();
    let some = |group: &[&Wanted<'_>]| -> Result<(), ExecuteError> {
        let mut lacking = Vec::with_capacity(group.len());
        for one in group {
            going()?;
            match left.contains(&one.staged) && is_staged(one, stage)? {
                true => count(one),
                false => lacking.push(*one),
            }
        }
        get(&lacking, places, &put)
    };
    // Those that are about as long together, as they are looked at side by side.
    let mut all = match donor {
        Some(donor) => donor.give(wanted, stage)?,
        None => wanted.iter().collect(),
    };
    done.fetch_add((wanted.len() - all.len()) as u64, Ordering::Relaxed);
    all.sort_by_cached_key(|one| (one.fmri.publisher.as_deref(), Reverse(one.size())));
    let groups = all.chunk_by(|one, other| one.fmri.publisher == other.fmri.publisher);
    let groups: Vec<&[&Wanted<'_>]> =
        groups.flat_map(|same| ips_repository::groups(same, |one| one.size())).collect();
    let sources: Vec<&Source> = places.iter().map(|place| place.source).collect();
    side_by_side(&sources, || groups.into_par_iter().try_for_each(some))?;
    control.say(Phase::Download, total, total, "");
    Ok(fetched.into_inner())
}

type Put<'p> = dyn Fn(&[&Wanted<'_>], &[&[u8]]) -> Result<(), ExecuteError> + 'p;

/// Gets what payloads of one publisher hold, from the best place that has them all; else each from
/// the best that has it.
fn get(wanted: &[&Wanted<'_>], places: &[Place<'_>], put: &Put<'_>) -> Result<(), ExecuteError> {
    let Some(first) = wanted.first() else { return Ok(()) };
    if let Some(best) = able(first, places).first() {
        if let Ok(done) = best.contents(wanted, |contents| put(wanted, contents)) {
            return done;
        }
    }
    for one in wanted {
        put(&[*one], &[&contents(one, places)?])?;
    }
    Ok(())
}

fn is_staged(wanted: &Wanted<'_>, stage: &Directory) -> Result<bool, ExecuteError> {
    if stage.look(&wanted.staged)?.is_none() {
        return Ok(false);
    }
    let is_whole = check_contents(wanted.action, &stage.bytes(&wanted.staged)?).is_ok();
    if !is_whole {
        stage.unlink(&wanted.staged)?;
    }
    Ok(is_whole)
}

/// A payload's contents from the best place that has it.
pub fn contents(wanted: &Wanted<'_>, places: &[Place<'_>]) -> Result<Vec<u8>, ExecuteError> {
    let ask = |place: &&Place<'_>| {
        let mut held = Vec::new();
        let kept = place.contents(&[wanted], |contents| {
            held = contents.concat();
            Ok(())
        })?;
        Ok(kept.map(|()| held))
    };
    match in_turn(&able(wanted, places), |place| place.source, ask) {
        Ok(kept) => kept,
        Err(Some(error)) => Err(error.into()),
        Err(None) => Err(ExecuteError::NoOrigin { fmri: wanted.fmri.to_string() }),
    }
}

/// The places that may have a payload, the best first.
fn able<'p, 'a>(wanted: &Wanted<'_>, places: &'p [Place<'a>]) -> Vec<&'p Place<'a>> {
    let publisher = wanted.fmri.publisher.as_deref();
    let of = |place: &&Place<'_>| place.publisher.is_none() || place.publisher == publisher;
    let mut able: Vec<&Place<'_>> = places.iter().filter(of).collect();
    able.sort_by_key(|place| place.rank());
    able
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::path::Path;
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    use ips_repository::Repository;

    use super::*;
    use crate::origin::Origin;
    use crate::transport::{Patience, Transport};

    /// A depot that is asked so often: each answer begins, and never ends.
    fn slow(times: usize) -> (Source, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let serve = thread::spawn(move || {
            for _ in 0..times {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                let said = |line: Option<io::Result<String>>| {
                    line.is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
                };
                while said(stream.by_ref().lines().next()) {}
                let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
                // Who has had enough already is not there any more.
                let _gone = stream.get_mut().write_all(begun);
                // Until the other has had enough of it.
                let _end = stream.read_to_end(&mut Vec::new());
            }
        });
        let stall = Some(Duration::from_millis(30));
        let transport = Transport::new(Patience { stall, tries: 3, ..Patience::default() });
        (Source::with_catalogs_by(&origin, Vec::new(), &transport).unwrap(), serve)
    }

    #[test]
    fn one_that_is_too_slow_is_left_for_another() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/repo");
        let rich = Source::open(&Origin::directory(&golden)).unwrap();
        let of = |fmri: &Fmri| {
            let (_, manifest) = rich.manifest(fmri).unwrap();
            manifest.actions.into_iter().find(|action| action.payload_hash().is_some())
        };
        let (action, fmri) =
            rich.packages().into_iter().find_map(|fmri| Some((of(&fmri)?, fmri))).unwrap();
        let staged = String::new();
        let wanted = Wanted { fmri: &fmri, action: &action, staged, mode: 0 };
        let told = |sources: &[&Source]| {
            let places: Vec<Place<'_>> =
                sources.iter().map(|source| Place::new(source, None)).collect();
            contents(&wanted, &places).map_err(|error| error.to_string())
        };
        // Alone it is asked as often as requests are tried.
        let (alone, served) = slow(3);
        let error = told(&[&alone]).unwrap_err();
        let reason = "Operation too slow. Less than 1024 bytes/sec transferred the last 0 seconds";
        assert!(error.ends_with(reason), "{error}");
        served.join().unwrap();
        // Before others, once.
        let (first, served) = slow(1);
        let first = first.among_others();
        assert_eq!(told(&[&first, &rich]), Ok(rich.contents(&fmri, &action).unwrap()));
        served.join().unwrap();
        // With others that are no better, once more each.
        let ((first, one), (second, other)) = (slow(2), slow(2));
        let both = [&first.among_others(), &second.among_others()];
        assert!(told(&both).unwrap_err().ends_with(reason));
        one.join().unwrap();
        other.join().unwrap();
        // Before one that has it not it is asked once more, and so where the other has no say.
        let nothing = tempfile::tempdir().unwrap();
        Repository::create(&nothing.path().join("repo")).unwrap();
        let empty = Source::open(&Origin::directory(&nothing.path().join("repo"))).unwrap();
        for others in [vec![&empty], Vec::new()] {
            let (first, served) = slow(2);
            let first = first.among_others();
            let sources: Vec<&Source> = [&first].into_iter().chain(others).collect();
            assert!(told(&sources).unwrap_err().ends_with(reason));
            served.join().unwrap();
        }
    }
}
