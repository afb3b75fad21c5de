//! attach_linked.rs - `pkg attach-linked`, `detach-linked` and `sync-linked`: links made and taken
//! away, and children brought to what their parents ask.

use std::collections::BTreeMap;

use ips_client::change::Want;
use ips_client::image::{
    Image, Link, LinkedError, LinkedName, Model, Outcome, ParentState, Relink,
};
use ips_cmd::Failure;
use ips_cmd::transport::surroundings;
use ips_model::Fmri;

use crate::at_once::{self, Kept, Told};
use crate::call::{Call, Given};
use crate::change::{Change, NOTHING, given};
use crate::link_properties;
use crate::linked::{open_child, refused, targets};
use crate::session::Session;

const ONLY: [&str; 3] = ["linked-md-only", "no-pkg-updates", "no-parent-sync"];

/// Links an image to this one (`-c`), or this one to another (`-p`).
pub fn attach_linked(call: &Call) -> Result<u8, Failure> {
    let own = ["f*", "c", "p", "allow-relink", "prop-linked=*"];
    let given = given(call, &[&own[..], &ONLY[..]].concat())?;
    let change = Change::of(call, &given, "attach-linked")?;
    call.apart(&given, "p", "c")?;
    if !given.has("c") && !given.has("p") {
        return Err(call.usage("Either '-p' or '-c' must be specified"));
    }
    let asked = link_properties::parse(call, given.values("prop-linked"))?;
    let recurse = link_properties::recurse(call, &asked, given.has("c"))?.unwrap_or(true);
    let [name, path] = given.operands.as_slice() else {
        return Err(call.usage(match given.operands.len() {
            0 => "a linked image name must be specified",
            1 => "a linked image path must be specified",
            _ => "invalid arguments specified",
        }));
    };
    let failed = |error: LinkedError| refused(call, &error);
    let name = LinkedName::parse(name).map_err(failed)?;
    let relink = if given.has("allow-relink") { Relink::Allowed } else { Relink::No };
    let path = Call::absolute(path)?;
    let image = call.image()?;
    if given.has("c") {
        let child = open_child(&path).map_err(failed)?;
        Image::check_link(&image, &child, &name, Model::Push, relink).map_err(failed)?;
        return attach_child(call, &given, &change, (&name, recurse), image, child);
    }
    let parent = Image::open(&path, "pkg").map_err(|error| {
        failed(LinkedError::Parent { path: path.clone(), reason: error.to_string() })
    })?;
    let parent = parent.within(surroundings);
    Image::check_link(&parent, &image, &name, Model::Pull, relink).map_err(failed)?;
    let state = ParentState::of(&parent).map_err(failed)?;
    let session = Session::of(call, image, "attach-linked")?;
    let (parent, model) = (parent.root(), Model::Pull);
    let link = Link { name: &name, model, parent, state: &state, recurse };
    become_child(call, &given, &change, session, &link)
}

fn attach_child(
    call: &Call,
    given: &Given,
    change: &Change<'_>,
    (name, recurse): (&LinkedName, bool),
    image: Image,
    child: Image,
) -> Result<u8, Failure> {
    let failed = |error: LinkedError| refused(call, &error);
    let path = child.root().to_path_buf();
    let mut session = Session::of(call, image, "attach-linked")?;
    let state = ParentState::of(&session.image).map_err(failed)?;
    let below = Session::of(call, child, "attach-linked")?;
    let (parent, model) = (session.image.root(), Model::Push);
    let link = Link { name, model, parent, state: &state, recurse };
    let status = become_child(call, given, change, below, &link)?;
    if !given.has("n") {
        let (time, lock) = (session.start, &session.lock);
        session.image.adopt(lock, name, (&path, recurse), time).map_err(failed)?;
        session.end(Outcome::SUCCEEDED)?;
    }
    Ok(status)
}

/// Checks that the image can be what the parent asks, links it, and brings it there.
fn become_child(
    call: &Call,
    given: &Given,
    change: &Change<'_>,
    mut session: Session,
    link: &Link<'_>,
) -> Result<u8, Failure> {
    let failed = |error: LinkedError| refused(call, &error);
    session.image.check_publishers(link.state).map_err(failed)?;
    let packages = link.state.by_name();
    let only = given.has("linked-md-only") || given.has("no-pkg-updates");
    if given.has("n") {
        return match only {
            true => Ok(0),
            false => done(change.run_in(session, Want::Sync(packages))?),
        };
    }
    if !only {
        change.check(&session, Want::Sync(packages.clone()))?;
    }
    let (time, lock) = (session.start, &session.lock);
    session.image.become_child(lock, link, time).map_err(failed)?;
    if only {
        session.end(Outcome::SUCCEEDED)?;
        return Ok(0);
    }
    done(change.run_in(session, Want::Sync(packages))?)
}

/// That there was nothing to do to the packages is no reason not to have been linked.
fn done(status: u8) -> Result<u8, Failure> {
    Ok(if status == NOTHING { 0 } else { status })
}

