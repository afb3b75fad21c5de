//! Dependencies of any manifests, which `%%` parts: what is resolved names no file any more, and
//! resolving it again changes nothing.
#![no_main]

use ips_model::Manifest;
use ips_publish::resolve::{Installed, Subject, pruned, resolve};
use ips_publish::source;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut subjects = Vec::new();
    let mut installed = Vec::new();
    for (at, part) in text.split("%%").take(6).enumerate() {
        let _ = source::without_dependencies(part);
        let (actions, _) = source::actions(part);
        let manifest = Manifest { actions };
        match manifest.fmri() {
            Ok(fmri) if at % 3 == 2 => installed.push(Installed { fmri, manifest }),
            Ok(_) | Err(_) => {
                subjects.push(Subject { path: format!("/{at}"), name: format!("n{at}"), manifest });
            }
        }
    }
    let Ok(resolved) = resolve(&subjects, &installed) else { return };
    assert_eq!(resolved.dependencies.len(), subjects.len());
    for error in &resolved.errors {
        let _ = error.to_string();
    }
    for action in resolved.dependencies.iter().flat_map(|all| pruned(all)) {
        assert!(action.attributes.keys().all(|name| !name.starts_with("pkg.debug.depend.")));
    }
});
