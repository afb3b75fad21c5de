//! fix.rs - `pkgrepo fix`: what is damaged is put aside, so that it can be published again.

use std::collections::BTreeSet;

use ips_cmd::{Failure, clock};

use crate::findings::told;
use crate::options::Options;
use crate::verify::{missing, on_disk};

/// Repairs; status 1 if something could not be, unresolved dependencies among it.
pub fn fix(options: &Options) -> Result<u8, Failure> {
    options.no_operands()?;
    let repository = on_disk(options)?;
    let publishers = options.among(repository.publishers()?)?;
    println!("Initiating repository fix.");
    let mut quarantined = BTreeSet::new();
    let mut failed = BTreeSet::new();
    let mut verified = Vec::new();
    for publisher in &publishers {
        let before = repository.verify(publisher)?;
        if options.has("v") {
            before.findings.iter().for_each(|finding| print!("{}", told(finding)));
        }
        let fixed = repository.fix(publisher, &before.findings, clock::publication()?)?;
        if !fixed.quarantined.is_empty() {
            println!(" Startup: Fixing repository content ... Done");
        }
        quarantined.extend(fixed.quarantined);
        failed.extend(fixed.failed.iter().map(|path| path.display().to_string()));
        verified.push(repository.verify(publisher)?);
    }
    let targets: BTreeSet<String> = missing(options, &repository, &publishers, verified)?
        .into_iter()
        .map(|one| one.target)
        .collect();
    println!();
    let told = |lead: &str, all: &BTreeSet<String>| {
        if !all.is_empty() {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            println!("{lead}\n\n\t{}", all.join("\n\t"));
        }
    };
    told(
        "Use pkgsend(1) or pkgrecv(1) to republish the\nfollowing packages or paths which were quarantined:",
        &quarantined,
    );
    told("\npkgrepo could not repair the following paths in the repository:", &failed);
    told("\npkgrepo could not repair the following dependency issues in the repository:", &targets);
    match quarantined.is_empty() && failed.is_empty() && targets.is_empty() {
        true => println!("No repository fixes required."),
        false => println!("Repository repairs completed."),
    }
    Ok(if failed.is_empty() && targets.is_empty() { 0 } else { 1 })
}
