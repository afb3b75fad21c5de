//! template.rs - what the patterns of a repository say about an entity that is in it.

use std::collections::HashMap;

use smf_cmd::operand::{is_instance, service_of};
use smf_cmd::repository::RepositoryError;
use smf_model::bundle::value::PropertyType;
use smf_model::group::{Groups, composed};
use smf_model::template::{Levels, Owner, Templates, builtin, restarter_of};

use crate::session::{Complaint, Session};

/// An entity's groups, and those of whoever has patterns for it.
pub struct Looked {
    service: (String, Groups),
    instance: Option<(String, Groups)>,
    restarter: Option<Owner>,
    global: Option<Owner>,
}

impl Looked {
    /// The levels at which its patterns are looked for.
    pub fn levels(&self) -> Levels<'_> {
        Levels {
            service: (&self.service.0, &self.service.1),
            instance: self.instance.as_ref().map(|(fmri, groups)| (fmri.as_str(), groups)),
            restarter: self.restarter.as_ref(),
            global: self.global.as_ref(),
        }
    }

    /// All patterns that hold for it.
    pub fn templates(&self) -> Templates {
        Templates::of(&self.levels())
    }
}

/// Looks at an entity with these groups of its own and of its service.
pub fn look(
    session: &mut Session,
    entity: &str,
    own: Groups,
    service: Groups,
) -> Result<Looked, Complaint> {
    let restarter = restarter_of(&own, &service).to_owned();
    let restarter = owner(session, &restarter)?;
    let global = owner(session, builtin::GLOBAL)?;
    let service = (service_of(entity).to_owned(), service);
    let instance = is_instance(entity).then(|| (entity.to_owned(), own));
    Ok(Looked { service, instance, restarter, global })
}

/// Looks at an entity as it is configured now.
pub fn look_live(session: &mut Session, entity: &str) -> Result<Looked, Complaint> {
    let service = session.live(service_of(entity))?;
    let own = if is_instance(entity) { session.live(entity)? } else { Groups::new() };
    look(session, entity, own, service)
}

/// An entity that has patterns for others; none when it is not there.
pub fn owner(session: &mut Session, fmri: &str) -> Result<Option<Owner>, Complaint> {
    let repository = session.repository()?;
    let groups = match repository.groups(fmri) {
        Ok(own) => composed(&own, &repository.groups(service_of(fmri))?),
        Err(RepositoryError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Owner::new(fmri, groups)))
}

/// The owners that the bundles of one command ask for, each read once.
#[derive(Default)]
pub struct Owners {
    known: HashMap<String, Option<Owner>>,
}

impl Owners {
    /// Reads those that are not known yet.
    pub fn read(&mut self, session: &mut Session, names: &[String]) -> Result<(), Complaint> {
        for name in names {
            if !self.known.contains_key(name) {
                let owner = owner(session, name)?;
                self.known.insert(name.clone(), owner);
            }
        }
        Ok(())
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<Owner> {
        self.known.get(name).cloned().flatten()
    }

    /// Forgets them: a bundle has changed the repository.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}

/// The type that a pattern gives to a property of a group of this type.
pub fn property_type(
    session: &mut Session,
    entity: &str,
    (group, kind): (&str, &str),
    name: &str,
) -> Result<Option<PropertyType>, Complaint> {
    Ok(look_live(session, entity)?.templates().property_type(group, kind, name))
}
