//! order.rs - which of a manifest's steps can be resumed from.
//!
//! The steps in the manifest's order are walked while a checkpoint of their name exists; the first
//! gap ends the walk.  The n-th checkpoint by age must be of the n-th step as far as one resumes.

use crate::area::Checkpoint;
use crate::name::Step;

/// The checkpoints were made in another order than the manifest has its steps.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "The manifest file is inconsistent with your build area.\n\
     Please resolve if you wish to use the resume functionality."
)]
pub struct Inconsistent;

/// How many of the first steps can be resumed from: the last of them is the one `-R` means.
#[must_use]
pub fn resumable(steps: &[Step], checkpoints: &[Checkpoint]) -> usize {
    let exists = |step: &&Step| checkpoints.iter().any(|made| made.step == **step);
    steps.iter().take_while(exists).count()
}

/// Holds the checkpoints' ages to the order of the steps, up to and including `resume`.
///
/// # Errors
/// They differ.
pub fn check_order(
    steps: &[Step],
    checkpoints: &[Checkpoint],
    resume: usize,
) -> Result<(), Inconsistent> {
    let ordered = steps.iter().zip(checkpoints).take(resume + 1);
    let same = ordered.filter(|(step, made)| made.step == **step).count();
    if same == resume + 1 { Ok(()) } else { Err(Inconsistent) }
}

/// The steps up to and including `resume` whose checkpoints were made with another manifest.
#[must_use]
pub fn changed_since<'a>(
    steps: &'a [Step],
    checkpoints: &[Checkpoint],
    resume: usize,
    manifest: &[u8],
) -> Vec<&'a Step> {
    let differs = |step: &&Step| {
        checkpoints.iter().any(|made| made.step == **step && made.manifest != manifest)
    };
    steps.iter().take(resume + 1).filter(differs).collect()
}
