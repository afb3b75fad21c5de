//! Files that are looked into for what they need: Python, service bundles, scripts, ELF.  The text
//! is the file; a first line `#PATH` says where it is delivered.
#![no_main]

use ips_model::{Action, Manifest};
use ips_publish::depend::python::imports::imports;
use ips_publish::depend::smf::{Services, parse};
use ips_publish::depend::{Generator, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = imports(&text);
    let mut services = Services::default();
    if let Some(bundle) = parse(bytes) {
        services.add(&bundle, "lib/svc/manifest/site/x.xml");
    }
    for path in ["lib/svc/manifest/site/x.xml", "usr/lib/python3.9/a/b.py", "kernel/drv/amd64/x"] {
        let line = format!("file path={path} mode=0555 owner=root group=bin");
        let action = Action::parse(&line).expect("it is one");
        let manifest = Manifest { actions: vec![action.clone()] };
        let tokens = [("$PLATFORM".to_string(), vec!["i86pc".to_string()])].into();
        let generator = Generator::new(&manifest, &tokens, Vec::new(), &services);
        let mut generator = generator.expect("there are no variants");
        let payload = Payload { action: &action, local: path, proto: "/proto", bytes };
        if generator.file(payload, true).is_ok() {
            for action in generator.finish(false).dependencies {
                let _ = Action::parse(&action.to_string());
            }
        }
    }
});
