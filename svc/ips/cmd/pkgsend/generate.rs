//! generate.rs - `pkgsend generate`: a manifest of what bundles deliver.

use std::path::PathBuf;

use ips_cmd::Failure;

use crate::bundle::{Reading, actions};

/// Prints the actions.
pub fn generate(reading: &Reading, bundles: &[PathBuf]) -> Result<(), Failure> {
    for bundle in bundles {
        for action in actions(bundle, reading).map_err(|failure| failure.of("generate"))? {
            println!("{action}");
        }
    }
    Ok(())
}
