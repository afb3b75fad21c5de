//! reference.rs - the packages that are there already: installed in an image, or the newest ones of
//! repositories.
//!
//! ```text
//! ROOT/var/pkg | ROOT/.org.opensolaris,pkg       the image
//!     state/installed/catalog.base.C             what is installed
//!     publisher/PUB/pkg/QNAME/QVERSION           manifests
//! ```
//!
//! A host without packages has no image, so a repository may stand wherever an image is named.

use std::fs;
use std::path::{Path, PathBuf};

use ips_client::Source;
use ips_cmd::newest::{Newest, manifests, newest};
use ips_cmd::place::Place;
use ips_cmd::{Failure, patterns};
use ips_model::catalog::{BASE, Part};
use ips_model::{Fmri, Manifest, Pattern};
use ips_publish::resolve::Installed;
use ips_repository::Repository;

use crate::options::Resolve;

/// Where an image keeps its own.
const FOLDERS: [&str; 2] = ["var/pkg", ".org.opensolaris,pkg"];

/// The packages that are there, and the patterns that none of them suits.
pub struct Reference {
    /// The packages.
    pub installed: Vec<Installed>,
    /// The patterns.
    pub unmatched: Vec<String>,
}

enum Kept {
    Image(PathBuf),
    Repositories(Vec<Source>),
}

/// Reads what the arguments and the environment name.
pub fn read(options: &Resolve) -> Result<Reference, Failure> {
    let texts = pattern_texts(&options.patterns)?;
    if options.alone && texts.is_none() {
        return Ok(Reference { installed: Vec::new(), unmatched: Vec::new() });
    }
    let wanted = patterns::parse(texts.as_deref().unwrap_or_default())?;
    let kept = place(options)?;
    let (all, sources) = match &kept {
        Kept::Image(folder) => (installed(folder)?, &[][..]),
        Kept::Repositories(sources) => (newest(sources, |_| true), sources.as_slice()),
    };
    let meant = |pattern: &Pattern| all.iter().any(|one| pattern.matches(&one.fmri));
    let unmatched = wanted.iter().filter(|pattern| !meant(pattern));
    let unmatched = unmatched.map(|pattern| pattern.as_str().to_string()).collect();
    let suits =
        |one: &&Newest| texts.is_none() || wanted.iter().any(|pattern| pattern.matches(&one.fmri));
    let chosen: Vec<Newest> = all.iter().filter(suits).cloned().collect();
    let read = match &kept {
        Kept::Image(folder) => {
            chosen.iter().map(|one| manifest(folder, &one.fmri)).collect::<Result<_, _>>()?
        }
        Kept::Repositories(_) => manifests(sources, &chosen, None)?,
    };
    let packages = chosen.into_iter().zip(read);
    let installed = packages.map(|(one, manifest)| Installed { fmri: one.fmri, manifest });
    Ok(Reference { installed: installed.collect(), unmatched })
}

/// The lines of the files of `-e`; none where there is no file.
fn pattern_texts(files: &[PathBuf]) -> Result<Option<Vec<String>>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut texts = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).map_err(|error| {
            let reason = match error.kind() {
                std::io::ErrorKind::NotFound => "No such file or directory".to_string(),
                std::io::ErrorKind::IsADirectory => "Is a directory".to_string(),
                _ => error.to_string(),
            };
            Failure::new(format!("resolve: {reason}: '{}'", file.display()))
        })?;
        let lines = text.lines().map(str::trim);
        texts.extend(
            lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(String::from),
        );
    }
    if texts.is_empty() {
        return Err(Failure::new(
            "External package list files were provided but did not contain any fmri patterns.",
        ));
    }
    Ok(Some(texts))
}

/// Repositories that are given, else the image or repository that is named, else the image around.
fn place(options: &Resolve) -> Result<Kept, Failure> {
    if !options.repositories.is_empty() {
        let open = |text: &String| Place::parse(text)?.source();
        let sources = options.repositories.iter().map(open).collect::<Result<_, _>>()?;
        return Ok(Kept::Repositories(sources));
    }
    let by_environment = std::env::var_os("PKG_IMAGE").filter(|path| !path.is_empty());
    let named = match (&options.root, &by_environment) {
        (Some(root), _) => Some((root.clone(), "")),
        (None, Some(root)) => Some((PathBuf::from(root), " (set by $PKG_IMAGE)")),
        (None, None) => None,
    };
    match named {
        Some((root, how)) => rooted(&root)?.ok_or_else(|| {
            Failure::new(format!("No image rooted at '{}'{how}", root.display()))
        }),
        None => around().map(Kept::Image).ok_or_else(|| {
            Failure::new(
                "Could not find image.  Use the -R option or set $PKG_IMAGE to the\nlocation of an image.",
            )
        }),
    }
}

fn image(root: &Path) -> Option<PathBuf> {
    let folders = FOLDERS.iter().map(|folder| root.join(folder));
    folders.into_iter().find(|folder| folder.join("pkg5.image").is_file())
}

/// What is at a path that was named.
fn rooted(root: &Path) -> Result<Option<Kept>, Failure> {
    if let Some(folder) = image(root) {
        return Ok(Some(Kept::Image(folder)));
    }
    let text = root.to_string_lossy();
    let remote =
        text.starts_with("http://") || text.starts_with("https://") || text.starts_with("file:");
    if remote || root.is_file() || Repository::open(root).is_ok() {
        return Ok(Some(Kept::Repositories(vec![Place::parse(&text)?.source()?])));
    }
    Ok(None)
}

/// The image that the working directory is in, or that of the host.
fn around() -> Option<PathBuf> {
    let here = std::env::current_dir().ok();
    let above = here.iter().flat_map(|path| path.ancestors());
    above.chain([Path::new("/")]).find_map(image)
}

/// What is installed in an image.
fn installed(folder: &Path) -> Result<Vec<Newest>, Failure> {
    let path = folder.join("state/installed").join(BASE);
    let told = |what: String| Failure::new(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| told(error.to_string()))?;
    let part = Part::parse(&text).map_err(|error| told(error.to_string()))?;
    Ok(part.entries().map(|(fmri, _)| Newest { fmri, source: 0 }).collect())
}

fn manifest(folder: &Path, fmri: &Fmri) -> Result<Manifest, Failure> {
    let publisher = fmri.publisher.as_deref().unwrap_or_default();
    let path = fmri.path().unwrap_or_default();
    let path = folder.join("publisher").join(publisher).join("pkg").join(path);
    let told = |what: String| Failure::new(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| told(error.to_string()))?;
    Manifest::parse(&text).map_err(|error| told(error.to_string()))
}
