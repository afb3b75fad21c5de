//! view.rs - the groups that svcprop shows of an entity.
//!
//! By default an instance shows its running snapshot, and those groups that are volatile, live.
//! A group that the snapshot has hides what was added to it since.

use smf_cmd::instance::compose;
use smf_cmd::operand::{is_instance, service_of};
use smf_cmd::repository::{Repository, RepositoryError};
use smf_scf::import::merge::Groups;

use crate::options::View;

/// What is shown as a whole, and what -p may pick from.
pub struct Shown {
    pub whole: Groups,
    pub selectable: Groups,
}

/// The groups of an entity in a view; none when the snapshot does not exist.
pub fn groups(
    repository: &mut Repository,
    fmri: &str,
    view: &View,
) -> Result<Option<Shown>, RepositoryError> {
    let own = repository.groups(fmri)?;
    if !is_instance(fmri) || *view == View::Own {
        return Ok(Some(Shown { whole: own.clone(), selectable: own }));
    }
    let live = compose(own, repository.groups(service_of(fmri))?);
    let (name, is_default) = match view {
        View::Composed | View::Own => {
            return Ok(Some(Shown { whole: live.clone(), selectable: live }));
        }
        View::Default => ("running", true),
        View::Snapshot(name) => (name.as_str(), false),
    };
    let Some((instance, service)) = repository.snapshot(fmri, name)? else {
        // An instance that never ran shows what it has.
        let shown = Shown { whole: live.clone(), selectable: live };
        return Ok(is_default.then_some(shown));
    };
    let whole = compose(instance, service);
    let mut selectable = whole.clone();
    for (name, group) in live.into_iter().filter(|(_, group)| group.volatile) {
        selectable.entry(name).or_insert(group);
    }
    // A snapshot that was asked for is shown as it is.
    let whole = if is_default { selectable.clone() } else { whole };
    Ok(Some(Shown { whole, selectable }))
}
