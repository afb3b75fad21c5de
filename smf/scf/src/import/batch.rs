//! batch.rs - many bundles at once: one reading of the repository for all of them.
//!
//! Each bundle is still a transaction of its own.  What is decided for one sees what was decided
//! for those before it; whoever carries the plans out and has one refused reads again and plans
//! the rest anew.

use std::collections::BTreeSet;

use smf_model::bundle::{Bundle, Kind};
use smf_model::fmri::service_of;
use smf_model::template::{builtin, restarter_of};

use super::Source;
use super::dependents::{listed, targets};
use super::held::Held;

/// Reads all that planning these bundles looks at.
///
/// # Errors
/// The repository cannot be read.
pub fn read<'a, S: Source>(
    source: &mut S,
    bundles: impl IntoIterator<Item = &'a Bundle> + Clone,
) -> Result<Held, S::Error> {
    let mut held = Held::default();
    let own = bundles.clone().into_iter().flat_map(|bundle| &bundle.services);
    let own = own.map(|service| format!("svc:/{}", service.name));
    learn(source, &mut held, own.collect())?;
    let others = bundles.into_iter().flat_map(|bundle| others(&held, bundle)).collect();
    learn(source, &mut held, others)?;
    Ok(held)
}

fn learn<S: Source>(
    source: &mut S,
    held: &mut Held,
    services: BTreeSet<String>,
) -> Result<(), S::Error> {
    let asked: Vec<_> = services.into_iter().filter(|service| !held.knows(service)).collect();
    if !asked.is_empty() {
        let found = source.found(&asked)?;
        held.learn(&asked, found);
    }
    Ok(())
}

/// The services besides its own that planning a bundle looks at.
fn others(held: &Held, bundle: &Bundle) -> Vec<String> {
    let mut names = Vec::new();
    for service in &bundle.services {
        let fmri = format!("svc:/{}", service.name);
        names.extend(targets(&service.entity));
        names.extend(service.instances.iter().flat_map(|instance| targets(&instance.entity)));
        names.extend(held.groups(&fmri).into_iter().flat_map(listed));
        for instance in held.instances(&fmri) {
            names.extend(held.groups(&instance).into_iter().flat_map(listed));
            for name in ["last-import", "running"] {
                if let Some((own, of_service)) = held.snapshot(&instance, name) {
                    names.extend(listed(own).chain(listed(of_service)));
                }
            }
        }
        if bundle.kind == Kind::Profile {
            // Types that a profile leaves out may be known to templates.
            names.push(service_of(builtin::GLOBAL).to_owned());
            names.extend(restarters(held, &fmri));
        }
    }
    names
}

fn restarters(held: &Held, service: &str) -> Vec<String> {
    let Some(groups) = held.groups(service) else { return Vec::new() };
    let none = super::merge::Groups::new();
    let instances = held.instances(service);
    let own = instances.iter().filter_map(|instance| held.groups(instance));
    let all = own.chain([&none]).map(|own| service_of(restarter_of(own, groups)).to_owned());
    all.collect()
}
