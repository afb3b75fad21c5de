//! answer.rs - what the repository says to each request.

use std::time::Duration;

use smf_scf::protocol::{Choice, Query, Refusal, Request, Response, WAIT_MAX_MS};

use crate::authorization;
use crate::backup::BackupError;
use crate::host::Host;
use crate::repository::{Change, Repository};
use crate::rights::Caller;

/// So many instances or services are read before others get their turn.
const TURN: usize = 256;

pub(crate) fn answer(host: &Host, request: Request, caller: &Caller) -> Result<Response, Refusal> {
    match request {
        Request::Entities => Ok(Response::Entities(host.read(|repository| repository.entities()))),
        Request::Groups(entity) => {
            host.read(|repository| repository.seen_by(caller).groups(&entity)).map(Response::Groups)
        }
        Request::Own(entities, choice) => Ok(own(host, &entities, &choice, caller)),
        Request::Snapshot(instance, name) => host
            .read(|repository| repository.seen_by(caller).snapshot(&instance, &name))
            .map(Response::Snapshot),
        Request::Snapshots(instance) => {
            host.read(|repository| repository.snapshots(&instance)).map(Response::Snapshots)
        }
        Request::Hidden(entity) => host
            .read(|repository| repository.seen_by(caller).hidden(&entity))
            .map(|names| Response::Hidden(names.into_iter().collect())),
        Request::Generation(entity, group) => {
            Ok(Response::Generation(host.read(|repository| repository.generation(&entity, &group))))
        }
        Request::Composed(query) => Ok(composed(host, &query, caller)),
        Request::Table(columns) => {
            Ok(Response::Table(host.read(|repository| repository.seen_by(caller).table(&columns))))
        }
        Request::Found(services) => Ok(found(host, &services, caller)),
        Request::CarryOut(operations) => {
            commit(host, caller, |repository| repository.carry_out(&operations, caller))
        }
        Request::CarryOutUpon(expected, operations) => commit(host, caller, |repository| {
            repository.carry_out_upon(&expected, &operations, caller)
        }),
        Request::Revert(instance, name) => {
            commit(host, caller, |repository| repository.revert(&instance, &name, caller))
        }
        Request::RemoveSnapshot(instance, name) => {
            commit(host, caller, |repository| repository.remove_snapshot(&instance, &name, caller))
        }
        Request::Delete(entity) => {
            commit(host, caller, |repository| repository.delete(&entity, caller))
        }
        Request::Backup(tag) => back_up(host, &tag, caller),
        Request::Mark => Ok(Response::Mark(host.mark())),
        Request::Wait { since, longest_ms } => {
            Ok(Response::Mark(host.wait(since, within(longest_ms))))
        }
        Request::WaitGroup(known, longest_ms) => {
            Ok(Response::Generation(host.wait_group(&known, within(longest_ms))))
        }
    }
}

fn within(longest_ms: u64) -> Duration {
    Duration::from_millis(longest_ms.min(WAIT_MAX_MS))
}

fn composed(host: &Host, query: &Query, caller: &Caller) -> Response {
    let fmris: Vec<String> =
        host.read(|repository| repository.instances(query).into_iter().collect());
    let mut found = Vec::with_capacity(fmris.len());
    for turn in fmris.chunks(TURN) {
        found.extend(host.read(|repository| -> Vec<_> {
            let view = repository.seen_by(caller);
            turn.iter().filter_map(|fmri| view.compose(fmri, query)).collect()
        }));
    }
    Response::Composed(found)
}

fn own(host: &Host, entities: &[String], choice: &Choice, caller: &Caller) -> Response {
    let mut found = Vec::with_capacity(entities.len());
    for turn in entities.chunks(TURN) {
        found.extend(host.read(|repository| -> Vec<_> {
            let view = repository.seen_by(caller);
            let own = |fmri: &String| Some((fmri.clone(), view.own(fmri, choice)?));
            turn.iter().filter_map(own).collect()
        }));
    }
    Response::Own(found)
}

fn found(host: &Host, services: &[String], caller: &Caller) -> Response {
    let mut found = Vec::with_capacity(services.len());
    for turn in services.chunks(TURN) {
        found.extend(host.read(|repository| -> Vec<_> {
            let view = repository.seen_by(caller);
            turn.iter().filter_map(|service| view.found(service)).collect()
        }));
    }
    Response::Found(found)
}

fn commit(
    host: &Host,
    caller: &Caller,
    act: impl FnOnce(&mut Repository) -> Result<Vec<Change>, Refusal>,
) -> Result<Response, Refusal> {
    // Who holds nothing at all need not be let near the lock that everybody else wants.
    if caller.holds_nothing() {
        return Err(Refusal::Denied);
    }
    host.by_client(act).map(|()| Response::Done)
}

fn back_up(host: &Host, tag: &str, caller: &Caller) -> Result<Response, Refusal> {
    if !authorization::may_modify(caller) {
        return Err(Refusal::Denied);
    }
    let made = host.read(|repository| repository.backup(tag)).map_err(|error| match error {
        BackupError::Tag(tag) => Refusal::InvalidName(tag),
        other => Refusal::Failed(with_sources(&other)),
    });
    made.map(|path| Response::Backup(path.map(|path| path.display().to_string())))
}

/// An error and what it came of, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
