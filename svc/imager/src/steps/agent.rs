//! agent.rs - metadata-agent: the image sets itself up as an instance of a cloud.
//!
//! | argument | meaning |
//! |---|---|
//! | `label` | the label of a file system that has `meta-data` and `user-data`; `cidata` by itself, `none`: of no file system |
//! | `url` | where a server has them instead, as in `http://169.254.169.254/latest`; none by itself |
//!
//! What it puts into the image is a service, `svc:/system/lamplighter/metadata`, and its method
//! (`agent/`); the step comes before ba-init, so that both are in the boot archive.

use anyhow::{Result, bail};
use image_manifest::Step;
use image_rooted::Owned;

use super::Work;

const BUNDLE: &str = include_str!("agent/bundle.xml");
const METHOD: &str = include_str!("agent/method");
const BUNDLE_PATH: &str = "lib/svc/manifest/system/lamplighter-metadata.xml";
const METHOD_PATH: &str = "lib/svc/method/lamplighter-metadata";

/// The label that clouds use.
const LABEL: &str = "cidata";

/// What is asked of the step: label and server.
fn asked(step: &Step) -> Result<(String, String)> {
    let label = super::value(step, "label").unwrap_or_else(|| LABEL.to_owned());
    let label = if label == "none" { String::new() } else { label };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if label.len() > 32 || !label.chars().all(plain) {
        bail!("label {label} is none of a file system");
    }
    let url = super::value(step, "url").unwrap_or_default();
    let tame = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%".contains(c);
    let known = url.is_empty() || url.starts_with("http://") || url.starts_with("https://");
    if !known || !url.chars().all(tame) {
        bail!("url {url} is none of a server: http://HOST/PATH");
    }
    Ok((label, url))
}

/// Whether what is asked can be.
pub(super) fn check(step: &Step) -> Result<()> {
    asked(step).map(|_| ())
}

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let (label, url) = asked(work.step)?;
    let mut root = work.root()?;
    let bundle = BUNDLE.replace("@LABEL@", &label).replace("@URL@", &url);
    root.put(BUNDLE_PATH, bundle.as_bytes(), Owned::sys(0o444))?;
    root.put(METHOD_PATH, METHOD.as_bytes(), Owned { mode: 0o555, uid: 0, gid: 2 })?;
    Ok(root.save()?)
}
