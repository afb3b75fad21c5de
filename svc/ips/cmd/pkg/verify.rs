//! verify.rs - `pkg verify`: whether installed packages are as their manifests say.

use std::collections::BTreeSet;

use ips_client::image::{VerifiedPackage, VerifyError, VerifyOptions};
use ips_cmd::{Failure, progress};
use ips_model::Fmri;

use crate::call::Call;
use crate::packages::{Packages, Wanted};

/// Looks at them: status 1 where anything is wrong.
pub fn verify(call: &Call) -> Result<u8, Failure> {
    let given = call.given(&["H", "q", "v*", "p=*"])?;
    call.apart(&given, "v", "q")?;
    let mut wanted = Wanted::parse(&given.operands)?;
    let image = call.image()?;
    let installed = Packages::installed(&image)?;
    let chosen: Vec<Fmri> =
        wanted.choose(installed.sorted()).into_iter().map(|(fmri, _)| fmri).collect();
    let unmet = wanted.unmet();
    if !unmet.is_empty() {
        return Err(call.failed(format!(
            "\nThe following pattern(s) did not match any packages currently installed in the\nimage:\n\n\t{}",
            unmet.join("\n\t")
        )));
    }
    let mut options = VerifyOptions { editable: given.has("v"), paths: BTreeSet::new() };
    for path in given.values("p") {
        options.paths.insert(path.trim_start_matches('/').to_string());
    }
    let verified = progress::shown(|control| image.verify(&chosen, &options, control));
    let verified = verified.map_err(|error| match error {
        VerifyError::Cancelled => call.failed("cancelled"),
        other => call.failed(other),
    })?;
    if !given.has("q") {
        print!("{}", report(&verified, given.has("H"), given.has("v")));
    }
    let wrong = verified.iter().any(|package| package.status() == "ERROR");
    Ok(u8::from(wrong))
}

/// The packages of which there is something to say; with `-v` all of them.
pub fn report(verified: &[VerifiedPackage], bare: bool, verbose: bool) -> String {
    let mut out = String::new();
    let line = |name: &str, status: &str| format!("{name:70} {status:>7}\n");
    for package in verified {
        if package.status() == "OK" && !verbose {
            continue;
        }
        if out.is_empty() && !bare {
            out.push_str(&line("PACKAGE", "STATUS"));
        }
        out.push_str(&line(&package.fmri.stem(), package.status()));
        for text in &package.errors {
            out.push_str(&format!("ERROR: {text}\n"));
        }
        for finding in &package.findings {
            let report = &finding.report;
            if report.errors.is_empty() && report.warnings.is_empty() && !verbose {
                continue;
            }
            out.push_str(&format!("\t{}: {}\n", finding.kind.as_str(), finding.key));
            for text in &report.errors {
                out.push_str(&format!("\t\tERROR: {text}\n"));
            }
            for text in &report.warnings {
                out.push_str(&format!("\t\tWARNING: {text}\n"));
            }
            if verbose {
                for text in &report.info {
                    out.push_str(&format!("\t\t{text}\n"));
                }
            }
        }
    }
    out
}