/// Takes links away: this image's own, or those of children (`-a`, `-l`).
pub fn detach_linked(call: &Call) -> Result<u8, Failure> {
    let given =
        call.given(&["f*", "n*", "q*", "v*", "a", "l=*", "linked-md-only", "no-pkg-updates"])?;
    call.no_operands(&given)?;
    call.apart(&given, "a", "l")?;
    call.apart(&given, "v", "q")?;
    let failed = |error: LinkedError| refused(call, &error);
    let image = call.image()?;
    if given.has("a") || given.has("l") {
        return detach_children(call, &given, image);
    }
    let link = image.child_link().map_err(failed)?;
    let link = link.ok_or_else(|| failed(LinkedError::NoChild(image.root().to_path_buf())))?;
    if link.model == Model::Push && !given.has("f") {
        return Err(failed(LinkedError::Parents(image.root().to_path_buf())));
    }
    if given.has("n") {
        return Ok(0);
    }
    let mut session = Session::of(call, image, "detach-linked")?;
    session.image.leave_parent(&session.lock, session.start).map_err(failed)?;
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}

fn detach_children(call: &Call, given: &Given, image: Image) -> Result<u8, Failure> {
    let failed = |error: LinkedError| refused(call, &error);
    let children = targets(call, given, &image)?;
    if given.has("n") {
        return Ok(0);
    }
    let mut session = Session::of(call, image, "detach-linked")?;
    for child in children {
        match open_child(&child.path) {
            Ok(other) => {
                let mut below = Session::of(call, other, "detach-linked")?;
                below.image.leave_parent(&below.lock, below.start).map_err(failed)?;
                below.end(Outcome::SUCCEEDED)?;
            }
            // What is gone cannot be told; with -f the parent forgets it.
            Err(_) if given.has("f") => {}
            Err(error) => return Err(session.fail(Outcome::UNKNOWN, failed(error))),
        }
        let (time, lock) = (session.start, &session.lock);
        session.image.forget_child(lock, &child.name, time).map_err(failed)?;
    }
    session.end(Outcome::SUCCEEDED)?;
    Ok(0)
}

/// Brings this image, or children, to what their parents ask.
pub fn sync_linked(call: &Call) -> Result<u8, Failure> {
    let given = given(call, &[&["a", "l=*"][..], &ONLY[..]].concat())?;
    let change = Change::of(call, &given, "sync-linked")?;
    call.no_operands(&given)?;
    call.apart(&given, "a", "l")?;
    let failed = |error: LinkedError| refused(call, &error);
    let image = call.image()?;
    if !given.has("a") && !given.has("l") {
        let state = match given.has("no-parent-sync") {
            true => image.kept_parent_state(),
            false => image.parent_state(),
        };
        let state = state.map_err(failed)?;
        let pulls = image.pulls().map_err(failed)?;
        let session = Session::of(call, image, "sync-linked")?;
        return synced(call, &given, &change, session, &state, pulls);
    }
    let state = ParentState::of(&image).map_err(failed)?;
    let (targets, most) = (targets(call, &given, &image)?, at_once::most(&given, &image));
    let several = most > 1 && targets.len() > 1;
    let all = at_once::every(
        targets,
        most,
        |_| {},
        |child| {
            let kept = Kept::default();
            let told = if several { Told::Kept(&kept) } else { Told::Now };
            let change = Change { told, ..change };
            let opened = open_child(&child.path).map_err(failed);
            let synced = opened
                .and_then(|other| Session::of(call, other, "sync-linked"))
                .and_then(|session| synced(call, &given, &change, session, &state, true));
            (synced, kept.text())
        },
    );
    let mut statuses = Vec::new();
    for (synced, text) in all {
        print!("{text}");
        statuses.push(synced.unwrap_or_else(|failure| {
            failure.tell("pkg");
            failure.status
        }));
    }
    Ok(together(statuses.into_iter()))
}

/// One status for those of several images.
fn together(all: impl Iterator<Item = u8>) -> u8 {
    let all: std::collections::BTreeSet<u8> = all.collect();
    match all.into_iter().collect::<Vec<_>>().as_slice() {
        [] => 0,
        [one] => *one,
        [0, NOTHING] => 0,
        _ => 3,
    }
}

fn synced(
    call: &Call,
    given: &Given,
    change: &Change<'_>,
    mut session: Session,
    state: &ParentState,
    renew: bool,
) -> Result<u8, Failure> {
    let failed = |error: LinkedError| refused(call, &error);
    if renew && !given.has("n") {
        session.image.keep_parent(&session.lock, state, session.start).map_err(failed)?;
    }
    if given.has("linked-md-only") || given.has("no-pkg-updates") {
        if !given.has("n") {
            session.end(Outcome::SUCCEEDED)?;
        }
        return Ok(0);
    }
    let packages: BTreeMap<String, Fmri> = state.by_name();
    change.run_in(session, Want::Sync(packages))
}
