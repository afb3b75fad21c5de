//! fix.rs - `pkg fix` and `pkg revert`: what packages deliver, put back as they deliver it.
//!
//! A fix leaves alone what may be edited; a revert is for that.

use std::collections::BTreeMap;

use ips_client::Control;
use ips_client::change::{ChangeError, Order, Reverted, Want, carry_out, pending, plan, resolve};
use ips_client::image::{Outcome, VerifyOptions};
use ips_cmd::Failure;
use ips_model::Fmri;

use crate::call::{Call, Given};
use crate::change::{Change, NOTHING, given};
use crate::session::Session;
use crate::verify::report;

/// Repairs installed packages.
pub fn fix(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &["H", "unpackaged"])?;
    Change::of(call, &given, "fix")?;
    restore(call, &given, "fix", Want::Fix(given.operands.clone()))
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
    restore(call, &given, "revert", Want::Revert(want))
}

fn restore(call: &Call, given: &Given, operation: &'static str, want: Want) -> Result<u8, Failure> {
    let mut session = Session::begin(call, operation)?;
    match restored(call, given, &mut session, want) {
        Ok(status) if given.has("n") => Ok(status),
        Ok(status) => {
            let nothing = status == NOTHING;
            session.end(if nothing { Outcome::NOTHING } else { Outcome::SUCCEEDED })?;
            Ok(status)
        }
        Err(failure) => Err(session.fail(Outcome::UNKNOWN, failure)),
    }
}

fn restored(call: &Call, given: &Given, session: &mut Session, want: Want) -> Result<u8, Failure> {
    let failed = |error| call.failed(format!("\n{error}"));
    let (quiet, order) = (given.has("q"), Order::of(want));
    let silent = Control::silent();
    let resolved = resolve(&session.image, &order, &silent);
    if let Err(ChangeError::Signature { fmri, .. }) = &resolved {
        // That cannot be mended here, but it is told as verifying would.
        if !quiet {
            tell_verified(call, given, session, std::slice::from_ref(&**fmri))?;
        }
    }
    let resolved = resolved.map_err(failed)?;
    let planned = plan(&session.image, &resolved).map_err(failed)?;
    let paths = pending(&session.image, &session.lock, &planned, session.start).map_err(failed)?;
    if paths.is_empty() {
        if !quiet {
            println!("No updates necessary for this image.");
        }
        return Ok(NOTHING);
    }
    if !quiet {
        let owners = planned.owners(&paths);
        match &order.want {
            Want::Fix(_) => {
                let of = |fmri: &&Fmri| owners.contains_key(&fmri.stem());
                let broken: Vec<Fmri> = resolved.after.iter().filter(of).cloned().collect();
                tell_verified(call, given, session, &broken)?;
            }
            _ => tell(&owners),
        }
    }
    if given.has("n") {
        return Ok(0);
    }
    let (time, lock) = (session.start, &session.lock);
    carry_out(&mut session.image, lock, &order, &planned, time, &silent).map_err(failed)?;
    Ok(0)
}

/// What verifying would say of packages.
fn tell_verified(
    call: &Call,
    given: &Given,
    session: &Session,
    packages: &[Fmri],
) -> Result<(), Failure> {
    let verified = session.image.verify(packages, &VerifyOptions::default(), &Control::silent());
    let verified = verified.map_err(|error| call.failed(error))?;
    print!("{}", report(&verified, given.has("H"), given.has("v")));
    Ok(())
}

fn tell(by_package: &BTreeMap<String, Vec<String>>) {
    for (package, paths) in by_package {
        println!("{package}");
        for path in paths {
            println!("\t{path}");
        }
    }
}
