//! trial.rs - `pkgrecv -n`: what would come, and how much of it.

use std::collections::BTreeMap;

use ips_client::Source;
use ips_cmd::Failure;
use ips_model::{Fmri, Pattern};
use ips_repository::Repository;

use crate::options::Options;
use crate::receive;

/// Tells what copying would bring to a repository, or to a place that has nothing yet; changes
/// nothing.
pub fn trial(
    sources: &[&Source],
    repository: Option<&Repository>,
    meant: &[Pattern],
    options: &Options,
) -> Result<(), Failure> {
    let batch = repository.map(Repository::batch).transpose()?;
    let holds = |fmri: &Fmri| {
        Ok(batch.as_ref().map(|batch| batch.holds(fmri)).transpose()?.unwrap_or(false))
    };
    let lacks = |publisher: &str, hash: &str| {
        batch.as_ref().is_none_or(|batch| batch.lacks(publisher, hash))
    };
    told(sources, meant, options, &holds, &lacks)
}

/// The same for a depot, which is not asked for each payload: all of a package's count.
pub fn trial_there(
    sources: &[&Source],
    known: &Source,
    meant: &[Pattern],
    options: &Options,
) -> Result<(), Failure> {
    told(sources, meant, options, &|fmri| Ok(known.has(fmri)), &|_, _| true)
}

fn told(
    sources: &[&Source],
    meant: &[Pattern],
    options: &Options,
    holds: &dyn Fn(&Fmri) -> Result<bool, Failure>,
    lacks: &dyn Fn(&str, &str) -> bool,
) -> Result<(), Failure> {
    let chosen = ips_client::chosen(sources, meant, &receive::options(options)?);
    let mut packages = Vec::new();
    // Payload → its stored size.
    let mut payloads: BTreeMap<String, u64> = BTreeMap::new();
    for fmri in chosen.map_err(Failure::new)? {
        if holds(&fmri)? {
            continue;
        }
        let Some(source) = sources.iter().find(|source| source.has(&fmri)) else { continue };
        let (_, manifest) = source.manifest(&fmri).map_err(Failure::new)?;
        let publisher = fmri.publisher.as_deref().unwrap_or_default();
        for action in &manifest.actions {
            for hash in action.payload_hashes() {
                let size = action.get("pkg.csize").and_then(|size| size.parse().ok());
                if lacks(publisher, hash) {
                    payloads.insert(hash.to_string(), size.unwrap_or(0));
                }
            }
        }
        packages.push(fmri);
    }
    println!("Retrieving packages (dry-run) ...");
    println!("        Packages to add: {:6}", packages.len());
    println!("      Files to retrieve: {:6}", payloads.len());
    println!("Estimated transfer size: {}", shown(payloads.values().sum()));
    if options.verbose {
        println!("\nPackages to transfer:");
        for fmri in packages {
            println!("{fmri}");
        }
    }
    Ok(())
}

/// A size in the unit that suits it.
fn shown(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "kB", "MB"] {
        if size < 1024.0 {
            return format!("{size:.2} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.2} GB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, text) in
            [(0, "0.00 B"), (1382, "1.35 kB"), (1 << 20, "1.00 MB"), (1 << 41, "2048.00 GB")]
        {
            assert_eq!(shown(bytes), text);
        }
    }
}
