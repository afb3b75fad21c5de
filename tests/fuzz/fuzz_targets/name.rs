//! FMRIs and patterns: any text; a canonical name is its own canonical name and matches itself.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use smf_cmd::operand::{Kind, Wanted, find, matches};
use smf_model::bundle::value::{valid_name, valid_service_name};
use smf_model::fmri;

fuzz_target!(|pair: (String, String)| {
    let (operand, other) = pair;
    if let Some(name) = fmri::canonical(&operand) {
        assert_eq!(fmri::canonical(&name).as_deref(), Some(name.as_str()));
    }
    // Glob against glob: nothing but an answer, and in time.
    let _any = matches(&operand, &other);
    assert!(matches("*", &other));
    let (service, instance) = match other.split_once(':') {
        Some((service, instance)) => (service, instance),
        None => (other.as_str(), "default"),
    };
    if !valid_service_name(service) || !valid_name(instance) {
        return;
    }
    let entities = BTreeMap::from([(format!("svc:/{service}"), vec![instance.to_owned()])]);
    let whole = format!("svc:/{service}:{instance}");
    for wanted in [Wanted::Either, Wanted::ServiceFirst, Wanted::Services] {
        let _any = find(&operand, wanted, &entities);
    }
    if let Ok(found) = find(&whole, Wanted::Either, &entities) {
        assert_eq!((found.kind, found.fmris), (Kind::Exact, vec![whole]));
    }
});
