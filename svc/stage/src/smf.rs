//! smf.rs - what a method knows of SMF: its environment, and two commands.
//!
//! Law: SMF is reached through `svcprop` and `svcadm` alone, found in the method's PATH; so one
//! program runs under either engine.

use std::path::PathBuf;
use std::time::Duration;

use process::{Limits, Output, ProcessError, Program};

use crate::properties::Properties;

/// Variables of the engine that its commands need.
const PASSED: [&str; 3] = ["SMF_ROOT", "LIBSCF_DOORPATH", "SMF_ZONENAME"];

/// How long one command may take: the repository may be busy, not gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// What SMF did not do.
#[derive(Debug, thiserror::Error)]
pub enum SmfError {
    /// The program was not started by SMF.
    #[error("SMF_FMRI is not set: this is a method, started by SMF")]
    NotAMethod,
    /// The FMRI names no instance.
    #[error("{0}: not the FMRI of an instance")]
    Fmri(String),
    /// A command could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A command refused.
    #[error("{command}: {complaint}")]
    Refused {
        /// Command and operands.
        command: String,
        /// Its last line.
        complaint: String,
    },
}

/// The instance this process is a method of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smf {
    /// `svc:/application/builder:illumos`
    pub fmri: String,
    /// `application/builder`
    pub service: String,
    /// `illumos`
    pub instance: String,
    /// What the usual paths are below: `/` on illumos.
    pub root: PathBuf,
}

impl Smf {
    /// From `SMF_FMRI` and `SMF_ROOT`.
    ///
    /// # Errors
    /// Not a method, or no instance.
    pub fn of_environment() -> Result<Smf, SmfError> {
        let fmri = std::env::var("SMF_FMRI").map_err(|_| SmfError::NotAMethod)?;
        let root = std::env::var_os("SMF_ROOT").filter(|root| !root.is_empty());
        Smf::of(&fmri, root.map_or_else(|| PathBuf::from("/"), PathBuf::from))
    }

    /// From an FMRI.
    ///
    /// # Errors
    /// It names no instance.
    pub fn of(fmri: &str, root: PathBuf) -> Result<Smf, SmfError> {
        let rest = fmri.strip_prefix("svc:/").and_then(|rest| rest.split_once(':'));
        match rest {
            Some((service, instance)) if !service.is_empty() && !instance.is_empty() => Ok(Smf {
                fmri: fmri.to_owned(),
                service: service.to_owned(),
                instance: instance.to_owned(),
                root,
            }),
            Some(_) | None => Err(SmfError::Fmri(fmri.to_owned())),
        }
    }

    /// The short name people type: `builder:illumos`; without `:default`.
    #[must_use]
    pub fn name(&self) -> String {
        let service = self.service.strip_prefix("application/").unwrap_or(&self.service);
        match self.instance.as_str() {
            "default" => service.to_owned(),
            instance => format!("{service}:{instance}"),
        }
    }

    /// All properties of the running snapshot, in one call.
    ///
    /// # Errors
    /// svcprop does not run or refuses.
    pub fn properties(&self) -> Result<Properties, SmfError> {
        let said = ran("svcprop", &[&self.fmri])?;
        Ok(Properties::parse(&said.text()))
    }

    /// All properties as they were in a snapshot (`start`).
    ///
    /// # Errors
    /// There is no such snapshot, or svcprop does not run.
    pub fn properties_then(&self, snapshot: &str) -> Result<Properties, SmfError> {
        let said = ran("svcprop", &["-s", snapshot, &self.fmri])?;
        Ok(Properties::parse(&said.text()))
    }

    /// Whether the instance is to run: its temporary enabled state, or else the persistent one.
    /// None when nobody can say at the moment.
    #[must_use]
    pub fn is_wanted(&self) -> Option<bool> {
        let said = ran("svcprop", &["-c", &self.fmri]).ok()?;
        let properties = Properties::parse(&said.text());
        let temporary = properties.text("general_ovr/enabled").ok().flatten();
        match temporary.or(properties.text("general/enabled").ok().flatten()) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) | None => None,
        }
    }
}

/// `svcadm` with these words.
///
/// # Errors
/// It does not run, or refuses.
pub fn svcadm(words: &[&str]) -> Result<(), SmfError> {
    ran("svcadm", words).map(drop)
}

/// `svcs` with these words: what it prints.
///
/// # Errors
/// It does not run, or refuses.
pub fn svcs(words: &[&str]) -> Result<String, SmfError> {
    ran("svcs", words).map(|said| said.text())
}

/// Its state, and the one it is on its way to; `none` where there is none.
fn state(fmri: &str) -> Result<(String, String), SmfError> {
    let properties = Properties::parse(&ran("svcprop", &[fmri])?.text());
    let word = |name: &str| properties.text(name).ok().flatten().unwrap_or("none").to_owned();
    Ok((word("restarter/state"), word("restarter/next_state")))
}

/// Whether an instance is online, and to stay; one that is not there is not.
#[must_use]
pub fn is_online(fmri: &str) -> bool {
    state(fmri).is_ok_and(|(state, next)| state == "online" && next == "none")
}

/// Whether an instance has come to rest, disabled.
///
/// # Errors
/// There is no such instance, or svcprop does not run.
pub fn is_out(fmri: &str) -> Result<bool, SmfError> {
    let (state, next) = state(fmri)?;
    // An instance that its restarter has not looked at yet runs nothing.
    Ok(matches!(state.as_str(), "disabled" | "uninitialized" | "none") && next == "none")
}

/// Whether an instance is enabled until the next boot, whatever it is for good; none where nobody
/// said so.
#[must_use]
pub fn switched(fmri: &str) -> Option<bool> {
    let said = ran("svcprop", &["-c", "-p", "general_ovr/enabled", fmri]).ok()?;
    said.text().trim().parse().ok()
}

/// Waits for the next change of an instance's state, at most this long.
///
/// # Errors
/// svcprop does not run.
pub fn wait_for_change(fmri: &str, time: Duration) -> Result<(), SmfError> {
    let words = ["-w", "-p", "restarter/state", fmri];
    let program = Program::new("svcprop").args(words).pass(&PASSED).uncontained();
    program.output(&Limits::of(time))?;
    Ok(())
}

fn ran(command: &str, words: &[&str]) -> Result<Output, SmfError> {
    // Uncontained: they start nothing, and one of them is asked every two seconds.
    let program = Program::new(command).args(words).pass(&PASSED).uncontained();
    let said = program.output(&Limits::of(PATIENCE))?;
    if said.success() {
        return Ok(said);
    }
    let prefix = format!("{command}: ");
    let complaint = said.complaint();
    let complaint = complaint.strip_prefix(&prefix).unwrap_or(&complaint).to_owned();
    Err(SmfError::Refused { command: format!("{command} {}", words.join(" ")), complaint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (fmri, want) in [
            ("svc:/application/builder:illumos", "builder:illumos"),
            ("svc:/application/merger:default", "merger"),
            ("svc:/application/builder/release:default", "builder/release"),
            ("svc:/site/thing:x", "site/thing:x"),
        ] {
            assert_eq!(Smf::of(fmri, "/".into()).unwrap().name(), want);
        }
        for bad in ["", "application/merger:default", "svc:/application/merger", "svc:/a:"] {
            assert!(matches!(Smf::of(bad, "/".into()), Err(SmfError::Fmri(_))), "{bad}");
        }
    }
}
