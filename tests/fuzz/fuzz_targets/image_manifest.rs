//! Image manifests of every form: any text; what is in order is written and read back the same,
//! and its model does not change by that.
#![no_main]

use image_manifest::{Document, Host};
use libfuzzer_sys::fuzz_target;

/// Half of all scripts can be run.
struct Half;

impl Host for Half {
    fn can_run(&self, script: &str) -> bool {
        script.len() % 2 == 0
    }
}

fuzz_target!(|text: &str| {
    let mut opened = 0;
    let document = Document::parse_including(text, &mut |path| {
        assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."));
        opened += 1;
        // What is included is the manifest itself: a circle unless it stops.
        if opened % 3 == 0 { Err("enough".into()) } else { Ok(text.into()) }
    });
    let Ok(document) = document else { return };
    let completed = document.with_defaults("20091210-1200");
    let written = completed.to_xml();
    let again = Document::parse(&written);
    let again = again.unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(again.form(), completed.form(), "{written}");
    assert_eq!(again.to_xml(), written);
    match completed.check(&Half) {
        Ok(checked) => {
            let again = again.with_defaults("another").check(&Half);
            let again = again.unwrap_or_else(|problems| panic!("{problems}\n{written}"));
            assert_eq!(again.image(), checked.image(), "{written}");
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
});
