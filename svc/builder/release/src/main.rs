//! builder-release - the candidate becomes the release.
//!
//! ```text
//! var/lamplighter/release/DISTRIBUTION/repo     every package ever released
//!                                      media    what was made of the newest candidate
//! ```
//!
//! Law: the release repository is history, not output.  It only grows; one FMRI has one manifest
//! for ever, and a candidate that says otherwise is refused.  The packages are those the medium
//! was made of.  Packages first, media second, the stamp last: killed anywhere, the next start
//! finds what is there and goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ips_client::{Control, Origin, Progress, ReceiveOptions, Received, Source, receive};
use ips_model::Timestamp;
use ips_repository::Repository;
use stage::{Failure, Input, Made, Stage};

/// Files of the imager's output that are media, by their endings.
const MEDIA: [&str; 2] = ["iso", "usb"];

fn main() -> ExitCode {
    stage::run("builder/release", release)
}

fn release(stage: &Stage) -> Result<(), Failure> {
    let distribution = stage.smf().instance.clone();
    let imager = stage.input(&format!("imager/{distribution}"))?;
    let candidate = candidate(stage, &distribution, &imager)?;
    let depot = stage.properties().text("release/depot")?.map(str::to_owned);
    let place = stage.beside(&format!("release/{distribution}"));
    let mut recipe = stage.recipe();
    recipe.add("candidate", candidate.digest());
    recipe.add("media", imager.digest());
    // The stamp says that it was released; whether the release still exists, only the disk.
    if place.join("repo/pkg5.repository").exists() && stage.is_up_to_date(&recipe)? {
        return Ok(());
    }
    let received = append(stage, &candidate, &place.join("repo"))?;
    let media = publish_media(imager.path(), &place.join("media"))?;
    let (new, held) = (received.packages.len(), received.held.len());
    stage.log(&format!(
        "{new} packages new, {held} were released before; media: {}",
        media.join(" ")
    ));
    let lines: Vec<String> = received.packages.iter().map(ToString::to_string).collect();
    let list = stage.work().join("packages");
    fs::write(&list, lines.join("\n") + "\n").map_err(at(&list))?;
    let mut made = Made { source_date: candidate.stamp().source_date, ..Made::default() };
    made.outputs.insert("packages".into(), new.to_string());
    made.outputs.insert("media".into(), media.join(" "));
    stage.finish(&recipe, made, &[&candidate, &imager], 3)?;
    if let Some(depot) = depot {
        stage.refresh_depot(&depot);
    }
    Ok(())
}

/// The merger's output that the medium was made of, held.
fn candidate(stage: &Stage, distribution: &str, imager: &Input) -> Result<Input, Failure> {
    let merger = stage.beside(&format!("merger/{distribution}"));
    let Some(digest) = imager.stamp().read.get("merger") else {
        return Err(Failure::fatal(format!(
            "{}: its stamp does not say which candidate it was made of",
            imager.path().display()
        )));
    };
    Input::hold(&merger.join("out").join(digest)).map_err(|error| {
        Failure::fatal(format!("the candidate that the medium was made of is gone: {error}"))
    })
}

fn append(stage: &Stage, candidate: &Input, path: &Path) -> Result<Received, Failure> {
    let fail = |error: &(dyn std::error::Error + 'static)| Failure::of(error);
    let repository = if path.join("pkg5.repository").exists() {
        Repository::open(path).map_err(|error| fail(&error))?
    } else {
        Repository::create(path).map_err(|error| fail(&error))?
    };
    let origin = Origin::directory(&candidate.path().join("repo"));
    let source = Source::open(&origin).map_err(|error| fail(&error))?;
    let tell = |now: &Progress| stage.progress(now.phase.name(), now.done, now.total, &now.item);
    let control = Control::new(&tell, stage.cancel().flag());
    let now = Timestamp::from_seconds(candidate.stamp().source_date.unwrap_or(0));
    let options = ReceiveOptions::at(now);
    let received = receive(&[&source], &repository, &[], &options, &control);
    let received = received.map_err(|error| fail(&error))?;
    let default = candidate.stamp().outputs.get("publisher");
    if let (Ok(None), Some(name)) = (repository.default_publisher(), default) {
        repository.set_default_publisher(name).map_err(|error| fail(&error))?;
    }
    Ok(received)
}

/// Puts the media beside the repository; their names.
fn publish_media(output: &Path, media: &Path) -> Result<Vec<String>, Failure> {
    fs::create_dir_all(media).map_err(at(media))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(output).map_err(at(output))? {
        let path = entry.map_err(at(output))?.path();
        let medium = path.extension().is_some_and(|ending| MEDIA.iter().any(|m| ending == *m));
        let Some(name) = path.file_name().filter(|_| medium) else { continue };
        put(&path, &media.join(name)).map_err(at(&path))?;
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    if names.is_empty() {
        return Err(Failure::fatal(format!("{}: no medium there", output.display())));
    }
    Ok(names)
}

/// A link beside, renamed into place: outputs are immutable, so both names may have one file.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    let mut beside = PathBuf::from(to);
    beside.as_mut_os_string().push(".new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    if fs::hard_link(from, &beside).is_err() {
        fs::copy(from, &beside)?;
        fs::File::open(&beside)?.sync_all()?;
    }
    // Two names of one file are not renamed onto each other.
    if fs::metadata(to).is_ok_and(|there| same_file(&there, &beside)) {
        return fs::remove_file(&beside);
    }
    fs::rename(&beside, to)
}

fn same_file(there: &fs::Metadata, beside: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |new: fs::Metadata| (new.dev(), new.ino()) == (there.dev(), there.ino());
    fs::metadata(beside).is_ok_and(same)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Failure + '_ {
    |source| Failure::of(&stage::output::OutputError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_put_beside_and_put_again() {
        let directory = tempfile::tempdir().unwrap();
        let (output, media) = (directory.path().join("out"), directory.path().join("media"));
        fs::create_dir(&output).unwrap();
        assert!(publish_media(&output, &media).is_err(), "there is none");
        fs::write(output.join("a.iso"), "one").unwrap();
        fs::write(output.join("boot-test.log"), "no medium").unwrap();
        for _ in 0..2 {
            assert_eq!(publish_media(&output, &media).unwrap(), ["a.iso"]);
            assert_eq!(fs::read_dir(&media).unwrap().count(), 1);
        }
        let newer = directory.path().join("newer");
        fs::create_dir(&newer).unwrap();
        fs::write(newer.join("a.iso"), "two").unwrap();
        publish_media(&newer, &media).unwrap();
        assert_eq!(fs::read_to_string(media.join("a.iso")).unwrap(), "two");
        assert_eq!(fs::read_to_string(output.join("a.iso")).unwrap(), "one");
    }
}
