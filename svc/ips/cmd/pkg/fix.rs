//! fix.rs - `pkg fix` and `pkg revert`: what packages deliver, put back as they deliver it.
//!
//! A fix leaves alone what may be edited; a revert is for that.

use std::collections::{BTreeMap, BTreeSet};

use ips_client::Control;
use ips_client::change::{
    Order, Planned, Reverted, Want, carry_out, editables, pending, plan, resolve,
};
use ips_client::image::{Image, Outcome, VerifiedPackage, VerifyOptions};
use ips_cmd::Failure;
use ips_model::Timestamp;
use serde_json::{Value, json};

use crate::call::{Call, Given};
use crate::change::{Change, LICENSE, NOTHING, given};
use crate::findings::{Findings, of_package};
use crate::session::Session;
use crate::summary;
use crate::verify::{chosen, looked_at, not_packaged, parsable_version};
use crate::{licenses, parsable};

/// Repairs installed packages.
pub fn fix(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &["H", "unpackaged"])?;
    Change::of(call, &given, "fix")?;
    parsable_version(call, &given)?;
    let order = Order::of(Want::Fix(given.operands.clone()));
    in_session(call, &given, "fix", |session| {
        Fix { call, given: &given, order: &order }.run(session)
    })
}

/// Reverts files.
pub fn revert(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &["tagged*"])?;
    Change::of(call, &given, "revert")?;
    if given.operands.is_empty() {
        return Err(call.usage("at least one file path or tag name required"));
    }
    let operands = given.operands.clone();
    let want = match given.has("tagged") {
        true => Reverted::Tags(operands),
        false => Reverted::Paths(operands),
    };
    let order = Order::of(Want::Revert(want));
    in_session(call, &given, "revert", |session| reverted(call, &given, &order, session))
}

fn in_session(
    call: &Call,
    given: &Given,
    operation: &'static str,
    run: impl FnOnce(&mut Session) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    let mut session = Session::begin(call, operation)?;
    match run(&mut session) {
        Ok(status) if given.has("n") => Ok(status),
        Ok(status) => {
            let nothing = status == NOTHING;
            session.end(if nothing { Outcome::NOTHING } else { Outcome::SUCCEEDED })?;
            Ok(status)
        }
        Err(failure) => Err(session.fail(Outcome::UNKNOWN, failure)),
    }
}

/// A fix that is going on.
struct Fix<'a> {
    call: &'a Call,
    given: &'a Given,
    order: &'a Order<'a>,
}

