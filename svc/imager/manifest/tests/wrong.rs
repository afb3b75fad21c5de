//! Manifests with faults: cases/wrong/NAME.xml, and what is said of it in NAME.txt.

// The helpers of a test may fail as the test does.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use image_manifest::{Document, Host, Native};

struct Bare;

impl Host for Bare {
    fn can_run(&self, script: &str) -> bool {
        Native::of_script(script).is_some()
    }
}

fn told(text: &str) -> String {
    match Document::parse(text) {
        Err(error) => error.to_string(),
        Ok(document) => match document.with_defaults("20091210-1200").check(&Bare) {
            Err(problems) => problems.to_string(),
            Ok(_) => "in order".to_owned(),
        },
    }
}

#[test]
fn what_is_wrong_is_told_whole_and_where() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/wrong");
    let mut cases = 0;
    let mut failed = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        cases += 1;
        let told = told(&fs::read_to_string(&path).unwrap()) + "\n";
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        if told != expected {
            failed.push(format!("{}\n{told}", path.display()));
        }
    }
    assert!(cases >= 20, "{cases} cases");
    assert!(failed.is_empty(), "not as expected:\n{}", failed.join("\n"));
}
