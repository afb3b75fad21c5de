//! diff.rs - `distro_const diff A B`: which packages, files and media differ between two builds.
//!
//! A build is named by what a build leaves: its facts or its bill of materials, a medium beside
//! them, or the folder they lie in (a folder of media, a build area, a stage's).
//!
//! Exit status: 0 the builds are the same, 1 they differ, 2 usage, or they cannot be compared.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_evidence::{Build, Facts, compare, read};

const USAGE: &str = "Usage: distro_const diff [--json] build build";
const DIFFER: u8 = 1;
const FAILED: u8 = 2;

/// What names the documents, the better one first.
const DOCUMENTS: [&str; 2] = [".facts.json", ".spdx.json"];
/// Where they are below a folder: a folder of media, a build area, a stage of the pipeline.
const BELOW: [&str; 4] = ["", "media", "current", "area/media"];

/// Runs the command with the words after `diff`.
pub fn run(words: &[String]) -> u8 {
    let (options, builds): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.starts_with("--"));
    let [one, two] = builds.as_slice() else { return misused() };
    let json = match options.as_slice() {
        [] => false,
        [option] if *option == "--json" => true,
        _ => return misused(),
    };
    match told(Path::new(one), Path::new(two), json) {
        Ok(same) if same => 0,
        Ok(_) => DIFFER,
        Err(error) => {
            eprintln!("distro_const: {error:#}");
            FAILED
        }
    }
}

fn misused() -> u8 {
    eprintln!("{USAGE}");
    FAILED
}

/// Says how they differ; whether they do not.
fn told(one: &Path, two: &Path, json: bool) -> Result<bool> {
    let difference = compare(&build(one)?, &build(two)?);
    let text = match json {
        true => format!("{:#}\n", difference.to_json()),
        false => difference.to_string(),
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Who reads no further knows enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("standard output")
        }
        Ok(()) | Err(_) => Ok(difference.is_empty()),
    }
}

fn build(path: &Path) -> Result<Build> {
    let document = document(path)?;
    let named = || document.display().to_string();
    let text = std::fs::read_to_string(&document).with_context(named)?;
    // A document of another name is what it says it is.
    if !text.contains("\"spdxVersion\"") {
        return Ok(Build::of_facts(&Facts::parse(&text).with_context(named)?));
    }
    Ok(Build::of(&read(&text).with_context(named)?, None))
}

/// The document that speaks for what was named.
fn document(path: &Path) -> Result<PathBuf> {
    let about = std::fs::metadata(path).with_context(|| path.display().to_string())?;
    if !about.is_dir() {
        if path.extension().is_some_and(|extension| extension == "json") {
            return Ok(path.to_path_buf());
        }
        return beside(path).with_context(|| {
            format!("{}: beside it are neither facts nor a bill of materials", path.display())
        });
    }
    for folder in BELOW.map(|below| path.join(below)) {
        for end in DOCUMENTS {
            let mut found = ending(&folder, end)?;
            found.sort();
            match found.as_slice() {
                [] => {}
                [one] => return Ok(one.clone()),
                [one, two, ..] => bail!(
                    "{}: several builds, {} and {}: name one of them",
                    folder.display(),
                    one.display(),
                    two.display()
                ),
            }
        }
    }
    // A medium may be a folder: what a network server offers.
    beside(path).with_context(|| {
        format!("{}: neither facts nor a bill of materials of a build", path.display())
    })
}

/// The better document beside a medium.
fn beside(medium: &Path) -> Option<PathBuf> {
    let documents = DOCUMENTS.iter().map(|end| medium.with_extension(&end[1..]));
    documents.into_iter().find(|document| document.exists())
}

fn ending(folder: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error).with_context(|| folder.display().to_string()),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| folder.display().to_string())?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(end) && !name.starts_with('.') {
            found.push(entry.path());
        }
    }
    Ok(found)
}
