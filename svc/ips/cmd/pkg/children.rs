//! children.rs - a change of an image on which others hang: whether they can follow, and that they do.
//!
//! Law: nothing is done to the image before every child is known to be able to follow.  What still
//! goes wrong in a child later is told, and ends the call with status 3.

use std::collections::BTreeMap;

use ips_client::change::{Order, Planned, Want, plan, resolve};
use ips_client::image::{Child, Image, LinkedName, Outcome, ParentState};
use ips_cmd::Failure;
use ips_cmd::progress::shown;
use ips_model::Fmri;
use serde_json::{Map, Value, json};

use crate::change::Change;
use crate::linked::{open_child, refused};
use crate::parsable;
use crate::session::Session;

/// A child could not follow although it had looked as if it could.
pub const PARTLY: u8 = 3;

/// What the history of a child calls it.
const OPERATION: &str = "sync-linked";

/// The parent's packages, by name.
type Packages = BTreeMap<String, Fmri>;

/// A child that can follow, locked.
pub struct Follower {
    name: LinkedName,
    session: Session,
    /// What would be done, if it is to be told as JSON.
    plan: Option<Map<String, Value>>,
}

/// What will be installed.
fn after(image: &Image, planned: &Planned<'_>) -> Result<Packages, Failure> {
    let installed = image.installed().map_err(Failure::new)?;
    let mut after: Packages =
        installed.packages().map(|(fmri, _)| (fmri.name.clone(), fmri)).collect();
    for change in &planned.packages {
        match &change.new {
            Some(new) => after.insert(new.name.clone(), new.clone()),
            None => after.remove(change.name()),
        };
    }
    Ok(after)
}

impl Change<'_> {
    /// The children that are to follow what is planned, each checked with all that hangs on it.
    pub fn followers(
        &self,
        image: &Image,
        order: &Order<'_>,
        planned: &Planned<'_>,
    ) -> Result<Vec<Follower>, (Outcome, Failure)> {
        let moves = !planned.packages.is_empty() || !planned.tags.is_empty();
        let ignored = match &order.want {
            Want::Mediators(_) | Want::Fix(_) | Want::Revert(_) => true,
            _ => self.given.has("I"),
        };
        if ignored || !moves {
            return Ok(Vec::new());
        }
        let unknown = |failure| (Outcome::UNKNOWN, failure);
        let children = self.heeded(image).map_err(unknown)?;
        if children.is_empty() {
            return Ok(Vec::new());
        }
        let packages = after(image, planned).map_err(unknown)?;
        children.into_iter().map(|child| self.follower(child, &packages)).collect()
    }

    /// The children without those of `-i`.
    fn heeded(&self, image: &Image) -> Result<Vec<Child>, Failure> {
        let failed = |error| refused(self.call, &error);
        let mut children = image.children().map_err(failed)?;
        children.retain(|child| child.recurse);
        // Those of a child are its own matter: the names are of the image that was meant.
        if !self.below {
            for text in self.given.values("i") {
                let name = LinkedName::parse(text).map_err(failed)?;
                image.child(&name).map_err(failed)?;
                children.retain(|child| child.name != name);
            }
        }
        Ok(children)
    }

    fn follower(&self, child: Child, packages: &Packages) -> Result<Follower, (Outcome, Failure)> {
        let below = Change { below: true, ..*self };
        let Child { name, path, .. } = child;
        let within = |(outcome, mut failure): (Outcome, Failure)| {
            failure.message = format!("\nLinked image '{name}':{}", spaced(&failure.message));
            (outcome, failure)
        };
        let image = open_child(&path).map_err(|error| refused(self.call, &error));
        let session = image.and_then(|image| Session::of(self.call, image, OPERATION));
        let mut session = session.map_err(|failure| within((Outcome::STORAGE, failure)))?;
        let plan = below.can_follow(&mut session, &name, packages).map_err(within)?;
        Ok(Follower { name, session, plan })
    }

    fn can_follow(
        &self,
        session: &mut Session,
        name: &LinkedName,
        packages: &Packages,
    ) -> Result<Option<Map<String, Value>>, (Outcome, Failure)> {
        self.refresh(session)?;
        let refuse = |error| self.refuse(error);
        let order = Order::of(Want::Sync(packages.clone()));
        let resolved = shown(|control| resolve(&session.image, &order, control)).map_err(refuse)?;
        let planned = plan(&session.image, &resolved).map_err(refuse)?;
        self.check_licenses(&planned).map_err(|failure| (Outcome::CONSTRAINED, failure))?;
        let mut followers = self.followers(&session.image, &order, &planned)?;
        if !self.given.has("parsable") {
            return Ok(None);
        }
        let value = parsable::value(&session.image, &order, &planned, &[], session.start);
        let mut value = value.map_err(|failure| (Outcome::UNKNOWN, failure))?;
        value.insert("image-name".to_string(), json!(name.to_string()));
        value.insert("child-images".to_string(), plans(&mut followers));
        Ok(Some(value))
    }

    /// Shows what the children would do.
    pub fn foretell(
        &self,
        followers: Vec<Follower>,
        image: &Image,
        planned: &Planned<'_>,
    ) -> Result<(), Failure> {
        if followers.is_empty() {
            return Ok(());
        }
        let below = Change { below: true, ..*self };
        let packages = after(image, planned)?;
        for Follower { name, session, .. } in followers {
            below.tell(&format!("\nLinked image '{name}' output:"));
            below.run_in(session, Want::Sync(packages.clone()))?;
        }
        Ok(())
    }

    /// Has them follow.
    pub fn follow(&self, followers: Vec<Follower>, image: &Image) -> Result<u8, Failure> {
        if followers.is_empty() {
            return Ok(0);
        }
        let below = Change { below: true, ..*self };
        let state = ParentState::of(image).map_err(|error| refused(self.call, &error))?;
        let mut status = 0;
        for Follower { name, mut session, .. } in followers {
            below.tell(&format!("\nLinked image '{name}' output:"));
            let kept = session.image.keep_parent(&session.lock, &state, session.start);
            let done = match kept.map_err(|error| refused(self.call, &error)) {
                Ok(()) => below.run_in(session, Want::Sync(state.by_name())),
                Err(failure) => Err(session.fail(Outcome::UNKNOWN, failure)),
            };
            match done {
                Ok(PARTLY) => status = PARTLY,
                Ok(_) => {}
                Err(failure) => {
                    failure.tell("pkg");
                    status = PARTLY;
                }
            }
        }
        Ok(status)
    }
}

/// Their plans, for that of the parent.
pub fn plans(followers: &mut [Follower]) -> Value {
    followers.iter_mut().filter_map(|one| one.plan.take()).map(Value::Object).collect()
}

fn spaced(message: &str) -> String {
    let own = message.starts_with('\n');
    if own { message.to_string() } else { format!(" {message}") }
}
