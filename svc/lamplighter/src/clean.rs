//! clean.rs - old outputs go.
//!
//! Which ones is `stage`'s rule; here it is applied to every stage of the root.  What a current
//! output, or the release, was made of is held meanwhile, and so stays.  A stage that works is left
//! alone: it collects at its end.  Releases are history, no outputs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use stage::lock::Rest;
use stage::{Collecting, Input, Outputs, Retention};

use crate::place::Place;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// So many of the newest outputs of each stage stay.
    pub keep: u64,
    /// Only what is older than so many days goes.
    pub older_than: Option<u64>,
    /// Nothing is removed.
    pub dry_run: bool,
}

/// A stage's directory, as people call the stage.
struct Kept {
    name: String,
    directory: PathBuf,
}

/// Removes what nobody needs, and says what that was.
pub fn clean(place: &Place, asked: &Asked) -> Result<()> {
    let all = stages(place)?;
    let _held: Vec<Input> = all.iter().flat_map(|kept| made_of(place, &kept.directory)).collect();
    let days = asked.older_than.map(|days| Duration::from_secs(days.saturating_mul(86400)));
    let since =
        days.map(|days| SystemTime::now().checked_sub(days).unwrap_or(SystemTime::UNIX_EPOCH));
    let retention = Retention { keep: asked.keep, since };
    let (how, freed) = match asked.dry_run {
        true => (Collecting::Trial, "would free"),
        false => (Collecting::Really, "freed"),
    };
    let mut out = std::io::stdout().lock();
    let (mut sum, mut count) = (0, 0);
    for Kept { name, directory } in all.iter().filter(|kept| !kept.name.starts_with("release")) {
        let lock = directory.join("lock");
        let rest = Rest::hold(&lock).with_context(|| lock.display().to_string())?;
        if rest.is_none() {
            writeln!(out, "{name} works now: left alone")?;
            continue;
        }
        for gone in Outputs::of(directory).collect(&retention, how)? {
            let shown = gone.path.strip_prefix(directory).unwrap_or(&gone.path).display();
            writeln!(out, "{name}: {freed} {}: {shown}", size(gone.freed))?;
            sum += gone.freed;
            count += 1;
        }
    }
    let outputs = if count == 1 { "output" } else { "outputs" };
    writeln!(out, "{freed} {}: {count} {outputs}", size(sum))?;
    Ok(())
}

/// Every stage that ever finished something; a release, too.
fn stages(place: &Place) -> Result<Vec<Kept>> {
    let mut all = Vec::new();
    for kind in names(&place.stages())? {
        for instance in names(&place.stages().join(&kind))? {
            let directory = place.stages().join(&kind).join(&instance);
            if directory.join("out").is_dir() && directory.join("lock").is_file() {
                let name = match instance.as_str() {
                    "default" => kind.clone(),
                    other => format!("{kind}:{other}"),
                };
                all.push(Kept { name, directory });
            }
        }
    }
    Ok(all)
}

/// The names in a directory, in order; what is no directory has none.
fn names(directory: &Path) -> Result<Vec<String>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
    let mut names = names.collect::<Result<Vec<String>>>()?;
    names.sort();
    Ok(names)
}

/// The current output of a stage, and the outputs it was made of, and so on, held.
fn made_of(place: &Place, directory: &Path) -> Vec<Input> {
    let mut held: Vec<Input> = Input::resolve(directory).into_iter().collect();
    let mut next = 0;
    while let Some(input) = held.get(next) {
        let read = input.stamp().read.iter();
        let paths = read.map(|(stage, digest)| {
            let (kind, instance) = stage.split_once(':').unwrap_or((stage, "default"));
            place.stages().join(kind).join(instance).join("out").join(digest)
        });
        let paths: Vec<PathBuf> = paths.collect();
        let new = paths.iter().filter(|path| !held.iter().any(|one| one.path() == *path));
        // What is gone already cannot be kept.
        let new: Vec<Input> = new.filter_map(|path| Input::hold(path).ok()).collect();
        held.extend(new);
        next += 1;
    }
    held
}

/// A size in the unit that suits it.
fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            let places = usize::from(unit != "B");
            return format!("{size:.places$} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stage::Stamp;
    use std::fs;

    fn made(place: &Place, stage: &str, digest: &str, read: &[(&str, &str)]) {
        let (kind, instance) = stage.split_once(':').unwrap_or((stage, "default"));
        let directory = place.stages().join(kind).join(instance);
        fs::create_dir_all(directory.join("work")).unwrap();
        fs::write(directory.join("lock"), "").unwrap();
        let read = read.iter().map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned()));
        let stamp = Stamp {
            stage: stage.to_owned(),
            digest: digest.to_owned(),
            read: read.collect(),
            ..Stamp::default()
        };
        Outputs::of(&directory).finish(&directory.join("work"), &stamp).unwrap();
    }

    fn there(place: &Place, stage: &str) -> Vec<String> {
        names(&place.stages().join(stage).join("out")).unwrap()
    }

    #[test]
    fn what_the_release_was_made_of_stays() {
        let root = tempfile::tempdir().unwrap();
        let place = Place { root: root.path().into(), prefix: "/p".into() };
        for digest in ["b1", "b2", "b3"] {
            made(&place, "builder:illumos", digest, &[]);
        }
        for (digest, from) in [("m1", "b1"), ("m2", "b1"), ("m3", "b3")] {
            made(&place, "merger", digest, &[("builder:illumos", from)]);
        }
        made(&place, "imager", "i1", &[("merger", "m2")]);
        made(&place, "release", "r1", &[("imager", "i1"), ("merger", "m2"), ("merger:x", "gone")]);
        let mut asked = Asked { keep: 1, older_than: None, dry_run: true };
        clean(&place, &asked).unwrap();
        assert_eq!(there(&place, "builder/illumos").len(), 3);
        asked.dry_run = false;
        asked.older_than = Some(1);
        clean(&place, &asked).unwrap();
        assert_eq!(there(&place, "builder/illumos").len(), 3, "they are young");
        asked.older_than = None;
        let lock = place.stages().join("builder/illumos/lock");
        let lock = stage::lock::Lock::take(&lock, &process::Cancel::new().unwrap()).unwrap();
        clean(&place, &asked).unwrap();
        assert_eq!(there(&place, "builder/illumos").len(), 3, "the stage works");
        assert_eq!(there(&place, "merger/default"), ["m2", "m3"]);
        drop(lock);
        clean(&place, &asked).unwrap();
        assert_eq!(there(&place, "builder/illumos"), ["b1", "b3"]);
        assert_eq!(there(&place, "release/default"), ["r1"]);
    }

    #[test]
    fn an_empty_root_has_nothing_to_free() {
        let root = tempfile::tempdir().unwrap();
        let place = Place { root: root.path().join("new"), prefix: "/p".into() };
        clean(&place, &Asked { keep: 1, older_than: None, dry_run: false }).unwrap();
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 40, "3.0 TiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
