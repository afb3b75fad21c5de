//! remove.rs - `pkgrepo remove`: packages leave the repository.

use std::collections::BTreeMap;

use ips_cmd::{Failure, clock, patterns};
use ips_model::Fmri;

use crate::list::select;
use crate::options::Options;

/// What is done to each publisher, in pkg5's words for it.
const STEPS: [&str; 6] = [
    "Deleting search index",
    "Updating catalog",
    "Analyzing removed packages",
    "Analyzing repository packages",
    "Removing package manifests",
    "Removing package files",
];

/// Removes what the patterns mean, with `-d` what was published that day.
pub fn remove(options: &Options) -> Result<(), Failure> {
    if options.operands.is_empty() {
        let told = "At least one package pattern must be provided.";
        return Err(Failure::usage(told).of(options.name));
    }
    let is_day = |day: &String| day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
    if options.day.as_ref().is_some_and(|day| !is_day(day)) {
        return Err(Failure::usage("Date filter must be YYYYMMDD").of(options.name));
    }
    let repository = options.local_place()?.open()?;
    let wanted = patterns::parse(&options.operands)?;
    let publishers = options.among(repository.publishers()?)?;
    let mut all = Vec::new();
    for publisher in &publishers {
        let packages = repository.catalog(publisher)?.packages();
        all.extend(packages.into_iter().map(|package| package.fmri));
    }
    let (found, unmatched) = select(&all, &wanted);
    if !unmatched.is_empty() {
        return Err(Failure::new(patterns::unmatched(&unmatched)).of(options.name));
    }
    let mut found: Vec<&Fmri> =
        found.into_iter().filter(|fmri| is_of_day(fmri, options.day.as_deref())).collect();
    found.sort();
    if options.dry_run {
        let lines: Vec<String> =
            found.iter().map(|fmri| format!("\t{}", fmri.without_build())).collect();
        println!("{} package(s) will be removed:\n{}", found.len(), lines.join("\n"));
        return Ok(());
    }
    let mut packages: BTreeMap<&str, Vec<Fmri>> = BTreeMap::new();
    for fmri in found {
        let publisher = fmri.publisher.as_deref().unwrap_or_default();
        packages.entry(publisher).or_default().push(fmri.clone());
    }
    for (publisher, of_publisher) in &packages {
        println!("Removing packages for publisher {publisher} ...");
        repository.remove(publisher, of_publisher, clock::publication()?)?;
        for step in STEPS {
            println!(" Startup: {step} ... Done");
        }
        if packages.len() > 1 {
            println!();
        }
    }
    Ok(())
}

fn is_of_day(fmri: &Fmri, day: Option<&str>) -> bool {
    let time = fmri.version.as_ref().and_then(|version| version.timestamp.as_deref());
    day.is_none_or(|day| time.is_some_and(|time| time.starts_with(day)))
}
