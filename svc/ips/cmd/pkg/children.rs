//! children.rs - a change of an image on which others hang: whether they can follow, and that they do.
//!
//! Law: nothing is done to the image before every child is known to be able to follow.  A child
//! follows if what it knows of its parent changes, or if it is not as its parent asks, whatever is
//! done to the parent: so the repeat of what was killed half way ends it.  What still goes wrong in
//! a child later is told, and ends the call with status 3.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use ips_client::change::{Order, Planned, Want, plan, resolve};
use ips_client::execute::journal;
use ips_client::image::{Child, Image, LinkedError, LinkedName, Outcome, ParentState};
use ips_cmd::Failure;
use ips_model::Fmri;
use serde_json::{Map, Value, json};

use crate::at_once::{self, Kept, Told, locked};
use crate::change::Change;
use crate::linked::{open_child, refused};
use crate::parsable;
use crate::session::Session;

/// A child could not follow although it had looked as if it could.
pub const PARTLY: u8 = 3;

/// What the history of a child calls it, where it does not do what its parent does.
const OPERATION: &str = "sync-linked";

/// A child that has something to do and can do it, locked.
struct Follower {
    name: LinkedName,
    session: Session,
    /// What is asked of it as of its parent (`-r`); `None`: to follow.
    own: Option<Want>,
    /// What would be done, for people.
    told: String,
    /// The same, if it is to be told as JSON.
    plan: Option<Map<String, Value>>,
}

/// What children that follow have come to.
struct Going {
    done: usize,
    working: Vec<LinkedName>,
}

/// The children of an image in a change of it.
#[derive(Default)]
pub struct Followers {
    /// All that were looked at.
    total: usize,
    working: Vec<Follower>,
}

impl Followers {
    /// Whether none has anything to do.
    pub fn is_idle(&self) -> bool {
        self.working.is_empty()
    }

    /// Their plans, for that of the parent.
    pub fn plans(&mut self) -> Value {
        self.working.iter_mut().filter_map(|one| one.plan.take()).map(Value::Object).collect()
    }
}

/// What the image will be like.
fn after(image: &Image, planned: &Planned<'_>) -> Result<ParentState, Failure> {
    let installed = image.installed().map_err(Failure::new)?;
    let mut after: BTreeMap<String, Fmri> =
        installed.packages().map(|(fmri, _)| (fmri.name.clone(), fmri)).collect();
    for change in &planned.packages {
        match &change.new {
            Some(new) => after.insert(new.name.clone(), new.clone()),
            None => after.remove(change.name()),
        };
    }
    Ok(ParentState::configured(&planned.configuration, after.into_values().collect()))
}

