//! The reader of bundles: any text; what was read is written by export and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smf_model::bundle::write::{Contents, Protected, Targets, export};
use smf_model::bundle::{Bundle, Kind, parse};

fn contents(bundle: &Bundle) -> Vec<Contents> {
    let services = bundle.services.iter().map(|service| Contents {
        name: service.name.clone(),
        groups: service.entity.held(),
        instances: service.instances.iter().map(|i| (i.name.clone(), i.held())).collect(),
    });
    services.collect()
}

fuzz_target!(|text: &str| {
    let Ok(bundle) = parse(text) else { return };
    if bundle.kind != Kind::Manifest {
        return;
    }
    for mut service in contents(&bundle) {
        // What others placed here is not exported.
        let own = |group: &smf_model::group::Group| !group.is_true("external");
        service.groups.retain(|_, group| own(group));
        service.instances.values_mut().for_each(|groups| groups.retain(|_, group| own(group)));
        let written = export(&service, &Targets::new(), Protected::Shown).text;
        let again = match parse(&written) {
            Ok(again) => again,
            Err(error) => panic!("{error}\n{written}"),
        };
        assert_eq!(contents(&again), [service], "{written}");
    }
});
