//! packages.rs - what im-pop installed: each package's manifest, and who brought which path.
//!
//! Read while the image still has its manifests: a later step may take them out of the medium.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use image_evidence::Package;
use image_rooted::parallel;
use ips_client::image::Image;
use ips_model::action::{Action, Kind};
use ips_model::{Fmri, Manifest};
use serde::{Deserialize, Serialize};

use super::{delivered, packages_at};
use crate::payloads;
use crate::steps::{Places, Work};

/// What packages brought.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Brought {
    /// The packages.
    pub packages: Vec<Package>,
    /// Files by path: the number of the package.
    pub files: BTreeMap<String, usize>,
}

impl Brought {
    /// What im-pop left; nothing where a manifest has no such step.
    pub fn read(places: &Places) -> Result<Self> {
        let path = packages_at(&places.build_data);
        let named = || path.display().to_string();
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(named),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(named),
        }
    }

    /// The name of the package that brought a file.
    pub fn owner(&self, path: &str) -> Option<&str> {
        let package = self.packages.get(*self.files.get(path)?)?;
        Some(&package.name)
    }
}

/// A file's path, and what its content is called by where it was put as it is delivered.
type Held = (String, Option<String>);

/// Keeps what im-pop installed.
pub fn keep(work: &Work<'_>) -> Result<()> {
    let image = Image::open(&work.places.pkg_image, "distro_const")?;
    let conditions = image.configuration().conditions();
    let payloads = payloads::read(&work.places.payloads())?.unwrap_or_default();
    let read = |text: &String| -> Result<(Package, Vec<Held>)> {
        let fmri = Fmri::parse(text).with_context(|| text.clone())?;
        let path = image.manifest_path(&fmri).with_context(|| format!("{text} is not whole"))?;
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let manifest = Manifest::parse(&String::from_utf8_lossy(&bytes));
        let manifest = manifest.with_context(|| path.display().to_string())?;
        let files = manifest.of_kind(Kind::File).chain(manifest.of_kind(Kind::Hardlink));
        let files = files.filter(|action| conditions.allow(action));
        let delivered = |action: &Action| {
            let (path, hash) = (action.key()?, action.payload_hash()?);
            let is_put = payloads.get(path).is_some_and(|put| put == hash);
            is_put.then(|| content(action, hash))
        };
        let files = files.filter_map(|file| Some((file.key()?.to_owned(), delivered(file))));
        Ok((described(&fmri, &manifest, &bytes), files.collect()))
    };
    let mut brought = Brought::default();
    let mut contents = BTreeMap::new();
    let texts = &work.facts()?.packages;
    let all = parallel::each(texts, parallel::processors(), || (), |text, ()| read(text))?;
    for (number, (package, files)) in all.into_iter().enumerate() {
        brought.packages.push(package);
        for (path, content) in files {
            contents.extend(content.map(|content| (path.clone(), content)));
            brought.files.insert(path, number);
        }
    }
    let text = serde_json::to_vec(&brought)?;
    image_rooted::archive::write_file(&packages_at(&work.places.build_data), &text)?;
    delivered::keep(work.places, &work.root()?, &contents)
}

/// What the content of a payload is called by: the best hash that it was checked by.
fn content(action: &Action, hash: &str) -> String {
    let (algorithm, hash) = action.content_hash("file").unwrap_or(("sha1", hash));
    format!("{algorithm}:{hash}")
}

fn described(fmri: &Fmri, manifest: &Manifest, bytes: &[u8]) -> Package {
    let required = manifest.of_kind(Kind::Depend);
    let required = required.filter(|action| action.get("type") == Some("require"));
    let names = required.flat_map(|action| action.values("fmri"));
    let names = names.filter_map(|text| Fmri::parse(text).ok()).map(|fmri| fmri.name);
    let licenses = manifest.of_kind(Kind::License).filter_map(|action| action.key());
    Package {
        publisher: fmri.publisher.clone().unwrap_or_default(),
        name: fmri.name.clone(),
        version: fmri.version.as_ref().map(ToString::to_string).unwrap_or_default(),
        summary: manifest.property("pkg.summary").map(str::to_owned),
        licenses: licenses.map(str::to_owned).collect(),
        requires: names.collect(),
        manifest_sha256: stage::recipe::sha256(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_described_by_its_manifest() {
        let text = "set name=pkg.fmri value=pkg://p.example/a/b@1.0,5.11-2:20231114T221320Z\n\
                    set name=pkg.summary value=\"two words\"\n\
                    depend fmri=pkg:/c/d@1.0 type=require\n\
                    depend fmri=e type=optional\n\
                    license x license=lic_CDDL\n";
        let fmri = Fmri::parse("pkg://p.example/a/b@1.0,5.11-2:20231114T221320Z").unwrap();
        let package = described(&fmri, &Manifest::parse(text).unwrap(), text.as_bytes());
        assert_eq!(package.fmri(), "pkg://p.example/a/b@1.0,5.11-2:20231114T221320Z");
        assert_eq!(package.summary.as_deref(), Some("two words"));
        assert_eq!(package.requires, ["c/d"]);
        assert_eq!(package.licenses, ["lic_CDDL"]);
        assert_eq!(package.manifest_sha256, stage::recipe::sha256(text.as_bytes()));
    }
}
