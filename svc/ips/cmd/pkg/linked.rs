//! linked.rs - `pkg list-linked`, `audit-linked` and `pubcheck-linked`: images that hang on one another.

use std::path::Path;

use ips_client::image::{Child, Image, LinkedError, LinkedName, ParentState};
use ips_cmd::Failure;
use ips_cmd::transport::surroundings;

use crate::call::{Call, Given};

/// A child is not as its parent asks.
const DIVERGED: u8 = 52;

/// Lists what the image hangs on and what hangs on it.
pub fn list_linked(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H"])?;
    call.no_operands(&given)?;
    let image = call.image()?;
    let related = image.related().map_err(|error| refused(call, &error))?;
    let rows: Vec<Vec<String>> = related
        .into_iter()
        .map(|(name, relation, path)| vec![name, relation.to_string(), path.display().to_string()])
        .collect();
    print!("{}", table(&["NAME", "RELATIONSHIP", "PATH"], &rows, given.has("H")));
    Ok(0)
}

/// Says whether the publishers of the image's children, and its own if it is one, are as they have
/// to be.
pub fn pubcheck_linked(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&[])?;
    call.no_operands(&given)?;
    let image = call.image()?;
    let failed = |error: LinkedError| refused(call, &error);
    if image.child_link().map_err(failed)?.is_some() {
        let state = image.parent_state().map_err(failed)?;
        image.check_publishers(&state).map_err(failed)?;
    }
    let state = ParentState::of(&image).map_err(failed)?;
    for child in image.children().map_err(failed)? {
        let other = open_child(&child.path).map_err(failed)?;
        other.check_publishers(&state).map_err(failed)?;
    }
    Ok(0)
}

/// Says whether images are as those ask on which they hang.
pub fn audit_linked(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H", "a", "l=*", "q*", "no-parent-sync"])?;
    call.no_operands(&given)?;
    call.apart(&given, "a", "l")?;
    let image = call.image()?;
    let failed = |error: LinkedError| refused(call, &error);
    if !given.has("a") && !given.has("l") {
        let link = image.child_link().map_err(failed)?;
        let link = link.ok_or_else(|| failed(LinkedError::NoChild(image.root().to_path_buf())))?;
        if in_sync(&image).map_err(failed)? {
            return Ok(0);
        }
        let mut failure = call.failed(format!("Linked image is diverged: {}", link.name));
        failure.status = DIVERGED;
        return Err(failure);
    }
    let mut rows = Vec::new();
    let mut diverged = false;
    for child in targets(call, &given, &image)? {
        let other = open_child(&child.path).map_err(failed)?;
        // What the parent has now counts, not what the child was told of it.
        let parent: std::collections::BTreeMap<_, _> = image
            .installed()
            .map_err(|error| call.failed(error))?
            .packages()
            .map(|(fmri, _)| (fmri.name.clone(), fmri))
            .collect();
        let is_so = other.out_of_sync(&parent).map_err(failed)?.is_empty();
        diverged |= !is_so;
        let status = if is_so { "synced" } else { "diverged" };
        rows.push(vec![child.name.to_string(), status.to_string()]);
    }
    if !given.has("q") {
        print!("{}", table(&["NAME", "STATUS"], &rows, given.has("H")));
    }
    Ok(if diverged { DIVERGED } else { 0 })
}

/// Whether an image that hangs on another is as that asks.
pub fn in_sync(image: &Image) -> Result<bool, LinkedError> {
    let parent = image.parent_packages()?.unwrap_or_default();
    Ok(image.out_of_sync(&parent)?.is_empty())
}

/// The children that `-a` or `-l` mean.
pub fn targets(call: &Call, given: &Given, image: &Image) -> Result<Vec<Child>, Failure> {
    let failed = |error| refused(call, &error);
    if given.has("a") {
        return image.children().map_err(failed);
    }
    let mut targets = Vec::new();
    for text in given.values("l") {
        let name = LinkedName::parse(text).map_err(failed)?;
        targets.push(image.child(&name).map_err(failed)?);
    }
    Ok(targets)
}

/// A child's image.
pub fn open_child(path: &Path) -> Result<Image, LinkedError> {
    let opened = Image::open(path, "pkg").map_err(|error| LinkedError::Child {
        path: path.to_path_buf(),
        reason: error.to_string(),
    });
    Ok(opened?.within(surroundings))
}

/// What cannot be done with links, with its exit status.
pub fn refused(call: &Call, error: &LinkedError) -> Failure {
    let mut failure = call.failed(error);
    failure.status = error.status();
    failure
}

/// Columns as wide as what stands in them.
pub fn table(headings: &[&str], rows: &[Vec<String>], bare: bool) -> String {
    let heads: Vec<String> = headings.iter().map(ToString::to_string).collect();
    let all: Vec<&Vec<String>> = (!bare).then_some(&heads).into_iter().chain(rows).collect();
    let width = |at: usize| all.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for row in if rows.is_empty() { Vec::new() } else { all } {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join(" ").trim_end());
        text.push('\n');
    }
    text
}
