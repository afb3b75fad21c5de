//! pkgmogrify's language: any text is read as a manifest with rules, which are then applied.
#![no_main]

use ips_client::mogrify::{Settings, read, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let settings = Settings {
        macros: vec![("ARCH".into(), "i386".into()), ("LOOP".into(), "$(ARCH)".into())],
        // What is included are files of this machine.
        keep_includes: true,
        ..Settings::default()
    };
    if let Ok(input) = read(&[("fuzz.p5m".into(), text.into())], &settings) {
        let _ = run(&input);
    }
});
