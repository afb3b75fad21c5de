//! Manifests: what was read is printed and read back the same, and every check of publication ends.
#![no_main]

use ips_model::{Manifest, catalog, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(manifest) = Manifest::parse(text) else { return };
    for action in &manifest.actions {
        let _ = check::action(action);
        let _ = (action.payload_hashes(), action.content_hash("file"), action.signature_text());
    }
    let _ = (check::manifest(&manifest), manifest.fmri(), catalog::split(&manifest));
    // pkg5's printing leaves out quotes that these characters need; it is kept byte for byte.
    let lossy = |c: char| (c.is_whitespace() && c != ' ') || c == '\\';
    if text.contains(lossy) && text.replace("\\\n", "").contains(|c| c != '\n' && lossy(c)) {
        return;
    }
    let printed = manifest.to_string();
    match Manifest::parse(&printed) {
        Ok(again) => assert_eq!(again, manifest, "{printed}"),
        Err(error) => panic!("{error}\n{printed}"),
    }
});
