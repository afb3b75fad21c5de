//! pkgmogrify's language: any text is read as a manifest with rules, which are then applied.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../../svc/ips/cmd/pkgmogrify/apply.rs"]
mod apply;
#[path = "../../../svc/ips/cmd/pkgmogrify/lines.rs"]
mod lines;
#[allow(dead_code)]
#[path = "../../../svc/ips/cmd/pkgmogrify/options.rs"]
mod options;
#[path = "../../../svc/ips/cmd/pkgmogrify/pattern.rs"]
mod pattern;
#[path = "../../../svc/ips/cmd/pkgmogrify/rule.rs"]
mod rule;
#[allow(dead_code)]
#[path = "../../../svc/ips/cmd/pkgmogrify/run.rs"]
mod run;
#[path = "../../../svc/ips/cmd/pkgmogrify/substitute.rs"]
mod substitute;

static PLACE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("fuzz-{}.p5m", std::process::id())));

fuzz_target!(|text: &str| {
    std::fs::write(&*PLACE, text).expect("the temporary directory takes it");
    let options = options::Options {
        macros: vec![("ARCH".into(), "i386".into()), ("LOOP".into(), "$(ARCH)".into())],
        // What is included are other files of this machine.
        keep_includes: true,
        files: vec![PLACE.clone()],
        ..options::Options::default()
    };
    let input = lines::read(&options);
    std::fs::remove_file(&*PLACE).expect("it was written");
    if let Ok(input) = input {
        let _ = run::run(&input);
    }
});
