//! down.rs - everything of this root stops, and its engine.
//!
//! The end of a root is like that of a host: what was enabled is enabled again at the next `up`.
//! For that the instances are disabled for this boot only, and the boot's stamp is removed once
//! nothing runs: svc.startd takes the next start for a new boot.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::smf::Smf;
use crate::up;
use crate::watch::Process;

/// How long svc.startd may take to leave once nothing runs.
const GRACE: Duration = Duration::from_secs(60);

/// Stops everything; false when nothing ran.
pub fn down(smf: &Smf<'_>) -> Result<bool> {
    if !smf.place.engine().exists() {
        bail!("SMF is the system's: svcadm disable builder/pipeline stops the pipeline");
    }
    let stamp = smf.place.volatile("svc.startd.pid");
    if !up::answers(smf) {
        if !stamp.exists() {
            return Ok(false);
        }
        // It was killed: what it left running is adopted first, then stopped.
        up::start(smf)?;
    }
    let enabled = smf.must("svcs", &["-H", "-o", "fmri"])?.out;
    let methods = smf.run("svcprop", &["-f", "-p", "start/exec", "*"])?.out;
    smf.order(&["disable", "-st"], &with_processes(&enabled, &methods))?;
    let text = std::fs::read_to_string(&stamp).with_context(|| stamp.display().to_string())?;
    let pid: i32 = text.trim().parse().with_context(|| stamp.display().to_string())?;
    if let Some(engine) = Process::open(pid)? {
        engine.terminate()?;
        if !engine.ended(GRACE)? {
            bail!("svc.startd (process {pid}) does not end");
        }
    }
    match std::fs::remove_file(smf.place.volatile("boot")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| smf.place.volatile("boot").display().to_string())
        }
        Ok(()) | Err(_) => Ok(true),
    }
}

/// The enabled instances that start something: a null service has nothing to stop.
fn with_processes(enabled: &str, methods: &str) -> Vec<String> {
    let starts = |fmri: &str| {
        let service = fmri.rsplit_once(':').map_or(fmri, |(service, _)| service);
        methods.lines().any(|line| {
            let Some((entity, rest)) = line.split_once("/:properties/start/exec ") else {
                return false;
            };
            let method = rest.split_once(' ').map_or("", |(_, method)| method);
            (entity == fmri || entity == service) && !matches!(method, ":true" | "")
        })
    };
    enabled.split_whitespace().filter(|fmri| starts(fmri)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_services_are_left_alone() {
        let enabled = "svc:/system/svc/restarter:default\nsvc:/milestone/network:default\n\
                       svc:/application/pkg/server:pkg5\nsvc:/application/merger:default\n";
        let methods = "\
svc:/milestone/network:default/:properties/start/exec astring :true
svc:/application/pkg/server:pkg5/:properties/start/exec astring %{lamplighter/prefix}/x\\ %m
svc:/application/merger/:properties/start/exec astring %{lamplighter/prefix}/y\\ %m
svc:/application/imager/:properties/start/exec astring /z
";
        let found = with_processes(enabled, methods);
        assert_eq!(found, ["svc:/application/pkg/server:pkg5", "svc:/application/merger:default"]);
    }
}
