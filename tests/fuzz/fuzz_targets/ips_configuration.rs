//! `pkg5.repository`: what was read is printed and read back the same; lists of properties.
#![no_main]

use ips_model::configuration::{Configuration, list_members};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = list_members(text);
    let Ok(read) = Configuration::parse(text) else { return };
    let _ = (read.default_publisher(), read.compression());
    for (_, _, value) in read.properties() {
        let _ = list_members(value);
    }
    let again = Configuration::parse(&read.to_string()).expect("what was printed is read");
    assert_eq!(again, read);
});
