//! trial.rs - what would come, and how much of it: all of `pkgrecv -n`, and with `-v` told of
//! what does come.

use std::collections::BTreeMap;

use ips_client::Source;
use ips_cmd::Failure;
use ips_model::{Fmri, Pattern};
use ips_repository::Repository;

use crate::options::{Form, Options};
use crate::receive;

/// What copying would bring of a publisher.
#[derive(Debug, Default)]
pub struct Figures {
    packages: Vec<Fmri>,
    /// Payload → its stored size.
    payloads: BTreeMap<String, u64>,
}

/// What copying would bring to a repository, or to a place that has nothing yet, by publisher;
/// changes nothing.
pub fn trial(
    sources: &[&Source],
    repository: Option<&Repository>,
    meant: &[Pattern],
    options: &Options,
) -> Result<BTreeMap<String, Figures>, Failure> {
    let batch = repository.map(Repository::batch).transpose()?;
    let holds = |fmri: &Fmri| {
        Ok(batch.as_ref().map(|batch| batch.holds(fmri)).transpose()?.unwrap_or(false))
    };
    let lacks = |publisher: &str, hash: &str| {
        batch.as_ref().is_none_or(|batch| batch.lacks(publisher, hash))
    };
    figures(sources, meant, options, &holds, &lacks)
}

/// The same for a depot, which is not asked for each payload: all of a package's count.
pub fn trial_there(
    sources: &[&Source],
    known: &Source,
    meant: &[Pattern],
    options: &Options,
) -> Result<BTreeMap<String, Figures>, Failure> {
    figures(sources, meant, options, &|fmri| Ok(known.has(fmri)), &|_, _| true)
}

fn figures(
    sources: &[&Source],
    meant: &[Pattern],
    options: &Options,
    holds: &dyn Fn(&Fmri) -> Result<bool, Failure>,
    lacks: &dyn Fn(&str, &str) -> bool,
) -> Result<BTreeMap<String, Figures>, Failure> {
    let chosen = ips_client::chosen(sources, meant, &receive::options(options)?);
    let mut all: BTreeMap<String, Figures> = BTreeMap::new();
    for fmri in chosen.map_err(Failure::new)? {
        let publisher = fmri.publisher.clone().unwrap_or_default();
        let figures = all.entry(publisher.clone()).or_default();
        if holds(&fmri)? {
            continue;
        }
        let Some(source) = sources.iter().find(|source| source.has(&fmri)) else { continue };
        let (_, manifest) = source.manifest(&fmri).map_err(Failure::new)?;
        for action in &manifest.actions {
            for hash in action.payload_hashes() {
                let size = action.get("pkg.csize").and_then(|size| size.parse().ok());
                if lacks(&publisher, hash) {
                    figures.payloads.insert(hash.to_string(), size.unwrap_or(0));
                }
            }
        }
        figures.packages.push(fmri);
    }
    Ok(all)
}

impl Figures {
    /// Tells them; with `-v` the packages, too.
    pub fn tell(&self, options: &Options) {
        let (doing, what) = match options.form {
            Form::Archive => ("Archiving", "archive"),
            Form::Repository | Form::Raw | Form::RawStored => ("Retrieving", "transfer"),
        };
        let lines = [
            ("Packages to add:", self.packages.len().to_string()),
            ("Files to retrieve:", self.payloads.len().to_string()),
            ("Estimated transfer size:", shown(self.payloads.values().sum())),
        ];
        let width = lines.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        let trial = if options.dry_run { " (dry-run)" } else { "" };
        println!("\n{doing} packages{trial} ...");
        for (label, value) in lines {
            println!("{label:>24} {value:>width$}");
        }
        if options.verbose {
            println!("\nPackages to {what}:");
            for fmri in &self.packages {
                let text = fmri.without_publisher().to_string();
                println!("{}", text.strip_prefix("pkg:/").unwrap_or(&text));
            }
            println!();
        }
    }
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