impl Change<'_> {
    /// The children of the image that are to be looked at.
    pub fn heeded(&self, image: &Image) -> Result<Vec<Child>, Failure> {
        let failed = |error| refused(self.call, &error);
        let mut children = image.children().map_err(failed)?;
        children.retain(|child| child.recurse);
        // Those of a child are its own matter: the names are of the image that was meant.
        if self.below {
            return Ok(children);
        }
        for text in self.given.values("i") {
            let name = LinkedName::parse(text).map_err(failed)?;
            image.child(&name).map_err(failed)?;
            children.retain(|child| child.name != name);
        }
        children.retain(|_| !self.given.has("I"));
        Ok(children)
    }

    /// The children that are to do what the image does (`-r`, without `-Z`; with `-z` only those).
    pub fn recursed(&self, image: &Image) -> Result<BTreeSet<LinkedName>, Failure> {
        if self.below || !self.recurses(image) {
            return Ok(BTreeSet::new());
        }
        let children = image.children().map_err(|error| refused(self.call, &error))?;
        let all: BTreeSet<LinkedName> = children.into_iter().map(|child| child.name).collect();
        let named = |option: &str| -> Result<BTreeSet<LinkedName>, Failure> {
            self.given.values(option).map(|text| self.child_of(text, &all)).collect()
        };
        if self.given.has("z") {
            return named("z");
        }
        let without = named("Z")?;
        Ok(all.difference(&without).cloned().collect())
    }

    /// A child by its name, or by that of a zone.
    fn child_of(&self, text: &str, all: &BTreeSet<LinkedName>) -> Result<LinkedName, Failure> {
        let name = LinkedName::parse(text).or_else(|_| LinkedName::parse(&format!("zone:{text}")));
        name.ok()
            .filter(|name| all.contains(name))
            .ok_or_else(|| self.call.usage(format!("invalid linked image or zone name '{text}'.")))
    }

    /// What the children have to do where `asked` is asked of the image, each checked with all that
    /// hangs on it.
    pub fn followers(
        &self,
        image: &Image,
        asked: &Want,
        planned: &Planned<'_>,
    ) -> Result<Followers, (Outcome, Failure)> {
        if !asked.solves() {
            return Ok(Followers::default());
        }
        let unknown = |failure| (Outcome::UNKNOWN, failure);
        let children = self.heeded(image).map_err(unknown)?;
        if children.is_empty() {
            return Ok(Followers::default());
        }
        let recursed = self.recursed(image).map_err(unknown)?;
        let state = after(image, planned).map_err(unknown)?;
        let total = children.len();
        let (unheard, most) = (Kept::default(), self.at_once(image).min(total));
        let change = self.among(most > 1, &unheard);
        let working = at_once::each(
            children,
            most,
            |_| {},
            |child| {
                let own = recursed.contains(&child.name).then(|| asked.clone());
                change.follower(child, &state, own)
            },
        )?;
        Ok(Followers { total, working: working.into_iter().flatten().collect() })
    }

    /// How many children are worked on at once.
    pub fn at_once(&self, image: &Image) -> usize {
        match self.below {
            true => at_once::most_below(image),
            false => at_once::most(self.given, image),
        }
    }

    /// The same for children that are worked on at once: none of several shows how far it is.
    fn among<'b>(&'b self, several: bool, unheard: &'b Kept) -> Change<'b> {
        Change { told: if several { Told::Kept(unheard) } else { self.told }, ..*self }
    }

    fn follower(
        &self,
        child: Child,
        state: &ParentState,
        own: Option<Want>,
    ) -> Result<Option<Follower>, (Outcome, Failure)> {
        let Child { name, path, .. } = child;
        let failed = |error: LinkedError| (Outcome::UNKNOWN, refused(self.call, &error));
        let image = open_child(&path).map_err(|error| {
            let mut failure = Failure::new(format!("{}\n{error}", self.unlinked()));
            failure.status = error.status();
            (Outcome::STORAGE, failure)
        })?;
        let operation = if own.is_some() { self.operation } else { OPERATION };
        let within = |(outcome, failure): (Outcome, Failure)| {
            (outcome, self.of_child(operation, &name, &failure))
        };
        image.check_publishers(state).map_err(|error| within(failed(error)))?;
        let knows = image.knows(state).map_err(|error| within(failed(error)))?;
        if knows && own.is_none() && !journal::is_open(&image) {
            let apart = image.out_of_sync(&state.by_name());
            if apart.map_err(|error| within(failed(error)))?.is_empty() {
                return Ok(None);
            }
        }
        let below = Change { below: true, operation, ..*self };
        let session = Session::of(self.call, image, operation);
        let session = session.map_err(|failure| within((Outcome::LOCKED, failure)))?;
        let mut follower =
            Follower { name: name.clone(), session, own, told: String::new(), plan: None };
        let idle = below.can_follow(&mut follower, state).map_err(within)?;
        Ok(Some(follower).filter(|_| !idle || !knows))
    }

    /// Checks it; whether there is nothing to do to its packages.
    fn can_follow(
        &self,
        follower: &mut Follower,
        state: &ParentState,
    ) -> Result<bool, (Outcome, Failure)> {
        let Follower { name, session, own, .. } = follower;
        self.refresh(session)?;
        let refuse = |error| self.refuse(error);
        let unknown = |failure| (Outcome::UNKNOWN, failure);
        let want = self.wanted_below(&session.image, own.as_ref(), state).map_err(unknown)?;
        let reject = if own.is_some() { self.rejected() } else { Vec::new() };
        let (parent, sources) = (Some(state.by_name()), self.sources().map_err(unknown)?);
        let order = Order {
            reject,
            parent,
            sources: &sources,
            triggers: self.triggers(),
            ..Order::of(want)
        };
        let resolved =
            self.told.shown(|control| resolve(&session.image, &order, control)).map_err(refuse)?;
        let planned = plan(&session.image, &resolved).map_err(refuse)?;
        self.check_licenses(&planned).map_err(|failure| (Outcome::CONSTRAINED, failure))?;
        let mut followers = self.followers(&session.image, &order.want, &planned)?;
        if !planned.is_empty() {
            follower.told = self.summary(session, &planned).map_err(unknown)?;
        }
        if self.given.has("parsable") {
            let value = parsable::value(&session.image, &order, &planned, &[], session.start);
            let mut value = value.map_err(unknown)?;
            value.insert("image-name".to_string(), json!(name.to_string()));
            value.insert("child-images".to_string(), followers.plans());
            follower.plan = Some(value);
        }
        Ok(planned.is_empty() && followers.is_idle())
    }

    /// What a child wants: what was asked of its parent, of the packages that it has; or to follow.
    fn wanted_below(
        &self,
        image: &Image,
        own: Option<&Want>,
        state: &ParentState,
    ) -> Result<Want, Failure> {
        match own {
            Some(want) => present(image, want),
            None => Ok(Want::Sync(state.by_name())),
        }
    }

    /// Shows what the children would do.
    pub fn announce(&self, followers: &Followers) {
        if followers.total == 0 {
            return;
        }
        let idle = followers.total - followers.working.len();
        for (done, follower) in (idle..).zip(&followers.working) {
            let name = std::slice::from_ref(&follower.name);
            self.tell_working("Planning", done, followers.total, name);
            if !follower.told.is_empty() {
                self.tell(&format!("Planning: Linked image '{}' output:", follower.name));
                for line in follower.told.trim_end().lines() {
                    self.tell(&format!("| {line}"));
                }
                self.tell("`");
            }
        }
        self.tell("Planning: Finished processing linked images.");
    }

    fn tell_working(&self, phase: &str, done: usize, total: usize, working: &[LinkedName]) {
        let (width, number) = (total.to_string().len(), working.len());
        let names: Vec<String> = working.iter().map(LinkedName::to_string).collect();
        let names = names.join(" ");
        self.tell(&format!(
            "{phase}: Linked images: {done:width$}/{total} done; {number} working: {names}"
        ));
    }

    /// Has them follow.
    pub fn follow(&self, followers: Followers, image: &Image) -> Result<u8, Failure> {
        let Followers { total, working } = followers;
        if working.is_empty() {
            return Ok(0);
        }
        let state = ParentState::of(image).map_err(|error| refused(self.call, &error))?;
        let going = Mutex::new(Going { done: total - working.len(), working: Vec::new() });
        let (unheard, most) = (Kept::default(), self.at_once(image).min(working.len()));
        let change = self.among(most > 1, &unheard);
        let begin = |one: &Follower| {
            let mut now = locked(&going);
            now.working.push(one.name.clone());
            self.tell_working("Finalize", now.done, total, &now.working);
        };
        let followed = at_once::every(working, most, begin, |one| {
            let name = one.name.clone();
            let followed = change.follow_one(one, &state);
            let mut now = locked(&going);
            now.working.retain(|other| *other != name);
            now.done += 1;
            followed
        });
        let mut status = 0;
        for one in followed {
            match one {
                Ok(PARTLY) => status = PARTLY,
                Ok(_) => {}
                Err(failure) => {
                    failure.tell("pkg");
                    status = PARTLY;
                }
            }
        }
        self.tell("Finalize: Finished processing linked images.");
        Ok(status)
    }

    /// Has one follow.
    fn follow_one(&self, follower: Follower, state: &ParentState) -> Result<u8, Failure> {
        let Follower { name, mut session, own, .. } = follower;
        let operation = if own.is_some() { self.operation } else { OPERATION };
        let below = Change { below: true, own: own.is_some(), operation, ..*self };
        let kept = session.image.keep_parent(&session.lock, state, session.start);
        let wanted = kept
            .map_err(|error| refused(self.call, &error))
            .and_then(|()| below.wanted_below(&session.image, own.as_ref(), state));
        let followed = match wanted {
            Ok(want) => below.run_in(session, want),
            Err(failure) => Err(session.fail(Outcome::UNKNOWN, failure)),
        };
        followed.map_err(|failure| self.of_child(operation, &name, &failure))
    }

    /// What begins the message of whatever goes wrong with a child.
    fn unlinked(&self) -> String {
        format!("{} failed (linked image exception(s)):", self.operation)
    }

    /// What a child failed with, as its parent tells it.
    fn of_child(&self, operation: &str, name: &LinkedName, failure: &Failure) -> Failure {
        let mut told = Failure::new(format!(
            "{}\n\nA '{operation}' operation failed for child '{name}' with an unexpected\n\
             return value of {} and generated the following output:\n{}\n",
            self.unlinked(),
            failure.status,
            failure.text("pkg"),
        ));
        told.status = failure.status;
        told
    }
}

/// What is wanted of the packages that are installed; patterns that mean no package fall away.
pub fn present(image: &Image, want: &Want) -> Result<Want, Failure> {
    let (Want::Update(patterns) | Want::Uninstall(patterns)) = want else {
        return Ok(want.clone());
    };
    let installed = image.installed().map_err(Failure::new)?;
    let all: Vec<Fmri> = installed.packages().map(|(fmri, _)| fmri).collect();
    // What is no pattern is told of later.
    let means = |text: &&String| {
        ips_model::Pattern::parse(text).map_or(true, |pattern| !pattern.select(&all).is_empty())
    };
    let left: Vec<String> = patterns.iter().filter(means).cloned().collect();
    Ok(match want {
        // No pattern at all would mean every package.
        Want::Update(_) if !left.is_empty() || patterns.is_empty() => Want::Update(left),
        _ => Want::Uninstall(left),
    })
}