impl Fix<'_> {
    fn run(&self, session: &mut Session) -> Result<u8, Failure> {
        let (call, given) = (self.call, self.given);
        let failed = |error| call.failed(format!("\n{error}"));
        let parsable = given.has("parsable");
        let silent = Control::silent();
        let image = &session.image;
        let chosen = chosen(call, image, &given.operands)?;
        let options =
            VerifyOptions { editable: given.has("v") || parsable, ..VerifyOptions::default() };
        let packages = looked_at(call, image, &chosen, &options, &silent)?;
        let unpackaged = given.has("unpackaged").then(|| not_packaged(call, image, &silent));
        let unpackaged = unpackaged.transpose()?;
        let mut findings = Findings::of(&packages, &options.paths, image.root());
        findings.unpackaged = unpackaged.as_ref();
        let resolved = resolve(image, self.order, &silent).map_err(failed);
        if resolved.is_err() && !self.is_silent() {
            // What cannot be mended here is told as verifying would.
            print!("{}", findings.told(given.has("H"), given.has("v")));
        }
        let resolved = resolved?;
        let planned = plan(image, &resolved).map_err(failed)?;
        let paths = pending(image, &session.lock, &planned, session.start).map_err(failed)?;
        let mut mended = planned.entries();
        mended.extend(planned.owners(&paths).into_keys());
        if parsable {
            self.print_parsable(session, &planned, &findings, (&paths, &mended))?;
        } else if !given.has("q") {
            self.tell(&findings, &mended);
        }
        if mended.is_empty() {
            return Ok(NOTHING);
        }
        if !parsable {
            let (all, quiet) = (given.has("licenses"), given.has("q"));
            print!("{}", licenses::shown(image, self.order, &planned, all, quiet)?);
        }
        if given.has("n") {
            return Ok(u8::from(findings.are_bad()));
        }
        if !given.has("accept") && licenses::missing(&planned) {
            let mut failure = call.failed("Package licenses have not been accepted.");
            failure.status = LICENSE;
            return Err(failure);
        }
        let (time, lock) = (session.start, &session.lock);
        carry_out(&mut session.image, lock, self.order, &planned, time, &silent).map_err(failed)?;
        Ok(0)
    }

    fn is_silent(&self) -> bool {
        self.given.has("q") || self.given.has("parsable")
    }

    /// What is wrong, and what of it is repaired.
    fn tell(&self, findings: &Findings<'_>, mended: &BTreeSet<String>) {
        let (bare, verbose) = (self.given.has("H"), self.given.has("v"));
        if mended.is_empty() {
            println!("No updates necessary for this image.");
            if !verbose {
                return;
            }
        } else {
            println!("Packages to fix: {}\n", mended.len());
        }
        let mut headed = bare;
        for package in findings.packages {
            let bad = package.status() == "ERROR";
            if !bad && !verbose {
                continue;
            }
            if bad && !self.given.has("n") {
                println!("{} {:50}", self.outcome(package, mended), package.fmri.to_string());
            }
            if !headed {
                println!("{:70} {:>7}", "PACKAGE", "STATUS");
                headed = true;
            }
            print!("{}", of_package(package, verbose));
        }
        if findings.unpackaged.is_some() {
            let none = Findings { packages: &[], absent: Vec::new(), ..*findings };
            let rule = if headed && !bare { "-".repeat(80) + "\n" } else { String::new() };
            print!("{rule}{}", none.told(bare, verbose));
        }
    }

    fn outcome(&self, package: &VerifiedPackage, mended: &BTreeSet<String>) -> &'static str {
        match mended.contains(&package.fmri.stem()) {
            true => "Repairing:",
            false => "Could not repair:",
        }
    }

    fn print_parsable(
        &self,
        session: &Session,
        planned: &Planned<'_>,
        findings: &Findings<'_>,
        (paths, mended): (&[String], &BTreeSet<String>),
    ) -> Result<(), Failure> {
        let affected = findings.packages.iter().map(|package| &package.fmri);
        let affected = affected.filter(|fmri| mended.contains(&fmri.stem()));
        let affected: Vec<String> = affected.map(ToString::to_string).collect();
        let time = session.start;
        let image = &session.image;
        let mut value = parsable::value(image, self.order, planned, &[], time)?;
        value.insert("affect-packages".into(), json!(affected));
        value.insert("change-editables".into(), edited(image, planned, paths, time)?);
        value.insert("item-messages".into(), findings.messages(&time.package()));
        parsable::write(value);
        Ok(())
    }
}

/// Files that may be edited and are put back; only what is not as it should be counts.
fn edited(
    image: &Image,
    planned: &Planned<'_>,
    paths: &[String],
    time: Timestamp,
) -> Result<Value, Failure> {
    let mut edited = editables(image, planned, time).map_err(Failure::new)?;
    for list in [&mut edited.installed, &mut edited.updated] {
        list.retain(|path| paths.contains(path));
    }
    Ok(parsable::of_editables(&edited))
}

fn reverted(
    call: &Call,
    given: &Given,
    order: &Order<'_>,
    session: &mut Session,
) -> Result<u8, Failure> {
    let failed = |error| call.failed(format!("\n{error}"));
    let (quiet, silent) = (given.has("q"), Control::silent());
    let resolved = resolve(&session.image, order, &silent).map_err(failed)?;
    let planned = plan(&session.image, &resolved).map_err(failed)?;
    let paths = pending(&session.image, &session.lock, &planned, session.start).map_err(failed)?;
    let owners = planned.owners(&paths);
    if given.has("parsable") {
        let own = resolved.after.iter().filter(|fmri| owners.contains_key(&fmri.stem()));
        let affected: Vec<String> = own.map(ToString::to_string).collect();
        let (image, time) = (&session.image, session.start);
        let mut value = parsable::value(image, order, &planned, &[], time)?;
        value.insert("affect-packages".into(), json!(affected));
        value.insert("change-editables".into(), edited(image, &planned, &paths, time)?);
        parsable::write(value);
    } else if !quiet && paths.is_empty() {
        println!("No updates necessary for this image.");
    } else if !quiet {
        tell(&owners);
    }
    if paths.is_empty() {
        return Ok(NOTHING);
    }
    if given.has("n") {
        return Ok(0);
    }
    let (time, lock) = (session.start, &session.lock);
    let done = carry_out(&mut session.image, lock, order, &planned, time, &silent);
    let salvaged = done.map_err(failed)?.salvaged;
    if !salvaged.is_empty() && !quiet && !given.has("parsable") {
        println!("{}", summary::salvaged(&salvaged));
    }
    Ok(0)
}

fn tell(by_package: &BTreeMap<String, Vec<String>>) {
    for (package, paths) in by_package {
        println!("{package}");
        for path in paths {
            println!("\t{path}");
        }
    }
}
