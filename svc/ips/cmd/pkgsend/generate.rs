//! generate.rs - `pkgsend generate`: a manifest of what bundles deliver.

use std::path::PathBuf;

use ips_cmd::Failure;

use crate::bundle::{Delivered, Reading, delivered};

/// Told where manifests may be mixed up.
const SEVERAL: &str = "WARNING: Several SVR4 packages detected. Multiple pkg.summary and pkg.description attributes may have been generated.";

/// Prints the actions; then tells what no action can say, which is a failure.
pub fn generate(reading: &Reading, bundles: &[PathBuf]) -> Result<(), Failure> {
    let mut told = Findings::default();
    for bundle in bundles {
        let delivered = delivered(bundle, reading).map_err(|failure| failure.of("generate"))?;
        told.take(&delivered);
        for action in delivered.actions {
            println!("{action}");
        }
    }
    told.end("generate")
}

/// What is told of packages of System V once all bundles are read.
#[derive(Debug, Default)]
pub struct Findings {
    packages: usize,
    errors: Vec<String>,
}

impl Findings {
    /// Remembers what is to be told of a bundle.
    pub fn take(&mut self, delivered: &Delivered) {
        self.packages += usize::from(delivered.svr4);
        self.errors.extend(delivered.errors.iter().cloned());
    }

    /// Tells it; errors are a failure.
    pub fn end(mut self, subcommand: &'static str) -> Result<(), Failure> {
        let warning = (self.packages > 1).then_some(SEVERAL);
        if warning.is_some() || !self.errors.is_empty() {
            println!();
        }
        if let Some(warning) = warning {
            eprintln!("pkgsend {subcommand}: {warning}");
        }
        let Some(last) = self.errors.pop() else { return Ok(()) };
        for error in self.errors {
            eprintln!("pkgsend {subcommand}: {error}");
        }
        Err(Failure::new(last).of(subcommand))
    }
}
