//! ids.rs - what names a state of the build: digest(step, its options, the state before).
//!
//! The id of the state before the first step names this program's version.  A script's options are
//! its own bytes, its arguments and all of the manifest but the place of the build, which must not
//! show in what is built.

use anyhow::{Context, Result};
use image_checkpoint::Id;
use image_manifest::{Checked, Form, Image, Step};

use crate::steps::{self, World};

/// The state before the first step.
pub fn first() -> Result<Id> {
    digest(&["image 3", stage::VERSION])
}

/// The state after a step.
pub fn after(base: &Id, step: &Step, checked: &Checked, world: &World<'_>) -> Result<Id> {
    let image = checked.image();
    let options = match step.native {
        Some(native) => steps::options(native, &image, step, world)?,
        None => script(step, checked, &image)?,
    };
    digest(&[base.as_str(), &step.name, &options])
}

/// The state after a step that failed and was passed over: nothing else leads there.
pub fn after_failure(base: &Id, step: &Step) -> Result<Id> {
    digest(&[base.as_str(), &step.name, "failed"])
}

fn script(step: &Step, checked: &Checked, image: &Image) -> Result<String> {
    let bytes = script_bytes(step, image.form)?;
    let manifest = checked.document().to_xml().replace(&image.build_area, "");
    let digests = [&bytes[..], manifest.as_bytes()].map(stage::recipe::sha256);
    // A path would name the place of the build; a command of the newer form has tokens instead.
    let command = if image.form == Form::Dc { step.script.as_str() } else { "" };
    Ok(format!("script {digests:?} {command} {:?}", step.arguments))
}

/// A script's own bytes; of a command of the newer form those of its program, where it is named by
/// its path.
pub fn script_bytes(step: &Step, form: Form) -> Result<Vec<u8>> {
    let path = match form {
        Form::Dc => step.script.split_whitespace().next().unwrap_or(""),
        Form::Distribution | Form::Distribution2009 => step.script.as_str(),
    };
    if !path.starts_with('/') {
        return Ok(Vec::new());
    }
    std::fs::read(path).with_context(|| path.to_owned())
}

fn digest(parts: &[&str]) -> Result<Id> {
    // The length of each part keeps two lists apart whose joined texts are equal.
    let text: String = parts.iter().map(|part| format!("{}:{part}\n", part.len())).collect();
    Id::new(&stage::recipe::sha256(text.as_bytes())).context("a digest is an id")
}
