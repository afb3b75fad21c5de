//! deliver.rs - a package made of a source manifest and the files it names, sent to a depot.
//!
//! Law: payloads are compressed here and those that the depot lacks are sent, side by side; then the
//! manifest that describes them, then the close.  A package that is not finished is abandoned.  A
//! depot that takes neither stored payloads nor manifests gets action by action.

use ips_model::configuration::Compression;
use ips_model::{Action, Fmri, Kind, Manifest, Timestamp, check};
use ips_repository::{Sources, WriteError, with_file};
use rayon::prelude::*;

use crate::publish_http::{Depot, DepotError};
use crate::source::waiting;

/// Why a package was not published.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The transaction was not opened.
    #[error("'open' failed; unable to initiate transaction:\n{0}")]
    Open(DepotError),
    /// A step of it failed.
    #[error("'{step}' failed for transaction ID '{id}': {reason}")]
    Step {
        /// The step: `add`, `add_file`, `add_manifest` or `close`.
        step: &'static str,
        /// The transaction.
        id: String,
        /// Why.
        reason: String,
    },
    /// A file is not there, or the manifest cannot be a package.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Publishes packages, each for itself; for each what came of it, in order.  A version without a time
/// gets `stamp`.
pub fn deliver(
    depot: &Depot,
    manifests: &[Manifest],
    sources: &Sources,
    stamp: Timestamp,
    catalogued: bool,
) -> Vec<Result<String, DeliverError>> {
    waiting(|| {
        let one = |manifest: &Manifest| package(depot, manifest, sources, stamp, catalogued);
        manifests.par_iter().map(one).collect()
    })
}

fn package(
    depot: &Depot,
    manifest: &Manifest,
    sources: &Sources,
    stamp: Timestamp,
    catalogued: bool,
) -> Result<String, DeliverError> {
    let mut name = manifest.fmri().map_err(WriteError::from)?;
    if let Some(version) = &mut name.version {
        version.timestamp.get_or_insert_with(|| stamp.package());
    }
    let id = depot.begin(&name.to_string()).map_err(DeliverError::Open)?;
    // A name without publisher got the depot's default one.
    let fmri = Depot::fmri_of(&id).unwrap_or(name);
    let sent = Transaction { depot, id: &id, sources }.send(&fmri, manifest, catalogued);
    if sent.is_err() {
        // Of no use to anybody; that it cannot be forgotten is not what went wrong.
        let _ = depot.abandon(&id);
    }
    sent
}

struct Transaction<'a> {
    depot: &'a Depot,
    id: &'a str,
    sources: &'a Sources,
}

impl Transaction<'_> {
    fn step<E: std::fmt::Display>(&self, step: &'static str) -> impl Fn(E) -> DeliverError + '_ {
        move |error| DeliverError::Step { step, id: self.id.to_string(), reason: error.to_string() }
    }

    fn send(
        &self,
        fmri: &Fmri,
        manifest: &Manifest,
        catalogued: bool,
    ) -> Result<String, DeliverError> {
        let mut manifest = manifest.with_fmri(fmri);
        for action in &manifest.actions {
            check::action(action).map_err(self.step("add"))?;
        }
        let whole = check::manifest(&manifest);
        whole.map_err(self.step(match whole_is_about_close(&manifest) {
            true => "close",
            false => "add_manifest",
        }))?;
        let paths = self.sources.find_all(&manifest)?;
        let at_once = self.depot.supports("file", 1) && self.depot.supports("manifest", 1);
        if at_once {
            let pairs = manifest.actions.par_iter_mut().zip(paths);
            pairs.try_for_each(|(action, path)| match path {
                Some(found) => self.payload(fmri, action, &found.path),
                None => Ok(()),
            })?;
            let sent = self.depot.add_manifest(self.id, &manifest.to_string());
            sent.map_err(self.step("add_manifest"))?;
        } else {
            for (action, path) in manifest.actions.iter_mut().zip(paths) {
                self.action(action, path.as_ref().map(|found| found.path.as_path()))?;
            }
        }
        self.depot.close(self.id, catalogued).map_err(self.step("close"))?;
        Ok(fmri.to_string())
    }

    /// Describes a payload in its action and sends it where it is new.
    fn payload(
        &self,
        fmri: &Fmri,
        action: &mut Action,
        path: &std::path::Path,
    ) -> Result<(), DeliverError> {
        let publisher = fmri.publisher.as_deref().unwrap_or_default();
        let prepared = with_file(path, |content| {
            self.depot.prepare(publisher, content, Compression::Libdeflate)
        });
        let prepared = prepared
            .map_err(|error| self.step("add_file")(format!("{}: {error}", path.display())))?
            .map_err(self.step("add_file"))?;
        if prepared.lacking {
            let sent = self.depot.add_file(self.id, prepared.made.hash(), &prepared.made.stored);
            sent.map_err(self.step("add_file"))?;
        }
        prepared.made.describe(action, &prepared.stream);
        Ok(self.sources.keep_time(action, path)?)
    }

    /// Sends an action as it is, with its file.
    fn action(
        &self,
        action: &mut Action,
        path: Option<&std::path::Path>,
    ) -> Result<(), DeliverError> {
        if action.kind == Kind::Set && action.key() == Some("pkg.fmri") {
            return Ok(());
        }
        let content = match path {
            Some(path) => {
                self.sources.keep_time(action, path)?;
                let read = std::fs::read(path);
                read.map_err(|error| self.step("add")(format!("{}: {error}", path.display())))?
            }
            None => Vec::new(),
        };
        self.depot.add(self.id, action, &content).map_err(self.step("add"))
    }
}

/// Whether what is wrong with the package as a whole shows at its end only.
fn whole_is_about_close(manifest: &Manifest) -> bool {
    matches!(check::manifest(manifest), Err(check::InvalidPackage::RenamedWithoutDepend))
}
