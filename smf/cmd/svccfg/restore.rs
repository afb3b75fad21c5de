//! restore.rs - restore: an archive back into the repository.
//!
//! What the archive holds is made what the repository holds: services and instances that are
//! missing are made, groups of the same name are replaced, whether an instance is enabled is taken
//! over.  What the archive does not name stays.  No snapshot is taken but `running`, where no
//! restarter does it: nothing has been delivered.

use std::path::Path;

use smf_model::bundle::{Entity, Kind};
use smf_model::fmri::{canonical, service_of};
use smf_model::group::Groups;
use smf_scf::import::Operation;

use crate::arguments::one;
use crate::files;
use crate::session::{Complaint, Outcome, Session, complain};
use crate::verbs::{ANYWHERE, Verb};

pub const VERBS: &[Verb] = &[Verb {
    name: "restore",
    usage: "restore file",
    about: "Restore the contents of an archive.",
    at: ANYWHERE,
    run: |session, tokens| restore(session, Path::new(one(tokens)?)),
}];

/// What is to be done, and what is refreshed afterwards.
#[derive(Default)]
struct Work {
    made: Vec<String>,
    operations: Vec<Operation>,
    touched: Vec<String>,
}

fn restore(session: &mut Session, path: &Path) -> Outcome {
    let bundle = files::read_stream(path)?;
    if bundle.kind == Kind::Profile {
        return complain(format!("{}: a profile, not an archive", path.display()));
    }
    let mut work = Work::default();
    for service in &bundle.services {
        let fmri = format!("svc:/{}", service.name);
        work.entity(session, &fmri, &service.entity.held())?;
        for instance in &service.instances {
            let name = format!("{fmri}:{}", instance.name);
            work.entity(session, &name, &instance.held())?;
            work.touched.push(name);
        }
    }
    // Where dependencies are placed is known once all entities are.
    for service in &bundle.services {
        work.dependents(session, &service.entity)?;
        for instance in &service.instances {
            work.dependents(session, &instance.entity)?;
        }
    }
    session.commit(work.operations)?;
    let entities = session.repository()?.entities()?;
    work.touched.sort();
    work.touched.dedup();
    for fmri in work.touched {
        let instances = entities.get(&fmri).cloned().unwrap_or_else(|| vec![fmri]);
        for instance in instances {
            session.refresh(&instance)?;
        }
    }
    Ok(())
}

impl Work {
    /// The groups of an entity; none where it has to be made first.
    fn there(&self, session: &mut Session, fmri: &str) -> Result<Option<Groups>, Complaint> {
        if self.made.iter().any(|made| made == fmri) {
            return Ok(Some(Groups::new()));
        }
        let entities = session.repository()?.entities()?;
        let instances = entities.get(service_of(fmri));
        let known = match service_of(fmri) == fmri {
            true => instances.is_some(),
            false => instances.is_some_and(|all| all.iter().any(|instance| instance == fmri)),
        };
        if known { Ok(Some(session.live(fmri)?)) } else { Ok(None) }
    }

    fn make(&mut self, session: &mut Session, fmri: &str) -> Result<Groups, Complaint> {
        if let Some(groups) = self.there(session, fmri)? {
            return Ok(groups);
        }
        if service_of(fmri) != fmri {
            self.make(session, service_of(fmri))?;
        }
        self.operations.push(Operation::Add(fmri.to_owned()));
        self.made.push(fmri.to_owned());
        Ok(Groups::new())
    }

    /// The groups of an entity as the archive has them; general lives on, and comes last.
    fn entity(&mut self, session: &mut Session, fmri: &str, held: &Groups) -> Outcome {
        let live = self.make(session, fmri)?;
        let later = |name: &&String| *name == "general";
        let names = held.keys().filter(|name| !later(name)).chain(held.keys().filter(later));
        for name in names {
            let group = &held[name];
            let (entity, name) = (fmri.to_owned(), name.clone());
            match live.get(&name) {
                Some(there) if there == group => {}
                Some(_) if name == "general" => {
                    for (property, value) in &group.properties {
                        let (entity, name) = (entity.clone(), name.clone());
                        let set = Operation::Set(entity, name, property.clone(), value.clone());
                        self.operations.push(set);
                    }
                }
                Some(_) => {
                    self.operations.push(Operation::RemoveGroup(entity.clone(), name.clone()));
                    self.operations.push(Operation::AddGroup(entity, name, group.clone()));
                }
                None => self.operations.push(Operation::AddGroup(entity, name, group.clone())),
            }
        }
        Ok(())
    }

    /// The dependencies that an entity places on others.
    fn dependents(&mut self, session: &mut Session, entity: &Entity) -> Outcome {
        for dependent in entity.dependents.iter().filter(|dependent| !dependent.delete) {
            let Some(target) = canonical(&dependent.target) else { continue };
            let live = self.make(session, &target)?;
            let group = dependent.group.held();
            let name = dependent.name.clone();
            if live.get(&name) == Some(&group) {
                continue;
            }
            if live.contains_key(&name) {
                self.operations.push(Operation::RemoveGroup(target.clone(), name.clone()));
            }
            self.operations.push(Operation::AddGroup(target.clone(), name, group));
            self.touched.push(target);
        }
        Ok(())
    }
}
