//! view.rs - the groups that svcprop shows of an entity.
//!
//! By default an instance shows its running snapshot, and those groups that are volatile, live.  A
//! group that the snapshot has hides what was added to it since.
//!
//! Many instances are asked for at once, and only for what -p names; the snapshot is the repository's
//! business where it is `running`.

use std::collections::HashMap;

use smf_cmd::instance::compose;
use smf_cmd::operand::is_instance;
use smf_cmd::repository::{Repository, RepositoryError};
use smf_scf::import::merge::Groups;
use smf_scf::protocol::{Choice, Composed, Query, Wanted};

use crate::options::View;

/// What is shown as a whole, and what -p may pick from.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    pub whole: Groups,
    pub selectable: Groups,
}

impl Shown {
    fn both(groups: Groups) -> Self {
        Self { whole: groups.clone(), selectable: groups }
    }
}

/// Reads entities in a view.
pub struct Reader<'a> {
    view: &'a View,
    /// Of instances that were asked for together.
    composed: HashMap<String, Composed>,
}

impl<'a> Reader<'a> {
    /// Asks for the instances among these entities; of their groups, for these only, or all.
    pub fn new(
        repository: &mut Repository,
        view: &'a View,
        fmris: &[&str],
        groups: &[&str],
    ) -> Result<Self, RepositoryError> {
        let choice = match groups {
            [] => Choice::Everything,
            some => Choice::These(some.iter().map(|g| Wanted::Group((*g).to_owned())).collect()),
        };
        let instances: Vec<String> =
            fmris.iter().filter(|fmri| is_instance(fmri)).map(|fmri| (*fmri).to_owned()).collect();
        let running = match view {
            View::Default => choice.clone(),
            View::Composed | View::Snapshot(_) => Choice::Nothing,
            // Composition would bring in the service.
            View::Own => return Ok(Self { view, composed: HashMap::new() }),
        };
        let mut composed = HashMap::new();
        if !instances.is_empty() {
            let query = Query { instances: Some(instances), live: choice, running };
            let found = repository.composed(&query)?;
            composed = found.into_iter().map(|one| (one.instance.clone(), one)).collect();
        }
        Ok(Self { view, composed })
    }

    /// The groups of an entity; none when the snapshot does not exist.
    pub fn groups(
        &mut self,
        repository: &mut Repository,
        fmri: &str,
    ) -> Result<Option<Shown>, RepositoryError> {
        if !is_instance(fmri) || *self.view == View::Own {
            return Ok(Some(Shown::both(repository.groups(fmri)?)));
        }
        let Some(found) = self.composed.remove(fmri) else {
            return Err(RepositoryError::NotFound(fmri.to_owned()));
        };
        let whole = match self.view {
            View::Composed | View::Own => return Ok(Some(Shown::both(found.live))),
            View::Default => found.running,
            View::Snapshot(name) => match repository.snapshot(fmri, name)? {
                Some((instance, service)) => compose(instance, service),
                None => return Ok(None),
            },
        };
        let mut selectable = whole.clone();
        for (name, group) in found.live.into_iter().filter(|(_, group)| group.volatile) {
            selectable.entry(name).or_insert(group);
        }
        // A snapshot that was asked for is shown as it is.
        let whole = if *self.view == View::Default { selectable.clone() } else { whole };
        Ok(Some(Shown { whole, selectable }))
    }
}
