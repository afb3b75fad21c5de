//! verify.rs - `pkg verify`: whether installed packages are as their manifests say.

use std::collections::BTreeSet;

use ips_client::Control;
use ips_client::image::{Image, Unpackaged, VerifiedPackage, VerifyError, VerifyOptions};
use ips_cmd::{Failure, clock, progress};
use ips_model::Fmri;
use serde_json::json;

use crate::call::{Call, Given};
use crate::findings::Findings;
use crate::packages::{Packages, Wanted};
use crate::parsable;

/// Looks at them: status 1 where anything is wrong.
pub fn verify(call: &Call) -> Result<u8, Failure> {
    let given =
        call.given(&["H", "q", "v*", "p=*", "parsable=", "unpackaged", "unpackaged-only"])?;
    call.apart(&given, "v", "q")?;
    parsable_version(call, &given)?;
    call.apart(&given, "unpackaged", "unpackaged-only")?;
    call.apart(&given, "p", "unpackaged")?;
    call.apart(&given, "p", "unpackaged-only")?;
    let only = given.has("unpackaged-only");
    if only && !given.operands.is_empty() {
        return Err(call.usage("can not report only unpackaged contents with package arguments."));
    }
    let image = call.image()?;
    let chosen = chosen(call, &image, &given.operands)?;
    let parsable = given.has("parsable");
    let mut options =
        VerifyOptions { editable: given.has("v") || parsable, ..VerifyOptions::default() };
    for path in given.values("p") {
        options.paths.insert(path.trim_start_matches('/').to_string());
    }
    let (packages, unpackaged) = progress::shown(|control| {
        let packages = match only {
            true => Vec::new(),
            false => looked_at(call, &image, &chosen, &options, control)?,
        };
        let wanted = only || given.has("unpackaged");
        let unpackaged = wanted.then(|| not_packaged(call, &image, control)).transpose()?;
        Ok::<_, Failure>((packages, unpackaged))
    })?;
    let mut findings = Findings::of(&packages, &options.paths, image.root());
    findings.unpackaged = unpackaged.as_ref();
    if parsable {
        print_parsable(&findings)?;
    } else if !given.has("q") {
        print!("{}", findings.told(given.has("H"), given.has("v")));
    }
    Ok(u8::from(findings.are_bad()))
}

/// Refuses `--parsable` beside what it takes the place of, and versions that are not known.
pub fn parsable_version(call: &Call, given: &Given) -> Result<(), Failure> {
    call.apart(given, "v", "parsable")?;
    call.apart(given, "H", "parsable")?;
    match given.value("parsable") {
        None | Some("0") => Ok(()),
        Some(version) => {
            Err(call.usage(format!("invalid argument '{version}' for option '--parsable'")))
        }
    }
}

/// The installed packages that are meant: all, if none is named.
pub fn chosen(call: &Call, image: &Image, operands: &[String]) -> Result<Vec<Fmri>, Failure> {
    let mut wanted = Wanted::parse(operands)?;
    let installed = Packages::installed(image)?;
    let chosen = wanted.choose(installed.sorted()).into_iter().map(|(fmri, _)| fmri).collect();
    let unmet = wanted.unmet();
    if unmet.is_empty() {
        return Ok(chosen);
    }
    Err(call.failed(format!(
        "\nThe following pattern(s) did not match any packages currently installed in the\nimage:\n\n\t{}",
        unmet.join("\n\t")
    )))
}

/// Looks at packages; of paths that are asked for, only those that have one are told of.
pub fn looked_at(
    call: &Call,
    image: &Image,
    chosen: &[Fmri],
    options: &VerifyOptions,
    control: &Control<'_>,
) -> Result<Vec<VerifiedPackage>, Failure> {
    let mut packages =
        image.verify(chosen, options, control).map_err(|error| refused(call, error))?;
    packages.retain(|package| options.paths.is_empty() || !package.paths.is_empty());
    Ok(packages)
}

/// Looks for what is nobody's.
pub fn not_packaged(
    call: &Call,
    image: &Image,
    control: &Control<'_>,
) -> Result<Unpackaged, Failure> {
    image.unpackaged(control).map_err(|error| refused(call, error))
}

fn refused(call: &Call, error: VerifyError) -> Failure {
    match error {
        VerifyError::Cancelled => call.failed("cancelled"),
        other => call.failed(other),
    }
}

fn print_parsable(findings: &Findings<'_>) -> Result<(), Failure> {
    let mut value = parsable::nothing();
    let bad = findings.packages.iter().filter(|package| package.status() == "ERROR");
    let bad: BTreeSet<String> = bad.map(|package| package.fmri.to_string()).collect();
    let all = findings.packages.iter().flat_map(|package| &package.findings);
    let edited = all.filter(|one| one.is_editable && !one.report.errors.is_empty());
    let edited: Vec<&String> = edited.map(|one| &one.key).collect();
    value.insert("affect-packages".into(), json!(bad));
    if !edited.is_empty() {
        value.insert("change-editables".into(), json!([["updated", edited]]));
    }
    let time = clock::publication()?.package();
    value.insert("item-messages".into(), findings.messages(&time));
    parsable::write(value);
    Ok(())
}
